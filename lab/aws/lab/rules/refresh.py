"""Instance refreshes: the group's members are replaced a few at a time. moto has none of the three calls."""

from __future__ import annotations

import math
from datetime import datetime, timezone
from typing import Any

from moto.autoscaling.exceptions import AutoscalingClientError
from moto.autoscaling.models import FakeAutoScalingGroup
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult
from moto.moto_api._internal import mock_random

from ..overrule import overrule
from ..world import world
from . import activities, engine, groups, members, targets

RUNNING = ("Pending", "InProgress", "Cancelling")


def log_of(group: FakeAutoScalingGroup) -> list[dict[str, Any]]:
    return group.__dict__.setdefault("lab_refreshes", [])


def running(group: FakeAutoScalingGroup) -> dict[str, Any] | None:
    return next((it for it in log_of(group) if it["Status"] in RUNNING), None)


def serves(group: FakeAutoScalingGroup, member: Any) -> bool:
    """In service, healthy, and seen so by the balancer."""
    if member.lifecycle_state != "InService" or member.health_status != "Healthy" or member.instance.state != "running":
        return False
    found = group.autoscaling_backend.elbv2_backend.target_groups
    return all(targets.state_of(found[arn], member.instance_id) == "healthy" for arn in group.target_group_arns if arn in found)


def step(group: FakeAutoScalingGroup, refresh: dict[str, Any], old: list[str]) -> None:
    """Replaces as many as may be missing, waits, and goes on."""
    if refresh["Status"] == "Cancelling":
        refresh.update(Status="Cancelled", EndTime=datetime.now(timezone.utc))
        return
    present = {it.instance_id: it for it in members.counted(group)}
    left = [it for it in old if it in present]
    total = len(old) or 1
    refresh.update(Status="InProgress", InstancesToUpdate=len(left), PercentageComplete=100 * (len(old) - len(left)) // total)
    if not left and members.settled(group) and all(serves(group, it) for it in members.counted(group)):
        refresh.update(Status="Successful", PercentageComplete=100, EndTime=datetime.now(timezone.utc))
        return
    desired = group.desired_capacity or 0
    floor = math.ceil(desired * refresh["Preferences"]["MinHealthyPercentage"] / 100)
    # At least one is replaced at a time, however high the share is that must stay.
    may_miss = max(1, desired - floor)
    missing = desired - sum(serves(group, it) for it in members.counted(group))
    if members.active(group, "InstanceRefresh", "Launch", "Terminate"):
        for identity in left[: max(0, may_miss - missing)]:
            why = activities.cause("an instance was taken out of service in response to an instance refresh.")
            members.take_out(group, present[identity], why)
        engine.tend(group)
    world.after(world.times.refresh, lambda: step(group, refresh, old))


@overrule(AutoScalingResponse, "start_instance_refresh", new=True)
def start_instance_refresh(self: AutoScalingResponse) -> ActionResult:
    group = groups.group_of(self.autoscaling_backend, self._get_param("AutoScalingGroupName"))
    if running(group):
        raise AutoscalingClientError(
            "InstanceRefreshInProgress",
            "An Instance Refresh is already in progress and blocks the execution of this Instance Refresh.",
        )
    share = self._get_int_param("Preferences.MinHealthyPercentage", 90)
    refresh = {
        "InstanceRefreshId": str(mock_random.uuid4()),
        "AutoScalingGroupName": group.name,
        "Status": "Pending",
        "StartTime": datetime.now(timezone.utc),
        "PercentageComplete": 0,
        "InstancesToUpdate": len(members.counted(group)),
        "Preferences": {"MinHealthyPercentage": share},
    }
    log_of(group).insert(0, refresh)
    old = [it.instance_id for it in members.counted(group)]
    world.after(world.times.refresh, lambda: step(group, refresh, old))
    return ActionResult({"InstanceRefreshId": refresh["InstanceRefreshId"]})


@overrule(AutoScalingResponse, "describe_instance_refreshes", new=True)
def describe_instance_refreshes(self: AutoScalingResponse) -> ActionResult:
    group = groups.group_of(self.autoscaling_backend, self._get_param("AutoScalingGroupName"))
    ids = self._get_param("InstanceRefreshIds", []) or []
    found = [it for it in log_of(group) if not ids or it["InstanceRefreshId"] in ids]
    size = min(self._get_int_param("MaxRecords", 50), 100)
    token = self._get_param("NextToken")
    start = next((n + 1 for n, it in enumerate(found) if it["InstanceRefreshId"] == token), 0) if token else 0
    page = found[start : start + size]
    more = page[-1]["InstanceRefreshId"] if len(found) > start + size else None
    return ActionResult({"InstanceRefreshes": page, "NextToken": more})


@overrule(AutoScalingResponse, "cancel_instance_refresh", new=True)
def cancel_instance_refresh(self: AutoScalingResponse) -> ActionResult:
    group = groups.group_of(self.autoscaling_backend, self._get_param("AutoScalingGroupName"))
    refresh = running(group)
    if refresh is None:
        raise AutoscalingClientError(
            "ActiveInstanceRefreshNotFound",
            "There is no in progress instance refresh for the specified Auto Scaling group.",
        )
    refresh["Status"] = "Cancelling"
    return ActionResult({"InstanceRefreshId": refresh["InstanceRefreshId"]})
