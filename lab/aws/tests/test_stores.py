"""Managed stores: failovers take their time, are seen, and are written down."""

from __future__ import annotations

from typing import Any

from lab import site

from .rig import LabTest, wait


class Stores(LabTest):
    def setUp(self) -> None:
        super().setUp()
        self.rds, self.cache = self.lab.client("rds"), self.lab.client("elasticache")
        self.stores = site.deploy_stores(self.lab.endpoint, "eu-west-1", self.outputs)

    def database(self) -> dict[str, Any]:
        return self.rds.describe_db_instances(DBInstanceIdentifier=self.stores["Accounts"])["DBInstances"][0]

    def carts(self) -> dict[str, Any]:
        return self.cache.describe_replication_groups(ReplicationGroupId=self.stores["Carts"])["ReplicationGroups"][0]

    def roles(self) -> dict[str, str]:
        return {it["CacheClusterId"]: it["CurrentRole"] for it in self.carts()["NodeGroups"][0]["NodeGroupMembers"]}

    def test_a_reboot_with_failover_moves_the_database_into_its_standbys_zone(self) -> None:
        before = self.database()
        self.assertTrue(before["MultiAZ"])
        self.assertNotEqual(before["AvailabilityZone"], before["SecondaryAvailabilityZone"])
        self.rds.reboot_db_instance(DBInstanceIdentifier=self.stores["Accounts"], ForceFailover=True)
        self.assertEqual(self.database()["DBInstanceStatus"], "rebooting")
        self.assertEqual(self.database()["AvailabilityZone"], before["AvailabilityZone"])
        self.refused(
            "InvalidDBInstanceState", 400, lambda: self.rds.reboot_db_instance(DBInstanceIdentifier=self.stores["Accounts"], ForceFailover=True)
        )
        wait("it is available", lambda: self.database()["DBInstanceStatus"] == "available")
        after = self.database()
        self.assertEqual(after["AvailabilityZone"], before["SecondaryAvailabilityZone"])
        self.assertEqual(after["SecondaryAvailabilityZone"], before["AvailabilityZone"])
        found = self.rds.describe_events(SourceIdentifier=self.stores["Accounts"], SourceType="db-instance")["Events"]
        said = [it["Message"] for it in found]
        self.assertIn("Multi-AZ instance failover started.", said)
        self.assertIn("Multi-AZ instance failover completed", said)

    def test_a_plain_reboot_stays_where_it_is_and_single_ones_cannot_fail_over(self) -> None:
        before = self.database()["AvailabilityZone"]
        self.rds.reboot_db_instance(DBInstanceIdentifier=self.stores["Accounts"])
        wait("it is available", lambda: self.database()["DBInstanceStatus"] == "available")
        self.assertEqual(self.database()["AvailabilityZone"], before)
        self.rds.create_db_instance(
            DBInstanceIdentifier="single", Engine="postgres", DBInstanceClass="db.t4g.micro", MasterUsername="shop", MasterUserPassword="not a secret"
        )
        self.refused(
            "InvalidParameterCombination", 400, lambda: self.rds.reboot_db_instance(DBInstanceIdentifier="single", ForceFailover=True)
        )

    def test_a_cluster_has_another_writer_after_a_while(self) -> None:
        self.rds.create_db_cluster(
            DBClusterIdentifier="aurora", Engine="aurora-postgresql", MasterUsername="shop", MasterUserPassword="not a secret"
        )
        for name in ("one", "two"):
            self.rds.create_db_instance(
                DBInstanceIdentifier=name, DBClusterIdentifier="aurora", Engine="aurora-postgresql", DBInstanceClass="db.r6g.large"
            )

        def cluster() -> dict[str, Any]:
            return self.rds.describe_db_clusters(DBClusterIdentifier="aurora")["DBClusters"][0]

        def writer() -> str:
            [found] = [it["DBInstanceIdentifier"] for it in cluster()["DBClusterMembers"] if it["IsClusterWriter"]]
            return found

        self.assertEqual(writer(), "one")
        self.rds.failover_db_cluster(DBClusterIdentifier="aurora")
        self.assertEqual((cluster()["Status"], writer()), ("failing-over", "one"))
        self.refused("InvalidDBClusterStateFault", 400, lambda: self.rds.failover_db_cluster(DBClusterIdentifier="aurora"))
        wait("it is available", lambda: cluster()["Status"] == "available")
        self.assertEqual(writer(), "two")

    def test_a_caches_replica_becomes_its_primary(self) -> None:
        name = self.stores["Carts"]
        self.assertEqual(self.roles(), {f"{name}-001": "primary", f"{name}-002": "replica"})
        zones = [it["PreferredAvailabilityZone"] for it in self.carts()["NodeGroups"][0]["NodeGroupMembers"]]
        self.assertEqual(zones, ["eu-west-1a", "eu-west-1b"])
        self.cache.test_failover(ReplicationGroupId=name, NodeGroupId="0001")
        self.assertEqual(self.carts()["Status"], "modifying")
        self.refused("InvalidReplicationGroupState", 400, lambda: self.cache.test_failover(ReplicationGroupId=name, NodeGroupId="0001"))
        wait("the roles have changed", lambda: self.roles() == {f"{name}-001": "replica", f"{name}-002": "primary"})
        wait("it is available", lambda: self.carts()["Status"] == "available")
        said = [it["Message"] for it in self.cache.describe_events(SourceIdentifier=name)["Events"]]
        self.assertEqual(
            said,
            [
                "Test Failover API called for node group 0001",
                f"Failover from primary node {name}-001 to replica node {name}-002 completed",
                "Recovering cache nodes 0001",
                "Finished recovery for cache nodes 0001",
            ],
        )

    def test_what_cannot_fail_over_says_so(self) -> None:
        self.refused("ReplicationGroupNotFoundFault", 404, lambda: self.cache.test_failover(ReplicationGroupId="nobody", NodeGroupId="0001"))
        self.refused("NodeGroupNotFoundFault", 404, lambda: self.cache.test_failover(ReplicationGroupId=self.stores["Carts"], NodeGroupId="0002"))
        self.cache.create_replication_group(ReplicationGroupId="alone", ReplicationGroupDescription="one node")
        self.refused("InvalidReplicationGroupState", 400, lambda: self.cache.test_failover(ReplicationGroupId="alone", NodeGroupId="0001"))

    def test_the_state_shows_who_is_who(self) -> None:
        state = self.lab.state()
        self.assertEqual(state["databases"]["instances"]["what-time-accounts"]["status"], "available")
        self.assertEqual(state["caches"]["what-time-carts"]["nodes"]["0001"]["members"]["what-time-carts-001"][0], "primary")
