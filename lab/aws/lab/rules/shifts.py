"""Zonal shift of the Application Recovery Controller: who may be shifted, which shifts there are, and away from which zones a balancer sends.
moto has none of it.

A load balancer is a managed resource while its attribute `zonal_shift.config.enabled` is true. A shift names a zone by its id (`euw1-az3`),
never by the name that an account has for it, and ends by itself in the laboratory's own time."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from moto.ec2 import ec2_backends
from moto.elbv2 import elbv2_backends
from moto.iam.models import get_account_id_from
from moto.moto_api._internal import mock_random

from ..call import Call
from ..world import world
from . import targets

KEY = "zonal_shift.config.enabled"
EXPIRES = re.compile(r"([1-9][0-9]*)([mh])")
# A shift lasts three days at most, from when it was started or updated.
LONGEST = 72 * 3600
COMMENT = 128
PAGE = 100

# Whether AWS itself shifts away from the zone of this name just now.
autoshifts: list[Callable[[str], bool]] = []
# How much there may be on a page.
pages: list[Callable[[], "int | None"]] = []


class Refused(Exception):
    """An error of the API: its code, its status, its words, and what else AWS tells of it."""

    def __init__(self, code: str, status: int, words: str, **more: str) -> None:
        super().__init__(words)
        self.code, self.status, self.words, self.more = code, status, words, more


def invalid(reason: str, words: str) -> Refused:
    return Refused("ValidationException", 400, words, reason=reason)


def missing(words: str) -> Refused:
    return Refused("ResourceNotFoundException", 404, words)


@dataclass
class Shift:
    account: str
    region: str
    arn: str
    zone: str
    comment: str
    id: str = field(default_factory=lambda: str(mock_random.uuid4()))
    started: float = field(default_factory=time.time)
    ends: float = 0.0
    canceled: bool = False

    @property
    def status(self) -> str:
        if self.canceled:
            return "CANCELED"
        return "ACTIVE" if time.time() < self.ends else "EXPIRED"

    def last(self, seconds: int) -> None:
        """So many seconds of AWS from now."""
        self.ends = time.time() + world.times.here(seconds)

    def told(self) -> dict[str, Any]:
        return {
            "zonalShiftId": self.id,
            "resourceIdentifier": self.arn,
            "awayFrom": self.zone,
            "expiryTime": self.ends,
            "startTime": self.started,
            "comment": self.comment,
            "shiftType": "ZONAL_SHIFT",
        }


# By id, the oldest first.
shifts: dict[str, Shift] = {}
world.beginnings.append(shifts.clear)


# ── what is shifted ──


def ids_of(region: str, account: str) -> dict[str, str]:
    """The ids of a region's zones, by the names that the account has for them."""
    return {it.name: it.zone_id for it in ec2_backends[account][region].describe_availability_zones()}


def active(account: str, region: str, arn: str) -> Shift | None:
    """A resource has one at most."""
    return next((it for it in shifts.values() if (it.account, it.region, it.arn) == (account, region, arn) and it.status == "ACTIVE"), None)


def zones(balancer: Any) -> list[str]:
    return sorted({subnet.availability_zone for subnet in balancer.subnets})


def by_itself(balancer: Any) -> list[str]:
    """The names of the zones that AWS shifts it away from."""
    return [zone for zone in zones(balancer) if any(shifted(zone) for shifted in autoshifts)]


def managed(balancer: Any) -> bool:
    return str(balancer.attrs.get(KEY, "")).lower() == "true"


def away(account: str, region: str, balancer: Any) -> set[str]:
    """The names of the zones to which the balancer sends nobody. Somebody's shift goes before one of AWS's own."""
    if not managed(balancer):
        return set()
    shift = active(account, region, balancer.arn)
    if shift is None:
        return set(by_itself(balancer))
    return {name for name, identity in ids_of(region, account).items() if identity == shift.zone}


# ── the calls ──


class Caller:
    """One account in one region, as a call has it."""

    def __init__(self, call: Call) -> None:
        self.account, self.region = get_account_id_from(call.access_key), call.region
        self.parameters = call.parameters

    def word(self, name: str) -> str:
        value = self.parameters.get(name)
        if not isinstance(value, str) or not value:
            raise invalid("MissingValue", f"{name} is missing.")
        return value

    def balancer(self, arn: str) -> Any:
        if not arn.startswith("arn:"):
            raise invalid("InvalidResourceIdentifier", f"{arn} is no ARN.")
        found = elbv2_backends[self.account][self.region].load_balancers.get(arn)
        if found is None or not managed(found):
            raise missing(f"The resource {arn} is not a managed resource.")
        return found

    def shift(self) -> Shift:
        found = shifts.get(self.word("zonalShiftId"))
        if found is None or (found.account, found.region) != (self.account, self.region):
            raise missing(f"The zonal shift {self.parameters['zonalShiftId']} was not found.")
        if found.status != "ACTIVE":
            raise Refused("ConflictException", 409, f"The zonal shift {found.id} is not active.", reason="ZonalShiftStatusNotActive", zonalShiftId=found.id)
        return found

    def seconds(self) -> int:
        found = EXPIRES.fullmatch(self.word("expiresIn"))
        seconds = int(found[1]) * {"m": 60, "h": 3600}[found[2]] if found else 0
        if not 60 <= seconds <= LONGEST:
            raise invalid("InvalidExpiresIn", "expiresIn must be a number of minutes (m) or hours (h), from 1m to 72h.")
        return seconds

    def comment(self) -> str:
        value = self.parameters.get("comment")
        if not isinstance(value, str):
            raise invalid("MissingValue", "comment is missing.")
        if len(value) > COMMENT:
            raise invalid("MissingValue", f"comment has more than {COMMENT} characters.")
        return value

    # ── reading ──

    def resource(self, balancer: Any) -> dict[str, Any]:
        ids, gone = ids_of(self.region, self.account), away(self.account, self.region, balancer)
        shift = active(self.account, self.region, balancer.arn)
        applied = "NOT_APPLIED" if shift else "APPLIED"
        return {
            "arn": balancer.arn,
            "name": balancer.name,
            "appliedWeights": {ids[it]: 0.0 if it in gone else 1.0 for it in zones(balancer)},
            "zonalShifts": [{**shift.told(), "appliedStatus": "APPLIED"}] if shift else [],
            "autoshifts": [{"appliedStatus": applied, "awayFrom": ids[it], "startTime": time.time()} for it in by_itself(balancer)],
            "zonalAutoshiftStatus": "ENABLED" if by_itself(balancer) else "DISABLED",
        }

    def page(self, items: list[dict[str, Any]]) -> dict[str, Any]:
        token, most = self.parameters.get("nextToken") or "0", int(self.parameters.get("maxResults") or PAGE)
        if not token.isdecimal():
            raise invalid("InvalidToken", "nextToken is not one of this list.")
        first, shortest = int(token), min([most, PAGE, *(bound for it in pages if (bound := it()) is not None)])
        more = first + shortest < len(items)
        return {"items": items[first : first + shortest], **({"nextToken": str(first + shortest)} if more else {})}

    def get_managed_resource(self) -> dict[str, Any]:
        return self.resource(self.balancer(self.word("resourceIdentifier")))

    def list_managed_resources(self) -> dict[str, Any]:
        ids, found = ids_of(self.region, self.account), elbv2_backends[self.account][self.region].load_balancers.values()
        return self.page([{**self.resource(it), "availabilityZones": [ids[zone] for zone in zones(it)]} for it in found if managed(it)])

    def list_zonal_shifts(self) -> dict[str, Any]:
        status, arn = self.parameters.get("status"), self.parameters.get("resourceIdentifier")
        if status not in (None, "ACTIVE", "EXPIRED", "CANCELED"):
            raise invalid("InvalidStatus", f"There is no status {status}.")
        here = [it for it in shifts.values() if (it.account, it.region) == (self.account, self.region)]
        return self.page([{**it.told(), "status": it.status} for it in here if status in (None, it.status) and arn in (None, it.arn)])

    # ── changing ──

    def start_zonal_shift(self) -> dict[str, Any]:
        arn, zone, seconds, comment = self.word("resourceIdentifier"), self.word("awayFrom"), self.seconds(), self.comment()
        balancer = self.balancer(arn)
        ids = ids_of(self.region, self.account)
        if zone not in [ids[it] for it in zones(balancer)]:
            raise invalid("InvalidAz", f"The resource is not deployed in the Availability Zone {zone}.")
        other = active(self.account, self.region, arn)
        if other is not None:
            raise Refused("ConflictException", 409, f"There is an active zonal shift for {arn}.", reason="ZonalShiftAlreadyExists", zonalShiftId=other.id)
        shift = Shift(self.account, self.region, arn, zone, comment)
        shift.last(seconds)
        shifts[shift.id] = shift
        return self.answer(shift)

    def update_zonal_shift(self) -> dict[str, Any]:
        shift = self.shift()
        seconds = self.seconds() if "expiresIn" in self.parameters else None
        shift.comment = self.comment() if "comment" in self.parameters else shift.comment
        if seconds is not None:
            shift.last(seconds)
        return self.answer(shift)

    def cancel_zonal_shift(self) -> dict[str, Any]:
        shift = self.shift()
        shift.canceled = True
        return self.answer(shift)

    @staticmethod
    def answer(shift: Shift) -> dict[str, Any]:
        told = {**shift.told(), "status": shift.status}
        del told["shiftType"]
        return told


CALLS: dict[str, tuple[int, Callable[[Caller], dict[str, Any]]]] = {
    "GetManagedResource": (200, Caller.get_managed_resource),
    "ListManagedResources": (200, Caller.list_managed_resources),
    "ListZonalShifts": (200, Caller.list_zonal_shifts),
    "StartZonalShift": (201, Caller.start_zonal_shift),
    "UpdateZonalShift": (200, Caller.update_zonal_shift),
    "CancelZonalShift": (200, Caller.cancel_zonal_shift),
}


def do(call: Call) -> tuple[int, dict[str, Any]]:
    """Status and answer. `Refused` when it is not done; NotImplementedError for a call that is not played."""
    if call.action not in CALLS:
        raise NotImplementedError("it is not played")
    status, function = CALLS[call.action]
    return status, function(Caller(call))


def shown(account: str, region: str) -> dict[str, dict[str, str]]:
    """The active ones, by the name of the balancer."""
    found = {}
    for backend in targets.all_backends(elbv2_backends):
        if (backend.account_id, backend.region_name) == (account, region):
            for it in backend.load_balancers.values():
                shift = active(account, region, it.arn)
                if shift is not None:
                    found[it.name] = {"away_from": shift.zone, "comment": shift.comment}
    return found
