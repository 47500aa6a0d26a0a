"""A host of a managed store: one program on an address of its own, in a process space of its own, so that all of it ends at once.

PostgreSQL refuses to run as root, and a user of its own would not reach the laboratory's folder: so it runs under another number in a user
space of its own, in which the folder is that number's. Its shared memory lies in a space of its own too, and ends with it."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path

from .addresses import Addresses

DIES_WITH_US = ["setpriv", "--pdeathsig", "KILL"]


def apart() -> list[str]:
    """The words before a command that is to run on a host of its own. initdb wants a number that has a name."""
    number = pwd.getpwnam("nobody").pw_uid
    spaces = [f"--map-user={number}", f"--map-group={number}", "--user", "--ipc", "--pid", "--fork", "--kill-child=KILL"]
    return [*DIES_WITH_US, "unshare", *spaces, "--"]


class Host:
    """Its process runs from `start` until `die` or `halt`."""

    def __init__(self, addresses: Addresses, region: str, zone: str, name: str, folder: Path) -> None:
        self.addresses = addresses
        self.zone = zone
        self.name = name
        self.address = addresses.give(region, zone, name)
        # A new address, a new folder: nothing is found that another host has left.
        self.folder = folder / f"{name}-{self.address}"
        self.folder.mkdir(parents=True)
        self.process: subprocess.Popen[bytes] | None = None
        self.told = False

    def start(self, command: list[str]) -> None:
        """Only the engine's thread may: a child dies with the thread that started it."""
        with (self.folder.parent / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*apart(), *command],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self.folder,
                env={**os.environ, "LC_ALL": "C", "TZ": "UTC"},
            )
        self.told = False

    @property
    def pid(self) -> int | None:
        """Of the program itself: the first process of its space."""
        if self.process is None or self.process.poll() is not None:
            return None
        try:
            found = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        except OSError:
            return None
        return int(found[0]) if found else None

    def tell(self, number: int) -> None:
        pid = self.pid
        if pid is not None:
            os.kill(pid, number)

    def die(self) -> None:
        """At once and whole: the kernel ends everything in a space whose first process has ended."""
        self.told = True
        if self.process is None:
            return
        pid = self.pid
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
        else:
            self.process.kill()
        self.process.wait()
        self.process = None

    def halt(self, number: int) -> None:
        """It may finish what it has."""
        self.told = True
        self.tell(number)

    def died_by_itself(self) -> bool:
        return self.process is not None and not self.told and self.process.poll() is not None

    def end(self) -> None:
        """What it had on its disks is gone, too."""
        self.die()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.addresses.back(self.address)
