"""Eventual consistency: for a while a new resource is not there yet for those who ask, and a changed one is shown as it was.

Only calls of the API see late; the engine knows what there is. What is late: instances and their states, network ACLs, whose subnet an ACL
holds. AWS's groups and load balancers have delays of their own, which the rules play."""

from __future__ import annotations

import time
from typing import Any

from moto.ec2.exceptions import InvalidNetworkAclIdError
from moto.ec2.models.instances import Instance, InstanceBackend, InstanceState
from moto.ec2.models.network_acls import NetworkAcl, NetworkAclBackend

from ..overrule import overrule
from ..rules.instances import CODES
from ..world import world
from .plan import late


def hidden(resource: Any) -> bool:
    """Too young to be seen by this call."""
    if not world.in_call():
        return False
    return time.monotonic() - getattr(resource, "lab_born", 0.0) < late()


# ── instances ──


@overrule(InstanceBackend, "all_reservations")
def _reservations(old: Any, self: Any, filters: Any = None) -> Any:
    found = old(self, filters)
    if world.in_call() and late():
        for reservation in found:
            reservation.instances = [it for it in reservation.instances if not hidden(it)]
        found = [it for it in found if it.instances]
    return found


def seen_state(self: Instance) -> InstanceState:
    """What a Describe call shows: the state before, for as long as the news has not come round."""
    changed = getattr(self, "lab_changed", 0.0)
    if world.in_call() and describes() and time.monotonic() - changed < late():
        before = getattr(self, "lab_before", self._state.name)
        return InstanceState(before, CODES.get(before, 16))
    return self._state


def describes() -> bool:
    call = getattr(world.thread, "call", None)
    return call is not None and call.action.startswith("Describe")


Instance.instance_state = property(seen_state)  # type: ignore[method-assign,assignment]
# moto's filters and answers ask for these.
Instance.state = property(lambda self: seen_state(self).name)  # type: ignore[method-assign,assignment]
Instance.state_code = property(lambda self: seen_state(self).code)  # type: ignore[method-assign,assignment]


# ── network ACLs ──


@overrule(NetworkAclBackend, "get_network_acl")
def _get(old: Any, self: Any, network_acl_id: str) -> NetworkAcl:
    acl = old(self, network_acl_id)
    if hidden(acl) and not getattr(world.thread, "making", False):
        raise InvalidNetworkAclIdError(network_acl_id)
    return acl


@overrule(NetworkAclBackend, "create_network_acl")
def _create(old: Any, self: Any, *args: Any, **kwargs: Any) -> NetworkAcl:
    # Its own first rules see it.
    world.thread.making = True
    try:
        return old(self, *args, **kwargs)
    finally:
        world.thread.making = False


@overrule(NetworkAclBackend, "replace_network_acl_association")
def _associate(old: Any, self: Any, association_id: str, network_acl_id: str) -> Any:
    before = {acl.id: dict(acl._associations) for acl in self.network_acls.values()}
    answer = old(self, association_id, network_acl_id)
    moment = time.monotonic()
    for acl in self.network_acls.values():
        if before.get(acl.id, {}) != acl._associations and moment - getattr(acl, "lab_moved", 0.0) >= late():
            acl.lab_held, acl.lab_moved = before.get(acl.id, {}), moment
    return answer


def seen_associations(self: NetworkAcl) -> Any:
    if world.in_call() and describes() and time.monotonic() - getattr(self, "lab_moved", 0.0) < late():
        return self.lab_held
    return self._associations


NetworkAcl.associations = property(lambda self: list(seen_associations(self).values()))  # type: ignore[method-assign,assignment]


@overrule(NetworkAcl, "get_filter_value")
def _filter(old: Any, self: NetworkAcl, name: str, method: str | None = None) -> Any:
    if name == "association.association-id":
        return [it.id for it in self.associations]
    if name == "association.subnet-id":
        return [it.subnet_id for it in self.associations]
    return old(self, name, method)


@overrule(NetworkAclBackend, "describe_network_acls")
def _describe(old: Any, self: Any, network_acl_ids: list[str] | None = None, filters: Any = None) -> list[NetworkAcl]:
    for wanted in network_acl_ids or []:
        if wanted in self.network_acls and hidden(self.network_acls[wanted]):
            raise InvalidNetworkAclIdError(wanted)
    return [it for it in old(self, network_acl_ids, filters) if not hidden(it)]


# A call that names an instance which is too young is told that there is none.
@overrule(InstanceBackend, "get_instance_by_id")
def _by_id(old: Any, self: Any, instance_id: str) -> Instance | None:
    found = old(self, instance_id)
    return None if found is not None and hidden(found) else found
