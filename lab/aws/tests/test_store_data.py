"""Managed stores with something in them: what a failover cuts off, and what it keeps."""

from __future__ import annotations

import os
import signal
import time
import unittest
from pathlib import Path
from typing import Any

from .rig import REGION, Lab, LabTest, processes_of, wait
from .shoppers import Unreachable, Writer, redis, sql

ACCOUNTS, CARTS = "accounts", "carts"


class Real(LabTest):
    flags = ("--empty", "--speed", "30", "--time", "create_database=30", "--time", "restore_database=60", "--time", "snapshot=30")
    with_site = False

    def setUp(self) -> None:
        super().setUp()
        self.rds, self.cache = self.lab.client("rds"), self.lab.client("elasticache")
        self.writer: Writer | None = None

    def tearDown(self) -> None:
        if self.writer is not None:
            self.writer.end()
        super().tearDown()

    def store(self, name: str) -> dict[str, Any]:
        return self.lab.get("/lab/site").get(REGION, {}).get("stores", {}).get(name, {})

    def alive(self, pid: int) -> bool:
        return Path(f"/proc/{pid}").exists()


class Databases(Real):
    def create_empty(self, name: str, multi_az: bool = False) -> None:
        self.rds.create_db_instance(
            **{"DBInstanceIdentifier": name, "Engine": "postgres", "DBInstanceClass": "db.t4g.micro", "MultiAZ": multi_az},
            **{"MasterUsername": "shop", "MasterUserPassword": "not a secret", "DBName": "shop"},
        )

    def create(self, multi_az: bool = True) -> str:
        self.create_empty(ACCOUNTS, multi_az)
        self.assertEqual(self.database()["DBInstanceStatus"], "creating")
        self.available()
        # As a user of AWS finds it.
        place = self.database()["Endpoint"]
        url = f"postgres://shop:not%20a%20secret@{place['Address']}:{place['Port']}/shop"
        sql(url, "CREATE TABLE orders (number int)")
        return url

    def database(self, name: str = ACCOUNTS) -> dict[str, Any]:
        found: dict[str, Any] = self.rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
        return found

    def available(self) -> None:
        wait("it is available", lambda: self.database()["DBInstanceStatus"] == "available")

    def write(self, url: str) -> Writer:
        self.writer = Writer(lambda number: sql(url, f"INSERT INTO orders VALUES ({number})", within=2))
        wait("it writes", lambda: len(self.writer.acknowledged) > 4)  # type: ignore[union-attr]
        return self.writer

    def rows(self, url: str) -> set[int]:
        return {int(it) for it in sql(url, "SELECT number FROM orders").split()}

    def test_a_failover_cuts_users_off_and_loses_nothing_acknowledged(self) -> None:
        url = self.create()
        before = self.store(ACCOUNTS)
        self.assertEqual(before["primary"]["zone"], self.database()["AvailabilityZone"])
        self.assertEqual([it["zone"] for it in before["others"]], [self.database()["SecondaryAvailabilityZone"]])
        writer = self.write(url)
        self.rds.reboot_db_instance(DBInstanceIdentifier=ACCOUNTS, ForceFailover=True)
        self.assertFalse(self.alive(before["primary"]["pid"]), "it ended as the call was answered")
        with self.assertRaises(Unreachable):
            sql(url, "SELECT 1")
        self.available()
        known = len(writer.acknowledged)
        wait("it writes again", lambda: len(writer.acknowledged) > known + 4)
        writer.end()
        after = self.store(ACCOUNTS)
        # What was the standby is the primary, in the other zone, and has one itself; users come by the same address.
        self.assertEqual(after["url"], before["url"])
        self.assertEqual(after["primary"]["pid"], before["others"][0]["pid"])
        self.assertEqual(after["primary"]["zone"], self.database()["AvailabilityZone"])
        self.assertNotIn(after["others"][0]["address"], (before["primary"]["address"], before["others"][0]["address"]))
        self.assertEqual(after["others"][0]["zone"], before["primary"]["zone"])
        self.assertEqual(set(writer.acknowledged) - self.rows(url), set())
        self.assertGreater(len(writer.failed), 0)
        # And back again.
        self.rds.reboot_db_instance(DBInstanceIdentifier=ACCOUNTS, ForceFailover=True)
        self.available()
        self.assertEqual(self.store(ACCOUNTS)["primary"]["address"], after["others"][0]["address"])
        self.assertEqual(set(writer.acknowledged) - self.rows(url), set())

    def test_nothing_is_acknowledged_that_the_standby_does_not_have(self) -> None:
        url = self.create()
        standby = self.store(ACCOUNTS)["others"][0]["pid"]
        receivers = [it for it in Path(f"/proc/{standby}/task/{standby}/children").read_text().split() if receives(it)]
        self.assertEqual(len(receivers), 1)
        os.kill(int(receivers[0]), signal.SIGSTOP)
        try:
            with self.assertRaises(Unreachable):
                sql(url, "INSERT INTO orders VALUES (1)", within=1)
        finally:
            os.kill(int(receivers[0]), signal.SIGCONT)
        sql(url, "INSERT INTO orders VALUES (2)")

    def test_a_plain_reboot_starts_it_again_where_it_is(self) -> None:
        url = self.create()
        before = self.store(ACCOUNTS)
        writer = self.write(url)
        self.rds.reboot_db_instance(DBInstanceIdentifier=ACCOUNTS)
        wait("it is cut off", lambda: writer.failed)
        self.available()
        writer.end()
        after = self.store(ACCOUNTS)
        self.assertEqual(after["primary"]["address"], before["primary"]["address"])
        self.assertNotEqual(after["primary"]["pid"], before["primary"]["pid"])
        self.assertEqual(after["others"], before["others"])
        self.assertEqual(set(writer.acknowledged) - self.rows(url), set())

    def test_with_and_without_a_standby(self) -> None:
        url = self.create(multi_az=False)
        self.assertEqual(self.store(ACCOUNTS)["others"], [])
        self.refused("InvalidParameterCombination", 400, lambda: self.rds.reboot_db_instance(DBInstanceIdentifier=ACCOUNTS, ForceFailover=True))
        sql(url, "INSERT INTO orders VALUES (1)")
        for wanted in (True, False):
            self.rds.modify_db_instance(DBInstanceIdentifier=ACCOUNTS, MultiAZ=wanted, ApplyImmediately=True)
            wait("it is so", lambda: len(self.store(ACCOUNTS)["others"]) == int(wanted) and self.lab.ask("GET", "/lab/settled")[0] == 200)
            self.available()
            self.assertEqual("SecondaryAvailabilityZone" in self.database(), wanted)
        sql(url, "INSERT INTO orders VALUES (2)")
        self.assertEqual(self.rows(url), {1, 2})

    def test_what_is_restored_from_a_snapshot_has_what_it_had_and_an_empty_one_nothing(self) -> None:
        url = self.create()
        sql(url, "INSERT INTO orders VALUES (1)")
        self.rds.create_db_snapshot(DBInstanceIdentifier=ACCOUNTS, DBSnapshotIdentifier="before")
        self.assertEqual(self.database()["DBInstanceStatus"], "backing-up")
        self.refused("InvalidDBSnapshotState", 400, lambda: self.restore("too-early"))
        wait("it is made", lambda: self.snapshot()["Status"] == "available")
        self.available()
        sql(url, "INSERT INTO orders VALUES (2)")
        began = time.monotonic()
        self.restore("restored")
        self.create_empty("empty")
        places = {}
        for name in ("empty", "restored"):
            wait("it is available", lambda name=name: self.database(name)["DBInstanceStatus"] == "available")  # type: ignore[misc]
            # Played: one second, and two.
            self.assertGreater(time.monotonic() - began, 1 if name == "empty" else 2)
            place = self.database(name)["Endpoint"]
            places[name] = f"postgres://shop:not%20a%20secret@{place['Address']}:{place['Port']}/shop"
        self.assertEqual(self.rows(places["restored"]), {1})
        self.assertEqual(self.rows(url), {1, 2})
        with self.assertRaises(Unreachable):
            self.rows(places["empty"])
        # In one zone, as on AWS, though what it was made from has a standby; a final snapshot is made before it is gone.
        self.assertFalse(self.database("restored")["MultiAZ"])
        sql(places["restored"], "INSERT INTO orders VALUES (3)")
        self.rds.delete_db_instance(DBInstanceIdentifier="restored", FinalDBSnapshotIdentifier="last")
        wait("it is made", lambda: self.snapshot("last")["Status"] == "available")
        wait("it is gone", lambda: self.store("restored") == {})
        self.restore("again", "last")
        wait("it is available", lambda: self.database("again")["DBInstanceStatus"] == "available")
        place = self.database("again")["Endpoint"]
        self.assertEqual(self.rows(f"postgres://shop:not%20a%20secret@{place['Address']}:{place['Port']}/shop"), {1, 3})

    def restore(self, name: str, snapshot: str = "before") -> None:
        self.rds.restore_db_instance_from_db_snapshot(DBInstanceIdentifier=name, DBSnapshotIdentifier=snapshot)

    def snapshot(self, name: str = "before") -> dict[str, Any]:
        found: dict[str, Any] = self.rds.describe_db_snapshots(DBSnapshotIdentifier=name)["DBSnapshots"][0]
        return found

    def test_one_that_is_deleted_ends_and_leaves_nothing(self) -> None:
        self.create()
        folder = self.lab.folder / "stores" / REGION / ACCOUNTS
        known = len(processes_of(self.lab.folder))
        self.rds.delete_db_instance(DBInstanceIdentifier=ACCOUNTS, SkipFinalSnapshot=True)
        wait("its processes have ended", lambda: known - len(processes_of(self.lab.folder)) > 10)
        wait("its files are gone", lambda: not list(folder.glob("*/data")))

    def test_a_database_that_dies_by_itself_is_a_fault_of_the_laboratory(self) -> None:
        self.faulty = True
        self.create()
        os.kill(self.store(ACCOUNTS)["others"][0]["pid"], signal.SIGKILL)
        wait("the laboratory says so", lambda: self.lab.ask("GET", "/lab/health")[0] == 500, 5)
        self.assertIn(ACCOUNTS, self.lab.ask("GET", "/lab/health")[1]["faults"][0])
        self.lab.reset()


class Caches(Real):
    def create(self) -> str:
        self.cache.create_replication_group(
            **{"ReplicationGroupId": CARTS, "ReplicationGroupDescription": "carts", "NumCacheClusters": 3, "AutomaticFailoverEnabled": True},
        )
        self.available()
        place = self.carts()["NodeGroups"][0]["PrimaryEndpoint"]
        return f"redis://{place['Address']}:{place['Port']}"

    def carts(self) -> dict[str, Any]:
        found: dict[str, Any] = self.cache.describe_replication_groups(ReplicationGroupId=CARTS)["ReplicationGroups"][0]
        return found

    def has(self, node: dict[str, Any], key: str) -> None:
        wait("the replica has it", lambda: redis(f"redis://{node['address']}", "get", key) == "kept")

    def available(self) -> None:
        wait("it is available", lambda: self.carts()["Status"] == "available")

    def test_a_replica_takes_over_and_the_old_primary_follows_it(self) -> None:
        url = self.create()
        redis(url, "set", "early", "kept")
        before = self.store(CARTS)
        self.assertEqual(before["primary"]["name"], f"{CARTS}-001")
        for it in before["others"]:
            self.has(it, "early")
        self.writer = writer = Writer(lambda number: redis(url, "sadd", "numbers", str(number)))
        wait("it writes", lambda: len(writer.acknowledged) > 4)
        self.cache.test_failover(ReplicationGroupId=CARTS, NodeGroupId="0001")
        self.assertFalse(self.alive(before["primary"]["pid"]), "it ended as the call was answered")
        with self.assertRaises(Unreachable):
            redis(url, "ping")
        self.available()
        writer.end()
        after = self.store(CARTS)
        self.assertEqual(after["url"], before["url"])
        self.assertEqual(after["primary"]["pid"], before["others"][0]["pid"])
        self.assertEqual({it["name"] for it in after["others"]}, {f"{CARTS}-001", f"{CARTS}-003"})
        self.assertGreater(len(writer.failed), 0)
        self.assertEqual(redis(url, "get", "early"), "kept")
        # Nobody waits for replicas: the last ones before the end may be lost, and are few.
        lost = set(writer.acknowledged) - {int(it) for it in redis(url, "smembers", "numbers").split()}
        self.assertLess(len(lost), 3)
        redis(url, "set", "late", "kept")
        for it in after["others"]:
            self.has(it, "late")

    def test_a_node_that_dies_by_itself_is_a_fault_of_the_laboratory(self) -> None:
        self.faulty = True
        self.create()
        os.kill(self.store(CARTS)["primary"]["pid"], signal.SIGKILL)
        wait("the laboratory says so", lambda: self.lab.ask("GET", "/lab/health")[0] == 500, 5)
        self.assertIn(CARTS, self.lab.ask("GET", "/lab/health")[1]["faults"][0])
        self.lab.reset()


class Ends(unittest.TestCase):
    def test_no_store_is_left_when_the_laboratory_is_told_to_end_and_when_it_is_killed(self) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with self.subTest(number):
                lab = Lab("--stores", "--size", "3")
                try:
                    self.assertEqual(set(lab.ready["stores"][REGION]), {"what-time-accounts", "what-time-carts"})
                    running = processes_of(lab.folder)
                    self.assertGreaterEqual(running.count("postgres"), 10)
                    self.assertEqual(running.count("redis-server"), 2)
                    lab.process.send_signal(number)
                    lab.process.wait(20)
                    wait("all are gone", lambda: not processes_of(lab.folder), 5)
                finally:
                    lab.end()


def receives(pid: str) -> bool:
    return b"walreceiver" in Path(f"/proc/{pid}/cmdline").read_bytes()
