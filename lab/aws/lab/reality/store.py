"""One managed store that is real: its hosts, its endpoint, and the work that makes it what it should be.

Work takes a while and the engine must not wait: it is a generator that yields each step's process, and goes on when that has ended. None stands for
"at the next turn"."""

from __future__ import annotations

import os
import subprocess
import time
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..world import Action, world
from .addresses import Addresses
from .endpoint import Endpoint
from .hosts import Host, apart

Work = Generator["subprocess.Popen[bytes] | None", None, None]

# No step takes that long, in seconds, however busy this machine is.
PATIENCE = 60.0
# Asks until the answer is the first word; the others are the question.
UNTIL = 'wanted=$1; shift; until [ "$("$@" 2>/dev/null)" = "$wanted" ]; do sleep 0.05; done'


@dataclass
class Site:
    """Where stores live."""

    addresses: Addresses
    folder: Path
    # Where PostgreSQL's programs are.
    postgres: Path


class Store:
    """`of` is what the books have: moto's DBInstance or ReplicationGroup."""

    def __init__(self, site: Site, of: Any, name: str, region: str, port: int) -> None:
        self.site, self.of, self.name, self.region, self.port = site, of, name, region, port
        self.folder = site.folder / region / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.endpoint = Endpoint(self.folder, "endpoint", site.addresses.of_endpoint(f"{region}/{type(self).__name__}/{name}"), port)
        self.primary: Host | None = None
        self.others: list[Host] = []
        self.works: deque[Work] = deque()
        self.step: subprocess.Popen[bytes] | None = None
        self.since = 0.0
        # Deleted, it is there until its last snapshot is made.
        self.saving = False

    # ── work ──

    def host(self, zone: str, name: str) -> Host:
        return Host(self.site.addresses, self.region, zone, name, self.folder)

    def run(self, *command: str, text: str | None = None) -> subprocess.Popen[bytes]:
        """A step; `text` is what it reads. It ends with us, and so does what it started."""
        with (self.folder / "steps.log").open("ab") as log:
            process = subprocess.Popen(
                [*apart(), *command],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL if text is None else subprocess.PIPE,
                cwd=self.folder,
                env={**os.environ, "LC_ALL": "C", "PGCONNECT_TIMEOUT": "2"},
            )
        if process.stdin is not None and text is not None:
            # Shorter than a pipe holds.
            process.stdin.write(text.encode())
            process.stdin.close()
        return process

    def until(self, wanted: str, *question: str) -> subprocess.Popen[bytes]:
        return self.run("sh", "-c", UNTIL, "sh", wanted, *question)

    def begin(self, work: Work) -> None:
        """After what is being done already."""
        self.works.append(work)

    def busy(self) -> bool:
        return bool(self.works)

    def tend(self) -> None:
        """Goes on as far as that needs no waiting. Only the engine's thread may."""
        while self.works:
            if self.step is not None:
                code = self.step.poll()
                if code is None and time.monotonic() - self.since < PATIENCE:
                    return
                if code != 0:
                    self.fail("takes too long" if code is None else f"ended with {code}")
                    return
            try:
                self.step, self.since = next(self.works[0]), time.monotonic()
            except StopIteration:
                self.works.popleft()
                self.step = None
            else:
                if self.step is None:
                    return

    def fail(self, why: str) -> None:
        words = self.step.args if self.step is not None and isinstance(self.step.args, list) else []
        said = (self.folder / "steps.log").read_text(errors="replace")[-1500:]
        self.stop()
        world.fault(f"{self.name} in {self.region}: a step {why}: {' '.join(map(str, words[len(apart()) :]))}\n{said}")

    def stop(self) -> None:
        self.works.clear()
        if self.step is not None and self.step.poll() is None:
            self.step.kill()
            self.step.wait()
        self.step = None
        self.saving = False

    # ── what every store does ──

    def create(self, done: Action) -> Work:
        raise NotImplementedError

    def promote(self, to: str, done: Action) -> Work:
        raise NotImplementedError

    def recover(self, done: Action) -> Work:
        raise NotImplementedError

    def restart(self, done: Action) -> Work:
        raise NotImplementedError

    def as_booked(self) -> None:
        """What the books want otherwise by now is begun."""

    def url(self) -> str:
        raise NotImplementedError

    def open(self, done: Action) -> Work:
        yield from self.lead()
        done()

    def lead(self) -> Work:
        """Users reach the primary."""
        while self.endpoint.starting():
            yield None
        if self.primary is not None:
            self.endpoint.lead(self.primary.address, self.port)

    def lose(self) -> None:
        """The primary is gone at once; then the connections to it end."""
        if self.primary is not None:
            self.primary.die()
        self.endpoint.cut()

    def hosts(self) -> list[Host]:
        return [*([self.primary] if self.primary is not None else []), *self.others]

    def faults(self) -> list[str]:
        found = [f"{it.name} of {self.name} in {self.region} ended by itself" for it in self.hosts() if it.died_by_itself()]
        if self.endpoint.process.poll() is not None:
            found.append(f"the endpoint of {self.name} in {self.region} ended by itself: {self.endpoint.process.returncode}")
        return found

    def shown(self) -> dict[str, Any]:
        """For /lab/site: what users connect to, and who is behind it."""

        def one(host: Host) -> dict[str, Any]:
            return {"name": host.name, "address": f"{host.address}:{self.port}", "pid": host.pid, "zone": host.zone}

        return {"url": self.url(), "primary": one(self.primary) if self.primary is not None else None, "others": [one(it) for it in self.others]}

    def end(self) -> None:
        self.stop()
        self.endpoint.end()
        for host in self.hosts():
            host.end()
