"""A policy document: which statements speak of a request, and what they say."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass, field
from typing import Any

# Nothing but these is understood: a policy with another operator or key is refused rather than misread.
EFFECTS = ("Allow", "Deny")
KEYS = {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"}
OPERATORS = ("StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIgnoreCase", "ArnEquals", "ArnLike", "Bool", "Null")


@dataclass
class Touched:
    """One resource of a request: its ARN, and what conditions can ask of it and of the request (values by key, keys in lower case)."""

    arn: str
    context: dict[str, list[str]] = field(default_factory=dict)


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def like(pattern: str, text: str) -> bool:
    """IAM's wildcards: `*` and `?`, and no others."""
    form = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(form, text, re.DOTALL) is not None


def matches(pattern: str, action: str) -> bool:
    return fnmatch.fnmatchcase(action.lower(), pattern.lower())


def read(document: Any) -> list[dict[str, Any]]:
    """Its statements. ValueError says what is not understood."""
    if not isinstance(document, dict) or "Statement" not in document:
        raise ValueError("a policy has a Statement")
    statements = listed(document["Statement"])
    for it in statements:
        if not isinstance(it, dict) or it.get("Effect") not in EFFECTS:
            raise ValueError(f"a statement has the effect Allow or Deny: {it!r}")
        strange = set(it) - KEYS
        if strange or not ({"Action", "NotAction"} & set(it)) or not ({"Resource", "NotResource"} & set(it)):
            raise ValueError(f"this statement is not understood: {it!r}")
        for operator in it.get("Condition", {}):
            bare = operator.removeprefix("ForAllValues:").removeprefix("ForAnyValue:").removesuffix("IfExists")
            if bare not in OPERATORS:
                raise ValueError(f"the operator {operator!r} is not understood")
    return statements


def holds(operator: str, wanted: list[str], found: list[str] | None) -> bool:
    """One condition on one key; `found` is None when the request has no such key."""
    every, some = operator.startswith("ForAllValues:"), operator.startswith("ForAnyValue:")
    bare = operator.removeprefix("ForAllValues:").removeprefix("ForAnyValue:")
    if_exists, bare = bare.endswith("IfExists"), bare.removesuffix("IfExists")
    if bare == "Null":
        return (found is None) == (str(wanted[0]).lower() == "true")
    negated = bare in ("StringNotEquals", "StringNotLike")
    if found is None:
        return if_exists or every or negated
    single = {
        "StringEquals": lambda want, have: want == have,
        "StringNotEquals": lambda want, have: want == have,
        "StringEqualsIgnoreCase": lambda want, have: want.lower() == have.lower(),
        "Bool": lambda want, have: want.lower() == have.lower(),
    }.get(bare, like)

    def fits(have: str) -> bool:
        return any(single(str(want), have) for want in wanted) != negated

    if every:
        return all(fits(it) for it in found)
    if some:
        return any(fits(it) for it in found)
    return all(fits(it) for it in found) if negated else any(fits(it) for it in found)


def speaks(statement: dict[str, Any], action: str, touched: Touched) -> bool:
    """Whether a statement is about this action on this resource."""
    if "Action" in statement:
        if not any(matches(it, action) for it in listed(statement["Action"])):
            return False
    elif any(matches(it, action) for it in listed(statement["NotAction"])):
        return False
    if "Resource" in statement:
        if not any(like(it, touched.arn) for it in listed(statement["Resource"])):
            return False
    elif any(like(it, touched.arn) for it in listed(statement["NotResource"])):
        return False
    for operator, keys in statement.get("Condition", {}).items():
        for key, wanted in keys.items():
            if not holds(operator, listed(wanted), touched.context.get(key.lower())):
                return False
    return True


def allows(statements: list[dict[str, Any]], action: str, touched: Touched) -> bool:
    """Some statement allows it, and none denies it."""
    speaking = [it["Effect"] for it in statements if speaks(it, action, touched)]
    return "Allow" in speaking and "Deny" not in speaking
