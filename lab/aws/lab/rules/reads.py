"""What Describe calls answer: pages of instances (moto counts reservations)."""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError, InvalidParameterCombination
from moto.ec2.models.instances import Reservation
from moto.ec2.responses.instances import InstanceResponse

from ..overrule import overrule

PAGE = 1000


@overrule(InstanceResponse, "describe_instances")
def _describe(_old: Any, self: InstanceResponse) -> ActionResult:
    ids = self._get_param("InstanceIds", [])
    size = self._get_param("MaxResults")
    if ids and size is not None:
        raise InvalidParameterCombination("The parameter instancesSet cannot be used with the parameter maxResults")
    if size is not None and not 5 <= int(size) <= PAGE:
        raise EC2ClientError(
            "InvalidParameterValue", f"Value ( {size} ) for parameter maxResults is invalid. Expecting a value between 5 and {PAGE}."
        )
    filters = self._filters_from_querystring()
    if ids:
        reservations = self.ec2_backend.get_reservations_by_instance_ids(list(dict.fromkeys(ids)), filters=filters)
    else:
        reservations = self.ec2_backend.describe_instances(filters=filters)
    flat = [(reservation, instance) for reservation in reservations for instance in reservation.instances]
    token = self._get_param("NextToken")
    start = 0
    if token:
        start = next((n + 1 for n, (_, instance) in enumerate(flat) if instance.id == token), -1)
        if start < 0:
            raise EC2ClientError("InvalidNextToken", "The token is invalid.")
    page = flat[start : start + int(size or PAGE)]
    answer: list[Reservation] = []
    for reservation, instance in page:
        if not answer or answer[-1].id != reservation.id:
            part = Reservation(reservation.id, reservation.owner_id)
            part.groups = reservation.groups
            answer.append(part)
        answer[-1].instances.append(instance)
    more = page[-1][1].id if page and start + len(page) < len(flat) else None
    return ActionResult({"Reservations": answer, "NextToken": more})
