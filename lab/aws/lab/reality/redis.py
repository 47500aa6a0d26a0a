"""A replication group of ElastiCache without shards: a real Redis for each of its nodes. Replicas follow without being waited for, so that the
last writes before a failover may be lost, as on AWS. Nothing is kept on a disk: a node that ended comes back empty, and copies the primary."""

from __future__ import annotations

from typing import Any

from ..rules.caches import primary_of
from ..world import Action
from .hosts import Host
from .store import Site, Store, Work

CLI = ("redis-cli", "-h")
FOLLOWS = "redis-cli -h \"$1\" -p \"$2\" role | grep -cx connected"


class Redis(Store):
    def __init__(self, site: Site, group: Any, region: str) -> None:
        super().__init__(site, group, group.replication_group_id, region, int(group.port or 6379))
        [self.shard] = group.node_groups
        # The node whose place is empty after a failover.
        self.lost = ""
        self.shard["primary_endpoint"]["address"] = self.shard["primary_endpoint_address"] = self.endpoint.address

    def url(self) -> str:
        return f"redis://{self.endpoint.address}:{self.port}"

    def start(self, host: Host, primary: Host | None = None) -> None:
        follows = ["--replicaof", primary.address, str(self.port)] if primary is not None else []
        host.start(
            [
                *("redis-server", "--bind", host.address, "--port", str(self.port), "--protected-mode", "no", "--dir", str(host.folder)),
                *("--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0", "--repl-timeout", "5", *follows),
            ]
        )

    def member(self, identity: str) -> Host:
        """A host for one of the nodes in the books."""
        [found] = [it for it in self.shard["node_group_members"] if it["cache_cluster_id"] == identity]
        return self.host(str(found["preferred_availability_zone"]), identity)

    def create(self, done: Action) -> Work:
        first = primary_of(self.shard)["cache_cluster_id"]
        self.primary = self.member(first)
        self.start(self.primary)
        yield self.until("PONG", *CLI, self.primary.address, "-p", str(self.port), "ping")
        for it in self.shard["node_group_members"]:
            if it["cache_cluster_id"] != first:
                yield from self.follow(self.member(it["cache_cluster_id"]))
        done()

    def follow(self, host: Host) -> Work:
        """It is a replica, and has what the primary has."""
        self.others.append(host)
        self.start(host, self.primary)
        yield self.until("1", "sh", "-c", FOLLOWS, "sh", host.address, str(self.port))

    def promote(self, to: str, done: Action) -> Work:
        lost = self.primary
        [self.primary] = [it for it in self.others if it.name == to]
        self.others.remove(self.primary)
        yield self.until("OK", *CLI, self.primary.address, "-p", str(self.port), "replicaof", "no", "one")
        for other in self.others:
            yield self.until("OK", *CLI, other.address, "-p", str(self.port), "replicaof", self.primary.address, str(self.port))
        yield from self.lead()
        self.lost = lost.name if lost is not None else to
        if lost is not None:
            lost.end()
        done()

    def recover(self, done: Action) -> Work:
        """The node that ended is a replica of the new primary."""
        yield from self.follow(self.member(self.lost))
        done()
