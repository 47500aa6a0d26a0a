"""One HAProxy for one listener of a load balancer: it has the listener's socket, checks the targets of its target group by itself, and is
told of new and leaving ones while it runs.

As an application load balancer does, it never asks a second target, and sends to all when none is healthy."""

from __future__ import annotations

import csv
import io
import socket
import subprocess
from pathlib import Path

CHECKED, ALL = "checked", "all"

# What HAProxy says when no target takes a connection; a load balancer of AWS says 502, and 503 only when there are no targets.
BAD_GATEWAY = (
    "HTTP/1.0 502 Bad Gateway\r\ncache-control: no-cache\r\nconnection: close\r\ncontent-type: text/html\r\n\r\n"
    "<html><body><h1>502 Bad Gateway</h1></body></html>\n"
)

CONFIGURATION = """\
global
    stats socket {socket} mode 600 level admin
    stats timeout 1m
    nbthread 1
    maxconn 4000
defaults
    mode http
    # A load balancer of AWS waits ten seconds for a connection, and sixty for an answer.
    timeout connect {connect}ms
    timeout client {idle}ms
    timeout server {idle}ms
    timeout http-request {idle}ms
    timeout check {check}ms
    retries 0
    errorfile 503 {errors}
frontend listener
{listeners}
    http-request return status 503 content-type text/html string "<html><body><h1>503 Service Temporarily Unavailable</h1></body></html>" if {{ nbsrv({all}) eq 0 }}
    use_backend {all} if {{ nbsrv({checked}) eq 0 }}
    default_backend {checked}
backend {checked}
    balance roundrobin
    option httpchk GET {path}
    http-check expect status {codes}
backend {all}
    balance roundrobin
"""


class Haproxy:
    """Running from the start; all its answers are read within a second or it is broken."""

    def __init__(
        self,
        folder: Path,
        name: str,
        own: tuple[str, int],
        connect: float,
        idle: float,
        interval: float,
        timeout: float,
        rise: int,
        fall: int,
        path: str,
        codes: str,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.interval, self.rise, self.fall = interval, rise, fall
        self.socket = folder / f"{name}.sock"
        if len(str(self.socket)) > 100:
            raise RuntimeError(f"{self.socket} is too long for the path of a socket")
        # For who knows the port only, and for who knows the name: an address of its own, with the listener's port.
        self.sockets = [listen("127.0.0.1", 0), listen(*own)]
        self.port: int = self.sockets[0].getsockname()[1]
        self.own = own
        errors = folder / "bad-gateway.http"
        errors.write_text(BAD_GATEWAY, newline="")
        configuration = folder / f"{name}.cfg"
        configuration.write_text(
            CONFIGURATION.format(
                socket=self.socket,
                connect=milliseconds(connect),
                idle=milliseconds(idle),
                check=milliseconds(timeout),
                errors=errors,
                listeners="\n".join(f"    bind fd@{it.fileno()}" for it in self.sockets),
                all=ALL,
                checked=CHECKED,
                path=path,
                codes=codes,
            )
        )
        with (folder / f"{name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "haproxy", "-db", "-f", str(configuration)],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                pass_fds=[it.fileno() for it in self.sockets],
            )
        # Id of each server that it has, and whether it only finishes what it has.
        self.servers: dict[str, bool] = {}
        # Those in a zone that users are shifted away from.
        self.away: set[str] = set()

    def command(self, text: str) -> str:
        return command(self.socket, text)

    def starting(self) -> bool:
        """Not yet answering, and not ended."""
        return self.process.poll() is None and not self.socket.exists()

    def add(self, identity: str, address: str, port: int) -> None:
        """A new target: no user is sent to it before its first good check."""
        checks = f"check inter {milliseconds(self.interval)}ms rise {self.rise} fall {self.fall} pool-purge-delay 100ms"
        said = self.command(f"add server {CHECKED}/{identity} {address}:{port} {checks}")
        if "registered" not in said:
            raise OSError(said)
        self.command(
            f"enable health {CHECKED}/{identity}; enable server {CHECKED}/{identity}; set server {CHECKED}/{identity} health down"
        )
        said = self.command(f"add server {ALL}/{identity} {address}:{port} pool-purge-delay 100ms")
        if "registered" not in said:
            raise OSError(said)
        self.command(f"enable server {ALL}/{identity}")
        self.servers[identity] = False

    def shift(self, identity: str, away: bool) -> None:
        """Sends nobody new to a server that is well, or sends to it again. Its checks go on; and with no other healthy target the balancer
        fails open as ever, to all of them."""
        if away == (identity in self.away):
            return
        self.command(f"set server {CHECKED}/{identity} state {'drain' if away else 'ready'}")
        (self.away.add if away else self.away.discard)(identity)

    def drain(self, identity: str) -> None:
        self.command(f"set server {CHECKED}/{identity} state drain; set server {ALL}/{identity} state drain")
        self.servers[identity] = True

    def remove(self, identity: str) -> None:
        """Cuts what it still has. It may take a moment until HAProxy lets go: then it is asked again."""
        gone = True
        for backend in (CHECKED, ALL):
            server = f"{backend}/{identity}"
            self.command(f"set server {server} state maint; shutdown sessions server {server}")
            said = self.command(f"del server {server}")
            gone = gone and ("deleted" in said or "No such server" in said)
        if gone:
            self.servers.pop(identity, None)
            self.away.discard(identity)

    def health(self) -> dict[str, tuple[str, str]]:
        """Of each server: its status as HAProxy shows it, and what its last check found."""
        found = {}
        for row in csv.DictReader(io.StringIO(self.command("show stat").removeprefix("# "))):
            if row["pxname"] == CHECKED and row["svname"] != "BACKEND":
                found[row["svname"]] = (row["status"], row["check_status"].removeprefix("* "))
        return found

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for it in self.sockets:
            it.close()
        self.socket.unlink(missing_ok=True)


def command(place: Path, text: str) -> str:
    """One or several commands to the HAProxy of this socket, with semicolons between them. OSError when it does not answer."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(2.0)
        connection.connect(str(place))
        connection.sendall(text.encode() + b"\n")
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts).decode("utf-8", "replace").strip()


def listen(address: str, port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen(1024)
    return listener


def milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
