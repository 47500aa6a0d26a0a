"""Everything that a drill can change, as plain values in one order: tests compare it before and after, field by field.

What only counts upwards or must change when something is put back as it was (times, the ids of ACL associations, health checks' counts)
is left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.autoscaling import autoscaling_backends
from moto.cloudwatch import cloudwatch_backends
from moto.ec2 import ec2_backends
from moto.elasticache import elasticache_backends
from moto.elbv2 import elbv2_backends
from moto.rds import rds_backends
from moto.route53 import route53_backends

from .rules import shifts, targets

Table = dict[str, Any]


def tags_of(resource: Any) -> Table:
    return {tag["key"]: tag["value"] for tag in resource.get_tags()}


def plain(tags: Any) -> Table:
    """Tags as a list of tables, whatever the case of their keys."""
    if isinstance(tags, dict):
        return dict(tags)
    return {tag.get("Key", tag.get("key")): tag.get("Value", tag.get("value")) for tag in tags or []}


def instances(backend: Any) -> Table:
    return {
        it.id: {
            "state": it.state,
            "type": it.instance_type,
            "zone": it.placement.zone,
            "subnet": it.subnet_id,
            "protected": bool(it.disable_api_termination),
            "stop_protected": bool(it.disable_api_stop),
            "security_groups": sorted(group.id for group in it.security_groups),
            "tags": tags_of(it),
        }
        for it in backend.all_instances()
    }


def acls(backend: Any) -> Table:
    return {
        acl.id: {
            "vpc": acl.vpc_id,
            "default": acl.default,
            "subnets": sorted(str(it.subnet_id) for it in acl.associations),
            "tags": tags_of(acl),
            "rules": sorted(
                (
                    {
                        "number": int(it.rule_number),
                        "egress": it.egress in (True, "true"),
                        "action": it.rule_action,
                        "protocol": it.protocol,
                        "cidr": it.cidr_block or it.ipv6_cidr_block,
                        "ports": [it.port_range_from, it.port_range_to],
                    }
                    for it in acl.network_acl_entries
                ),
                key=lambda rule: (rule["egress"], rule["number"]),
            ),
        }
        for acl in backend.network_acls.values()
    }


def subnets(backend: Any) -> Table:
    holders = {it.subnet_id: acl.id for acl in backend.network_acls.values() for it in acl.associations}
    return {
        it.id: {
            "vpc": it.vpc_id,
            "zone": it.availability_zone,
            "cidr": it.cidr_block,
            "acl": holders.get(it.id),
            "tags": tags_of(it),
        }
        for it in backend.describe_subnets()
    }


def groups(backend: Any) -> Table:
    return {
        it.name: {
            "min": it.min_size,
            "max": it.max_size,
            "desired": it.desired_capacity,
            "zones": sorted(it.availability_zones),
            "subnets": sorted((it.vpc_zone_identifier or "").split(",")),
            "suspended": sorted(it._suspended_processes),
            "health_check": [it.health_check_type, it.health_check_grace_period],
            "target_groups": sorted(it.target_group_arns),
            "load_balancers": sorted(it.load_balancer_names or []),
            "launch_template": it.launch_template and {key: str(value) for key, value in it.launch_template.items()},
            "protects_new": bool(it.new_instances_protected_from_scale_in),
            "tags": {tag["Key"]: [tag["Value"], bool(tag.get("PropagateAtLaunch"))] for tag in it.tags},
            "members": {
                member.instance_id: {
                    "zone": member.availability_zone,
                    "lifecycle": member.lifecycle_state,
                    "health": member.health_status,
                    "protected": bool(member.protected_from_scale_in),
                }
                for member in it.instance_states
            },
        }
        for it in backend.autoscaling_groups.values()
    }


def balancers(backend: Any) -> Table:
    return {
        "target_groups": {
            it.name: {
                "attributes": {key: str(value) for key, value in it.attributes.items()},
                "targets": {key: targets.shown(backend, it, key).status for key in [*targets.table(it), *targets.draining(it)]},
            }
            for it in backend.target_groups.values()
        },
        "load_balancers": {
            it.name: {
                "zones": sorted(subnet.availability_zone for subnet in it.subnets),
                "subnets": sorted(subnet.id for subnet in it.subnets),
                "security_groups": sorted(it.security_groups or []),
                "attributes": {key: str(value) for key, value in it.attrs.items()},
            }
            for it in backend.load_balancers.values()
        },
    }


def databases(backend: Any) -> Table:
    return {
        "instances": {
            key: {
                "status": it.status,
                "engine": it.engine,
                "class": it.db_instance_class,
                "multi_az": bool(getattr(it, "multi_az", False)),
                "zone": getattr(it, "availability_zone", None),
                "second_zone": getattr(it, "secondary_availability_zone", None),
                "cluster": getattr(it, "db_cluster_identifier", None),
                "tags": plain(getattr(it, "tags", None)),
            }
            for key, it in backend.databases.items()
        },
        "clusters": {
            key: {
                "status": it.status,
                "writer": it.writer.db_instance_identifier if it.writer is not None else None,
                "members": sorted(member.db_instance_identifier for member in it.members),
            }
            for key, it in backend.clusters.items()
        },
    }


def caches(backend: Any) -> Table:
    return {
        key: {
            "status": it.status,
            "failover": it.automatic_failover,
            "nodes": {
                group["node_group_id"]: {
                    "status": group["status"],
                    "members": {
                        member["cache_cluster_id"]: [member.get("current_role"), member.get("preferred_availability_zone")]
                        for member in group["node_group_members"]
                    },
                }
                for group in it.node_groups
            },
        }
        for key, it in backend.replication_groups.items()
    }


def names(backend: Any) -> Table:
    return {
        "zones": {
            zone.name: sorted(
                [
                    str(it.name),
                    str(it.type),
                    str(it.set_identifier),
                    str(it.failover),
                    str(it.weight),
                    str(it.ttl),
                    str(it.health_check_id),
                    sorted(str(record) for record in it.records or []),
                    str(it.alias_target),
                ]
                for it in zone.rrsets
            )
            for zone in backend.zones.values()
        },
        "health_checks": {
            key: {
                "address": it.ip_address,
                "port": str(it.port),
                "path": it.resource_path,
                "name": it.fqdn,
                "inverted": str(it.inverted).lower(),
                "disabled": str(it.disabled).lower(),
                "tags": dict(backend.list_tags_for_resource(key)),
            }
            for key, it in backend.health_checks.items()
        },
    }


def alarms(backend: Any) -> Table:
    return {key: {"state": it.state_value} for key, it in backend.alarms.items()}


PARTS: list[tuple[str, Any, Callable[[Any], Table]]] = [
    ("instances", ec2_backends, instances),
    ("acls", ec2_backends, acls),
    ("subnets", ec2_backends, subnets),
    ("groups", autoscaling_backends, groups),
    ("balancers", elbv2_backends, balancers),
    ("shifts", elbv2_backends, lambda backend: shifts.shown(backend.account_id, backend.region_name)),
    ("databases", rds_backends, databases),
    ("caches", elasticache_backends, caches),
    ("names", route53_backends, names),
    ("alarms", cloudwatch_backends, alarms),
]


def empty(value: Any) -> bool:
    return value in (None, [], "") or (isinstance(value, dict) and all(empty(it) for it in value.values()))


def everything() -> Table:
    """{account: {region: {part: ...}}}; parts in which there is nothing are left out."""
    found: Table = {}
    for name, backends, read in PARTS:
        for account, regions in list(backends.items()):
            for region, backend in list(regions.items()):
                part = read(backend)
                if not empty(part):
                    found.setdefault(account, {}).setdefault(region, {})[name] = part
    return found
