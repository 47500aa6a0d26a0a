"""RDS: a reboot with failover moves a Multi-AZ instance into its standby's zone, a cluster's failover makes a reader the writer; both take
their time, are seen as states, and leave the events that AWS writes. In moto the first does nothing, and the second is instantaneous."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.ec2 import ec2_backends
from moto.rds.exceptions import InvalidDBClusterStateFault, InvalidDBInstanceStateFault, InvalidParameterCombination
from moto.rds.models import DBCluster, DBInstance, RDSBackend
from moto.rds.responses import RDSResponse

from ..overrule import overrule
from ..world import world


def tell(backend: RDSBackend, kind: str, identity: str, arn: str, categories: list[str], message: str) -> None:
    """An event, as DescribeEvents shows it."""
    backend.events.append(
        SimpleNamespace(
            source_identifier=identity,
            source_type=kind,
            message=message,
            event_categories=categories,
            source_arn=arn,
            date=utcnow(),
        )
    )


def of_instance(database: DBInstance, categories: list[str], message: str) -> None:
    tell(database.backend, "db-instance", database.db_instance_identifier, database.arn, categories, message)


def of_cluster(cluster: DBCluster, message: str) -> None:
    tell(cluster.backend, "db-cluster", cluster.db_cluster_identifier, cluster.arn, ["failover"], message)


def zones(database: DBInstance) -> list[str]:
    """The zones that it may be in: those of its subnets, else the region's."""
    group = database.backend.subnet_groups.get(str(getattr(database, "_db_subnet_group_name", None) or ""))
    if group is not None:
        return sorted({subnet.availability_zone for subnet in group._subnets})
    return sorted(it.name for it in ec2_backends[database.account_id][database.region].describe_availability_zones())


@overrule(DBInstance, "__init__")
def _new(old: Any, self: DBInstance, *args: Any, **kwargs: Any) -> None:
    old(self, *args, **kwargs)
    self.multi_az = self.multi_az in (True, "true", "True")
    self.secondary_availability_zone = None
    if not getattr(self, "db_cluster_identifier", None):
        places = zones(self)
        if not kwargs.get("availability_zone") and places:
            self.availability_zone = places[0]
        if self.multi_az:
            self.secondary_availability_zone = next((it for it in places if it != self.availability_zone), None)


@overrule(RDSResponse, "reboot_db_instance")
def _answer_reboot(_old: Any, self: RDSResponse) -> ActionResult:
    database = self.backend.describe_db_instances(self.params.get("DBInstanceIdentifier"))[0]
    failover = self.params.get("ForceFailover") in (True, "true")
    if database.status != "available":
        raise InvalidDBInstanceStateFault(f"Instance {database.db_instance_identifier} is not in available state.")
    if failover and not database.multi_az:
        raise InvalidParameterCombination("Cannot use ForceFailover for a DB instance that is not Multi-AZ.")
    database.status = "rebooting"
    if failover:
        of_instance(database, ["failover"], "Multi-AZ instance failover started.")

    def over() -> None:
        if database.status != "rebooting":
            return
        if failover:
            database.availability_zone, database.secondary_availability_zone = (
                database.secondary_availability_zone or database.availability_zone,
                database.availability_zone,
            )
            of_instance(database, ["availability"], "DB instance restarted")
            of_instance(database, ["failover"], "Multi-AZ instance failover completed")
        else:
            of_instance(database, ["availability"], "DB instance restarted")
        database.status = "available"

    world.after(world.times.failover if failover else world.times.reboot, over)
    return ActionResult({"DBInstance": database})


@overrule(RDSBackend, "failover_db_cluster")
def _failover(old: Any, self: RDSBackend, db_cluster_identifier: str, target_db_instance_identifier: str | None = None) -> DBCluster:
    cluster = self.clusters.get(db_cluster_identifier)
    if cluster is not None and cluster.status != "available":
        raise InvalidDBClusterStateFault(f"DbCluster {db_cluster_identifier} is in {cluster.status} state.")
    before = writer_of(cluster) if cluster is not None else None
    # moto finds what is wrong, and the next writer; it takes over later.
    found = old(self, db_cluster_identifier, target_db_instance_identifier)
    after = found.writer
    if before is not None:
        make_writer(found, before)
    found.status = "failing-over"
    of_cluster(found, f"Started cross AZ failover to DB instance: {after.db_instance_identifier}")

    def over() -> None:
        if found.status == "failing-over":
            make_writer(found, after)
            found.status = "available"
            of_cluster(found, f"Completed failover to DB instance: {after.db_instance_identifier}")

    world.after(world.times.aurora_failover, over)
    return found


def writer_of(cluster: DBCluster) -> Any:
    return next((it for it in cluster.members if it.is_cluster_writer), None)


def make_writer(cluster: DBCluster, instance: Any) -> None:
    for member in cluster.members:
        member.is_cluster_writer = member is instance
    cluster.writer = instance
