"""The engine of Auto Scaling groups: health, replacement, growing, shrinking, balance.

Each of the processes Launch, Terminate, HealthCheck, ReplaceUnhealthy and AZRebalance does nothing while suspended."""

from __future__ import annotations

import time

from moto.autoscaling import autoscaling_backends
from moto.autoscaling.models import FakeAutoScalingGroup

from ..world import world
from . import activities, members, targets
from .members import active, counted, launch, misplaced, place, spread, take_out

# As many launches as one turn does: calls wait meanwhile.
AT_ONCE = 25


def judge(group: FakeAutoScalingGroup) -> None:
    """HealthCheck: marks members; acts on none."""
    moment = time.monotonic()
    for member in counted(group):
        if member.lifecycle_state != "InService" or member.health_status != "Healthy":
            continue
        if member.instance.state != "running":
            member.health_status, member.lab_why = "Unhealthy", activities.DEAD
            continue
        grace = world.times.here(float(group.health_check_grace_period or 0))
        if "ELB" not in str(group.health_check_type) or moment - getattr(member, "lab_in_service", 0.0) < grace:
            continue
        for arn in group.target_group_arns:
            target_group = group.autoscaling_backend.elbv2_backend.target_groups.get(arn)
            if target_group is not None and targets.state_of(target_group, member.instance_id) == "unhealthy":
                member.health_status, member.lab_why = "Unhealthy", activities.SICK


def replace(group: FakeAutoScalingGroup) -> None:
    for member in counted(group):
        if member.health_status == "Unhealthy":
            take_out(group, member, activities.cause(getattr(member, "lab_why", activities.SAID)))
            group.lab_replacing = getattr(group, "lab_replacing", 0) + 1


def grow(group: FakeAutoScalingGroup) -> None:
    done = 0
    while (have := len(counted(group))) < (group.desired_capacity or 0):
        if done == AT_ONCE:
            world.soon(lambda: tend(group))
            return
        replacing = getattr(group, "lab_replacing", 0)
        said = getattr(group, "lab_said", "")
        if replacing:
            why = activities.cause(activities.REPLACES)
        else:
            why = "  ".join(it for it in (said, activities.cause(activities.grows(have, group.desired_capacity))) if it)
        if launch(group, why):
            done += 1
            group.lab_replacing = max(0, replacing - 1)
        elif place(group) is None:
            return
    group.lab_replacing, group.lab_said = 0, ""


def shrink(group: FakeAutoScalingGroup) -> None:
    """Out of zones that are not used any more first, then out of the fullest zone the oldest; never a protected one."""
    while (have := len(counted(group))) > (group.desired_capacity or 0):
        strangers = {it.instance_id for it in misplaced(group)}
        per_zone = spread(group)
        free = [it for it in counted(group) if not it.protected_from_scale_in]
        if not free:
            return
        victim = min(
            free,
            key=lambda it: (
                it.instance_id not in strangers,
                -per_zone.get(it.availability_zone, 0),
                getattr(it, "lab_in_service", float("inf")),
            ),
        )
        said = getattr(group, "lab_said", "")
        balanced = getattr(group, "lab_balancing", False)
        reason = activities.left(victim.availability_zone) if victim.instance_id in strangers else activities.shrinks(have, have - 1)
        why = activities.cause(reason) if balanced else "  ".join(it for it in (said, activities.cause(reason)) if it)
        take_out(group, victim, f"{why}  {activities.cause(activities.selected(victim.instance_id))}")
    group.lab_balancing, group.lab_said = False, ""


def balance(group: FakeAutoScalingGroup) -> None:
    """AZRebalance: launches in the emptiest zone before it ends one in the fullest or in a zone that is not used any more.

    One after another, or a tenth of the group at once where that is more."""
    members = counted(group)
    if len(members) != group.desired_capacity or any(it.lifecycle_state == "Pending" for it in members):
        return
    if any(it.health_status != "Healthy" for it in members):
        return
    counts = spread(group)
    refused = getattr(group, "lab_refused", {})
    open_zones = {zone: n for zone, n in counts.items() if refused.get(zone, 0.0) <= time.monotonic()}
    if not open_zones:
        return
    wandering = [it for it in misplaced(group) if not it.protected_from_scale_in]
    uneven = max(counts.values()) - min(open_zones.values()) if counts else 0
    number = len(wandering) or (uneven // 2 if uneven > 1 else 0)
    number = min(number, max(1, (group.desired_capacity or 0) // 10))
    for _ in range(number):
        zones = sorted({it.availability_zone for it in members})
        why = activities.cause(
            activities.unbalanced(zones, [sum(it.availability_zone == zone for it in members) for zone in zones]),
        )
        if launch(group, why):
            group.lab_balancing = True


def tend(group: FakeAutoScalingGroup, look: bool = False) -> None:
    """One turn of the engine for one group. `look`: with its health check."""
    if group.autoscaling_backend.autoscaling_groups.get(group.name) is not group:
        return
    if look and active(group, "HealthCheck"):
        judge(group)
    if active(group, "ReplaceUnhealthy", "Launch", "Terminate"):
        replace(group)
    if active(group, "Launch"):
        grow(group)
    # What was launched to balance serves before another one goes.
    coming = getattr(group, "lab_balancing", False) and any(it.lifecycle_state == "Pending" for it in counted(group))
    if active(group, "Terminate") and not coming:
        shrink(group)
    if look and active(group, "AZRebalance", "Launch", "Terminate"):
        balance(group)


def tend_all() -> None:
    for backend in targets.all_backends(autoscaling_backends):
        for group in list(backend.autoscaling_groups.values()):
            tend(group, look=True)


members.turns.append(tend)
world.beginnings.append(lambda: world.every(lambda: world.times.look, tend_all))
