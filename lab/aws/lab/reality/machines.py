"""A process for each instance: `firedrill what-time` on the instance's own address.

Terminated, it is killed at once; stopped, it is told to end; rebooted, it is killed and started again. It dies with the laboratory."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from ..world import world
from .addresses import Addresses

# A process that ends by itself is started again, as systemd would, after this many seconds; and it is a fault of the laboratory.
AGAIN = 0.5


class Machine:
    """One instance's address and, while it runs, its process."""

    def __init__(self, instance: Any, address: str, port: int) -> None:
        self.id: str = instance.id
        self.zone: str = instance.placement.zone
        self.address = address
        self.port = port
        self.process: subprocess.Popen[bytes] | None = None
        self.not_before = 0.0
        self.told = False
        self.excused = 0.0


class Machines:
    def __init__(self, program: Path, folder: Path, addresses: Addresses) -> None:
        self.program = program
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.addresses = addresses
        self.all: dict[str, Machine] = {}

    def start(self, machine: Machine) -> None:
        """Only the engine's thread may: a child dies with the thread that started it."""
        boot = max(1, round(world.times.here(world.times.boot) * 1000))
        command = [
            "setpriv",
            "--pdeathsig",
            "KILL",
            str(self.program),
            "what-time",
            *("--listen", f"{machine.address}:{machine.port}"),
            *("--instance", machine.id),
            *("--zone", machine.zone),
            *("--boot-delay", f"{boot}ms"),
        ]
        with (self.folder / f"{machine.id}.log").open("ab") as log:
            machine.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.folder)
        machine.told = False

    @staticmethod
    def kill(machine: Machine, number: int = signal.SIGKILL) -> None:
        """As the machine goes off: at once."""
        if machine.process is not None and machine.process.poll() is None:
            machine.process.send_signal(number)
        machine.told = True

    def off(self, machine: Machine) -> None:
        self.kill(machine)
        if machine.process is not None:
            machine.process.wait()
            machine.process = None

    def tend(self, instances: list[Any], ports: dict[str, int]) -> None:
        """What runs in the books runs here, and nothing else does."""
        moment = time.monotonic()
        listed = {it.id: it for it in instances}
        for machine in list(self.all.values()):
            instance = listed.get(machine.id)
            state = instance._state.name if instance is not None else "terminated"
            if state in ("shutting-down", "terminated"):
                self.off(machine)
                self.addresses.back(machine.address)
                del self.all[machine.id]
            elif state == "stopping":
                if not machine.told:
                    self.kill(machine, signal.SIGTERM)
            elif state == "stopped":
                self.off(machine)
        for instance in instances:
            if instance._state.name != "running":
                continue
            machine = self.all.get(instance.id) or self.new(instance, ports)
            if machine.process is not None and machine.process.poll() is not None:
                if not machine.told and moment > machine.excused:
                    world.fault(f"the process of {machine.id} ended by itself: {machine.process.returncode}")
                machine.process, machine.not_before = None, moment + AGAIN
            if machine.process is None and moment >= machine.not_before:
                self.start(machine)

    def new(self, instance: Any, ports: dict[str, int]) -> Machine:
        address = self.addresses.give(instance.region_name, instance.placement.zone, instance.id)
        machine = Machine(instance, address, ports.get(instance.id, 8080))
        self.all[instance.id] = machine
        return machine

    def reboot(self, identity: str, seconds: float) -> None:
        """Off, and on again after so many seconds of this machine."""
        machine = self.all.get(identity)
        if machine is not None:
            self.off(machine)
            machine.not_before = time.monotonic() + seconds

    def end(self) -> None:
        for machine in self.all.values():
            self.off(machine)
