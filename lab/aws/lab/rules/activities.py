"""What an Auto Scaling group did and why, as DescribeScalingActivities tells it. moto's list is always empty.

AWS's descriptions and causes are sentences that tools read: they are written here in its words."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

from moto.autoscaling.models import FakeAutoScalingGroup
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult
from moto.moto_api._internal import mock_random

from ..overrule import overrule
from ..world import stamp
from . import errors

PAGE = 100


def now() -> datetime:
    return datetime.now(timezone.utc)


def log_of(group: FakeAutoScalingGroup) -> list[dict[str, Any]]:
    """All activities of all groups of this account and region, oldest first."""
    backend = group.autoscaling_backend
    if not hasattr(backend, "lab_activities"):
        backend.lab_activities = []
    return backend.lab_activities


def begin(group: FakeAutoScalingGroup, description: str, cause: str, zone: str, subnet: str | None, status: str = "InProgress") -> dict[str, Any]:
    """Writes down that it has begun; `describe_scaling_activities` shows it at once."""
    details = {"Availability Zone": zone}
    if subnet:
        details = {"Subnet ID": subnet, **details}
    activity = {
        "ActivityId": str(mock_random.uuid4()),
        "AutoScalingGroupName": group.name,
        "AutoScalingGroupARN": group.arn,
        "Description": description,
        "Cause": cause,
        "StartTime": now(),
        "StatusCode": status,
        "Progress": 50 if status == "InProgress" else 30,
        "Details": json.dumps(details, separators=(",", ":")),
    }
    log_of(group).append(activity)
    return activity


def end(activity: dict[str, Any] | None) -> None:
    if activity and "EndTime" not in activity:
        activity.update(StatusCode="Successful", Progress=100, EndTime=now())


def fail(activity: dict[str, Any], why: str) -> None:
    activity.update(
        StatusCode="Failed",
        Progress=100,
        EndTime=now(),
        StatusMessage=why,
        Description=f"{activity['Description'].split(':')[0]}.  Status Reason: {why}",
    )


def launching(instance_id: str) -> str:
    return f"Launching a new EC2 instance: {instance_id}"


def terminating(instance_id: str) -> str:
    return f"Terminating EC2 instance: {instance_id}"


# ── causes ──

DEAD = "an instance was taken out of service in response to an EC2 health check indicating it has been terminated or stopped."
SICK = "an instance was taken out of service in response to an ELB system health check failure."
SAID = "an instance was taken out of service in response to a user health-check."
REPLACES = "an instance was launched in response to an unhealthy instance needing to be replaced."


def cause(*sentences: str) -> str:
    """Each sentence begins with the time, as AWS has it."""
    return "  ".join(f"At {stamp()} {sentence}" for sentence in sentences if sentence)


def by_user(instance_id: str, before: int | None, after: int | None) -> str:
    text = f"instance {instance_id} was taken out of service in response to a user request"
    return f"{text}, shrinking the capacity from {before} to {after}." if before != after else f"{text}."


def grows(before: int, after: int) -> str:
    return (
        "an instance was started in response to a difference between desired and actual capacity, "
        f"increasing the capacity from {before} to {after}."
    )


def shrinks(before: int, after: int) -> str:
    return (
        "an instance was taken out of service in response to a difference between desired and actual capacity, "
        f"shrinking the capacity from {before} to {after}."
    )


def selected(instance_id: str) -> str:
    return f"instance {instance_id} was selected for termination."


def unbalanced(zones: list[str], counts: list[int]) -> str:
    return (
        f"availability zones {' '.join(zones)} had {' '.join(map(str, counts))} instances respectively. "
        "An instance was launched to aid in balancing the group's zones."
    )


def left(zone: str) -> str:
    return f"an instance was taken out of service as its availability zone {zone} is no longer used by the group."


@overrule(AutoScalingResponse, "describe_scaling_activities")
def _describe(_old: Any, self: AutoScalingResponse) -> ActionResult:
    name = self._get_param("AutoScalingGroupName")
    ids = self._get_param("ActivityIds", [])
    backend = self.autoscaling_backend
    log = list(reversed(getattr(backend, "lab_activities", [])))
    deleted = self._get_bool_param("IncludeDeletedGroups", False)
    if name:
        if name not in backend.autoscaling_groups and not (deleted and any(it["AutoScalingGroupName"] == name for it in log)):
            raise errors.no_group(name)
        log = [it for it in log if it["AutoScalingGroupName"] == name]
    elif not deleted:
        log = [it for it in log if it["AutoScalingGroupName"] in backend.autoscaling_groups]
    if ids:
        log = [it for it in log if it["ActivityId"] in ids]
    token = self._get_param("NextToken")
    start = next((n + 1 for n, it in enumerate(log) if it["ActivityId"] == token), 0) if token else 0
    size = min(self._get_int_param("MaxRecords", PAGE), PAGE)
    page = log[start : start + size]
    more = page[-1]["ActivityId"] if len(log) > start + size else None
    return ActionResult({"Activities": page, "NextToken": more})
