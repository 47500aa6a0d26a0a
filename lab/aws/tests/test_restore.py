"""The script of the example `restore.yaml`: its steps against a real database, without a drill around them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from lab import site

from .rig import REGION, LabTest
from .shoppers import Unreachable, sql

SCRIPT = site.TEMPLATE.with_name("restore.sh")
NAME = "what-time-accounts"


class Restore(LabTest):
    flags = ("--empty", "--speed", "60")

    def setUp(self) -> None:
        super().setUp()
        self.stores = site.deploy_stores(self.lab.endpoint, REGION, self.outputs)
        self.settled(60)
        self.url: str = self.lab.get("/lab/site")[REGION]["stores"][NAME]["url"]
        folder = tempfile.TemporaryDirectory(prefix="aws-restore.")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        tool = self.folder / "aws"
        tool.write_text(f'#!/bin/sh\nexec {sys.executable} {Path(__file__).with_name("cli.py")} "$@"\n')
        tool.chmod(0o755)
        sql(self.url, "CREATE TABLE orders (number int)")
        sql(self.url, "INSERT INTO orders VALUES (1)")

    def step(self, name: str) -> None:
        done = subprocess.run(
            [str(SCRIPT), name],
            cwd=self.folder,
            env={
                **os.environ,
                **{"PATH": f"{self.folder}:{os.environ['PATH']}", "ACCOUNTS_DB": self.url, "AWS_ENDPOINT_URL": self.lab.endpoint},
                **{"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": REGION},
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def snapshots(self) -> list[str]:
        found = self.lab.client("rds").describe_db_snapshots(SnapshotType="manual")["DBSnapshots"]
        return [it["DBSnapshotIdentifier"] for it in found]

    def test_both_ways_lead_back_to_what_was_backed_up(self) -> None:
        self.step("back-up")
        self.assertEqual(self.snapshots(), [f"{NAME}-drill"])
        for way in ("from-snapshot", "from-nothing"):
            sql(self.url, "INSERT INTO orders VALUES (2)")
            before = self.lab.get("/lab/site")[REGION]["stores"][NAME]
            self.step(way)
            after = self.lab.get("/lab/site")[REGION]["stores"][NAME]
            self.assertEqual(after["url"], before["url"])
            self.assertNotEqual(after["primary"]["pid"], before["primary"]["pid"])
            self.assertEqual(len(after["others"]), 1, "it has a standby, as it had")
            # What came after the backup is in none.
            self.assertEqual(sql(self.url, "SELECT number FROM orders"), "1")
        # It is there: nothing is made.
        self.step("back")
        self.assertEqual(self.lab.get("/lab/site")[REGION]["stores"][NAME]["primary"]["pid"], after["primary"]["pid"])
        self.step("forget")
        self.assertEqual(self.snapshots(), [])
        self.assertEqual([it.name for it in self.folder.iterdir()], ["aws"])

    def test_one_that_is_lost_comes_back_from_the_snapshot(self) -> None:
        self.step("back-up")
        self.lab.client("rds").delete_db_instance(DBInstanceIdentifier=NAME, SkipFinalSnapshot=True)
        with self.assertRaises(Unreachable):
            for _ in range(100):
                sql(self.url, "SELECT 1")
        self.step("back")
        self.assertEqual(sql(self.url, "SELECT number FROM orders"), "1")
        self.step("forget")
