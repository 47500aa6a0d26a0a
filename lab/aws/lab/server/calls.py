"""What was called so far, for tests that count."""

from __future__ import annotations

import re
import time
from typing import Any

from ..call import Call

# Beyond this, the oldest are forgotten (and `forgotten` counts them).
KEPT = 200_000

CODE = re.compile(rb"<Code>([^<]{1,100})</Code>")
TYPE = re.compile(rb'"__type"\s*:\s*"([^"]{1,100})"')


class Calls:
    """Guarded by the world's lock."""

    def __init__(self) -> None:
        self.list: list[dict[str, Any]] = []
        self.number = 0
        self.forgotten = 0

    def clear(self) -> None:
        self.list, self.forgotten = [], 0

    def begin(self, call: Call) -> dict[str, Any]:
        self.number += 1
        entry = {
            "number": self.number,
            "at": time.time(),
            "service": call.service,
            "region": call.region,
            "access_key": call.access_key,
            "action": call.action,
            "name": call.name,
            "dry_run": call.dry_run,
            "parameters": {key: (value if len(str(value)) <= 4000 else str(value)[:4000]) for key, value in call.parameters.items()},
            # What became of it: "answered", "cut-before", "cut-after", or the kind of trouble that was answered instead.
            "outcome": "",
            # How often moto really did it.
            "done": 0,
            "status": None,
            "code": None,
            "seconds": None,
        }
        self.list.append(entry)
        if len(self.list) > KEPT:
            del self.list[0]
            self.forgotten += 1
        return entry

    @staticmethod
    def end(entry: dict[str, Any], outcome: str, status: int | None, body: bytes = b"") -> None:
        entry["outcome"], entry["status"] = outcome, status
        entry["seconds"] = round(time.time() - entry["at"], 6)
        if status is not None and status >= 400:
            found = CODE.search(body) or TYPE.search(body)
            entry["code"] = found.group(1).decode("ascii", "replace") if found else "?"


calls = Calls()
