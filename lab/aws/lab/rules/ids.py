"""Ids that repeat: with the same seed, the n-th resource has the same id however often somebody looked on meanwhile.

moto draws the ids of its answers from the dice that make those of its resources."""

from __future__ import annotations

import uuid
from typing import Any

import moto.core.responses
import moto.utilities.aws_headers


def request_id(headers: dict[str, Any] | None = None) -> str:
    identity = str(uuid.uuid4())
    if isinstance(headers, dict):
        headers["x-amzn-requestid"] = identity
    return identity


for module in (moto.core.responses, moto.utilities.aws_headers):
    if not hasattr(module, "gen_amzn_requestid_long"):
        raise RuntimeError(f"this moto has no gen_amzn_requestid_long in {module.__name__}")
    module.gen_amzn_requestid_long = request_id  # type: ignore[attr-defined]
