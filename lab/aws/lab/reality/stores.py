"""The managed stores that are real, and which are not.

Real: instances of RDS for PostgreSQL that belong to no cluster and copy no other one, and replication groups of Redis without shards. All
others are in the books only, as everything is with `--rules-only`."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from moto.elasticache import elasticache_backends
from moto.rds import rds_backends

from ..rules import keeping, targets
from ..world import Action, world
from .addresses import Addresses
from .postgres import Postgres, programs
from .redis import Redis
from .store import Site, Store


def is_postgres(store: Any) -> bool:
    return (
        getattr(store, "db_instance_identifier", None) is not None
        and store.engine == "postgres"
        and not store.db_cluster_identifier
        and not store.is_replica
        and store.status != "deleting"
    )


def is_redis(store: Any) -> bool:
    return (
        getattr(store, "replication_group_id", None) is not None
        and store.engine in ("redis", "valkey")
        and [("primary_endpoint" in it) for it in store.node_groups] == [True]
        and store.status != "deleting"
    )


class Stores(keeping.Keeper):
    """RuntimeError when a program is missing."""

    def __init__(self, addresses: Addresses, folder: Path) -> None:
        missing = [it for it in ("redis-server", "redis-cli", "unshare") if shutil.which(it) is None]
        if missing:
            raise RuntimeError(f"there is no program {missing[0]!r} here: \"scripts/aws-lab install\" gets it")
        self.site = Site(addresses, folder, programs())
        self.all: list[Store] = []
        # What is in each snapshot, and where.
        self.copies: list[tuple[Any, Path]] = []
        keeping.keeper = self

    def wanted(self) -> list[tuple[str, Any]]:
        """What the books have, and its region."""
        databases = [(it.region_name, store) for it in targets.all_backends(rds_backends) for store in it.databases.values()]
        caches = [(it.region_name, store) for it in targets.all_backends(elasticache_backends) for store in it.replication_groups.values()]
        return [it for it in [*databases, *caches] if self.keeps(it[1])]

    def tend(self) -> None:
        """Those in the books are here, and no others. Only the engine's thread may."""
        wanted = self.wanted()
        for store in [it for it in self.all if all(it.of is not one for _, one in wanted)]:
            if not store.saving:
                self.all.remove(store)
                store.end()
        snapshots = [it for backend in targets.all_backends(rds_backends) for it in backend.database_snapshots.values()]
        for snapshot, folder in [it for it in self.copies if all(it[0] is not one for one in snapshots)]:
            self.copies.remove((snapshot, folder))
            shutil.rmtree(folder, ignore_errors=True)
        for region, one in wanted:
            if self.find(one) is None:
                self.new(region, one)
        for store in self.all:
            if not store.busy():
                store.as_booked()
            self.guarded(store, store.tend)

    @staticmethod
    def guarded(store: Store, act: Action) -> None:
        try:
            act()
        except OSError as wrong:
            store.stop()
            world.fault(f"{store.name} in {store.region} is not what it should be: {wrong}")

    def new(self, region: str, one: Any) -> None:
        snapshot = getattr(one, "lab_from", None)
        copy = next((folder for it, folder in self.copies if it is snapshot), None)
        if snapshot is not None and copy is None:
            world.fault(f"{snapshot.db_snapshot_identifier} holds nothing here: only snapshots of a real database that a user made do")
        store = Postgres(self.site, one, copy) if is_postgres(one) else Redis(self.site, one, region)
        self.all.append(store)
        played = 0.0
        if isinstance(store, Postgres) and not getattr(one, "lab_of_a_stack", False):
            played = world.times.restore_database if snapshot is not None else world.times.create_database

        def there() -> None:
            if one.status == "creating":
                one.status = "available"

        # Nobody finds it before it is available.
        keeping.at_least(played, lambda made: store.begin(store.create(made)), lambda: store.begin(store.open(there)))

    def find(self, one: Any) -> Store | None:
        return next((it for it in self.all if it.of is one), None)

    # ── as the keeper of what is in them ──

    def copy(self, store: Any, snapshot: Any, done: Action) -> None:
        found = self.find(store)
        if isinstance(found, Postgres):
            folder = self.site.folder / found.region / "snapshots" / f"{len(self.copies)}-{snapshot.db_snapshot_identifier}"
            folder.parent.mkdir(parents=True, exist_ok=True)
            found.saving = True
            self.copies.append((snapshot, folder))
            found.begin(found.save(folder, done))
        else:
            done()

    def keeps(self, store: Any) -> bool:
        return is_postgres(store) or is_redis(store)

    def lose(self, store: Any) -> None:
        found = self.find(store)
        if found is not None:
            self.guarded(found, found.lose)

    def halt(self, store: Any) -> None:
        found = self.find(store)
        if isinstance(found, Postgres):
            self.guarded(found, found.halt)

    def promote(self, store: Any, to: str, done: Action) -> None:
        self.real(store, done, lambda it: it.promote(to, done))

    def recover(self, store: Any, done: Action) -> None:
        self.real(store, done, lambda it: it.recover(done))

    def restart(self, store: Any, done: Action) -> None:
        self.real(store, done, lambda it: it.restart(done))

    def real(self, store: Any, done: Action, way: Callable[[Any], Any]) -> None:
        """What is in the books only is done at once."""
        found = self.find(store)
        if found is None:
            done()
        else:
            found.begin(way(found))

    # ── for the control endpoint ──

    def faults(self) -> list[str]:
        return [fault for store in self.all for fault in store.faults()]

    def unsettled(self) -> list[str]:
        wanted = [it for _, it in self.wanted()]
        made = [f"{it.name} in {it.region} is being made or has no standby yet" for it in self.all if it.busy() or it.of.status != "available"]
        # In the books for a moment already, or no more: an address that is told now would be that of a lost one.
        coming = ["a store is to be made" for it in wanted if self.find(it) is None]
        going = [f"{it.name} in {it.region} is to end" for it in self.all if all(it.of is not one for one in wanted)]
        return made + coming + going

    def shown(self) -> dict[str, dict[str, Any]]:
        """{region: {identifier: {"url": ..., "primary": ..., "others": [...]}}}"""
        found: dict[str, dict[str, Any]] = {}
        for store in self.all:
            found.setdefault(store.region, {})[store.name] = store.shown()
        return found

    def end(self) -> None:
        for store in self.all:
            store.end()
        self.all = []
