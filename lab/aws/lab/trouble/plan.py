"""Which calls meet which trouble. The plan is a list of rules, set as a whole; without one all is well.

A rule is a table with `kind` and, of these, what the kind needs:

    share     the share of calls that it strikes, 0 to 1, drawn from the seed in the order of the calls; all when left out
    actions   names such as "ec2:TerminateInstances" or "autoscaling:*"; all when left out
    nth       the numbers, from 1, of the calls (among those of `actions`) that it strikes
    times     how often it strikes at most
    regions   regions; all when left out
    seconds   of a stall, in seconds of this machine

Kinds: throttle, error (500), unavailable (503), deny, expired, unknown-key are answered instead of the call; cut-before loses the call,
cut-after its answer; stall answers late; duplicate does it twice. no-capacity (`zones`, `groups`), late-news (`milliseconds`) and
acl-quota (`number`) hold for the world; command (`code`, `output`) is what instances answer to commands of SSM; short-pages (`number`)
bounds the pages of every list, as AWS may do whatever is asked for; autoshift (`zones`): AWS itself shifts users away from them."""

from __future__ import annotations

import fnmatch
import random
from dataclasses import dataclass, field
from typing import Any

from ..rules import acls, commands, members, shifts
from ..call import Call
from ..world import world

INSTEAD = ("throttle", "error", "unavailable", "deny", "expired", "unknown-key", "cut-before")
BESIDE = ("cut-after", "stall", "duplicate")
WORLD = ("no-capacity", "autoshift", "late-news", "acl-quota", "command", "short-pages")
KEYS = {
    "kind": str,
    "share": (int, float),
    "actions": list,
    "nth": list,
    "times": int,
    "regions": list,
    "seconds": (int, float),
    "zones": list,
    "groups": list,
    "milliseconds": (int, float),
    "number": int,
    "code": int,
    "output": str,
}


@dataclass
class Meets:
    """What one call meets."""

    instead: str = ""
    cut_after: bool = False
    stall: float = 0.0
    times: int = 1


@dataclass
class Rule:
    kind: str
    share: float = 1.0
    actions: list[str] = field(default_factory=list)
    nth: list[int] = field(default_factory=list)
    times: int | None = None
    regions: list[str] = field(default_factory=list)
    seconds: float = 0.0
    zones: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    milliseconds: float = 0.0
    number: int = 0
    code: int = 0
    output: str = ""
    seen: int = 0
    struck: int = 0

    def strikes(self, call: Call, dice: random.Random) -> bool:
        if self.regions and call.region not in self.regions:
            return False
        if self.actions and not any(fnmatch.fnmatchcase(call.name, it) for it in self.actions):
            return False
        self.seen += 1
        if self.times is not None and self.struck >= self.times:
            return False
        if self.nth and self.seen not in self.nth:
            return False
        if self.share < 1.0 and dice.random() >= self.share:
            return False
        self.struck += 1
        return True


class Plan:
    """Guarded by the world's lock."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self.seed = 0
        self.dice = random.Random(0)

    def set(self, wanted: Any, seed: int | None = None) -> None:
        """Takes the whole list. ValueError says what is wrong with it; then nothing has changed. `seed` is that of its shares: the
        laboratory's when left out."""
        if not isinstance(wanted, list):
            raise ValueError("a list of rules is expected")
        rules = [read(it) for it in wanted]
        self.rules = rules
        self.dice = random.Random(self.seed if seed is None else seed)
        acls.quota = min((it.number for it in rules if it.kind == "acl-quota"), default=acls.QUOTA)

    def show(self) -> list[dict[str, Any]]:
        return [dict(vars(it)) for it in self.rules]


plan = Plan()


def read(table: Any) -> Rule:
    if not isinstance(table, dict):
        raise ValueError(f"a rule is a table, and this is none: {table!r}")
    for key, value in table.items():
        if key not in KEYS:
            raise ValueError(f"there is no key {key!r}: the keys are {', '.join(KEYS)}")
        if not isinstance(value, KEYS[key]) or isinstance(value, bool):
            raise ValueError(f"{key!r} cannot be {value!r}")
    kind = table.get("kind")
    if kind not in INSTEAD + BESIDE + WORLD:
        raise ValueError(f"there is no kind {kind!r}: the kinds are {', '.join(INSTEAD + BESIDE + WORLD)}")
    if not 0 <= table.get("share", 1) <= 1:
        raise ValueError("a share is from 0 to 1")
    return Rule(**table)


def meets(call: Call) -> Meets:
    """Every rule sees every call, whatever the others do to it: their counts are those of the calls."""
    met = Meets()
    for rule in plan.rules:
        if rule.kind in WORLD or not rule.strikes(call, plan.dice):
            continue
        if rule.kind in INSTEAD:
            met.instead = met.instead or rule.kind
        elif rule.kind == "cut-after":
            met.cut_after = True
        elif rule.kind == "stall":
            met.stall = max(met.stall, min(rule.seconds, 600.0))
        else:
            met.times = 2
    return met


def late() -> float:
    """Seconds of this machine by which news are late."""
    return max((it.milliseconds for it in plan.rules if it.kind == "late-news"), default=0.0) / 1000.0


def page() -> int | None:
    """How much there is on a page at most."""
    return min((it.number for it in plan.rules if it.kind == "short-pages"), default=None)


def refuses(group: Any, zone: str) -> bool:
    """Whether EC2 has nothing to give to this group in this zone."""
    for rule in plan.rules:
        if rule.kind == "no-capacity" and (not rule.zones or zone in rule.zones) and (not rule.groups or group.name in rule.groups):
            if rule.times is None or rule.struck < rule.times:
                rule.struck += 1
                return True
    return False


def shifts_itself(zone: str) -> bool:
    """Whether AWS itself shifts users away from the zone."""
    return any(it.kind == "autoshift" and zone in it.zones for it in plan.rules)


def replies(_instance: str) -> tuple[int, str] | None:
    """What an instance answers to the next command."""
    for rule in plan.rules:
        if rule.kind == "command" and (rule.times is None or rule.struck < rule.times):
            rule.struck += 1
            return rule.code, rule.output
    return None


def _forget() -> None:
    plan.set([])


members.refusals.append(refuses)
commands.replies.append(replies)
shifts.autoshifts.append(shifts_itself)
shifts.pages.append(page)
world.beginnings.append(_forget)
