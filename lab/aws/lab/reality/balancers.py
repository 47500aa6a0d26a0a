"""A HAProxy for each listener that there is, with the targets of its target group; and what it finds is what DescribeTargetHealth says."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

from moto.elbv2 import elbv2_backends

from ..rules import shifts, targets
from ..world import world
from .haproxy import Haproxy
from .machines import Machines

# AWS's own time-outs, in seconds.
CONNECT, IDLE = 10.0, 60.0

REASONS = {
    "L4TOUT": ("Target.Timeout", "Request timed out"),
    "L7TOUT": ("Target.Timeout", "Request timed out"),
    "L7STS": ("Target.ResponseCodeMismatch", "Health checks failed with these codes: [500]"),
}
FAILED = ("Target.FailedHealthChecks", "Health checks failed")


class Balancer:
    """One listener."""

    def __init__(self, region: str, name: str, port: int, haproxy: Haproxy) -> None:
        self.region = region
        self.name = name
        self.port = port
        self.haproxy = haproxy
        self.born = time.monotonic()


def forwards_to(backend: Any, listener: Any) -> Any:
    """The target group of the listener's default action."""
    for action in listener.default_actions:
        data = action.data if hasattr(action, "data") else action
        arns = [data.get("TargetGroupArn")] + [
            it.get("TargetGroupArn") for it in (data.get("ForwardConfig") or {}).get("TargetGroups", [])
        ]
        for arn in arns:
            if arn in backend.target_groups:
                return backend.target_groups[arn]
    return None


class Balancers:
    def __init__(self, folder: Path, machines: Machines) -> None:
        self.folder = folder
        self.machines = machines
        self.all: dict[str, Balancer] = {}
        self.numbers = itertools.count(1)

    def listeners(self) -> dict[str, tuple[str, Any, Any, Any]]:
        """(region, load balancer, listener, target group) of every listener, by its ARN."""
        found = {}
        for backend in targets.all_backends(elbv2_backends):
            for load_balancer in backend.load_balancers.values():
                for listener in load_balancer.listeners.values():
                    group = forwards_to(backend, listener)
                    if group is not None and group.protocol in ("HTTP", "HTTPS"):
                        found[listener.arn] = (backend.region_name, load_balancer, listener, group)
        return found

    def new(self, region: str, load_balancer: Any, listener: Any, group: Any) -> Balancer:
        here = world.times.here
        haproxy = Haproxy(
            self.folder,
            f"{region}-{next(self.numbers)}",
            own=(self.machines.addresses.of_endpoint(load_balancer.arn), int(listener.port or 80)),
            connect=here(CONNECT),
            idle=here(IDLE),
            interval=here(float(group.health_check_interval_seconds)),
            timeout=here(float(group.health_check_timeout_seconds)),
            rise=int(group.healthy_threshold_count),
            fall=int(group.unhealthy_threshold_count),
            path=group.health_check_path or "/",
            codes=codes((group.matcher or {}).get("HttpCode") or "200"),
        )
        return Balancer(region, load_balancer.name, int(listener.port or 80), haproxy)

    def place(self, load_balancer: Any) -> tuple[str, int] | None:
        """Where a load balancer listens, for who knows its name."""
        for arn in load_balancer.listeners:
            if arn in self.all:
                return self.all[arn].haproxy.own
        return None

    def tend(self) -> None:
        """Listeners, their targets, and their health, as they should be. Only the engine's thread may."""
        wanted = self.listeners()
        for arn in [it for it in self.all if it not in wanted]:
            self.all.pop(arn).haproxy.end()
        for arn, (region, load_balancer, listener, group) in wanted.items():
            if arn not in self.all:
                self.all[arn] = self.new(region, load_balancer, listener, group)
            balancer = self.all[arn]
            if balancer.haproxy.starting() and time.monotonic() - balancer.born < 10:
                continue
            try:
                self.tend_one(balancer, group, shifts.away(group.ec2_backend.account_id, region, load_balancer))
            except OSError as wrong:
                world.fault(f"HAProxy of {balancer.name} in {balancer.region} does not do what it should: {wrong}")

    def tend_one(self, balancer: Balancer, group: Any, away: set[str]) -> None:
        """`away`: the zones that users are shifted away from."""
        haproxy = balancer.haproxy
        registered, leaving = targets.table(group), targets.draining(group)
        for identity in list(haproxy.servers):
            machine = self.machines.all.get(identity)
            if identity in registered and machine is not None and not haproxy.servers[identity]:
                continue
            if identity in leaving and machine is not None:
                if not haproxy.servers[identity]:
                    haproxy.drain(identity)
            elif machine is None and identity in registered:
                # Off, but not yet out: it fails its checks, as on AWS.
                continue
            else:
                haproxy.remove(identity)
        for identity, target in registered.items():
            machine = self.machines.all.get(identity)
            if identity not in haproxy.servers and machine is not None:
                haproxy.add(identity, machine.address, int(target.port))
            if machine is not None and haproxy.servers.get(identity) is False:
                haproxy.shift(identity, machine.zone in away)
        for identity, (status, check) in haproxy.health().items():
            target = registered.get(identity)
            if target is not None:
                judge(group, target, status, check)


def judge(group: Any, target: targets.Target, status: str, check: str) -> None:
    """HAProxy's word, as DescribeTargetHealth says it."""
    # What is shifted away from is checked as ever.
    if status.startswith(("UP", "DRAIN")):
        if target.state != "initial" or check not in ("", "INI"):
            target.become("healthy")
    elif status.startswith("DOWN"):
        # A new one has as long as its first checks take.
        patience = world.times.here(float(group.health_check_interval_seconds) * int(group.unhealthy_threshold_count))
        if target.state == "initial" and time.monotonic() - target.since < patience:
            target.become("initial", targets.CHECKING)
        else:
            target.become("unhealthy", REASONS.get(check, FAILED))


def codes(text: str) -> str:
    """AWS's list of good statuses, as HAProxy has it."""
    return ",".join(part.strip() for part in str(text).split(","))
