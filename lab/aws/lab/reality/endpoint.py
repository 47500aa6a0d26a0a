"""The endpoint of a store: an address that stays the same whoever is the primary, and a HAProxy that leads connections there.

On AWS the endpoint is a name that is remembered for five seconds; ledger probes ask no name server of the laboratory's, so that a name could
not be used here. Without a primary a connection is taken and closed at once."""

from __future__ import annotations

import subprocess
from pathlib import Path

from .haproxy import command, listen
from .hosts import DIES_WITH_US

CONFIGURATION = """\
global
    stats socket {socket} mode 600 level admin
    nbthread 1
    maxconn 1000
defaults
    mode tcp
    timeout connect 2s
    timeout client 1h
    timeout server 1h
    retries 0
frontend endpoint
    bind fd@{descriptor}
    default_backend primary
backend primary
    server primary {address}:{port} disabled
"""


class Endpoint:
    """Running from the start; only the engine's thread may make one. `lead` and `cut` raise OSError when HAProxy does not answer."""

    def __init__(self, folder: Path, name: str, address: str, port: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.address, self.port = address, port
        self.socket = folder / f"{name}.sock"
        if len(str(self.socket)) > 100:
            raise RuntimeError(f"{self.socket} is too long for the path of a socket")
        self.listener = listen(address, port)
        configuration = folder / f"{name}.cfg"
        configuration.write_text(
            CONFIGURATION.format(socket=self.socket, descriptor=self.listener.fileno(), address=address, port=port)
        )
        with (folder / f"{name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*DIES_WITH_US, "haproxy", "-db", "-f", str(configuration)],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                pass_fds=[self.listener.fileno()],
            )

    def starting(self) -> bool:
        return self.process.poll() is None and not self.socket.exists()

    def lead(self, address: str, port: int) -> None:
        """To the primary."""
        said = command(self.socket, f"set server primary/primary addr {address} port {port}; set server primary/primary state ready")
        if address not in said and "no need to change" not in said:
            raise OSError(said)

    def cut(self) -> None:
        """There is no primary: what is open ends."""
        command(self.socket, "set server primary/primary state maint; shutdown sessions server primary/primary")

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.listener.close()
        self.socket.unlink(missing_ok=True)
