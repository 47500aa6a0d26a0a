"""The endpoint's socket: 127.0.0.1 only, a thread for each connection."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import BaseWSGIServer, make_server

from ..world import world
from .gate import Cut, Gate


class Handler(MotoRequestHandler):
    log_file: Any = None

    def log(self, kind: str, message: str, *args: Any) -> None:
        if self.log_file is not None:
            self.log_file.write(f"{self.log_date_time_string()} {kind} {message % args if args else message}\n")

    def run_wsgi(self) -> None:
        try:
            super().run_wsgi()
        except Cut:
            self.close_connection = True

    def connection_dropped(self, error: BaseException, environ: Any = None) -> None:
        self.close_connection = True


def start(port: int, log: Path) -> BaseWSGIServer:
    """Listens, and answers in threads of its own."""
    Handler.log_file = log.open("a", buffering=1)
    server = make_server("127.0.0.1", port, Gate(), threaded=True, request_handler=Handler)
    server.daemon_threads = True

    def serve() -> None:
        try:
            server.serve_forever(poll_interval=0.05)
        except Exception as error:  # noqa: BLE001
            world.fault(f"the endpoint ended: {error}")

    threading.Thread(target=serve, name="endpoint", daemon=True).start()
    return server
