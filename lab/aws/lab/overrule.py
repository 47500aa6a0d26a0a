"""Replaces methods of moto by the laboratory's own.

A release of moto that renamed one must not be noticed by drills that mean less than they seem: the start fails instead."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any


def overrule(owner: Any, name: str, *, new: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`@overrule(Class, "method")` (or a module and its function) puts the function in its place; the function gets the old one as its first argument.

    With `new`, moto has no such method (and the function gets none): when a later release has it, that is an error too."""

    def put(function: Callable[..., Any]) -> Callable[..., Any]:
        old = getattr(owner, name, None)
        if new:
            if old is not None and not hasattr(old, "of_the_laboratory"):
                raise RuntimeError(f"moto has {owner.__name__}.{name} by now: the laboratory need not play it")
            setattr(owner, name, function)
            function.of_the_laboratory = True  # type: ignore[attr-defined]
            return function
        if old is None:
            raise RuntimeError(f"this moto has no {owner.__name__}.{name}, which the laboratory corrects")

        @functools.wraps(old)
        def instead(*args: Any, **kwargs: Any) -> Any:
            return function(old, *args, **kwargs)

        instead.of_the_laboratory = True  # type: ignore[attr-defined]
        # A class method comes bound to its class: what replaces it gets no other.
        setattr(owner, name, staticmethod(instead) if inspect.ismethod(old) else instead)
        return function

    return put
