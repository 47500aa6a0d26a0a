"""CBOR, as SDKs speak it with CloudWatch (Smithy's RPC v2): moto knows the same calls as JSON alone, so they are translated."""

from __future__ import annotations

import io
import json
import struct
from typing import Any

# Bodies are small, and nested as deep as an alarm is.
DEEPEST = 32
HEADERS = [("Content-Type", "application/cbor"), ("smithy-protocol", "rpc-v2-cbor")]


class Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, number: int) -> bytes:
        if number < 0 or self.at + number > len(self.data):
            raise ValueError("CBOR ends too soon")
        part = self.data[self.at : self.at + number]
        self.at += number
        return part

    def ends(self) -> bool:
        """Whether a value of unknown length ends here."""
        if self.at < len(self.data) and self.data[self.at] == 0xFF:
            self.at += 1
            return True
        return False

    def value(self, depth: int = 0) -> Any:
        if depth > DEEPEST:
            raise ValueError("CBOR is nested too deep")
        first = self.take(1)[0]
        kind, low = first >> 5, first & 31
        if kind == 7:
            return self.simple(low)
        if low == 31:
            return self.endless(kind, depth)
        number = low if low < 24 else int.from_bytes(self.take(1 << (low - 24)), "big")
        match kind:
            case 0:
                return number
            case 1:
                return -1 - number
            case 2 | 3:
                data = self.take(number)
                return data.decode() if kind == 3 else data
            case 4:
                return [self.value(depth + 1) for _ in range(number)]
            case 5:
                return {str(self.value(depth + 1)): self.value(depth + 1) for _ in range(number)}
        # A tag says what a number means: here only that it is a time.
        return self.value(depth + 1)

    def endless(self, kind: int, depth: int) -> Any:
        found = []
        while not self.ends():
            found.append(self.value(depth + 1))
        if kind == 5:
            return dict(zip(map(str, found[::2]), found[1::2], strict=True))
        return found if kind == 4 else "".join(found)

    def simple(self, low: int) -> Any:
        if low in (20, 21, 22, 23):
            return {20: False, 21: True}.get(low)
        size = {25: ("e", 2), 26: ("f", 4), 27: ("d", 8)}.get(low)
        if size is None:
            raise ValueError(f"CBOR: {low} is no simple value")
        return struct.unpack(">" + size[0], self.take(size[1]))[0]


def head(kind: int, number: int) -> bytes:
    if number < 24:
        return bytes([kind << 5 | number])
    size = next(it for it in (0, 1, 2, 3) if number < 1 << (8 << it))
    return bytes([kind << 5 | 24 + size]) + number.to_bytes(1 << size, "big")


def written(value: Any, key: str = "") -> bytes:
    """In CBOR. A number under a key that names a time is one."""
    match value:
        case None:
            return b"\xf6"
        case bool():
            return b"\xf5" if value else b"\xf4"
        case int() | float() if key.endswith("Timestamp"):
            return b"\xc1\xfb" + struct.pack(">d", value)
        case int():
            return head(0, value) if value >= 0 else head(1, -1 - value)
        case float():
            return b"\xfb" + struct.pack(">d", value)
        case str():
            data = value.encode()
            return head(3, len(data)) + data
        case list():
            return head(4, len(value)) + b"".join(map(written, value))
        case dict():
            return head(5, len(value)) + b"".join(written(k) + written(v, k) for k, v in value.items())
    raise ValueError(f"{type(value)} in an answer")


def as_json(environ: dict[str, Any], path: str, body: bytes) -> dict[str, Any]:
    """The same request as JSON. `path` is `/service/NAME/operation/CALL`."""
    _, _, service, _, call = path.split("/")
    text = json.dumps(Reader(body).value() if body else {}).encode()
    return {
        **environ,
        "PATH_INFO": "/",
        "RAW_URI": "/",
        "REQUEST_URI": "/",
        "CONTENT_TYPE": "application/x-amz-json-1.0",
        "CONTENT_LENGTH": str(len(text)),
        "HTTP_X_AMZ_TARGET": f"{service}.{call}",
        "wsgi.input": io.BytesIO(text),
    }


def as_cbor(status: int, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
    """The answer, from JSON."""
    return status, HEADERS, written(json.loads(body or b"{}"))
