"""How long things take on AWS, in seconds there; the laboratory's time runs `speed` times faster.

The figures are what one usually sees, not promises of AWS; each can be set at the start (`--time launch=60`)."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass
class Times:
    """All in seconds on AWS, but `speed`, the factor by which they are shortened."""

    speed: float = 30.0
    # An instance: from RunInstances to running; from running to its program answering.
    launch: float = 25.0
    boot: float = 30.0
    # From stopped to running, from running to stopped, from running to terminated.
    start: float = 20.0
    stop: float = 20.0
    shutdown: float = 30.0
    # A terminated instance stays listed.
    listed: float = 3600.0
    # An Auto Scaling group looks at its members' health; it tries again where there was no capacity.
    look: float = 30.0
    retry: float = 60.0
    # An alarm-free pause between the steps of an instance refresh.
    refresh: float = 15.0
    # A managed store: from the request until the standby is the writer; Aurora is faster.
    failover: float = 75.0
    aurora_failover: float = 30.0
    cache_failover: float = 45.0
    reboot: float = 20.0
    # A database from the request until it is available: an empty one, one from a snapshot; and the snapshot itself.
    create_database: float = 300.0
    restore_database: float = 420.0
    snapshot: float = 120.0
    # A command on an instance takes until it has an answer.
    command: float = 10.0

    def here(self, seconds: float) -> float:
        """So many seconds of AWS, in seconds of this machine."""
        return seconds / self.speed

    def change(self, text: str) -> None:
        """Takes `NAME=SECONDS`. ValueError tells what was wrong."""
        name, _, value = text.partition("=")
        known = [field.name for field in fields(self)]
        if name not in known:
            raise ValueError(f"there is no time {name!r}: the names are {', '.join(known)}")
        number = float(value)
        if not 0 < number < 1e7:
            raise ValueError(f"{name} must be above zero, and is {value!r}")
        setattr(self, name, number)
