"""Who keeps what is in managed stores. With `--rules-only` nobody does: a store has a state and roles, and whatever is asked of it is done at
once. The reality layer puts a keeper with real databases in place of this one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..world import Action, world


class Keeper:
    """`store` is moto's DBInstance or ReplicationGroup; `done` is called when it is so."""

    def lose(self, store: Any) -> None:
        """The primary ends, as a host that dies. Nobody reaches the store until `promote`."""

    def promote(self, store: Any, to: str, done: Action) -> None:
        """The standby (of a cache: the member `to`) is the primary, and users reach it."""
        done()

    def recover(self, store: Any, done: Action) -> None:
        """In place of what was lost there is a standby again, and it has everything."""
        done()

    def halt(self, store: Any) -> None:
        """The primary is told to end."""

    def restart(self, store: Any, done: Action) -> None:
        """It serves again, where it was."""
        done()

    def copy(self, store: Any, snapshot: Any, done: Action) -> None:
        """The snapshot has what the store has now."""
        done()

    def keeps(self, store: Any) -> bool:
        """Whether it is a real one."""
        return False


keeper = Keeper()


def at_least(seconds: float, begin: Callable[[Action], None], done: Action) -> None:
    """`done` is called when what `begin` began is done, and not before so many seconds of AWS are over."""
    missing = ["time", "work"]

    def over(what: str) -> None:
        missing.remove(what)
        if not missing:
            done()

    world.after(seconds, lambda: over("time"))
    begin(lambda: over("work"))
