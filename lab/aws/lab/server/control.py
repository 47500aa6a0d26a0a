"""`/lab/...`: for the test that drives the laboratory. JSON in, JSON out.

    GET    /lab/health     {"ok": ..., "faults": [...]}; 500 when the laboratory is not what it plays any more
    GET    /lab/calls      what was called so far; DELETE forgets it
    GET    /lab/state      everything that a drill can change, in one order
    GET    /lab/trouble    the rules that hold, with how often each has struck; PUT sets the list (?seed=N draws its shares
                           from another seed than the laboratory's), DELETE empties it
    GET    /lab/policy     the policy of IAM that holds; PUT sets one, DELETE allows everything again
    GET    /lab/settled    waits until all groups and stores are as they should be, at most ?within=SECONDS (30); 504 when they are not by then
    GET    /lab/site       where the sites listen, and the real stores
    POST   /lab/reset      empties moto and begins anew; ?seed=N makes ids repeat
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from moto.autoscaling import autoscaling_backends
from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data
from moto.moto_api._internal import mock_random

from .. import state
from ..iam.policy import policy
from ..rules import members, refresh, targets
from ..trouble.plan import plan
from ..world import world
from .answers import Answer
from .calls import calls
from ..call import body_of

# Set by the reality layer: what else must be right, and where the sites listen.
probes: list[Callable[[], list[str]]] = []
sites: list[Callable[[], dict[str, Any]]] = []
# What else is not as it should be yet, in words.
waits: list[Callable[[], list[str]]] = []
seed = 42


def reply(status: int, value: Any) -> Answer:
    body = json.dumps(value, indent=2, sort_keys=True, default=str).encode() + b"\n"
    return status, [("Content-Type", "application/json")], body


def begin(new_seed: int | None = None) -> None:
    """Empties moto and begins anew."""
    global seed
    seed = seed if new_seed is None else new_seed
    with world.lock:
        BackendDict.reset()
        reset_model_data()
        mock_random.seed(seed)
        plan.seed = seed
        world.faults.clear()
        forget()


def forget() -> None:
    calls.clear()
    world.begin()


def health() -> Answer:
    with world.lock:
        faults = [*world.faults, *(fault for probe in probes for fault in probe())]
    return reply(500 if faults else 200, {"ok": not faults, "faults": faults})


def unsettled() -> list[str]:
    """What is not as it should be yet."""
    found = [wrong for wait in waits for wrong in wait()]
    for backend in targets.all_backends(autoscaling_backends):
        for group in backend.autoscaling_groups.values():
            if not members.settled(group):
                found.append(f"group {group.name} has {len(members.counted(group))} of {group.desired_capacity}, or some not in service")
            elif not all(refresh.serves(group, it) for it in group.instance_states):
                found.append(f"a member of group {group.name} is not healthy for its target group")
            elif members.misplaced(group):
                found.append(f"group {group.name} has members in zones that it does not use")
            elif (spread := members.spread(group)) and max(spread.values()) - min(spread.values()) > 1:
                found.append(f"group {group.name} is not balanced: {spread}")
    return found


def settled(query: dict[str, list[str]]) -> Answer:
    within = min(float(query.get("within", ["30"])[0]), 600.0)
    limit = time.monotonic() + within
    while True:
        with world.lock:
            wrong = unsettled()
        if not wrong:
            return reply(200, {"settled": True})
        if time.monotonic() > limit:
            return reply(504, {"settled": False, "wrong": wrong})
        time.sleep(0.02)


def trouble(method: str, query: dict[str, list[str]], body: bytes) -> Answer:
    with world.lock:
        if method in ("PUT", "POST"):
            try:
                plan.set(json.loads(body or b"[]"), int(query["seed"][0]) if "seed" in query else None)
            except ValueError as wrong:
                return reply(400, {"error": str(wrong)})
        elif method == "DELETE":
            plan.set([])
        return reply(200, plan.show())


def allowed(method: str, body: bytes) -> Answer:
    with world.lock:
        if method in ("PUT", "POST"):
            try:
                policy.set(json.loads(body or b"null"))
            except ValueError as wrong:
                return reply(400, {"error": str(wrong)})
        elif method == "DELETE":
            policy.set(None)
        return reply(200, policy.text)


def answer(environ: dict[str, Any]) -> Answer:
    path, method = environ["PATH_INFO"].rstrip("/"), environ["REQUEST_METHOD"]
    query = parse_qs(environ.get("QUERY_STRING", ""))
    body = body_of(environ)
    try:
        if path == "/lab/health":
            return health()
        if path == "/lab/calls":
            with world.lock:
                if method == "DELETE":
                    calls.clear()
                return reply(200, {"calls": calls.list, "forgotten": calls.forgotten})
        if path == "/lab/state":
            with world.lock:
                return reply(200, state.everything())
        if path == "/lab/trouble":
            return trouble(method, query, body)
        if path == "/lab/policy":
            return allowed(method, body)
        if path == "/lab/settled":
            return settled(query)
        if path == "/lab/site":
            with world.lock:
                return reply(200, {key: value for site in sites for key, value in site().items()})
        if path == "/lab/reset" and method == "POST":
            begin(int(query["seed"][0]) if "seed" in query else None)
            return reply(200, {"seed": seed})
    except ValueError as wrong:
        return reply(400, {"error": str(wrong)})
    return reply(404, {"error": f"there is no {method} {path} here"})
