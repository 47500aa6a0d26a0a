"""What the books say is true: processes, balancer and packets follow the API."""

from __future__ import annotations

import os
import signal
import time
import unittest
import urllib.error
import urllib.request
from pathlib import Path

from .rig import Lab, LabTest, processes_of, wait
from .users import Users


def serving() -> dict[str, int]:
    """The instances whose processes run, and their pids."""
    found = {}
    for place in Path("/proc").iterdir():
        try:
            words = (place / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"what-time" in words and b"--instance" in words and b"setpriv" not in words[0]:
            if (place / "ns" / "net").readlink() == Path("/proc/self/ns/net").readlink():
                found[words[words.index(b"--instance") + 1].decode()] = int(place.name)
    return found


def reaches(place: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{place}/", timeout=0.5):
            return True
    except OSError:
        return False


class Reality(LabTest):
    flags = ("--empty", "--speed", "30")

    def setUp(self) -> None:
        super().setUp()
        self.url = self.site()["url"]
        self.users: Users | None = None

    def tearDown(self) -> None:
        if self.users is not None:
            self.users.end()
        super().tearDown()

    def site(self) -> dict[str, object]:
        return self.lab.get("/lab/site")["eu-west-1"]["what-time"]

    def visit(self, **how: float) -> Users:
        self.users = Users(str(self.url), **how)
        return self.users

    def test_each_instance_is_a_process_and_users_reach_all(self) -> None:
        self.assertEqual(sorted(serving()), sorted(self.members()))
        users = self.visit()
        time.sleep(1)
        users.end()
        self.assertEqual(set(users.outcomes()), {"200"})
        self.assertEqual(sorted(users.instances()), sorted(self.members()))
        self.assertEqual(sorted(users.zones()), ["eu-west-1a", "eu-west-1b", "eu-west-1c"])

    def test_one_of_six_is_terminated(self) -> None:
        # So many that some meet it, however soon the balancer finds out.
        users = self.visit(per_second=120.0)
        time.sleep(0.5)
        victim = self.members()[0]
        killed = time.monotonic()
        self.ec2.terminate_instances(InstanceIds=[victim])
        wait("its process is gone", lambda: victim not in serving(), 5)
        wait("it is replaced", lambda: victim not in self.members() and len(self.members()) == 6, 20)
        self.settled(20)
        back = time.monotonic()
        time.sleep(0.7)
        users.end()
        self.assertEqual(set(users.outcomes(until=killed - 0.1)), {"200"})
        # Before the balancer's checks find it, about a sixth of the users meet it.
        self.assertGreater(users.outcomes(since=killed)["502"], 0)
        self.assertLess(users.outcomes(since=killed)["502"], len(users.seen) // 6)
        self.assertEqual(set(users.outcomes(since=back)), {"200"})
        self.assertEqual(sorted(users.instances(since=back)), sorted(self.members()))

    def test_a_zone_is_black_holed_and_comes_back(self) -> None:
        users = self.visit(patience=3.0)
        subnet = next(
            it["SubnetId"]
            for it in self.ec2.describe_subnets(SubnetIds=self.group()["VPCZoneIdentifier"].split(","))["Subnets"]
            if it["AvailabilityZone"] == "eu-west-1a"
        )
        old = self.ec2.describe_network_acls(Filters=[{"Name": "association.subnet-id", "Values": [subnet]}])["NetworkAcls"][0]
        held = next(it["NetworkAclAssociationId"] for it in old["Associations"] if it["SubnetId"] == subnet)
        others = [it for it in self.group()["VPCZoneIdentifier"].split(",") if it != subnet]
        whole = self.group()["VPCZoneIdentifier"]
        acl = self.ec2.create_network_acl(VpcId=self.outputs["Network"])["NetworkAcl"]["NetworkAclId"]
        self.asg.update_auto_scaling_group(AutoScalingGroupName=self.group_name, VPCZoneIdentifier=",".join(others))
        sick = self.members(zone="eu-west-1a")
        cut = time.monotonic()
        new = self.ec2.replace_network_acl_association(AssociationId=held, NetworkAclId=acl)["NewAssociationId"]
        # The processes run, and nothing reaches them.
        addresses = self.site()["instances"]
        wait("packets are lost", lambda: not reaches(addresses[sick[0]]), 5)  # type: ignore[index]
        self.assertTrue(set(sick) <= set(serving()))
        wait("the balancer has found out", lambda: all(self.health().get(it) != "healthy" for it in sick), 10)
        wait("the others have replaced them", lambda: self.spread() == {"b": 3, "c": 3}, 40)
        self.settled(30)
        settled = time.monotonic()
        time.sleep(0.7)
        self.asg.update_auto_scaling_group(AutoScalingGroupName=self.group_name, VPCZoneIdentifier=whole)
        self.ec2.replace_network_acl_association(AssociationId=new, NetworkAclId=old["NetworkAclId"])
        self.ec2.delete_network_acl(NetworkAclId=acl)
        wait("all zones are used again", lambda: self.spread() == {"a": 2, "b": 2, "c": 2}, 60)
        self.settled(30)
        time.sleep(0.5)
        users.end()
        bad = users.outcomes(since=cut, until=settled)
        self.assertGreater(sum(count for outcome, count in bad.items() if outcome != "200"), 0, bad)
        # Back again without an error.
        self.assertEqual(set(users.outcomes(since=settled)), {"200"}, users.outcomes(since=settled))
        self.assertNotIn("eu-west-1a", users.zones(since=settled) - users.zones(since=settled + 0.7))

    def test_stopped_started_rebooted(self) -> None:
        self.asg.suspend_processes(AutoScalingGroupName=self.group_name, ScalingProcesses=["ReplaceUnhealthy"])
        one, two = self.members()[:2]
        before = serving()
        self.ec2.stop_instances(InstanceIds=[one])
        self.ec2.reboot_instances(InstanceIds=[two])
        wait("it has ended", lambda: one not in serving(), 5)
        wait("it is stopped", lambda: self.instance_state(one) == "stopped")
        self.ec2.start_instances(InstanceIds=[one])
        wait("both run again", lambda: {one, two} <= set(serving()) and serving()[two] != before[two])
        self.assertNotEqual(serving()[one], before[one])
        wait("both are healthy", lambda: self.health().get(one) == self.health().get(two) == "healthy")

    def test_a_deregistered_target_gets_nobody_new_and_no_request_is_lost(self) -> None:
        users = self.visit()
        victim = self.members()[0]
        time.sleep(0.3)
        self.elb.deregister_targets(TargetGroupArn=self.outputs["TargetGroup"], Targets=[{"Id": victim}])
        time.sleep(0.3)
        since = time.monotonic()
        wait("it is gone", lambda: victim not in self.health(), 10)
        time.sleep(0.5)
        users.end()
        self.assertEqual(set(users.outcomes()), {"200"})
        self.assertNotIn(victim, users.instances(since=since))
        self.assertIn(victim, serving())

    def test_with_no_healthy_target_the_balancer_sends_to_all(self) -> None:
        self.asg.suspend_processes(AutoScalingGroupName=self.group_name, ScalingProcesses=["ReplaceUnhealthy"])
        self.ec2.terminate_instances(InstanceIds=self.members())
        with self.assertRaises(OSError) as caught:
            urllib.request.urlopen(str(self.url), timeout=3)
        self.assertEqual(getattr(caught.exception, "code", None), 502)
        getattr(caught.exception, "close", lambda: None)()
        wait("all are terminated", lambda: not self.health(), 20)
        # With none at all it says so.
        self.assertEqual(wait("it says so", lambda: self.status() == 503, 5), True)

    def status(self) -> int:
        try:
            with urllib.request.urlopen(str(self.url), timeout=3) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as wrong:
            wrong.close()
            return wrong.code

    def test_a_process_that_dies_by_itself_is_a_fault_of_the_laboratory(self) -> None:
        self.faulty = True
        victim = self.members()[0]
        os.kill(serving()[victim], signal.SIGKILL)
        wait("the laboratory says so", lambda: self.lab.ask("GET", "/lab/health")[0] == 500, 5)
        self.assertIn(victim, self.lab.ask("GET", "/lab/health")[1]["faults"][0])
        self.lab.ask("POST", "/lab/reset")


class Ends(unittest.TestCase):
    def test_nothing_is_left_when_it_is_told_to_end_and_when_it_is_killed(self) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with self.subTest(number):
                lab = Lab("--speed", "30")
                try:
                    self.assertGreaterEqual(len(processes_of(lab.folder)), 8)
                    lab.process.send_signal(number)
                    lab.process.wait(20)
                    wait("all are gone", lambda: not processes_of(lab.folder), 5)
                finally:
                    lab.end()
