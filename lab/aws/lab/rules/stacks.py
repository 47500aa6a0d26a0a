"""CloudFormation: `Fn::GetAZs` means the stack's own region, and its argument may be a reference; a stack with a route table can be deleted.

moto always answers with zones of us-east-1, and leaves route tables behind."""

from __future__ import annotations

from typing import Any

import moto.cloudformation.parsing as parsing
from moto.ec2 import ec2_backends
from moto.ec2.models.route_tables import RouteTable

from ..overrule import overrule


@overrule(parsing, "clean_json")
def _clean(old: Any, value: Any, resources: Any) -> Any:
    if not (isinstance(value, dict) and "Fn::GetAZs" in value):
        return old(value, resources)
    region = old(value["Fn::GetAZs"], resources) or resources["AWS::Region"]
    zones = ec2_backends[resources["AWS::AccountId"]][region].describe_availability_zones()
    return sorted(it.name for it in zones)


@overrule(RouteTable, "delete", new=True)
def _delete(self: RouteTable, account: str, region: str) -> None:
    self._associations.clear()
    ec2_backends[account][region].delete_route_table(self.id)
