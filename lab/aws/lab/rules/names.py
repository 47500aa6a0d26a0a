"""Route 53: which record answers, by failover, weight and health; health checks that really have a state, and versions.

In moto every check succeeds and nothing ever asks for a name. Without real processes an endpoint is healthy when its load balancer has a
healthy target; with them, reality/lookups.py asks it over HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.elbv2 import elbv2_backends
from moto.elbv2.models import FakeLoadBalancer
from moto.route53 import route53_backends
from moto.route53.exceptions import Route53ClientError
from moto.route53.models import HealthCheck, Route53Backend
from moto.route53.responses import Route53
from moto.utilities.utils import get_partition

from ..overrule import overrule
from ..world import world
from . import targets


@dataclass
class Answer:
    """What a name means: addresses, or load balancers, and for how many seconds of AWS one may remember it."""

    values: list[Any]
    ttl: int


def balancer_of(name: str | None) -> tuple[Any, Any] | None:
    """(backend, load balancer) of a DNS name."""
    wanted = str(name or "").rstrip(".").lower()
    for backend in targets.all_backends(elbv2_backends):
        for load_balancer in backend.load_balancers.values():
            if load_balancer.dns_name.lower() == wanted:
                return backend, load_balancer
    return None


def groups_of(backend: Any, load_balancer: Any) -> list[Any]:
    return [it for it in backend.target_groups.values() if load_balancer.arn in it.load_balancer_arns]


def serves(backend: Any, load_balancer: Any) -> bool:
    """As Route 53 evaluates the target of an alias: some target of each of its target groups is healthy."""
    groups = groups_of(backend, load_balancer)
    return bool(groups) and all(any(it.state == "healthy" for it in targets.table(group).values()) for group in groups)


# ── health checks ──

# How an endpoint answers a check: set by reality.
asked: Callable[[HealthCheck], bool] | None = None
# The state of a check before its first results.
AT_FIRST = True


def true(value: Any) -> bool:
    return str(value).lower() == "true"


def by_rule(check: HealthCheck) -> bool:
    found = balancer_of(check.fqdn)
    return serves(*found) if found else not check.fqdn


def record(check: HealthCheck, good: bool) -> None:
    """One result; so many alike in a row change the state."""
    check.lab_said = good
    if good == getattr(check, "lab_ok", AT_FIRST):
        check.lab_row = 0
        return
    check.lab_row = getattr(check, "lab_row", 0) + 1
    if check.lab_row >= int(check.failure_threshold):
        check.lab_ok, check.lab_row = good, 0


def is_healthy(backend: Route53Backend, check: HealthCheck) -> bool:
    """What DNS goes by: a disabled one is healthy, an inverted one the opposite of what it found."""
    if true(check.disabled):
        found = True
    elif check.type_ == "CALCULATED":
        children = [backend.health_checks[it] for it in check.children or [] if it in backend.health_checks]
        found = sum(is_healthy(backend, it) for it in children) >= int(check.health_threshold or 0)
    else:
        found = getattr(check, "lab_ok", AT_FIRST)
    return found != true(check.inverted)


def due(moment: float) -> list[HealthCheck]:
    """The checks whose time has come; each is due again after its interval. A disabled one does not look."""
    found = []
    for backend in targets.all_backends(route53_backends):
        for check in backend.health_checks.values():
            if check.type_ != "CALCULATED" and not true(check.disabled) and moment >= getattr(check, "lab_due", 0.0):
                check.lab_due = moment + world.times.here(float(check.request_interval or 30))
                found.append(check)
    return found


def check_all() -> None:
    if asked is None:
        for check in due(time.monotonic()):
            record(check, by_rule(check))


@overrule(Route53, "get_health_check_status")
def _status(_old: Any, self: Route53) -> ActionResult:
    check = self.backend.get_health_check(self._get_param("HealthCheckId"))
    good = getattr(check, "lab_said", AT_FIRST)
    text = "Success: HTTP Status Code 200, OK" if good else "Failure: The endpoint did not answer as it should"
    observation = {"Region": "us-east-1", "IPAddress": "127.0.0.1", "StatusReport": {"Status": text, "CheckedTime": utcnow()}}
    return ActionResult({"HealthCheckObservations": [observation]})


@overrule(Route53, "update_health_check")
def _update(old: Any, self: Route53) -> ActionResult:
    check = self.backend.get_health_check(self._get_param("HealthCheckId"))
    version, children = self._get_int_param("HealthCheckVersion"), check.children
    if version is not None and version != check.health_check_version:
        raise Route53ClientError("HealthCheckVersionMismatch", "The value of HealthCheckVersion in the request doesn't match its value now.")
    answer = old(self)
    if self._get_param("ChildHealthChecks") is None:
        # moto forgets them.
        check.set_children(children)
    check.health_check_version += 1
    if true(check.disabled):
        # What it found is forgotten: enabled again, it begins as a new one does. AWS does not document this; it is the worse for users.
        check.lab_ok, check.lab_row, check.lab_said = AT_FIRST, 0, AT_FIRST
    return answer


# How many tags a health check or a hosted zone may carry.
MOST_TAGS = 10


@overrule(Route53, "change_tags_for_resource")
def _change_tags(old: Any, self: Route53) -> Any:
    identity = self._get_param("ResourceId")
    have = dict(self.backend.list_tags_for_resource(identity))
    for key in self._get_param("RemoveTagKeys", []) or []:
        have.pop(key, None)
    have.update({it["Key"]: it.get("Value", "") for it in self._get_param("AddTags", []) or []})
    if len(have) > MOST_TAGS:
        raise Route53ClientError("InvalidInput", f"A resource can have at most {MOST_TAGS} tags.")
    return old(self)


@overrule(Route53, "delete_health_check")
def _delete(old: Any, self: Route53) -> Any:
    self.backend.resource_tags.pop(self._get_param("HealthCheckId"), None)
    return old(self)


@overrule(HealthCheck, "create_from_cloudformation_json")
def _create(old: Any, name: str, template: Any, account: str, region: str, **rest: Any) -> HealthCheck:
    """moto forgets its tags."""
    check = old(name, template, account, region, **rest)
    tags = template["Properties"].get("HealthCheckTags") or []
    route53_backends[account][get_partition(region)].change_tags_for_resource("healthcheck", check.id, tags, [])
    return check


# ── names ──


def alias_of(rrset: Any) -> tuple[str, bool] | None:
    """The name that an alias stands for, and whether its health counts."""
    if not rrset.alias_target:
        return None
    get = rrset.alias_target.get
    return str(get("DNSName") or get("dns_name")), true(get("EvaluateTargetHealth", get("evaluate_target_health")))


def usable(backend: Route53Backend, rrset: Any) -> bool:
    check = backend.health_checks.get(rrset.health_check_id) if rrset.health_check_id else None
    if check is not None and not is_healthy(backend, check):
        return False
    alias = alias_of(rrset)
    found = balancer_of(alias[0].removeprefix("dualstack.")) if alias and alias[1] else None
    return found is None or serves(*found)


def choose(backend: Route53Backend, rrsets: list[Any], dice: float) -> list[Any]:
    """The record sets of one name that answer now. `dice` from 0 to 1 draws among weights."""
    good = [it for it in rrsets if usable(backend, it)]
    if any(it.failover for it in rrsets):
        primary = [it for it in good if it.failover == "PRIMARY"]
        secondary = [it for it in good if it.failover == "SECONDARY"]
        # With none healthy, the primary answers.
        return primary or secondary or [it for it in rrsets if it.failover == "PRIMARY"]
    if any(it.weight is not None for it in rrsets):
        some = [it for it in good or rrsets if int(it.weight or 0) > 0] or good or rrsets
        total = sum(int(it.weight or 0) for it in some)
        left = dice * total
        for it in some:
            left -= int(it.weight or 0)
            if left < 0:
                return [it]
        return some[:1]
    return good or rrsets


def look_up(name: str, kind: str = "A", dice: float = 0.0, depth: int = 0) -> Answer | None:
    """What a name means now; None when there is no such name."""
    wanted = name.rstrip(".").lower()
    found = balancer_of(wanted)
    if found:
        return Answer([found[1]], 60) if kind == "A" else Answer([], 60)
    if depth > 8:
        return None
    for backend in targets.all_backends(route53_backends):
        for zone in backend.zones.values():
            named = [it for it in zone.rrsets if it.name.rstrip(".").lower() == wanted]
            rrsets = [it for it in named if it.type == kind]
            if not rrsets:
                if named:
                    return Answer([], 60)
                continue
            values: list[Any] = []
            ttl = 60
            for it in choose(backend, rrsets, dice):
                alias = alias_of(it)
                if alias:
                    deeper = look_up(alias[0].removeprefix("dualstack."), kind, dice, depth + 1)
                    values += deeper.values if deeper else []
                    ttl = min(ttl, deeper.ttl if deeper else ttl)
                else:
                    ttl = int(it.ttl or 60)
                    values += [str(record) for record in it.records or []]
            return Answer(values, ttl)
    return None


@overrule(FakeLoadBalancer, "get_cfn_attribute")
def _attribute(old: Any, self: FakeLoadBalancer, name: str) -> Any:
    return self.canonical_hosted_zone_id if name == "CanonicalHostedZoneID" else old(self, name)


world.beginnings.append(lambda: world.every(lambda: 2.5, check_all))
