"""Trouble on request: what AWS does to its callers on a bad day."""

from . import plan, visibility  # noqa: F401
