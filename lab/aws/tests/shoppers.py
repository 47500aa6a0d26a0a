"""Who writes into a store all the time, and remembers what was acknowledged."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit


class Unreachable(OSError):
    """No answer, or one that says no."""


def tool(*command: str, within: float = 5.0) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=within, check=False)
    except subprocess.TimeoutExpired:
        raise Unreachable("no answer in time") from None
    if done.returncode != 0 or done.stdout.startswith("ERR") or "Error" in done.stdout:
        raise Unreachable(done.stderr + done.stdout)
    return done.stdout.strip()


def sql(url: str, text: str, within: float = 5.0) -> str:
    """One statement, on a connection of its own."""
    return tool("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", text, url, within=within)


def redis(url: str, *words: str) -> str:
    place = urlsplit(url)
    return tool("redis-cli", "-h", str(place.hostname), "-p", str(place.port), *words)


class Writer:
    """`write` puts a number into the store, or raises OSError."""

    def __init__(self, write: Callable[[int], object]) -> None:
        self.write = write
        self.acknowledged: list[int] = []
        # When each write that failed began.
        self.failed: list[float] = []
        self.ended = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        number = 0
        while not self.ended:
            number += 1
            began = time.monotonic()
            try:
                self.write(number)
                self.acknowledged.append(number)
            except OSError:
                self.failed.append(began)
            time.sleep(0.01)

    def end(self) -> None:
        self.ended = True
        self.thread.join(20)
