"""The calls of Auto Scaling: limits with their error codes, suspended processes, and changes that take effect when the engine comes to them.

moto does all of a change within the call, into the first subnet, and enforces neither minimum nor maximum."""

from __future__ import annotations

from typing import Any

from moto.autoscaling.exceptions import AutoscalingClientError
from moto.autoscaling.models import AutoScalingBackend, FakeAutoScalingGroup
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult, EmptyResult

from ..overrule import overrule
from ..world import stamp, world
from . import activities, engine, errors, instances, members

PROCESSES = [
    "AddToLoadBalancer",
    "AlarmNotification",
    "AZRebalance",
    "HealthCheck",
    "InstanceRefresh",
    "Launch",
    "ReplaceUnhealthy",
    "ScheduledActions",
    "Terminate",
]


def group_of(backend: AutoScalingBackend, name: str | None) -> FakeAutoScalingGroup:
    if name not in backend.autoscaling_groups:
        raise errors.no_group(name)
    return backend.autoscaling_groups[name]


def check_sizes(low: int, high: int, desired: int | None) -> None:
    if low > high:
        raise errors.validation(f"Max bound, {high}, must be greater than or equal to min bound, {low}")
    if desired is not None and not low <= desired <= high:
        raise errors.validation(f"Desired capacity:{desired} must be between the specified min size:{low} and max size:{high}")


def said(group: FakeAutoScalingGroup, sentence: str) -> None:
    """Why the next launch or termination happens."""
    group.lab_said = activities.cause(sentence)


# ── making, changing, ending ──


@overrule(FakeAutoScalingGroup, "set_desired_capacity")
def _desire(_old: Any, self: FakeAutoScalingGroup, new_capacity: int | None) -> None:
    self.desired_capacity = self.min_size if new_capacity is None else new_capacity
    world.soon(lambda: engine.tend(self))


@overrule(AutoScalingBackend, "create_auto_scaling_group")
def _create(old: Any, self: AutoScalingBackend, name: str, *args: Any, **kwargs: Any) -> FakeAutoScalingGroup:
    if name in self.autoscaling_groups:
        raise AutoscalingClientError("AlreadyExists", "AutoScalingGroup by this name already exists - A group with the name " + name + " already exists")
    desired = kwargs.get("desired_capacity")
    low, high = int(kwargs.get("min_size") or 0), int(kwargs.get("max_size") or 0)
    check_sizes(low, high, None if desired is None else int(desired))
    group = old(self, name, *args, **kwargs)
    said(group, f"a user request created an AutoScalingGroup changing the desired capacity from 0 to {group.desired_capacity}.")
    return group


@overrule(AutoScalingBackend, "update_auto_scaling_group")
def _update(old: Any, self: AutoScalingBackend, name: str, *args: Any, **kwargs: Any) -> FakeAutoScalingGroup:
    group = group_of(self, name)
    before = group.desired_capacity or 0
    low, high = kwargs.get("min_size"), kwargs.get("max_size")
    low, high = group.min_size if low is None else low, group.max_size if high is None else high
    check_sizes(low, high, kwargs.get("desired_capacity"))
    if kwargs.get("desired_capacity") is None:
        # A limit that passes the capacity takes it along.
        moved = min(max(before, low), high)
        kwargs["desired_capacity"] = moved if moved != before else None
    if not kwargs.get("mixed_instances_policy") and not kwargs.get("launch_template"):
        # moto would forget it.
        kwargs["mixed_instances_policy"] = group.mixed_instances_policy
    desired = kwargs.get("desired_capacity")
    # moto compares the limits with the number of instances that there are.
    kwargs["desired_capacity"] = before if desired is None else desired
    old(self, name, *args, **kwargs)
    if group.desired_capacity != before:
        said(
            group,
            f"a user request update of AutoScalingGroup constraints to min: {low}, max: {high}, desired: {group.desired_capacity} "
            f"changing the desired capacity from {before} to {group.desired_capacity}.",
        )
    world.soon(lambda: engine.tend(group, look=True))
    return group


@overrule(AutoScalingBackend, "set_desired_capacity")
def _set(_old: Any, self: AutoScalingBackend, group_name: str, desired_capacity: int | None) -> None:
    group = group_of(self, group_name)
    before = group.desired_capacity
    wanted = int(desired_capacity or 0)
    if wanted > group.max_size:
        raise errors.validation(
            f"New SetDesiredCapacity value {wanted} is above max value {group.max_size} for the AutoScalingGroup."
        )
    if wanted < group.min_size:
        raise errors.validation(
            f"New SetDesiredCapacity value {wanted} is below min value {group.min_size} for the AutoScalingGroup."
        )
    said(group, f"a user request explicitly set group desired capacity changing the desired capacity from {before} to {wanted}.")
    group.set_desired_capacity(wanted)


@overrule(AutoScalingBackend, "delete_auto_scaling_group")
def _delete(_old: Any, self: AutoScalingBackend, group_name: str) -> None:
    group = group_of(self, group_name)
    for member in list(group.instance_states):
        members.draining_time(group, member)
        instances.terminate(member.instance)
    del self.autoscaling_groups[group_name]


@overrule(AutoScalingResponse, "delete_auto_scaling_group")
def _answer_delete(old: Any, self: AutoScalingResponse) -> ActionResult:
    group = group_of(self.autoscaling_backend, self._get_param("AutoScalingGroupName"))
    if group.instance_states and not self._get_bool_param("ForceDelete", False):
        raise AutoscalingClientError(
            "ResourceInUse",
            "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) still in the group.",
        )
    return old(self)


# ── members ──


def member_of(backend: AutoScalingBackend, instance_id: str) -> tuple[FakeAutoScalingGroup, Any]:
    for group in backend.autoscaling_groups.values():
        for member in group.instance_states:
            if member.instance_id == instance_id:
                return group, member
    raise errors.no_member(instance_id)


@overrule(AutoScalingBackend, "terminate_instance")
def _terminate(_old: Any, self: AutoScalingBackend, instance_id: str, should_decrement: bool) -> dict[str, Any]:
    group, member = member_of(self, instance_id)
    before = group.desired_capacity or 0
    if should_decrement:
        if before <= group.min_size:
            raise errors.validation(
                f"Currently, desiredSize equals minSize ({group.min_size}). Terminating instance without replacement will violate "
                "group's min size constraint. Either set shouldDecrementDesiredCapacity flag to false or lower group's min size."
            )
        group.desired_capacity = before - 1
    after = group.desired_capacity
    activity = members.take_out(group, member, activities.cause(activities.by_user(instance_id, before, after)))
    world.soon(lambda: engine.tend(group))
    # As it is now: the group goes on with its own.
    return dict(activity)


@overrule(AutoScalingBackend, "set_instance_health")
def _health(_old: Any, self: AutoScalingBackend, instance_id: str, health_status: str) -> None:
    group, member = member_of(self, instance_id)
    member.health_status = health_status
    member.lab_why = activities.SAID
    world.soon(lambda: engine.tend(group))


@overrule(AutoScalingBackend, "detach_instances")
def _detach(old: Any, self: AutoScalingBackend, group_name: str, instance_ids: list[str], should_decrement: bool) -> Any:
    group = group_of(self, group_name)
    for identity in instance_ids:
        if not any(it.instance_id == identity for it in group.instance_states):
            raise errors.no_member(identity)
    if should_decrement and (group.desired_capacity or 0) - len(instance_ids) < group.min_size:
        raise errors.validation(
            f"Currently, desiredSize equals minSize ({group.min_size}). Terminating instance without replacement will violate "
            "group's min size constraint. Either set shouldDecrementDesiredCapacity flag to false or lower group's min size."
        )
    for member in list(group.instance_states):
        if member.instance_id in instance_ids:
            members.draining_time(group, member)
            activities.end(getattr(member, "lab_activity", None))
            activities.end(
                activities.begin(
                    group,
                    f"Detaching EC2 instance: {member.instance_id}",
                    activities.cause(f"instance {member.instance_id} was detached in response to a user request."),
                    member.availability_zone,
                    member.instance.subnet_id,
                )
            )
    answer = old(self, group_name, instance_ids, should_decrement)
    return answer


@overrule(AutoScalingBackend, "notify_terminate_instances")
def _told(_old: Any, self: AutoScalingBackend, instance_ids: list[str]) -> None:
    """Nothing: a group learns of a death by its health check."""


@overrule(AutoScalingBackend, "update_attached_target_groups")
def _attach(_old: Any, self: AutoScalingBackend, group_name: str) -> None:
    group = self.autoscaling_groups[group_name]
    if members.active(group, "AddToLoadBalancer"):
        for member in group.instance_states:
            if member.lifecycle_state == "InService":
                members.register(group, member)


@overrule(AutoScalingBackend, "attach_load_balancer_target_groups")
def _attach_call(old: Any, self: AutoScalingBackend, group_name: str, target_group_arns: list[str]) -> None:
    group_of(self, group_name)
    old(self, group_name, target_group_arns)


@overrule(AutoScalingBackend, "detach_load_balancer_target_groups")
def _detach_call(old: Any, self: AutoScalingBackend, group_name: str, target_group_arns: list[str]) -> None:
    group_of(self, group_name)
    old(self, group_name, target_group_arns)


@overrule(AutoScalingBackend, "create_or_update_tags")
def _tags(old: Any, self: AutoScalingBackend, tags: list[dict[str, str]]) -> None:
    for tag in tags:
        group_of(self, tag.get("ResourceId"))
    old(self, tags)


# ── processes ──


def named(processes: list[str]) -> list[str]:
    for process in processes:
        if process not in PROCESSES:
            raise errors.validation(f"{process} is not a recognized Auto Scaling process")
    return processes or list(PROCESSES)


@overrule(AutoScalingBackend, "suspend_processes")
def _suspend(_old: Any, self: AutoScalingBackend, group_name: str, scaling_processes: list[str]) -> None:
    group = group_of(self, group_name)
    reasons = group.__dict__.setdefault("lab_suspended", {})
    for process in named(scaling_processes):
        reasons.setdefault(process, f"User suspended at {stamp()}")
    group._suspended_processes = sorted(reasons)


@overrule(AutoScalingBackend, "resume_processes")
def _resume(_old: Any, self: AutoScalingBackend, group_name: str, scaling_processes: list[str]) -> None:
    group = group_of(self, group_name)
    reasons = group.__dict__.setdefault("lab_suspended", {})
    back = [it for it in named(scaling_processes) if reasons.pop(it, None)]
    group._suspended_processes = sorted(reasons)
    if "AddToLoadBalancer" in back:
        # AWS does not register those that were launched meanwhile: that is left to the one who suspended it.
        pass
    world.soon(lambda: engine.tend(group, look=True))


def reasons(self: FakeAutoScalingGroup) -> list[dict[str, str]]:
    known = self.__dict__.get("lab_suspended", {})
    return [{"ProcessName": it, "SuspensionReason": known.get(it, "")} for it in self._suspended_processes]


def _remember(self: FakeAutoScalingGroup, processes: list[str]) -> None:
    self._suspended_processes = processes


FakeAutoScalingGroup.suspended_processes = property(reasons, _remember)  # type: ignore[method-assign,assignment]


@overrule(AutoScalingResponse, "enter_standby")
def _standby(old: Any, self: AutoScalingResponse) -> ActionResult:
    group = group_of(self.autoscaling_backend, self._get_param("AutoScalingGroupName"))
    ids = self._get_param("InstanceIds", [])
    answer = old(self)
    for member in group.instance_states:
        if member.instance_id in ids:
            members.draining_time(group, member)
    return answer


@overrule(AutoScalingResponse, "exit_standby")
def _back(old: Any, self: AutoScalingResponse) -> ActionResult:
    group = group_of(self.autoscaling_backend, self._get_param("AutoScalingGroupName"))
    answer = old(self)
    ids = self._get_param("InstanceIds", [])
    for member in group.instance_states:
        if member.instance_id in ids and members.active(group, "AddToLoadBalancer"):
            members.register(group, member)
    return answer


@overrule(AutoScalingResponse, "suspend_processes")
def _answer_suspend(_old: Any, self: AutoScalingResponse) -> ActionResult:
    self.autoscaling_backend.suspend_processes(
        self._get_param("AutoScalingGroupName"), self._get_param("ScalingProcesses", []) or []
    )
    return EmptyResult()
