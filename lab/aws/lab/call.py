"""Which call of the API a request is: service, region, account, action, parameters; told from the request alone, before moto sees it."""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

# The largest body that is read.
LIMIT = 1 << 20

SCOPE = re.compile(r"Credential=([A-Za-z0-9]+)/\d+/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request")
CBOR = re.compile(r"^/service/[^/]+/operation/([A-Za-z0-9]+)$")

# Which words each service speaks, for errors that moto does not write.
PROTOCOLS = {"ec2": "ec2", "ssm": "json", "cloudtrail": "json", "route53": "rest-xml", "arc-zonal-shift": "rest-json"}
# Names in a signature that are not those of IAM's actions.
IAM_NAMES = {"monitoring": "cloudwatch"}

ROUTE53 = [
    ("GET", r"^/2013-04-01/hostedzone/[^/]+/rrset/?$", "ListResourceRecordSets"),
    ("POST", r"^/2013-04-01/hostedzone/[^/]+/rrset/?$", "ChangeResourceRecordSets"),
    ("GET", r"^/2013-04-01/hostedzonesbyname", "ListHostedZonesByName"),
    ("GET", r"^/2013-04-01/hostedzone/[^/]+/?$", "GetHostedZone"),
    ("GET", r"^/2013-04-01/hostedzone/?$", "ListHostedZones"),
    ("POST", r"^/2013-04-01/hostedzone/?$", "CreateHostedZone"),
    ("GET", r"^/2013-04-01/healthcheck/[^/]+/status", "GetHealthCheckStatus"),
    ("GET", r"^/2013-04-01/healthcheck/[^/]+/?$", "GetHealthCheck"),
    ("POST", r"^/2013-04-01/healthcheck/[^/]+/?$", "UpdateHealthCheck"),
    ("DELETE", r"^/2013-04-01/healthcheck/[^/]+/?$", "DeleteHealthCheck"),
    ("POST", r"^/2013-04-01/healthcheck/?$", "CreateHealthCheck"),
    ("GET", r"^/2013-04-01/healthcheck/?$", "ListHealthChecks"),
    ("GET", r"^/2013-04-01/change/", "GetChange"),
    ("GET", r"^/2013-04-01/tags/", "ListTagsForResource"),
    ("POST", r"^/2013-04-01/tags/", "ChangeTagsForResource"),
]


SHIFTS = [
    ("GET", r"^/managedresources/(?P<resourceIdentifier>.+)$", "GetManagedResource"),
    ("GET", r"^/managedresources$", "ListManagedResources"),
    ("GET", r"^/zonalshifts$", "ListZonalShifts"),
    ("POST", r"^/zonalshifts$", "StartZonalShift"),
    ("PATCH", r"^/zonalshifts/(?P<zonalShiftId>[^/]+)$", "UpdateZonalShift"),
    ("DELETE", r"^/zonalshifts/(?P<zonalShiftId>[^/]+)$", "CancelZonalShift"),
]


@dataclass
class Call:
    """One call. `name` is what IAM calls it, e.g. `ec2:TerminateInstances`."""

    service: str
    region: str
    access_key: str
    action: str
    protocol: str
    parameters: dict[str, Any] = field(default_factory=dict)
    agent: str = ""

    @property
    def name(self) -> str:
        return f"{IAM_NAMES.get(self.service, self.service)}:{self.action}"

    @property
    def dry_run(self) -> bool:
        return self.service == "ec2" and str(self.parameters.get("DryRun", "")).lower() == "true"

    def values(self, prefix: str) -> list[str]:
        """Of a list such as `InstanceId.1`, `InstanceId.2`."""
        start = prefix + "."
        return [str(value) for key, value in self.parameters.items() if key == prefix or key.startswith(start)]


def body_of(environ: dict[str, Any]) -> bytes:
    """Read once, and put back for moto."""
    try:
        length = int(environ.get("CONTENT_LENGTH") or 0)
    except ValueError:
        length = 0
    if environ.get("wsgi.input_terminated") and not length:
        data = environ["wsgi.input"].read(LIMIT)
        environ["CONTENT_LENGTH"] = str(len(data))
    else:
        data = environ["wsgi.input"].read(min(length, LIMIT)) if length else b""
    environ["wsgi.input"] = io.BytesIO(data)
    return data


def object_of(body: bytes) -> dict[str, Any]:
    """A body in JSON; empty when it is none."""
    try:
        decoded = json.loads(body or b"{}")
    except ValueError:
        return {}
    return decoded if isinstance(decoded, dict) else {}


def read(environ: dict[str, Any]) -> Call | None:
    """None: not a signed call of the API."""
    found = SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    if not found:
        return None
    key, region, service = found.groups()
    body = body_of(environ)
    agent = environ.get("HTTP_USER_AGENT", "")[:200]
    call = Call(service, region, key, "", PROTOCOLS.get(service, "query"), agent=agent)
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    cbor = CBOR.match(environ.get("PATH_INFO", ""))
    if cbor:
        call.action, call.protocol = cbor.group(1), "cbor"
    elif target:
        call.action, call.protocol = target.rsplit(".", 1)[-1], "json"
        call.parameters = object_of(body)
    elif service == "route53":
        path, method = environ.get("PATH_INFO", ""), environ.get("REQUEST_METHOD", "")
        call.action = next((name for verb, form, name in ROUTE53 if verb == method and re.search(form, path)), f"{method} {path}")
        call.parameters = {"path": path, "body": body.decode("utf-8", "replace")[:4000]}
    elif service == "arc-zonal-shift":
        path, method = environ.get("PATH_INFO", ""), environ.get("REQUEST_METHOD", "")
        call.action, call.parameters = f"{method} {path}", dict(parse_qsl(environ.get("QUERY_STRING", "")))
        for verb, form, name in SHIFTS:
            told = re.search(form, path) if verb == method else None
            if told:
                call.action = name
                call.parameters |= object_of(body) | told.groupdict()
    else:
        text = body.decode("utf-8", "replace") or environ.get("QUERY_STRING", "")
        call.parameters = dict(parse_qsl(text, keep_blank_values=True))
        call.action = call.parameters.pop("Action", "")
        call.parameters.pop("Version", None)
    return call
