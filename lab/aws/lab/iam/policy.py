"""The one policy that holds, if any."""

from __future__ import annotations

from typing import Any

from ..call import Call
from ..world import world
from . import document, resources

# Whoever one is, one may ask who one is.
ALWAYS = ("sts:GetCallerIdentity",)


class Policy:
    """Guarded by the world's lock."""

    def __init__(self) -> None:
        self.text: Any = None
        self.statements: list[dict[str, Any]] | None = None

    def set(self, text: Any) -> None:
        """A document, or None: then everything is allowed. ValueError says what is not understood; then nothing has changed."""
        self.statements = None if text is None else document.read(text)
        self.text = text

    def refused(self, call: Call) -> str | None:
        """The ARN of a resource on which the call is not allowed."""
        if self.statements is None or call.name in ALWAYS:
            return None
        for action, touched in resources.touched_by(call):
            if not document.allows(self.statements, action, touched):
                return touched.arn
        return None


policy = Policy()
world.beginnings.append(lambda: policy.set(None))
