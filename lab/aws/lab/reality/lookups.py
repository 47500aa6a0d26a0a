"""DNS on a port of 127.0.0.1: the names of Route 53 and of the load balancers, as they are now; and Route 53's health checks, which really ask.

A load balancer has an address of its own, where its HAProxy listens on the listener's port, so that names lead somewhere. How long one may
remember an answer is shortened as all times are, to one second at least."""

from __future__ import annotations

import http.client
import random
import socket
import struct
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..rules import names
from ..world import world

KINDS = {1: "A", 28: "AAAA"}
# A health check waits four seconds of AWS, but not so short that a busy machine fails it.
PATIENCE, LEAST = 4.0, 0.5

# (address, port) of a load balancer's listener, if it has one.
Place = Callable[[Any], "tuple[str, int] | None"]


class Lookups:
    def __init__(self, place: Place) -> None:
        self.place = place
        self.dice = random.Random(0)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port: int = self.socket.getsockname()[1]
        self.pool = ThreadPoolExecutor(8, thread_name_prefix="health-check")
        names.asked = self.ask
        threading.Thread(target=self.serve, name="names", daemon=True).start()
        threading.Thread(target=self.check, name="health-checks", daemon=True).start()

    # ── questions ──

    def serve(self) -> None:
        while True:
            try:
                question, who = self.socket.recvfrom(4096)
            except OSError:
                return
            try:
                answer = self.answer(question)
            except (struct.error, IndexError, UnicodeDecodeError):
                continue
            except Exception as error:  # noqa: BLE001
                world.fault(f"the name server: {error!r}")
                continue
            self.socket.sendto(answer, who)

    def answer(self, question: bytes) -> bytes:
        """One answer to one question; NXDOMAIN for what is nobody's."""
        number, flags, count = struct.unpack("!HHH", question[:6])
        name, end = name_at(question, 12)
        kind, _ = struct.unpack("!HH", question[end : end + 4])
        asked = question[12 : end + 4]
        with world.lock:
            found = names.look_up(name, KINDS.get(kind, "?"), self.dice.random())
            values = [self.address(it) for it in found.values] if found else []
        addresses = [it for it in values if it is not None]
        ttl = max(1, round(world.times.here(found.ttl))) if found else 1
        records = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, ttl, len(it)) + it for it in addresses) if kind == 1 else b""
        answers = len(addresses) if kind == 1 else 0
        code = 0 if found else 3
        return struct.pack("!HHHHHH", number, 0x8400 | (flags & 0x0100) | code, 1 if count else 0, answers, 0, 0) + asked + records

    def address(self, value: Any) -> bytes | None:
        """Of a load balancer, or written in a record."""
        if isinstance(value, str):
            return socket.inet_aton(value)
        place = self.place(value)
        return socket.inet_aton(place[0]) if place else None

    # ── health checks ──

    def check(self) -> None:
        while not world.ended:
            with world.lock:
                due = names.due(time.monotonic())
            for check in due:
                self.pool.submit(self.one, check)
            time.sleep(0.02)

    def one(self, check: Any) -> None:
        good = self.ask(check)
        with world.lock:
            names.record(check, good)

    def ask(self, check: Any) -> bool:
        """Whether the endpoint answers."""
        with world.lock:
            found = names.balancer_of(check.fqdn)
            place = self.place(found[1]) if found else (check.ip_address, int(check.port or 80)) if check.ip_address else None
            wait = max(LEAST, world.times.here(PATIENCE))
        if place is None or not str(place[0]).startswith("127."):
            return False
        connection = http.client.HTTPConnection(place[0], place[1], timeout=wait)
        try:
            connection.request("GET", check.resource_path or "/")
            status = connection.getresponse().status
            return 200 <= status < 400
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def end(self) -> None:
        self.socket.close()
        self.pool.shutdown(wait=False, cancel_futures=True)


def name_at(message: bytes, place: int) -> tuple[str, int]:
    """The name of a question, and where it ends."""
    labels = []
    while length := message[place]:
        if length > 63:
            raise IndexError("a question holds no pointers")
        labels.append(message[place + 1 : place + 1 + length].decode("ascii"))
        place += 1 + length
    return ".".join(labels), place + 1
