"""Errors in AWS's own codes and words, and the status that EC2 sends with each."""

from __future__ import annotations

from moto.autoscaling.exceptions import AutoscalingClientError
from moto.ec2.exceptions import EC2ClientError

# EC2 has no model of its errors: all others are 400.
EC2_STATUS = {
    "DryRunOperation": 412,
    "UnauthorizedOperation": 403,
    "AuthFailure": 401,
    "RequestLimitExceeded": 503,
    "InternalError": 500,
    "Unavailable": 503,
    "InsufficientInstanceCapacity": 500,
}


def incorrect_state(instance_id: str, verb: str) -> EC2ClientError:
    """`verb`: started, stopped or rebooted."""
    if verb == "rebooted":
        return EC2ClientError(
            "IncorrectInstanceState", f"Instance '{instance_id}' is not in a state from which it can be rebooted."
        )
    if verb == "started":
        return EC2ClientError(
            "IncorrectInstanceState", f"The instance '{instance_id}' is not in a state from which it can be started."
        )
    return EC2ClientError(
        "IncorrectInstanceState", f"This instance '{instance_id}' is not in a state from which it can be stopped."
    )


def too_many(what: str, limit: int) -> EC2ClientError:
    return EC2ClientError("InvalidParameterValue", f"The number of {what} exceeds the maximum of {limit}.")


def validation(message: str) -> AutoscalingClientError:
    return AutoscalingClientError("ValidationError", message)


def no_group(name: str | None) -> AutoscalingClientError:
    return validation(f"AutoScalingGroup name not found - AutoScalingGroup {name} not found")


def no_member(instance_id: str) -> AutoscalingClientError:
    return validation(f"Instance Id not found - No managed instance found for instance ID: {instance_id}")


def no_capacity(instance_type: str, zone: str, others: list[str]) -> str:
    """What a group's activity says when EC2 had no instance to give."""
    where = f" or choosing {', '.join(others)}" if others else ""
    return (
        f"We currently do not have sufficient {instance_type} capacity in the Availability Zone you requested ({zone}). "
        f"Our system will be working on provisioning additional capacity. You can currently get {instance_type} capacity "
        f"by not specifying an Availability Zone in your request{where}. Launching EC2 instance failed."
    )


def no_address(subnet: str) -> str:
    return (
        f"There are not enough free addresses in subnet '{subnet}' to satisfy the requested number of instances. "
        "Launching EC2 instance failed."
    )
