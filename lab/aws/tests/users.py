"""Users of a site: requests at a fixed pace, each on a connection of its own, whatever becomes of the others."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter


class Users:
    """Asks `per_second` times a second until `end`; a request has `patience` seconds."""

    def __init__(self, url: str, per_second: float = 40.0, patience: float = 1.0) -> None:
        self.host = url.removeprefix("http://")
        self.pause = 1.0 / per_second
        self.patience = patience
        # (begun, outcome, instance, zone)
        self.seen: list[tuple[float, str, str, str]] = []
        self.over = threading.Event()
        self.requests: list[threading.Thread] = []
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        due = time.monotonic()
        while not self.over.is_set():
            thread = threading.Thread(target=self.ask, daemon=True)
            thread.start()
            self.requests.append(thread)
            due += self.pause
            time.sleep(max(0.0, due - time.monotonic()))

    def ask(self) -> None:
        begun = time.monotonic()
        connection = http.client.HTTPConnection(self.host, timeout=self.patience)
        try:
            connection.request("GET", "/")
            answer = connection.getresponse()
            answer.read()
            self.seen.append((begun, str(answer.status), answer.getheader("x-served-by", ""), answer.getheader("x-zone", "")))
        except OSError as error:
            self.seen.append((begun, type(error).__name__, "", ""))
        except http.client.HTTPException as error:
            self.seen.append((begun, type(error).__name__, "", ""))
        finally:
            connection.close()

    def end(self) -> "Users":
        self.over.set()
        self.thread.join()
        for request in self.requests:
            request.join(self.patience + 5)
        return self

    def outcomes(self, since: float = 0.0, until: float = float("inf")) -> Counter[str]:
        return Counter(outcome for begun, outcome, _, _ in self.seen if since <= begun < until)

    def zones(self, since: float = 0.0) -> Counter[str]:
        return Counter(zone for begun, outcome, _, zone in self.seen if outcome == "200" and begun >= since)

    def instances(self, since: float = 0.0) -> Counter[str]:
        return Counter(instance for begun, outcome, instance, _ in self.seen if outcome == "200" and begun >= since)
