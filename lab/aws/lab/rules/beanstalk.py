"""Elastic Beanstalk: an environment has a group, with its instances, and a balancer where it is to have one. In moto it is only a name.

Single instance: a group of one. Load balanced: a group behind an application load balancer. Worker: a group without one. All carry the
tags by which AWS marks what belongs to an environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from moto.autoscaling import autoscaling_backends
from moto.core.responses import ActionResult
from moto.ec2 import ec2_backends
from moto.elasticbeanstalk.exceptions import InvalidParameterValueError
from moto.elasticbeanstalk.models import Environment
from moto.elasticbeanstalk.responses import EBResponse
from moto.elbv2 import elbv2_backends
from moto.moto_api._internal import mock_random

from ..overrule import overrule
from ..world import world
from . import members, refresh

# One of images.json.
IMAGE = "ami-0a1b2c3d4e5f60708"


@dataclass
class Wanted:
    """What the options of CreateEnvironment say, with AWS's defaults."""

    low: int
    high: int
    balanced: bool
    instance_type: str
    subnets: list[str]


def read(environment_type: str | None, worker: bool, options: list[dict[str, Any]]) -> Wanted:
    given = {(str(it.get("Namespace")), str(it.get("OptionName"))): str(it.get("Value")) for it in options or []}
    kind = given.get(("aws:elasticbeanstalk:environment", "EnvironmentType"), environment_type or "LoadBalanced")
    single = kind == "SingleInstance"
    low = 1 if single else int(given.get(("aws:autoscaling:asg", "MinSize"), 1))
    high = 1 if single else int(given.get(("aws:autoscaling:asg", "MaxSize"), max(4, low)))
    if low > high:
        raise InvalidParameterValueError(f"MinSize {low} is above MaxSize {high}.")
    subnets = [it for it in given.get(("aws:ec2:vpc", "Subnets"), "").split(",") if it]
    instance_type = given.get(("aws:autoscaling:launchconfiguration", "InstanceType"), "t3.micro")
    return Wanted(low, high, not single and not worker, instance_type, subnets)


def build(environment: Environment, wanted: Wanted, account: str, region: str) -> None:
    """The environment's own resources."""
    ec2, asg, elb = ec2_backends[account][region], autoscaling_backends[account][region], elbv2_backends[account][region]
    environment.environment_id = f"e-{mock_random.get_random_string(10, lower_case=True)}"
    marks = {
        "elasticbeanstalk:environment-id": environment.environment_id,
        "elasticbeanstalk:environment-name": environment.environment_name,
        "Name": environment.environment_name,
        **environment.tags,
    }
    places = wanted.subnets or [it.id for it in ec2.get_default_subnets().values()]
    name = f"awseb-{environment.environment_id}-stack-AWSEBAutoScalingGroup-{mock_random.get_random_string(12)}"
    template = ec2.create_launch_template(
        f"AWSEBEC2LaunchTemplate_{environment.environment_id}", "", {"ImageId": IMAGE, "InstanceType": wanted.instance_type}, {}
    )
    arns: list[str] = []
    if wanted.balanced:
        short = f"awseb-{environment.environment_id[2:]}"
        balancer = elb.create_load_balancer(short, [], places, tags=[{"Key": key, "Value": value} for key, value in marks.items()])
        network = ec2.get_subnet(places[0]).vpc_id
        group = elb.create_target_group(
            f"{short}-t", vpc_id=network, protocol="HTTP", port=80, healthcheck_path="/", healthcheck_interval_seconds=15, target_type="instance"
        )
        elb.create_listener(balancer.arn, "HTTP", "80", "", None, [{"Type": "forward", "TargetGroupArn": group.arn}])
        environment.endpoint_url, arns = balancer.dns_name, [group.arn]
        environment.lab_balancer, environment.lab_target_group = balancer, group
    environment.cname = f"{environment.environment_name}.{region}.elasticbeanstalk.com".lower()
    environment.lab_group = asg.create_auto_scaling_group(
        name=name,
        availability_zones=[],
        desired_capacity=wanted.low,
        max_size=wanted.high,
        min_size=wanted.low,
        launch_config_name="",
        launch_template={"LaunchTemplateId": template.id, "Version": "1"},
        vpc_zone_identifier=",".join(places),
        default_cooldown=None,
        health_check_period=60,
        health_check_type="EC2",
        load_balancers=[],
        target_group_arns=arns,
        placement_group=None,
        termination_policies=[],
        tags=[{"Key": key, "Value": value, "PropagateAtLaunch": True} for key, value in marks.items()],
    )
    environment.status, environment.health, environment.health_status = "Launching", "Grey", "Pending"
    watch(environment)


def watch(environment: Environment) -> None:
    """Ready once its group is as it should be; green while it serves."""
    if environment.status == "Terminated":
        return
    group = environment.lab_group
    whole = members.settled(group) and all(refresh.serves(group, it) for it in group.instance_states)
    if whole:
        environment.status, environment.health, environment.health_status = "Ready", "Green", "Ok"
    elif environment.status == "Ready":
        some = any(refresh.serves(group, it) for it in group.instance_states)
        environment.health, environment.health_status = ("Yellow", "Warning") if some else ("Red", "Severe")
    world.after(world.times.look, lambda: watch(environment))


def end(environment: Environment, account: str, region: str) -> None:
    autoscaling_backends[account][region].delete_auto_scaling_group(environment.lab_group.name)
    if hasattr(environment, "lab_balancer"):
        elb = elbv2_backends[account][region]
        elb.load_balancers.pop(environment.lab_balancer.arn, None)
        elb.target_groups.pop(environment.lab_target_group.arn, None)
    environment.status, environment.health, environment.health_status = "Terminated", "Grey", ""


@overrule(EBResponse, "create_environment")
def _create(old: Any, self: EBResponse) -> ActionResult:
    tier = (self._get_param("Tier.Name") or "WebServer") == "Worker"
    wanted = read(None, tier, self._get_param("OptionSettings", []))
    answer = old(self)
    environment = self.elasticbeanstalk_backend.applications[self._get_param("ApplicationName")].environments[
        self._get_param("EnvironmentName")
    ]
    if tier:
        environment.tier = {"Name": "Worker", "Type": "SQS/HTTP", "Version": "1.0"}
    build(environment, wanted, self.current_account, self.region)
    return answer


def listed(self: EBResponse) -> list[Environment]:
    names, ids = self._get_param("EnvironmentNames", []) or [], self._get_param("EnvironmentIds", []) or []
    application = self._get_param("ApplicationName")
    return [
        it
        for it in self.elasticbeanstalk_backend.describe_environments()
        if (not names or it.environment_name in names)
        and (not ids or it.environment_id in ids)
        and application in (None, it.application_name)
        and it.status != "Terminated"
    ]


@overrule(EBResponse, "describe_environments")
def _describe(_old: Any, self: EBResponse) -> ActionResult:
    return ActionResult({"Environments": listed(self)})


def one(self: EBResponse) -> Environment:
    name, identity = self._get_param("EnvironmentName"), self._get_param("EnvironmentId")
    for it in self.elasticbeanstalk_backend.describe_environments():
        if it.status != "Terminated" and (it.environment_name == name or it.environment_id == identity):
            return it
    raise InvalidParameterValueError(f"No Environment found for EnvironmentName = '{name or identity}'.")


@overrule(EBResponse, "describe_environment_resources", new=True)
def describe_environment_resources(self: EBResponse) -> ActionResult:
    environment = one(self)
    group = environment.lab_group
    found = {
        "EnvironmentName": environment.environment_name,
        "AutoScalingGroups": [{"Name": group.name}],
        "Instances": [{"Id": it.instance_id} for it in members.counted(group)],
        "LaunchConfigurations": [],
        "LaunchTemplates": [{"Id": group.ec2_launch_template.id}],
        "LoadBalancers": [{"Name": environment.lab_balancer.arn}] if hasattr(environment, "lab_balancer") else [],
        "Triggers": [],
        "Queues": [],
    }
    return ActionResult({"EnvironmentResources": found})


@overrule(EBResponse, "terminate_environment", new=True)
def terminate_environment(self: EBResponse) -> ActionResult:
    environment = one(self)
    end(environment, self.current_account, self.region)
    return ActionResult(environment)
