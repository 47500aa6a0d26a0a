"""A fleet of a thousand: where moto looks through everything for one thing, it is found at once. The answers are the same."""

from __future__ import annotations

from typing import Any

from moto.ec2.exceptions import InvalidInstanceIdError
from moto.ec2.models.amis import AmiBackend
from moto.ec2.models.core import TaggedEC2Resource
from moto.ec2.models.instance_types import InstanceTypeOfferingBackend
from moto.ec2.models.instances import Instance, InstanceBackend
from moto.ec2.utils import EC2_PREFIX_TO_RESOURCE, get_prefix

from ..overrule import overrule


@overrule(AmiBackend, "describe_images")
def _images(old: Any, self: Any, *args: Any, **kwargs: Any) -> Any:
    # Asked so by each new instance.
    wanted = kwargs.get("filters")
    if not args and list(kwargs) == ["filters"] and isinstance(wanted, dict) and list(wanted) == ["image-id"]:
        image = self.amis.get(wanted["image-id"]) if isinstance(wanted["image-id"], str) else None
        if image is not None:
            return [image]
    return old(self, *args, **kwargs)


@overrule(InstanceTypeOfferingBackend, "matches_filters")
def _offered(old: Any, self: Any, offering: dict[str, Any], filters: Any, location: str) -> bool:
    # Asked so of each offering by each new instance.
    wanted = filters.get("instance-type")
    if len(filters) == 1 and isinstance(wanted, str) and "*" not in wanted:
        return bool(offering.get("InstanceType") == wanted)
    return old(self, offering, filters, location)


@overrule(TaggedEC2Resource, "get_tags")
def _tags(_old: Any, self: Any) -> list[dict[str, str]]:
    tags = self.ec2_backend.tags.get(self.id) if self.id else None
    if not tags:
        return []
    kind = EC2_PREFIX_TO_RESOURCE.get(get_prefix(self.id), "")
    return [{"resource_id": self.id, "key": key, "value": value, "resource_type": kind} for key, value in tags.items()]


def find(backend: Any, instance_id: str) -> Instance | None:
    """The newest first: whoever asks for one by its id has mostly just made it."""
    for reservation in reversed(backend.reservations.values()):
        for instance in reservation.instances:
            if instance.id == instance_id:
                return instance
    return None


@overrule(InstanceBackend, "get_instance_by_id")
def _by_id(_old: Any, self: Any, instance_id: str) -> Instance | None:
    return find(self, instance_id)


@overrule(InstanceBackend, "get_instance")
def _get(_old: Any, self: Any, instance_id: str) -> Instance:
    # With the rule of visibility, where that holds.
    found = self.get_instance_by_id(instance_id)
    if found is None:
        raise InvalidInstanceIdError(instance_id)
    return found
