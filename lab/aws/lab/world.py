"""The one lock, and the agenda of what is still to happen.

moto answers each call in a thread of its own and guards nothing. Here every call and every event takes one lock, so that each sees a
world in which everything before it is done, and a run with the same calls meets the same world."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
import traceback
from collections.abc import Callable
from datetime import datetime, timezone

from .times import Times

Action = Callable[[], None]


def stamp(moment: datetime | None = None) -> str:
    """A time as Auto Scaling writes it into its sentences."""
    return (moment or datetime.now(timezone.utc)).strftime("%Y-%m-%dT%H:%M:%SZ")


class World:
    """Shared by all parts; `world` below is the only one."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.times = Times()
        self.wake = threading.Condition(self.lock)
        self.agenda: list[tuple[float, int, Action]] = []
        self.order = itertools.count()
        self.faults: list[str] = []
        self.ended = False
        # Called when moto is emptied, and once at the start.
        self.beginnings: list[Action] = []
        # What wants to know of an instance's new state: called with (instance, old name, new name).
        self.watchers: list[Callable[[object, str, str], None]] = []
        # In a thread that answers a call of the API, what it may see is another thing than what there is.
        self.thread = threading.local()

    # ── time ──

    def after(self, seconds: float, action: Action) -> None:
        """Does it so many seconds of AWS from now."""
        self.after_here(self.times.here(seconds), action)

    def after_here(self, seconds: float, action: Action) -> None:
        """Does it so many seconds of this machine from now."""
        with self.lock:
            heapq.heappush(self.agenda, (time.monotonic() + seconds, next(self.order), action))
            self.wake.notify_all()

    def every(self, seconds: Callable[[], float], action: Action) -> None:
        """Does it again and again; `seconds`, of AWS, is asked anew each time."""

        def again() -> None:
            try:
                action()
            finally:
                self.after(max(seconds(), self.times.speed * 0.01), again)

        self.after(seconds(), again)

    def soon(self, action: Action) -> None:
        """Does it as the next thing."""
        self.after_here(0.0, action)

    def run(self) -> None:
        """The engine: does what is due, one at a time. Returns when the world has ended."""
        while True:
            with self.lock:
                if self.ended:
                    return
                now = time.monotonic()
                if not self.agenda or self.agenda[0][0] > now:
                    self.wake.wait(min(self.agenda[0][0] - now, 1.0) if self.agenda else 1.0)
                    continue
                _, _, action = heapq.heappop(self.agenda)
                try:
                    action()
                except Exception:  # noqa: BLE001 - a fault of the laboratory, which /lab/health must tell
                    self.fault(traceback.format_exc())
            # A call that waits gets its turn.
            time.sleep(0)

    def end(self) -> None:
        with self.lock:
            self.ended = True
            self.wake.notify_all()

    # ── faults of the laboratory itself ──

    def fault(self, text: str) -> None:
        """The laboratory is not what it plays any more: a drill in it proves nothing."""
        with self.lock:
            if len(self.faults) < 100:
                self.faults.append(text if len(text) <= 4000 else f"{text[:1000]} [...] {text[-3000:]}")

    # ── beginnings ──

    def begin(self) -> None:
        """Forgets everything that was still to happen; all parts begin anew."""
        with self.lock:
            self.agenda.clear()
            for beginning in self.beginnings:
                beginning()

    def in_call(self) -> bool:
        """Whether this thread answers a call of the API (the engine itself sees everything)."""
        return getattr(self.thread, "call", None) is not None


world = World()
