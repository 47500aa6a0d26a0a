"""ElastiCache: TestFailover, which moto lacks, the events of it, and replication groups with as many nodes as were asked for, in their own
region."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.ec2 import ec2_backends
from moto.elasticache.exceptions import ElastiCacheException, ReplicationGroupNotFound
from moto.elasticache.models import ElastiCacheBackend, ReplicationGroup
from moto.elasticache.responses import ElastiCacheResponse

from ..overrule import overrule
from ..world import world
from . import keeping

# As many failovers in a day as AWS lets one test.
A_DAY = 15


def events(backend: ElastiCacheBackend) -> list[Any]:
    if not hasattr(backend, "lab_events"):
        backend.lab_events = []
    return backend.lab_events


def tell(backend: ElastiCacheBackend, identity: str, message: str) -> None:
    events(backend).append(
        SimpleNamespace(source_identifier=identity, source_type="replication-group", message=message, date=utcnow())
    )


@overrule(ElastiCacheBackend, "create_replication_group")
def _create(old: Any, self: ElastiCacheBackend, *args: Any, **kwargs: Any) -> ReplicationGroup:
    nodes = kwargs.get("num_cache_clusters")
    if nodes and not kwargs.get("replicas_per_node_group") and kwargs.get("cluster_mode") in (None, "disabled"):
        # moto counts replicas only.
        kwargs["replicas_per_node_group"] = int(nodes) - 1
    group = old(self, *args, **kwargs)
    zones = sorted(it.name for it in ec2_backends[self.account_id][self.region_name].describe_availability_zones())
    wanted = kwargs.get("preferred_cache_cluster_azs") or []
    for node_group in group.node_groups:
        for number, member in enumerate(node_group["node_group_members"]):
            if number >= len(wanted) and not kwargs.get("node_group_configuration"):
                member["preferred_availability_zone"] = zones[number % len(zones)]
    if keeping.keeper.keeps(group):
        # Available as soon as it is there.
        group.status = "creating"
    return group


def primary_of(node_group: dict[str, Any]) -> dict[str, Any]:
    members = node_group["node_group_members"]
    return next((it for it in members if it.get("current_role") == "primary"), members[node_group.get("lab_primary", 0)])


@overrule(ElastiCacheResponse, "test_failover", new=True)
def test_failover(self: ElastiCacheResponse) -> ActionResult:
    backend = self.elasticache_backend
    identity, shard = self._get_param("ReplicationGroupId"), self._get_param("NodeGroupId")
    group = backend.replication_groups.get(identity)
    if group is None:
        raise ReplicationGroupNotFound(identity)
    node_group = next((it for it in group.node_groups if it["node_group_id"] == shard), None)
    if node_group is None:
        raise ElastiCacheException("NodeGroupNotFoundFault", f"Node group {shard} not found in replication group {identity}.")
    if group.status != "available":
        raise ElastiCacheException("InvalidReplicationGroupState", f"Replication group {identity} is not in available state.")
    if group.automatic_failover != "enabled" or len(node_group["node_group_members"]) < 2:
        raise ElastiCacheException(
            "InvalidReplicationGroupState", f"Automatic failover is not enabled for replication group {identity}."
        )
    tested = group.__dict__.setdefault("lab_tested", 0)
    if tested >= A_DAY:
        raise ElastiCacheException("APICallRateForCustomerExceeded", "The customer has exceeded the allowed rate of API calls.")
    group.lab_tested = tested + 1
    group.status = node_group["status"] = "modifying"
    tell(backend, identity, f"Test Failover API called for node group {shard}")

    members = node_group["node_group_members"]
    old = primary_of(node_group)
    new = next(it for it in members if it is not old)
    keeping.keeper.lose(group)

    def over() -> None:
        keeping.keeper.promote(group, new["cache_cluster_id"], taken_over)

    def taken_over() -> None:
        if "current_role" in old:
            old["current_role"], new["current_role"] = "replica", "primary"
        node_group["lab_primary"] = members.index(new)
        tell(backend, identity, f"Failover from primary node {old['cache_cluster_id']} to replica node {new['cache_cluster_id']} completed")
        tell(backend, identity, f"Recovering cache nodes {old['cache_node_id']}")

        def recovered() -> None:
            group.status = node_group["status"] = "available"
            tell(backend, identity, f"Finished recovery for cache nodes {old['cache_node_id']}")

        world.after(world.times.cache_failover, lambda: keeping.keeper.recover(group, recovered))

    world.after(world.times.cache_failover, over)
    return ActionResult({"ReplicationGroup": group})


@overrule(ElastiCacheResponse, "describe_events", new=True)
def describe_events(self: ElastiCacheResponse) -> ActionResult:
    source, kind = self._get_param("SourceIdentifier"), self._get_param("SourceType")
    found = [
        it
        for it in events(self.elasticache_backend)
        if source in (None, it.source_identifier) and kind in (None, it.source_type)
    ]
    return ActionResult({"Events": found})
