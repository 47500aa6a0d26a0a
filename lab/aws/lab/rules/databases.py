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
from . import keeping


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
    if keeping.keeper.keeps(self):
        # Available as soon as it is there.
        self.status = "creating"


@overrule(DBInstance, "create_from_cloudformation_json")
def _from_template(old: Any, name: str, template: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
    """A template that names no port means the engine's own; to moto it means MySQL's."""
    wanted = template["Properties"]
    if "Port" not in wanted:
        template = {**template, "Properties": {**wanted, "Port": DBInstance.default_port(wanted["Engine"])}}
    database = old(name, template, *args, **kwargs)
    # A stack is there when all in it is: nobody waits for its stores as long as for others.
    database.lab_of_a_stack = True
    return database


@overrule(RDSBackend, "modify_db_instance")
def _modify(old: Any, self: RDSBackend, db_instance_identifier: str, db_kwargs: dict[str, Any]) -> DBInstance:
    """Another standby, or none, is seen at once; moto knows no zone of it."""
    database = old(self, db_instance_identifier, db_kwargs)
    database.multi_az = database.multi_az in (True, "true", "True")
    second = next((it for it in zones(database) if it != database.availability_zone), None)
    if not database.multi_az:
        database.secondary_availability_zone = None
    elif database.secondary_availability_zone is None:
        database.secondary_availability_zone = second
    return database


_address = DBInstance.address.fget  # type: ignore[attr-defined]
# That of a real one leads there; on AWS it is a name.
DBInstance.address = property(lambda self: getattr(self, "lab_address", None) or _address(self))  # type: ignore[assignment,method-assign]


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
        keeping.keeper.lose(database)
    else:
        keeping.keeper.halt(database)

    def over() -> None:
        if database.status != "rebooting":
            return
        if failover:
            keeping.keeper.promote(database, "", taken_over)
        else:
            keeping.keeper.restart(database, restarted)

    def restarted() -> None:
        of_instance(database, ["availability"], "DB instance restarted")
        database.status = "available"

    def taken_over() -> None:
        database.availability_zone, database.secondary_availability_zone = (
            database.secondary_availability_zone or database.availability_zone,
            database.availability_zone,
        )
        of_instance(database, ["availability"], "DB instance restarted")
        of_instance(database, ["failover"], "Multi-AZ instance failover completed")
        keeping.keeper.recover(database, has_a_standby)

    def has_a_standby() -> None:
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
