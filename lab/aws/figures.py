"""The figures of the platform `aws`: ending one zone of a fleet of 1,000 instances, and a zone outage with its undo, beside what Chaos Toolkit
with its AWS extensions (chaostoolkit-aws to end the zone, aws-az-failure-chaostoolkit for the outage) needs for the same on the same account.
Started by scripts/aws-figures, which gives it both programs."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

REGION = "eu-west-1"
ZONES = [f"{REGION}{letter}" for letter in "abc"]
FLEET = 1000
IMAGE = "ami-12c6146b"
# What their zone failure asks for on groups and subnets.
OUTAGE = {"Key": "AZ_FAILURE", "Value": "True"}
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "laboratory",
    "AWS_SECRET_ACCESS_KEY": "laboratory",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
}


def client(service: str, endpoint: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id="laboratory",
        aws_secret_access_key="laboratory",
        config=Config(read_timeout=600, retries={"total_max_attempts": 1}),
    )


def ask(endpoint: str, path: str, method: str = "GET") -> Any:
    request = urllib.request.Request(endpoint + path, method=method)
    with urllib.request.urlopen(request, timeout=600) as answer:
        return json.load(answer)


def fleet(endpoint: str) -> str:
    """An Auto Scaling group of a thousand over three zones. Returns its name."""
    ec2, scaling = client("ec2", endpoint), client("autoscaling", endpoint)
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{16 * n}.0/20", AvailabilityZone=zone)["Subnet"]["SubnetId"] for n, zone in enumerate(ZONES)
    ]
    ec2.create_tags(Resources=subnets, Tags=[OUTAGE])
    ec2.create_launch_template(LaunchTemplateName="fleet", LaunchTemplateData={"ImageId": IMAGE, "InstanceType": "t4g.nano"})
    scaling.create_auto_scaling_group(
        AutoScalingGroupName="fleet",
        MinSize=0,
        MaxSize=2 * FLEET,
        DesiredCapacity=FLEET,
        VPCZoneIdentifier=",".join(subnets),
        LaunchTemplate={"LaunchTemplateName": "fleet", "Version": "1"},
        Tags=[
            {"Key": "firedrill:allowed", "Value": "true", "PropagateAtLaunch": True},
            {**OUTAGE, "PropagateAtLaunch": False},
        ],
    )
    ask(endpoint, "/lab/settled?within=590")
    return "fleet"


def measured(command: list[str], folder: Path, endpoint: str, demanded: dict[str, int]) -> dict[str, Any]:
    """What a command costs: CPU seconds, the most memory, wall time, calls by name. It must have made the demanded ones."""
    ask(endpoint, "/lab/calls", "DELETE")
    began = time.monotonic()
    done = subprocess.run(
        ["/usr/bin/env", sys.executable, "-c", WRAP, *command], cwd=folder, env={**os.environ, **ENVIRONMENT, "AWS_ENDPOINT_URL": endpoint}, capture_output=True, text=True
    )
    wall = time.monotonic() - began
    last = done.stdout.rstrip().rsplit("\n", 1)[-1]
    cost = json.loads(last)
    calls = Counter(call["name"] + (" (dry run)" if call["dry_run"] else "") for call in ask(endpoint, "/lab/calls")["calls"])
    # Their program ends with 0 when an action of it has failed: what was to be done must have been called for, too.
    missing = {name: number for name, number in demanded.items() if calls[name] != number}
    if cost["code"] != 0 or missing:
        sys.exit(f"{' '.join(command)} ended with {cost['code']}, not called for: {missing or 'nothing'}:\n{done.stdout}\n{done.stderr}")
    return {"cpu": cost["cpu"], "memory": cost["memory"], "wall": wall, "calls": calls, "code": cost["code"]}


class Site(BaseHTTPRequestHandler):
    """What users ask, and so what the experiment probes: it is another server than AWS's own, and does not answer as late as moto."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


def site() -> str:
    """Starts it. Returns its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


# The command as the only child, so that its own costs are seen and nothing else.
WRAP = """
import json, resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=sys.stderr).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({"code": code, "cpu": used.ru_utime + used.ru_stime, "memory": used.ru_maxrss / 1024}))
"""

# What ends a zone, and what cuts it off and undoes that: once there and once back.
END = {"ec2:TerminateInstances": 1}
OUTAGE_AND_BACK = {
    "autoscaling:UpdateAutoScalingGroup": 2,
    "ec2:CreateNetworkAcl": 1,
    "ec2:ReplaceNetworkAclAssociation": 2,
    "ec2:DeleteNetworkAcl": 1,
}

EXPERIMENT = """
title: {title}
probes:
  site: {{ http: "{users}", rate: 5/s, timeout: 5s }}
steady-state:
  - {{ probe: site, availability: ">= 10%" }}
warm-up: 0s
baseline: 2s
recovery: {{ hold: 1s, limit: 5s }}
guardrails: {{ max-affected: {{ service: 50% }} }}
method:
{method}
"""


def firedrill(program: Path, folder: Path, endpoint: str, users: str, title: str, method: str, demanded: dict[str, int]) -> dict[str, Any]:
    (folder / "firedrill.yaml").write_text(
        f'environments:\n  here:\n    platform: {{ aws: {{ region: {REGION}, endpoint: "{endpoint}", groups: fleet }} }}\n'
    )
    (folder / "experiment.yaml").write_text(EXPERIMENT.format(title=title, users=users, method=method))
    os.environ["FIREDRILL_STATE_DIR"] = str(folder / "state")
    return measured([str(program), "run", "experiment.yaml", "--yes"], folder, endpoint, demanded)


def chaos(
    program: Path, folder: Path, endpoint: str, method: list[dict[str, Any]], rollbacks: list[dict[str, Any]], demanded: dict[str, int]
) -> dict[str, Any]:
    experiment = {
        "title": "the same",
        "description": "the same",
        "configuration": {"aws_region": REGION},
        "method": method,
        "rollbacks": rollbacks,
    }
    (folder / "experiment.json").write_text(json.dumps(experiment))
    return measured([str(program), "run", "--rollback-strategy", "always", "experiment.json"], folder, endpoint, demanded)


def action(module: str, func: str, **arguments: Any) -> dict[str, Any]:
    return {"type": "action", "name": func, "provider": {"type": "python", "module": module, "func": func, "arguments": arguments}}


def show(title: str, ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    print(f"\n{title}")
    print(f"  {'':34} {'firedrill':>12} {'chaostoolkit':>12}")
    rows = [("CPU seconds", "cpu", "{:.3f}"), ("memory, MB", "memory", "{:.0f}"), ("wall time, s", "wall", "{:.1f}")]
    for name, key, form in rows:
        print(f"  {name:34} {form.format(ours[key]):>12} {form.format(theirs[key]):>12}")
    for name in sorted({*ours["calls"], *theirs["calls"]}):
        print(f"  {name:46} {ours['calls'].get(name, 0):>6} {theirs['calls'].get(name, 0):>6}")
    met = ours["cpu"] <= theirs["cpu"] / 5 and ours["memory"] <= theirs["memory"] / 2
    print(f"  bar: at most a fifth of its CPU and half of its memory: {'met' if met else 'MISSED'}")
    return met


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("endpoint")
    parser.add_argument("firedrill", type=Path)
    parser.add_argument("chaos", type=Path)
    options = parser.parse_args()
    endpoint = options.endpoint
    print(f"a fleet of {FLEET} instances in three zones …", flush=True)
    fleet(endpoint)
    users = site()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        theirs = chaos(
            options.chaos,
            folder,
            endpoint,
            [action("chaosaws.ec2.actions", "terminate_instances", az=ZONES[0], filters=[{"Name": "tag:aws:autoscaling:groupName", "Values": ["fleet"]}])],
            [],
            END,
        )
        ask(endpoint, "/lab/settled?within=590")
        ours = firedrill(
            options.firedrill, folder, endpoint, users, "A zone ends", f"  - kill: {{ zone: {ZONES[0]}, take: all }}\n    hold: 1s", END
        )
        met = show("Ending one zone: 333 of 1,000 instances", ours, theirs)
        ask(endpoint, "/lab/settled?within=590")
        theirs = chaos(
            options.chaos,
            folder,
            endpoint,
            [action(f"azchaosaws.{what}.actions", "fail_az", az=ZONES[1], dry_run=False) for what in ("asg", "ec2")],
            [action(f"azchaosaws.{what}.actions", "recover_az") for what in ("ec2", "asg")],
            OUTAGE_AND_BACK,
        )
        ask(endpoint, "/lab/settled?within=590")
        outage = f"  - zone-outage: {{ zone: {ZONES[1]}, mechanism: blackhole }}\n    hold: 1s"
        ours = firedrill(options.firedrill, folder, endpoint, users, "A zone outage", outage, OUTAGE_AND_BACK)
        met = show("A zone outage with its undo: the group's subnets and a network ACL", ours, theirs) and met
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
