"""`aws SERVICE CALL --parameter value ... --query Q --output text`: the words of the AWS command line tool, as far as the examples' scripts use
them, in the laboratory's own Python. A user has the tool itself; the tests need not install it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import boto3
import jmespath
from botocore import xform_name
from botocore.exceptions import ClientError


def words(arguments: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Each option with its values."""
    name: str | None = None
    values: list[str] = []
    for it in [*arguments, "--"]:
        if it.startswith("--"):
            if name is not None:
                yield name, values
            name, values = it[2:], []
        else:
            values.append(it)


def value_of(shape: Any, values: list[str]) -> Any:
    """As the API wants it. `Key=a,Value=b` is a table."""
    if shape.type_name == "list":
        return [value_of(shape.member, [it]) for it in values]
    if shape.type_name == "structure":
        return dict(part.split("=", 1) for part in values[0].split(","))
    [value] = values
    return int(value) if shape.type_name in ("integer", "long") else value


def text_of(found: Any) -> str:
    return "\t".join(text_of(it) for it in found) if isinstance(found, list) else str(found)


def main(service: str, call: str, *arguments: str) -> int:
    client = boto3.client(service)
    method = call.replace("-", "_")
    shape = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[method]).input_shape
    names = {xform_name(member, "-"): member for member in shape.members}
    query, wanted = "@", {}
    for name, values in words(list(arguments)):
        if name == "query":
            [query] = values
        elif name == "output":
            assert values == ["text"], values
        elif not values:
            wanted[names[name.removeprefix("no-")]] = not name.startswith("no-")
        else:
            wanted[names[name]] = value_of(shape.members[names[name]], values)
    try:
        answer = getattr(client, method)(**wanted)
    except ClientError as wrong:
        print(f"\n{wrong}", file=sys.stderr)
        return 254
    print(text_of(jmespath.search(query, answer)))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
