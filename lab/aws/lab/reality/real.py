"""What should be, and is: twenty times a second, and after every change of a state."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from moto.ec2 import ec2_backends
from moto.elbv2 import elbv2_backends

from ..rules import acls, targets
from ..server import control
from ..world import world
from .addresses import Addresses
from .balancers import Balancers
from .lookups import Lookups
from .machines import Machines
from .network import Network, is_private
from .stores import Stores

OFTEN = 0.05
# More processes than that are another machine's work.
MOST = 120


class Reality:
    def __init__(self, program: Path, folder: Path) -> None:
        missing = [it for it in ("haproxy", "iptables", "setpriv") if shutil.which(it) is None]
        if missing:
            raise RuntimeError(f"there is no program {missing[0]!r} here: \"scripts/aws-lab install\" gets it")
        if not is_private():
            raise RuntimeError("this is the machine's own network: \"scripts/aws-lab up\" gives the laboratory one of its own")
        self.addresses = Addresses()
        self.network = Network(self.addresses.number)
        self.machines = Machines(program, folder / "instances", self.addresses)
        self.balancers = Balancers(folder / "haproxy", self.machines)
        self.stores = Stores(self.addresses, folder / "stores")
        self.lookups = Lookups(self.balancers.place)
        self.told_full = False
        targets.by_checks_of_others = True
        world.watchers.append(self.watch)
        world.beginnings.append(self.begin)
        acls.subnet_watchers.append(lambda *_: world.soon(self.tend))
        targets.target_watchers.append(lambda *_: world.soon(self.tend))
        control.probes.append(self.faults)
        control.sites.append(self.sites)
        control.waits.append(self.stores.unsettled)

    def begin(self) -> None:
        self.told_full = False
        world.every(lambda: OFTEN * world.times.speed, self.tend)

    def watch(self, instance: Any, _old: str, new: str) -> None:
        if new == "rebooting":
            seconds = world.times.here(world.times.reboot)
            world.soon(lambda: self.machines.reboot(instance.id, seconds))
        elif new in ("shutting-down", "stopping", "running"):
            # The process goes as the state does, not at the next look.
            if new == "shutting-down" and instance.id in self.machines.all:
                self.machines.kill(self.machines.all[instance.id])
            world.soon(self.tend)

    def instances(self) -> list[Any]:
        return [it for backend in targets.all_backends(ec2_backends) for it in backend.all_instances()]

    def ports(self) -> dict[str, int]:
        """The port that each instance listens on: that under which it is a target, or its group's."""
        found: dict[str, int] = {}
        for backend in targets.all_backends(elbv2_backends):
            for group in backend.target_groups.values():
                found.update({key: int(it.port) for key, it in targets.table(group).items()})
        for instance in self.instances():
            group = getattr(instance, "autoscaling_group", None)
            for arn in group.target_group_arns if group is not None else []:
                target_group = group.autoscaling_backend.elbv2_backend.target_groups.get(arn)
                if target_group is not None:
                    found.setdefault(instance.id, int(target_group.port))
        return found

    def tend(self) -> None:
        instances = self.instances()
        running = [it for it in instances if it._state.name == "running"]
        if len(running) > MOST:
            if not self.told_full:
                self.told_full = True
                world.fault(f"{len(running)} instances run: real processes are for at most {MOST}, use --rules-only")
            return
        self.machines.tend(instances, self.ports())
        for wrong in self.network.tend(self.lost(instances)):
            world.fault(wrong)
        self.balancers.tend()
        self.stores.tend()

    def lost(self, instances: list[Any]) -> set[str]:
        """Addresses of instances that nothing reaches."""
        known: dict[tuple[str, str], bool] = {}
        found = set()
        for instance in instances:
            machine = self.machines.all.get(instance.id)
            if machine is None:
                continue
            key = (str(instance.subnet_id), str(machine.port))
            if key not in known:
                known[key] = acls.reachable(instance.ec2_backend, instance.subnet_id, machine.port)
            if not known[key]:
                found.add(machine.address)
        return found

    def faults(self) -> list[str]:
        """What of this is broken right now."""
        return [
            f"HAProxy of {it.name} in {it.region} ended: {it.haproxy.process.returncode}"
            for it in self.balancers.all.values()
            if it.haproxy.process.poll() is not None
        ] + self.stores.faults()

    def sites(self) -> dict[str, Any]:
        """{region: {load balancer: {"url": ..., "instances": {id: address}}}}; those that no balancer sends to are under "unbalanced",
        real stores under "stores"."""
        found: dict[str, Any] = {}
        for it in self.balancers.all.values():
            found.setdefault(it.region, {})[it.name] = {
                "url": f"http://127.0.0.1:{it.haproxy.port}",
                "address": f"{it.haproxy.own[0]}:{it.haproxy.own[1]}",
                "instances": {key: f"{self.machines.all[key].address}:{self.machines.all[key].port}" for key in it.haproxy.servers if key in self.machines.all},
            }
        balanced = {key for it in self.balancers.all.values() for key in it.haproxy.servers}
        for instance in self.instances():
            machine = self.machines.all.get(instance.id)
            if machine is not None and machine.process is not None and instance.id not in balanced:
                alone = found.setdefault(instance.region_name, {}).setdefault("unbalanced", {"instances": {}})
                alone["instances"][instance.id] = f"{machine.address}:{machine.port}"
        for region, stores in self.stores.shown().items():
            found.setdefault(region, {})["stores"] = stores
        return found

    def end(self) -> None:
        self.lookups.end()
        self.network.end()
        for balancer in self.balancers.all.values():
            balancer.haproxy.end()
        self.stores.end()
        self.machines.end()
