"""The site that is drilled: the template of the examples, deployed through the laboratory's own endpoint, one stack in each region."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

TEMPLATE = Path(__file__).parents[3] / "examples" / "what-time" / "aws" / "site.yaml"
STORES = TEMPLATE.with_name("stores.yaml")
NAMES = TEMPLATE.with_name("names.yaml")
BEANSTALK = TEMPLATE.with_name("beanstalk.yaml")
STACK = "what-time"
# One of images.json, for instances beside the site.
IMAGE = "ami-0a1b2c3d4e5f60709"


def client(service: str, endpoint: str, region: str) -> Any:
    """A client of the laboratory that never reaches AWS and never repeats a call by itself."""
    if not endpoint.startswith("http://127."):
        raise ValueError(f"{endpoint} is not the laboratory's")
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id="laboratory",
        aws_secret_access_key="laboratory",
        config=Config(retries={"total_max_attempts": 1}, read_timeout=120),
    )


def deploy(endpoint: str, region: str, template: Path = TEMPLATE, stack: str = STACK, **parameters: Any) -> dict[str, str]:
    """Creates the stack and waits until all instances serve. Returns the stack's outputs."""
    formation = client("cloudformation", endpoint, region)
    formation.create_stack(
        StackName=stack,
        TemplateBody=template.read_text(),
        Parameters=[{"ParameterKey": key, "ParameterValue": str(value)} for key, value in parameters.items()],
    )
    found = formation.describe_stacks(StackName=stack)["Stacks"][0]
    if found["StackStatus"] != "CREATE_COMPLETE":
        raise RuntimeError(f"the stack {stack} in {region} is {found['StackStatus']}: {found.get('StackStatusReason')}")
    return {it["OutputKey"]: it["OutputValue"] for it in found.get("Outputs", [])}


def deploy_stores(endpoint: str, region: str, outputs: dict[str, str]) -> dict[str, str]:
    """A Multi-AZ database and a cache with a replica, in the network of a site."""
    wanted = {key: outputs[key] for key in ("Network", "Subnets", "Instances")}
    return deploy(endpoint, region, STORES, f"{STACK}-stores", **wanted)


def deploy_names(endpoint: str, first: str, one: dict[str, str], two: dict[str, str]) -> dict[str, str]:
    """One name for two regions, from their stacks' outputs; users go to the first while it is healthy."""
    return deploy(
        endpoint,
        first,
        NAMES,
        f"{STACK}-names",
        First=one["BalancerName"],
        FirstZone=one["BalancerZone"],
        Second=two["BalancerName"],
        SecondZone=two["BalancerZone"],
    )


def wait_until_settled(endpoint: str, seconds: float = 60) -> None:
    """RuntimeError when the groups are not as they should be by then."""
    try:
        with urllib.request.urlopen(f"{endpoint}/lab/settled?within={seconds}", timeout=seconds + 10) as answer:
            answer.read()
    except urllib.error.HTTPError as wrong:
        raise RuntimeError(f"the site did not come up: {json.load(wrong)}") from None


def all_up(endpoint: str, regions: list[str], size: int, stores: bool, beanstalk: bool) -> dict[str, dict[str, str]]:
    """The site in each region, serving, with its stores and environments of Elastic Beanstalk where wanted; with two regions or more, one name for the first two (`names`)."""
    outputs = {region: deploy(endpoint, region, Size=size, Room=size + max(3, size // 2)) for region in regions}
    if len(regions) >= 2:
        outputs["names"] = deploy_names(endpoint, regions[0], outputs[regions[0]], outputs[regions[1]])
    if stores:
        for region in regions:
            outputs[region].update(deploy_stores(endpoint, region, outputs[region]))
    if beanstalk:
        for region in regions:
            deploy(endpoint, region, BEANSTALK, f"{STACK}-beanstalk")
    wait_until_settled(endpoint, 60 + size * len(regions) / 5)
    return outputs
