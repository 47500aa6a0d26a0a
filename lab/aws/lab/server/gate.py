"""The way in: one WSGI application in front of moto's.

A call is read, troubled if that was asked for, done by moto under the world's lock, written down, and answered. Whatever moto does not
know is an error of AWS's form (moto sends a page of HTML, which clients cannot read) and a fault of the laboratory."""

from __future__ import annotations

import io
import json
import re
import socket
import struct
import time
import traceback
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from ..iam.policy import policy
from ..rules import errors, shifts
from ..trouble import plan
from ..world import world
from . import cbor, control, dryrun
from .answers import Answer, denied, error, sort
from .calls import calls
from ..call import Call, body_of, read

# What calls that are forms name the length of a page.
PAGE = re.compile(rb"(?<![^&])(MaxResults|MaxRecords|PageSize)=(\d+)")
EC2_CODE = re.compile(rb"<Code>([A-Za-z.]+)</Code>")


class Cut(ConnectionError):
    """The connection ends without an answer."""


class Gate:
    def __init__(self) -> None:
        self.moto = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/lab" or path.startswith("/lab/"):
            answer = control.answer(environ)
        elif path.startswith("/moto-api"):
            with world.lock:
                answer = self.ask(environ)
                if path.startswith("/moto-api/reset"):
                    control.forget()
        else:
            call = read(environ)
            if call is None:
                answer = (403, [("Content-Type", "text/plain")], b"This is a laboratory of AWS: calls must be signed.\n")
            else:
                answer = self.serve(call, environ)
        status, headers, body = answer
        headers = [(name, value) for name, value in headers if name.lower() not in ("content-length", "connection")]
        headers.append(("Content-Length", str(len(body))))
        try:
            phrase = HTTPStatus(status).phrase
        except ValueError:
            phrase = "?"
        start_response(f"{status} {phrase}", headers)
        return [body]

    def serve(self, call: Call, environ: dict[str, Any]) -> Answer:
        with world.lock:
            entry = calls.begin(call)
            trouble = plan.meets(call)
        if trouble.stall:
            time.sleep(trouble.stall)
        if trouble.instead == "cut-before":
            calls.end(entry, "cut-before", None)
            cut(environ)
        if trouble.instead:
            answer = error(call, *sort(call, trouble.instead))
            calls.end(entry, trouble.instead, answer[0], answer[2])
            return answer
        with world.lock:
            arn = policy.refused(call)
            if arn is not None:
                answer = error(call, *denied(call, arn))
                calls.end(entry, "deny", answer[0], answer[2])
                return answer
            shorten(environ)
            for _ in range(trouble.times):
                environ["wsgi.input"].seek(0)
                answer = self.do(call, environ)
                entry["done"] += 0 if call.dry_run else 1
        if trouble.cut_after:
            calls.end(entry, "cut-after", None)
            cut(environ)
        calls.end(entry, "answered", answer[0], answer[2])
        return answer

    def do(self, call: Call, environ: dict[str, Any]) -> Answer:
        world.thread.call = call
        try:
            if call.dry_run:
                return dryrun.answer(call)
            if call.service == "arc-zonal-shift":
                return shifted(call)
            if call.protocol == "cbor":
                status, _, body = self.ask(cbor.as_json(environ, environ["PATH_INFO"], body_of(environ)))
                return cbor.as_cbor(status, body)
            return in_form(call, self.ask(environ))
        except NotImplementedError as missing:
            world.fault(f"neither moto nor the laboratory can do {call.name}: {missing}")
            return error(call, "InvalidAction", 400, f"The laboratory cannot do {call.name}.")
        except Exception:  # noqa: BLE001 - whatever moto cannot do
            world.fault(f"{call.name}: {traceback.format_exc()}")
            return error(call, *sort(call, "error"))
        finally:
            world.thread.call = None

    def ask(self, environ: dict[str, Any]) -> Answer:
        seen: list[Any] = []

        def start(status: str, headers: list[tuple[str, str]], _info: Any = None) -> Any:
            seen[:] = [int(status.split()[0]), list(headers)]
            return lambda _data: None

        parts = self.moto(environ, start)
        try:
            body = b"".join(parts)
        finally:
            if hasattr(parts, "close"):
                parts.close()
        return seen[0], seen[1], body


def shifted(call: Call) -> Answer:
    """The answer of a service that moto has not got."""
    try:
        status, told = shifts.do(call)
    except shifts.Refused as no:
        return error(call, no.code, no.status, no.words, **no.more)
    return status, [("Content-Type", "application/json")], json.dumps(told).encode()


def shorten(environ: dict[str, Any]) -> None:
    """Makes the pages that are asked for as short as the trouble wants them."""
    most = plan.page()
    if most is None:
        return
    # EC2 takes no less than five.
    least = {b"MaxResults": 5}
    body = PAGE.sub(lambda found: b"%s=%d" % (found[1], min(max(most, least.get(found[1], 1)), int(found[2]))), body_of(environ))
    environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))


def in_form(call: Call, answer: Answer) -> Answer:
    """moto's answer with the status that AWS would send."""
    status, headers, body = answer
    if status >= 500 and b"<Code>" not in body and b"__type" not in body:
        world.fault(f"moto failed at {call.name}: {body[:2000]!r}")
        return error(call, *sort(call, "error"))
    if call.protocol == "ec2" and status >= 400:
        found = EC2_CODE.search(body)
        if found:
            status = errors.EC2_STATUS.get(found.group(1).decode(), status)
    return status, headers, body


def cut(environ: dict[str, Any]) -> None:
    """Ends the connection by a reset, as a machine in the middle that loses it does."""
    connection = environ.get("werkzeug.socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RD)
        connection.close()
    raise Cut
