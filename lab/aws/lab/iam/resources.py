"""What a call touches, as AWS's reference of its services has it: the ARNs of the resources that it names, with their tags.

Calls that name none of the kinds below are on `*`: all Describe, Get and List calls are, but those of Route 53."""

from __future__ import annotations

import re
from typing import Any

from moto.autoscaling import autoscaling_backends
from moto.ec2 import ec2_backends
from moto.elasticache import elasticache_backends
from moto.elbv2 import elbv2_backends
from moto.iam.models import get_account_id_from
from moto.rds import rds_backends

from ..call import Call
from ..rules import shifts
from .document import Touched

READS = re.compile(r"^(Describe|Get|List|Lookup)")


def context(call: Call, resource_tags: dict[str, str], service: str, request_tags: dict[str, str] | None = None) -> dict[str, list[str]]:
    found = {"aws:requestedregion": [call.region]}
    for key, value in resource_tags.items():
        for prefix in ("aws:resourcetag", f"{service}:resourcetag"):
            found[f"{prefix}/{key}".lower()] = [value]
    for key, value in (request_tags or {}).items():
        found[f"aws:requesttag/{key}".lower()] = [value]
    if request_tags:
        found["aws:tagkeys"] = list(request_tags)
    return found


def pairs(call: Call, form: str) -> dict[str, str]:
    """Tags of a request, from parameters such as `Tag.1.Key`; `form` is a pattern of what stands before the last dot."""
    keys, values = {}, {}
    for name, value in call.parameters.items():
        found = re.fullmatch(rf"({form})\.(Key|Value)", name)
        if found:
            (keys if found.group(2) == "Key" else values)[found.group(1)] = str(value)
    return {key: values.get(place, "") for place, key in keys.items()}


def ec2(call: Call, account: str) -> list[tuple[str, Touched]]:
    """(action, what it is done to) of a call of EC2: creating with tags is two actions."""
    backend = ec2_backends[account][call.region]
    start = f"arn:aws:ec2:{call.region}:{account}:"
    kinds = {"i": "instance", "acl": "network-acl", "subnet": "subnet", "vpc": "vpc", "sg": "security-group", "lt": "launch-template"}
    given = pairs(call, r"TagSpecification\.\d+\.Tag\.\d+") | pairs(call, r"Tag\.\d+")

    def touched(identity: str) -> Touched:
        kind = kinds.get(identity.split("-")[0], "*")
        return Touched(f"{start}{kind}/{identity}", context(call, dict(backend.tags.get(identity, {})), "ec2", given))

    named = [it for name in ("InstanceId", "NetworkAclId", "VpcId", "SubnetId", "ResourceId") for it in call.values(name)]
    for association in call.values("AssociationId"):
        for acl in backend.network_acls.values():
            if association in acl._associations:
                named.append(str(acl._associations[association].subnet_id))
    found = [(call.name, touched(it)) for it in named]
    created = {"CreateNetworkAcl": "network-acl", "RunInstances": "instance"}.get(call.action)
    if created:
        new = Touched(f"{start}{created}/*", context(call, {}, "ec2", given))
        found.append((call.name, new))
        if given:
            tagging = Touched(new.arn, {**new.context, "ec2:createaction": [call.action]})
            found.append(("ec2:CreateTags", tagging))
    return found


def autoscaling(call: Call, account: str) -> list[tuple[str, Touched]]:
    backend = autoscaling_backends[account][call.region]
    names = call.values("AutoScalingGroupName")
    names += [str(value) for key, value in call.parameters.items() if re.fullmatch(r"Tags\.member\.\d+\.ResourceId", key)]
    for identity in call.values("InstanceId"):
        names += [it.name for it in backend.autoscaling_groups.values() if any(member.instance_id == identity for member in it.instance_states)]
    given = pairs(call, r"Tags\.member\.\d+")
    found = []
    for name in dict.fromkeys(names):
        group = backend.autoscaling_groups.get(name)
        tags = {tag["Key"]: tag["Value"] for tag in group.tags} if group else {}
        arn = group.arn if group else f"arn:aws:autoscaling:{call.region}:{account}:autoScalingGroup:*:autoScalingGroupName/{name}"
        found.append((call.name, Touched(arn, context(call, tags, "autoscaling", given))))
    return found


def balancing(call: Call, account: str) -> list[tuple[str, Touched]]:
    backend = elbv2_backends[account][call.region]
    found = []
    for arn in call.values("TargetGroupArn") + call.values("LoadBalancerArn"):
        found.append((call.name, Touched(arn, context(call, dict(backend.tagging_service.get_tag_dict_for_resource(arn)), "elasticloadbalancing"))))
    return found


def shifting(call: Call, account: str) -> list[tuple[str, Touched]]:
    """The balancer that is shifted, also where the call names the shift only."""
    shift = shifts.shifts.get(str(call.parameters.get("zonalShiftId", "")))
    arn = call.parameters.get("resourceIdentifier") or (shift.arn if shift else None)
    if not arn:
        return []
    tags = dict(elbv2_backends[account][call.region].tagging_service.get_tag_dict_for_resource(arn))
    of = context(call, tags, "elasticloadbalancing")
    return [(call.name, Touched(str(arn), {**of, "arc-zonal-shift:resourceidentifier": [str(arn)]}))]


def plain(tags: Any) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags or []}


def stores(call: Call, account: str) -> list[tuple[str, Touched]]:
    rds, caches = rds_backends[account][call.region], elasticache_backends[account][call.region]
    start = f"arn:aws:{call.service}:{call.region}:{account}"
    found = []
    for parameter, kind, known in (
        ("DBInstanceIdentifier", "db", rds.databases),
        ("DBClusterIdentifier", "cluster", rds.clusters),
        ("ReplicationGroupId", "replicationgroup", caches.replication_groups),
    ):
        for name in call.values(parameter):
            resource = known.get(name)
            found.append((call.name, Touched(f"{start}:{kind}:{name}", context(call, plain(getattr(resource, "tags", None)), call.service))))
    return found


def commands(call: Call, account: str) -> list[tuple[str, Touched]]:
    if call.action != "SendCommand":
        return []
    backend = ec2_backends[account][call.region]
    document = str(call.parameters.get("DocumentName", ""))
    owner = "" if document.startswith("AWS-") else account
    found = [(call.name, Touched(f"arn:aws:ssm:{call.region}:{owner}:document/{document}", context(call, {}, "ssm")))]
    for identity in call.parameters.get("InstanceIds") or ["*"]:
        tags = dict(backend.tags.get(identity, {}))
        found.append((call.name, Touched(f"arn:aws:ec2:{call.region}:{account}:instance/{identity}", context(call, tags, "ssm"))))
    return found


def names(call: Call, _account: str) -> list[tuple[str, Touched]]:
    found = re.search(r"/2013-04-01/(?:tags/)?(hostedzone|healthcheck)/([^/]+)", str(call.parameters.get("path", "")))
    if not found:
        return []
    return [(call.name, Touched(f"arn:aws:route53:::{found.group(1)}/{found.group(2)}", context(call, {}, "route53")))]


BY_SERVICE = {
    "ec2": ec2,
    "autoscaling": autoscaling,
    "elasticloadbalancing": balancing,
    "rds": stores,
    "elasticache": stores,
    "ssm": commands,
    "route53": names,
    "arc-zonal-shift": shifting,
}


def touched_by(call: Call) -> list[tuple[str, Touched]]:
    """Every (action, resource) that must be allowed."""
    account = get_account_id_from(call.access_key)
    find = BY_SERVICE.get(call.service)
    on_all = READS.match(call.action) and call.service != "route53"
    found = [] if on_all or find is None else find(call, account)
    return found or [(call.name, Touched("*", context(call, {}, call.service)))]
