"""Answers that moto does not write: AWS's errors, in each service's own form, with its own code for the same trouble."""

from __future__ import annotations

import json
import uuid
from xml.sax.saxutils import escape

from ..call import Call

Answer = tuple[int, list[tuple[str, str]], bytes]

# (EC2, JSON services, REST with JSON, query services): code, status, words.
SORTS = {
    "throttle": {
        "ec2": ("RequestLimitExceeded", 503, "Request limit exceeded."),
        "json": ("ThrottlingException", 400, "Rate exceeded"),
        "rest-json": ("ThrottlingException", 429, "Rate exceeded"),
        "query": ("Throttling", 400, "Rate exceeded"),
    },
    "error": {
        "ec2": ("InternalError", 500, "An internal error has occurred"),
        "json": ("InternalServerError", 500, "An internal error has occurred"),
        "rest-json": ("InternalServerException", 500, "An internal error has occurred"),
        "query": ("InternalFailure", 500, "The request processing has failed because of an unknown error, exception or failure."),
    },
    "unavailable": {
        "ec2": ("Unavailable", 503, "Service is unavailable. Please try again later."),
        "json": ("ServiceUnavailableException", 503, "Service is unavailable"),
        "rest-json": ("ServiceUnavailableException", 503, "Service is unavailable"),
        "query": ("ServiceUnavailable", 503, "Service Unavailable. Please try again later."),
    },
    "expired": {
        "ec2": ("RequestExpired", 400, "Request has expired."),
        "json": ("ExpiredTokenException", 400, "The security token included in the request is expired"),
        "rest-json": ("ExpiredTokenException", 403, "The security token included in the request is expired"),
        "query": ("ExpiredToken", 403, "The security token included in the request is expired"),
    },
    "unknown-key": {
        "ec2": ("AuthFailure", 401, "AWS was not able to validate the provided access credentials"),
        "json": ("UnrecognizedClientException", 400, "The security token included in the request is invalid."),
        "rest-json": ("UnrecognizedClientException", 403, "The security token included in the request is invalid."),
        "query": ("InvalidClientTokenId", 403, "The security token included in the request is invalid."),
    },
}


def denied(call: Call, arn: str = "") -> tuple[str, int, str]:
    user = "arn:aws:iam::123456789012:user/drill"
    on = f" on resource: {arn}" if arn else ""
    words = f"User: {user} is not authorized to perform: {call.name}{on} because no identity-based policy allows the {call.name} action"
    if call.protocol == "ec2":
        return ("UnauthorizedOperation", 403, f"You are not authorized to perform this operation. {words}")
    if call.protocol in ("json", "cbor"):
        return ("AccessDeniedException", 400, words)
    if call.protocol == "rest-json":
        return ("AccessDeniedException", 403, words)
    return ("AccessDenied", 403, words)


def sort(call: Call, kind: str) -> tuple[str, int, str]:
    """Code, status and words of a kind of trouble as this call's service has it."""
    if kind == "deny":
        return denied(call)
    form = {"ec2": "ec2", "json": "json", "cbor": "json", "rest-json": "rest-json"}.get(call.protocol, "query")
    return SORTS[kind][form]


def cbor_text(text: str) -> bytes:
    data = text.encode()
    if len(data) < 24:
        return bytes([0x60 + len(data)]) + data
    if len(data) < 256:
        return bytes([0x78, len(data)]) + data
    return b"\x79" + len(data).to_bytes(2, "big") + data


def error(call: Call, code: str, status: int, words: str, **more: str) -> Answer:
    """`more` is what a service that speaks JSON tells beside its words."""
    request_id = str(uuid.uuid4())
    headers = [("x-amzn-RequestId", request_id)]
    if call.protocol == "ec2":
        text = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Response><Errors><Error><Code>{escape(code)}</Code><Message>{escape(words)}</Message></Error></Errors>"
            f"<RequestID>{request_id}</RequestID></Response>"
        )
        return status, [*headers, ("Content-Type", "text/xml;charset=UTF-8")], text.encode()
    if call.protocol in ("json", "rest-json"):
        body = json.dumps({"__type": code, "message": words, **more}).encode()
        kind = "application/json" if call.protocol == "rest-json" else "application/x-amz-json-1.1"
        return status, [*headers, ("Content-Type", kind), ("x-amzn-ErrorType", code)], body
    if call.protocol == "cbor":
        body = b"\xa2" + cbor_text("__type") + cbor_text(code) + cbor_text("message") + cbor_text(words)
        return status, [*headers, ("Content-Type", "application/cbor"), ("smithy-protocol", "rpc-v2-cbor")], body
    fault = "Receiver" if status >= 500 else "Sender"
    text = (
        f"<ErrorResponse><Error><Type>{fault}</Type><Code>{escape(code)}</Code><Message>{escape(words)}</Message></Error>"
        f"<RequestId>{request_id}</RequestId></ErrorResponse>"
    )
    return status, [*headers, ("Content-Type", "text/xml")], text.encode()
