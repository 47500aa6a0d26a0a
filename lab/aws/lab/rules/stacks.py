"""CloudFormation: `Fn::GetAZs` means the stack's own region, and its argument may be a reference. moto always answers with us-east-1."""

from __future__ import annotations

from typing import Any

import moto.cloudformation.parsing as parsing
from moto.ec2 import ec2_backends

from ..overrule import overrule


@overrule(parsing, "clean_json")
def _clean(old: Any, value: Any, resources: Any) -> Any:
    if not (isinstance(value, dict) and "Fn::GetAZs" in value):
        return old(value, resources)
    region = old(value["Fn::GetAZs"], resources) or resources["AWS::Region"]
    zones = ec2_backends[resources["AWS::AccountId"]][region].describe_availability_zones()
    return sorted(it.name for it in zones)
