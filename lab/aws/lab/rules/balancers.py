"""Load balancers and target groups as AWS makes them: attributes and tags of a template are kept, an application balancer
crosses zones.

moto drops the first and turns the second off."""

from __future__ import annotations

from typing import Any

from moto.elbv2 import elbv2_backends
from moto.elbv2.models import ELBv2Backend, FakeLoadBalancer, FakeTargetGroup

from ..overrule import overrule

KEY = "load_balancing.cross_zone.enabled"


@overrule(FakeTargetGroup, "create_from_cloudformation_json")
def _group(old: Any, name: str, template: dict[str, Any], *args: Any, **kwargs: Any) -> FakeTargetGroup:
    group = old(name, template, *args, **kwargs)
    for it in template["Properties"].get("TargetGroupAttributes", []):
        group.attributes[it["Key"]] = it["Value"]
    return group


@overrule(FakeLoadBalancer, "create_from_cloudformation_json")
def _balancer(old: Any, name: str, template: dict[str, Any], account: str, region: str, **kwargs: Any) -> FakeLoadBalancer:
    balancer = old(name, template, account, region, **kwargs)
    elbv2_backends[account][region].tagging_service.tag_resource(balancer.arn, template["Properties"].get("Tags") or [])
    for it in template["Properties"].get("LoadBalancerAttributes", []):
        balancer.attrs[it["Key"]] = it["Value"]
    return balancer


@overrule(ELBv2Backend, "create_load_balancer")
def _create(old: Any, self: ELBv2Backend, *args: Any, **kwargs: Any) -> FakeLoadBalancer:
    balancer = old(self, *args, **kwargs)
    if balancer.type == "application":
        balancer.attrs[KEY] = "true"
    return balancer


@overrule(FakeTargetGroup, "delete", new=True)
def _delete(self: FakeTargetGroup, account: str, region: str) -> None:
    """With its stack; moto leaves it behind."""
    elbv2_backends[account][region].target_groups.pop(self.arn, None)
