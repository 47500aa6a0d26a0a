"""Snapshots of RDS that a user makes: a real database's takes its time and holds what it had, and what is restored from it has that."""

from __future__ import annotations

from typing import Any

from moto.rds.exceptions import InvalidDBInstanceStateFault, RDSClientError
from moto.rds.models import DBInstance, DBSnapshot, RDSBackend

from ..overrule import overrule
from ..world import Action, world
from . import keeping


@overrule(RDSBackend, "create_db_snapshot")
def _create(
    old: Any, self: RDSBackend, db_instance_identifier: str, db_snapshot_identifier: str, snapshot_type: str = "manual", *args: Any, **kwargs: Any
) -> DBSnapshot:
    database: Any = self.databases.get(db_instance_identifier)
    real = database is not None and snapshot_type == "manual" and keeping.keeper.keeps(database)
    if real and database.status != "available":
        raise InvalidDBInstanceStateFault(f"Instance {db_instance_identifier} is not in available state.")
    snapshot: DBSnapshot = old(self, db_instance_identifier, db_snapshot_identifier, snapshot_type, *args, **kwargs)
    if real:
        snapshot.status, database.status = "creating", "backing-up"

        def made() -> None:
            snapshot.status = "available"
            if database.status == "backing-up":
                database.status = "available"

        def begin(done: Action) -> None:
            keeping.keeper.copy(database, snapshot, done)

        keeping.at_least(world.times.snapshot, begin, made)
    return snapshot


@overrule(RDSBackend, "restore_db_instance_from_db_snapshot")
def _restore(old: Any, self: RDSBackend, from_snapshot_id: str, overrides: dict[str, Any]) -> DBInstance:
    database: DBInstance = old(self, from_snapshot_id, overrides)
    name = from_snapshot_id.rsplit(":", 1)[-1] if from_snapshot_id.startswith("arn:") else from_snapshot_id
    snapshot = self.database_snapshots[name.lower()]
    if snapshot.status != "available":
        del self.databases[database.db_instance_identifier]
        raise RDSClientError("InvalidDBSnapshotState", f"{name} is not in available state.")
    if overrides.get("multi_az") not in (True, "true"):
        # moto makes it as the lost one was; AWS in one zone, unless it is told otherwise.
        database.multi_az, database.secondary_availability_zone = False, None
    if keeping.keeper.keeps(database):
        database.lab_from = snapshot
    return database
