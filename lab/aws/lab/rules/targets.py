"""Target groups: initial, healthy, unhealthy, draining, unused. In moto every target is healthy.

Without real processes an instance answers a health check when it runs, has had time to boot, and its subnet lets packets through. With
them, HAProxy's own checks decide (reality/balancers.py)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from moto.core.base_backend import BackendDict
from moto.elbv2 import elbv2_backends
from moto.elbv2.exceptions import TargetGroupNotFoundError, TargetNotRunning
from moto.elbv2.models import ELBv2Backend, FakeHealthStatus, FakeTargetGroup

from ..overrule import overrule
from ..world import world
from . import acls

REGISTERING = ("Elb.RegistrationInProgress", "Target registration is in progress")
CHECKING = ("Elb.InitialHealthChecking", "Initial health checks in progress")
FAILED = ("Target.Timeout", "Request timed out")
UNUSED = ("Target.NotInUse", "Target group is not configured to receive traffic from the load balancer")
ZONE = ("Target.NotInUse", "Target is in an Availability Zone that is not enabled for the load balancer")
STOPPED = ("Target.InvalidState", "Target is in the stopped state")
TERMINATED = ("Target.InvalidState", "Target is in the terminated state")
LEAVING = ("Target.DeregistrationInProgress", "Target deregistration is in progress")
STRANGER = ("Target.NotRegistered", "Target is not registered to the target group")


class Target:
    """One registered target: what its checks said so far."""

    def __init__(self, identity: str, port: int) -> None:
        self.id = identity
        self.port = port
        self.state = "initial"
        self.reason: tuple[str | None, str | None] = REGISTERING
        self.good = 0
        self.bad = 0
        self.since = time.monotonic()

    def become(self, state: str, reason: tuple[str | None, str | None] = (None, None)) -> None:
        if state != self.state:
            self.since = time.monotonic()
        self.state, self.reason = state, reason


# HAProxy checks: nothing is to be done here.
by_checks_of_others = False
# Told (target group, target id, "registered" | "draining" | "gone").
target_watchers: list[Callable[[FakeTargetGroup, str, str], None]] = []


# What is known of subnets within one round of checks.
Known = dict[tuple[Any, int], bool]


def fails(group: FakeTargetGroup, instance: Any, target: Target, known: Known) -> tuple[str, str] | None:
    """How an instance answers a check: None when it does, else the reason and description of its failure."""
    if instance is None or instance.state != "running":
        return FAILED
    if time.monotonic() - getattr(instance, "lab_changed", 0.0) < world.times.here(world.times.boot):
        return ("Target.FailedHealthChecks", "Health checks failed")
    key = (instance.subnet_id, int(target.port))
    if key not in known:
        known[key] = acls.reachable(group.ec2_backend, *key)
    return None if known[key] else FAILED


def table(group: FakeTargetGroup) -> dict[str, Target]:
    if not hasattr(group, "lab_targets"):
        group.lab_targets, group.lab_draining = {}, {}
    return group.lab_targets


def draining(group: FakeTargetGroup) -> dict[str, Target]:
    table(group)
    return group.lab_draining


def tell(group: FakeTargetGroup, identity: str, what: str) -> None:
    for watcher in target_watchers:
        watcher(group, identity, what)


def delay_of(group: FakeTargetGroup) -> float:
    return float(group.attributes.get("deregistration_delay.timeout_seconds", 300))


def in_use(backend: ELBv2Backend, group: FakeTargetGroup) -> bool:
    """Whether a listener of a load balancer sends anything here."""
    return any(arn in backend.load_balancers for arn in group.load_balancer_arns)


def zones_of(backend: ELBv2Backend, group: FakeTargetGroup) -> set[str]:
    return {
        subnet.availability_zone
        for arn in group.load_balancer_arns
        if arn in backend.load_balancers
        for subnet in backend.load_balancers[arn].subnets
    }


@overrule(FakeTargetGroup, "register")
def _register(_old: Any, self: FakeTargetGroup, targets: list[dict[str, Any]]) -> None:
    for target in targets:
        instance = self.ec2_backend.get_instance_by_id(target["Id"])
        if instance is not None and instance.state != "running":
            raise TargetNotRunning(instance_id=target["Id"])
    for target in targets:
        port = int(target.get("Port") or self.port)
        self.targets[target["Id"]] = {"Id": target["Id"], "Port": port}
        draining(self).pop(target["Id"], None)
        if target["Id"] not in table(self):
            table(self)[target["Id"]] = Target(target["Id"], port)
            tell(self, target["Id"], "registered")


@overrule(FakeTargetGroup, "deregister")
def _deregister(_old: Any, self: FakeTargetGroup, targets: list[dict[str, Any]]) -> None:
    # Of one that is not registered nothing need be said: AWS answers that all is well.
    for target in targets:
        leave(self, target["Id"])


def leave(group: FakeTargetGroup, identity: str) -> None:
    """The target gets nothing new, finishes what it has, and is gone after the group's delay."""
    known = table(group).pop(identity, None)
    group.targets.pop(identity, None)
    if known is None:
        return
    if known.state not in ("healthy", "unhealthy"):
        tell(group, identity, "gone")
        return
    known.become("draining", LEAVING)
    draining(group)[identity] = known
    tell(group, identity, "draining")

    def over() -> None:
        if draining(group).get(identity) is known:
            del draining(group)[identity]
            tell(group, identity, "gone")

    world.after(delay_of(group), over)


@overrule(FakeTargetGroup, "deregister_terminated_instances")
def _ended(_old: Any, self: FakeTargetGroup, instance_ids: list[str]) -> None:
    """Nothing yet: the load balancer takes an instance out once it *is* terminated (see `_watch`)."""


def _watch(instance: Any, _old: str, new: str) -> None:
    if new != "terminated":
        return
    backend = elbv2_backends[instance.owner_id][instance.region_name]
    for group in backend.target_groups.values():
        if table(group).pop(instance.id, None):
            group.targets.pop(instance.id, None)
            tell(group, instance.id, "gone")
        if draining(group).pop(instance.id, None):
            tell(group, instance.id, "gone")


world.watchers.append(_watch)


def all_backends(backends: BackendDict) -> list[Any]:
    """Every account's and region's part that was ever used."""
    return [backend for account in list(backends.values()) for backend in list(account.values())]


def check(group: FakeTargetGroup, target: Target, instance: Any, known: Known) -> None:
    """One health check of one target."""
    failure = fails(group, instance, target, known)
    if failure is None:
        target.good, target.bad = target.good + 1, 0
    else:
        target.good, target.bad = 0, target.bad + 1
    if target.state == "initial":
        # The first good check is enough for a new one.
        if failure is None:
            target.become("healthy")
        elif target.bad >= int(group.unhealthy_threshold_count):
            target.become("unhealthy", failure)
        else:
            target.become("initial", CHECKING)
    elif target.state == "healthy" and target.bad >= int(group.unhealthy_threshold_count):
        target.become("unhealthy", failure or FAILED)
    elif target.state == "unhealthy":
        if target.good >= int(group.healthy_threshold_count):
            target.become("healthy")
        elif failure is not None:
            target.reason = failure


def check_all() -> None:
    """One round: each target group at its own interval."""
    if by_checks_of_others:
        return
    moment = time.monotonic()
    for backend in all_backends(elbv2_backends):
        for group in list(backend.target_groups.values()):
            if moment < getattr(group, "lab_due", 0.0) or not in_use(backend, group):
                continue
            group.lab_due = moment + world.times.here(float(group.health_check_interval_seconds))
            instances = {instance.id: instance for instance in group.ec2_backend.all_instances()} if table(group) else {}
            known: Known = {}
            for target in list(table(group).values()):
                check(group, target, instances.get(target.id), known)


def shown(backend: ELBv2Backend, group: FakeTargetGroup, identity: str, port: Any = None) -> FakeHealthStatus:
    """What DescribeTargetHealth says of it."""
    target = table(group).get(identity)
    state, reason = "unused", STRANGER
    if target is None and identity in draining(group):
        target = draining(group)[identity]
        state, reason = target.state, target.reason  # type: ignore[assignment]
    elif target is not None:
        instance = group.ec2_backend.get_instance_by_id(identity)
        if not in_use(backend, group):
            reason = UNUSED
        elif instance is not None and instance.state in ("stopping", "stopped"):
            reason = STOPPED
        elif instance is not None and instance.state == "terminated":
            reason = TERMINATED
        elif instance is not None and instance.placement.zone not in zones_of(backend, group):
            reason = ZONE
        else:
            state, reason = target.state, target.reason  # type: ignore[assignment]
    shown_port = target.port if target else (port or group.port)
    health_port = str(shown_port) if group.health_check_port == "traffic-port" else group.health_check_port
    return FakeHealthStatus(identity, shown_port, health_port, state, *reason)


def state_of(group: FakeTargetGroup, identity: str) -> str:
    """The bare state, for the rules themselves."""
    target = table(group).get(identity) or draining(group).get(identity)
    return target.state if target else "unused"


@overrule(ELBv2Backend, "describe_target_health")
def _health(_old: Any, self: ELBv2Backend, target_group_arn: str, targets: list[dict[str, Any]]) -> list[FakeHealthStatus]:
    group = self.target_groups.get(target_group_arn)
    if group is None:
        raise TargetGroupNotFoundError()
    if targets:
        return [shown(self, group, target["Id"], target.get("Port")) for target in targets]
    return [shown(self, group, identity) for identity in [*table(group), *draining(group)]]


def _begin() -> None:
    # Finer than the finest interval of a target group, which is five seconds of AWS.
    world.every(lambda: 2.5, check_all)


world.beginnings.append(_begin)
