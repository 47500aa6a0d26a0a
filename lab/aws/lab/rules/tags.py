"""Tags of EC2 are put only on what is there: moto asks for an instance or an ACL, and takes "no" for an answer."""

from __future__ import annotations

from typing import Any

from moto.ec2.models import EC2Backend

from ..overrule import overrule


@overrule(EC2Backend, "do_resources_exist")
def _exist(old: Any, self: EC2Backend, resource_ids: list[str]) -> bool:
    for identity in resource_ids:
        if identity.startswith("i-"):
            self.get_instance(identity)
        elif identity.startswith("acl-"):
            self.get_network_acl(identity)
        elif identity.startswith("subnet-"):
            self.get_subnet(identity)
    return old(self, resource_ids)
