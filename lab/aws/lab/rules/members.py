"""The members of an Auto Scaling group: who counts, where the next one goes, how one comes in and how one goes out."""

from __future__ import annotations

import time
from typing import Any

from moto.autoscaling.models import ASG_NAME_TAG, FakeAutoScalingGroup, InstanceState

from ..world import world
from . import activities, errors, instances, targets

# Zones in which EC2 has nothing to give: asked with (group, zone).
refusals: list[Any] = []
# The engine (engine.py): a group is to have a turn.
turns: list[Any] = []


def turn(group: FakeAutoScalingGroup) -> None:
    for it in turns:
        it(group)


def active(group: FakeAutoScalingGroup, *processes: str) -> bool:
    """None of them is suspended."""
    return not set(processes) & set(group._suspended_processes)


def counted(group: FakeAutoScalingGroup) -> list[InstanceState]:
    """The members that count towards the desired capacity."""
    return [it for it in group.instance_states if it.lifecycle_state in ("Pending", "InService")]


def subnets(group: FakeAutoScalingGroup) -> list[tuple[str, str | None]]:
    """(zone, subnet) of all places where it may launch; without subnets of its own, the zones' default ones."""
    if not group.vpc_zone_identifier:
        return [(zone, None) for zone in group.availability_zones]
    ids = group.vpc_zone_identifier.split(",")
    known = {it.id: it for it in group.ec2_backend.describe_subnets(subnet_ids=ids)}
    return [(known[it].availability_zone, it) for it in ids if it in known]


def spread(group: FakeAutoScalingGroup) -> dict[str, int]:
    """Members per enabled zone."""
    counts = {zone: 0 for zone, _ in subnets(group)}
    for member in counted(group):
        if member.availability_zone in counts:
            counts[member.availability_zone] += 1
    return counts


def misplaced(group: FakeAutoScalingGroup) -> list[InstanceState]:
    """Members where the group may not launch any more."""
    places = subnets(group)
    zones, ids = {zone for zone, _ in places}, {subnet for _, subnet in places if subnet}
    return [
        it
        for it in counted(group)
        if it.availability_zone not in zones or (ids and it.instance.subnet_id not in ids)
    ]


# ── in and out ──


def place(group: FakeAutoScalingGroup) -> tuple[str, str | None] | None:
    """Where the next launch goes: the zone with the fewest members, and there the subnet with the fewest. None: nowhere now."""
    refused = getattr(group, "lab_refused", {})
    moment = time.monotonic()
    choices = [it for it in subnets(group) if refused.get(it[0], 0.0) <= moment]
    if not choices:
        return None
    zones = spread(group)
    inside: dict[str | None, int] = {}
    for member in counted(group):
        inside[member.instance.subnet_id] = inside.get(member.instance.subnet_id, 0) + 1
    return min(choices, key=lambda it: (zones[it[0]], inside.get(it[1], 0)))


def launch(group: FakeAutoScalingGroup, why: str) -> bool:
    """One launch. False: there was no place, or EC2 refused; the group tries elsewhere at once and there again later."""
    where = place(group)
    if where is None:
        return False
    zone, subnet = where
    why_not = refusal(group, zone, subnet)
    if why_not:
        failed = activities.begin(group, "Launching a new EC2 instance", why, zone, subnet)
        activities.fail(failed, why_not)
        group.lab_refused = {**getattr(group, "lab_refused", {}), zone: time.monotonic() + world.times.here(world.times.retry)}
        world.after(world.times.retry, lambda: turn(group))
        return False
    instance = start_one(group, zone, subnet)
    member = InstanceState(
        instance,
        lifecycle_state="Pending",
        protected_from_scale_in=group.new_instances_protected_from_scale_in,
    )
    member.lab_activity = activities.begin(group, activities.launching(instance.id), why, zone, instance.subnet_id, "PreInService")
    group.instance_states.append(member)
    return True


def refusal(group: FakeAutoScalingGroup, zone: str, subnet: str | None) -> str:
    """Why EC2 launches nothing there; empty when it does."""
    if any(refuses(group, zone) for refuses in refusals):
        return errors.no_capacity(group.instance_type, zone, [it for it, _ in subnets(group) if it != zone])
    if subnet and instances.free_addresses(group.ec2_backend.get_subnet(subnet)) < 1:
        return errors.no_address(subnet)
    return ""


def start_one(group: FakeAutoScalingGroup, zone: str, subnet: str | None) -> Any:
    """The instance alone, in a reservation of its own."""
    tags = {**group.get_propagated_tags(), ASG_NAME_TAG: group.name, **group.instance_tags}
    template = None
    if group.ec2_launch_template:
        template = {"LaunchTemplateId": group.ec2_launch_template.id, "Version": group.launch_template_version}
    reservation = group.ec2_backend.run_instances(
        group.image_id,
        1,
        group.user_data,
        group.security_groups,
        instance_type=group.instance_type,
        tags={"instance": tags},
        placement=zone,
        launch_config=group.launch_config,
        launch_template=template,
        is_instance_type_default=False,
        associate_public_ip=group.launch_config.associate_public_ip_address if group.launch_config else None,
        subnet_id=subnet,
    )
    instance = reservation.instances[0]
    if group.ec2_launch_template:
        version = group.ec2_launch_template.get_version(group.launch_template_version)
        instance.disable_api_termination = bool(version.data.get("DisableApiTermination", False))
    instance.autoscaling_group = group
    return instance


def enter_service(group: FakeAutoScalingGroup, member: InstanceState) -> None:
    member.lifecycle_state = "InService"
    member.lab_in_service = time.monotonic()
    activities.end(getattr(member, "lab_activity", None))
    if active(group, "AddToLoadBalancer"):
        register(group, member)


def register(group: FakeAutoScalingGroup, member: InstanceState) -> None:
    """With all target groups of the group."""
    for arn in group.target_group_arns:
        target_group = group.autoscaling_backend.elbv2_backend.target_groups.get(arn)
        if target_group is not None and member.instance.state == "running":
            target_group.register([{"Id": member.instance_id}])


def draining_time(group: FakeAutoScalingGroup, member: InstanceState) -> float:
    """Takes the member out of its target groups; seconds of AWS until its last requests are answered."""
    longest = 0.0
    for arn in group.target_group_arns:
        target_group = group.autoscaling_backend.elbv2_backend.target_groups.get(arn)
        if target_group is None:
            continue
        # What is dead or hangs has nothing to finish.
        if targets.state_of(target_group, member.instance_id) == "healthy" and member.instance.state == "running":
            longest = max(longest, targets.delay_of(target_group))
        targets.leave(target_group, member.instance_id)
    return longest


def take_out(group: FakeAutoScalingGroup, member: InstanceState, why: str) -> dict[str, Any]:
    """Terminates a member: out of the balancer, drained, ended, and then no member any more."""
    if member.lifecycle_state == "Terminating":
        return member.lab_activity  # type: ignore[attr-defined]
    activities.end(getattr(member, "lab_activity", None))
    member.lifecycle_state = "Terminating"
    activity = activities.begin(
        group, activities.terminating(member.instance_id), why, member.availability_zone, member.instance.subnet_id
    )
    member.lab_activity = activity
    wait = draining_time(group, member)
    if wait:
        activity["StatusCode"] = "WaitingForELBConnectionDraining"

    def finish() -> None:
        activity["StatusCode"] = "InProgress"
        if member.instance.state == "terminated":
            over(member.instance)
        else:
            # Protection against termination holds against callers, not against the group.
            instances.terminate(member.instance)

    if wait:
        world.after(wait, finish)
    else:
        finish()
    return activity


def over(instance: Any) -> None:
    """A terminated instance that its group had taken out is no member any more."""
    group = getattr(instance, "autoscaling_group", None)
    if group is None:
        return
    for member in list(group.instance_states):
        if member.instance is instance and member.lifecycle_state == "Terminating":
            activities.end(member.lab_activity)
            group.instance_states.remove(member)


def settled(group: FakeAutoScalingGroup) -> bool:
    """As many members as desired, all in service and healthy, none on its way in or out."""
    members = counted(group)
    return (
        len(members) == (group.desired_capacity or 0) == len(group.instance_states)
        and all(it.lifecycle_state == "InService" and it.health_status == "Healthy" for it in members)
        and all(it.instance.state == "running" for it in members)
    )


def _watch(instance: Any, _old: str, new: str) -> None:
    group = getattr(instance, "autoscaling_group", None)
    if group is None:
        return
    if new == "terminated":
        over(instance)
    elif new == "running":
        for member in group.instance_states:
            if member.instance is instance and member.lifecycle_state == "Pending":
                enter_service(group, member)
                world.soon(lambda: turn(group))


world.watchers.append(_watch)
