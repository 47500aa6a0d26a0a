"""Network ACLs: a new one denies everything, a quota, errors for what is not there; and what an ACL lets through.

moto gives a new ACL no rules at all and asks nobody whether packets pass."""

from __future__ import annotations

import ipaddress
import time
from typing import Any

from moto.ec2.exceptions import EC2ClientError, InvalidNetworkAclIdError
from moto.ec2.models.network_acls import NetworkAcl, NetworkAclBackend
from moto.ec2.models.vpcs import VPCBackend

from ..overrule import overrule
from ..world import world

# AWS's default; `quota` below is what this laboratory grants.
QUOTA = 200
quota = QUOTA

# What a request to an instance and its answer look like.
EPHEMERAL = 40000


def _forget() -> None:
    global quota
    quota = QUOTA


world.beginnings.append(_forget)


@overrule(NetworkAclBackend, "create_network_acl")
def _create(old: Any, self: Any, vpc_id: str, tags: Any = None, default: bool = False) -> NetworkAcl:
    self.get_vpc(vpc_id)
    if not default and sum(acl.vpc_id == vpc_id for acl in self.network_acls.values()) >= quota:
        raise EC2ClientError("NetworkAclLimitExceeded", "The maximum number of network ACLs has been reached.")
    acl = old(self, vpc_id, tags=tags, default=default)
    acl.lab_born = time.monotonic()
    if not default:
        for egress in (True, False):
            self.create_network_acl_entry(
                network_acl_id=acl.id,
                rule_number=32767,
                protocol="-1",
                rule_action="deny",
                egress=egress,
                cidr_block="0.0.0.0/0",
                icmp_code=None,
                icmp_type=None,
                port_range_from=None,
                port_range_to=None,
                ipv6_cidr_block=None,
            )
    return acl


@overrule(NetworkAclBackend, "delete_network_acl")
def _delete(old: Any, self: Any, network_acl_id: str) -> NetworkAcl:
    acl = self.get_network_acl(network_acl_id)
    if acl.default:
        raise EC2ClientError(
            "InvalidParameterValue", f"cannot delete default network ACL {network_acl_id}"
        )
    return old(self, network_acl_id)


@overrule(VPCBackend, "delete_vpc")
def _delete_vpc(old: Any, self: Any, vpc_id: str) -> Any:
    if any(acl.vpc_id == vpc_id and not acl.default for acl in self.network_acls.values()):
        raise EC2ClientError("DependencyViolation", f"The vpc '{vpc_id}' has dependencies and cannot be deleted.")
    vpc = old(self, vpc_id)
    # Its default one goes with it.
    for key in [key for key, acl in self.network_acls.items() if acl.vpc_id == vpc_id]:
        del self.network_acls[key]
    return vpc


@overrule(NetworkAclBackend, "delete_network_acl_entry")
def _delete_entry(old: Any, self: Any, network_acl_id: str, rule_number: int, egress: bool) -> Any:
    acl = self.get_network_acl(network_acl_id)
    if not any(entry.rule_number == rule_number and entry.egress == egress for entry in acl.network_acl_entries):
        direction = "egress" if egress else "ingress"
        raise EC2ClientError(
            "InvalidNetworkAclEntry.NotFound",
            f"The {direction} entry with rule number {rule_number} does not exist in network ACL {network_acl_id}",
        )
    return old(self, network_acl_id, rule_number, egress)


@overrule(NetworkAclBackend, "replace_network_acl_association")
def _associate(_old: Any, self: Any, association_id: str, network_acl_id: str) -> Any:
    from moto.ec2.models.network_acls import NetworkAclAssociation
    from moto.ec2.utils import random_network_acl_subnet_association_id

    holder = next((acl for acl in self.network_acls.values() if association_id in acl._associations), None)
    if holder is None:
        raise EC2ClientError(
            "InvalidAssociationID.NotFound", f"The association ID '{association_id}' does not exist"
        )
    new = self.get_network_acl(network_acl_id)
    if new.vpc_id != holder.vpc_id:
        raise EC2ClientError(
            "InvalidParameterValue", f"The network ACL {network_acl_id} and the subnet belong to different networks"
        )
    subnet = holder._associations.pop(association_id).subnet_id
    association = NetworkAclAssociation(self, random_network_acl_subnet_association_id(), subnet, network_acl_id)
    new._associations[association.id] = association
    for watcher in subnet_watchers:
        watcher(self, subnet)
    return association


@overrule(NetworkAclBackend, "create_network_acl_entry")
def _entry(old: Any, self: Any, network_acl_id: str, *args: Any, **kwargs: Any) -> Any:
    entry = old(self, network_acl_id, *args, **kwargs)
    entry.rule_number, entry.egress = int(entry.rule_number), entry.egress in (True, "true")
    for association in list(self.network_acls[network_acl_id]._associations.values()):
        for watcher in subnet_watchers:
            watcher(self, association.subnet_id)
    return entry


@overrule(NetworkAcl, "get_filter_value")
def _filter(old: Any, self: NetworkAcl, filter_name: str, method_name: str | None = None) -> Any:
    """moto has no filter for an ACL's own id."""
    return self.id if filter_name == "network-acl-id" else old(self, filter_name, method_name)


@overrule(NetworkAclBackend, "describe_network_acls")
def _describe(old: Any, self: Any, network_acl_ids: list[str] | None = None, filters: Any = None) -> list[NetworkAcl]:
    for wanted in network_acl_ids or []:
        if wanted not in self.network_acls:
            raise InvalidNetworkAclIdError(wanted)
    return old(self, network_acl_ids, filters)


# ── what passes ──

# Told (EC2 backend, subnet id) when other rules hold for a subnet.
subnet_watchers: list[Any] = []


def of_subnet(backend: Any, subnet_id: str) -> NetworkAcl | None:
    for acl in backend.network_acls.values():
        if any(association.subnet_id == subnet_id for association in acl._associations.values()):
            return acl
    return None


def allows(acl: NetworkAcl, egress: bool, port: int, peer: str) -> bool:
    """The first rule, by number, that a TCP packet to `port` from or to the address `peer` meets; none denies."""
    for entry in sorted(acl.network_acl_entries, key=lambda entry: entry.rule_number):
        if entry.egress != egress or entry.protocol not in ("-1", "6") or not entry.cidr_block:
            continue
        if ipaddress.ip_address(peer) not in ipaddress.ip_network(entry.cidr_block, strict=False):
            continue
        first, last = entry.port_range_from, entry.port_range_to
        if entry.protocol == "6" and first is not None and not int(first) <= port <= int(last if last is not None else first):
            continue
        return entry.rule_action == "allow"
    return False


def reachable(backend: Any, subnet_id: str | None, port: int) -> bool:
    """Whether a request from elsewhere in the network gets into this subnet and its answer gets out."""
    acl = of_subnet(backend, subnet_id) if subnet_id else None
    if acl is None:
        return True
    vpc = backend.get_vpc(acl.vpc_id)
    peer = str(ipaddress.ip_network(vpc.cidr_block, strict=False).network_address)
    return allows(acl, False, port, peer) and allows(acl, True, EPHEMERAL, peer)
