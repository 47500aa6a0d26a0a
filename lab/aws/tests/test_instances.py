"""The life of instances."""

from __future__ import annotations

from lab import site

from .rig import LabTest, wait


class Instances(LabTest):
    with_site = False

    def setUp(self) -> None:
        super().setUp()
        self.subnets = [it["SubnetId"] for it in self.ec2.describe_subnets()["Subnets"]]

    def run_some(self, count: int, subnet: int = 0, **more: object) -> list[str]:
        answer = self.ec2.run_instances(
            ImageId=site.IMAGE, MinCount=count, MaxCount=count, SubnetId=self.subnets[subnet], **more
        )
        return [it["InstanceId"] for it in answer["Instances"]]

    def run_until(self, count: int, subnet: int = 0) -> list[str]:
        ids = self.run_some(count, subnet)
        wait("they run", lambda: all(self.instance_state(it) == "running" for it in ids))
        return ids

    def test_an_instance_is_pending_before_it_runs(self) -> None:
        [one] = self.run_some(1)
        self.assertEqual(self.instance_state(one), "pending")
        self.refused("IncorrectInstanceState", 400, lambda: self.ec2.stop_instances(InstanceIds=[one]))
        self.refused("IncorrectInstanceState", 400, lambda: self.ec2.reboot_instances(InstanceIds=[one]))
        wait("it runs", lambda: self.instance_state(one) == "running")

    def test_stop_and_start_go_through_their_states(self) -> None:
        [one] = self.run_until(1)
        answer = self.ec2.stop_instances(InstanceIds=[one])["StoppingInstances"][0]
        self.assertEqual((answer["PreviousState"]["Name"], answer["CurrentState"]["Name"]), ("running", "stopping"))
        self.refused("IncorrectInstanceState", 400, lambda: self.ec2.start_instances(InstanceIds=[one]))
        wait("it is stopped", lambda: self.instance_state(one) == "stopped")
        again = self.ec2.stop_instances(InstanceIds=[one])["StoppingInstances"][0]
        self.assertEqual((again["PreviousState"]["Name"], again["CurrentState"]["Name"]), ("stopped", "stopped"))
        answer = self.ec2.start_instances(InstanceIds=[one])["StartingInstances"][0]
        self.assertEqual((answer["PreviousState"]["Name"], answer["CurrentState"]["Name"]), ("stopped", "pending"))
        wait("it runs", lambda: self.instance_state(one) == "running")

    def test_a_terminated_instance_stays_listed_and_never_starts_again(self) -> None:
        [one] = self.run_until(1)
        answer = self.ec2.terminate_instances(InstanceIds=[one])["TerminatingInstances"][0]
        self.assertEqual((answer["PreviousState"]["Name"], answer["CurrentState"]["Name"]), ("running", "shutting-down"))
        self.refused("IncorrectInstanceState", 400, lambda: self.ec2.start_instances(InstanceIds=[one]))
        wait("it is terminated", lambda: self.instance_state(one) == "terminated")
        words = self.refused("IncorrectInstanceState", 400, lambda: self.ec2.start_instances(InstanceIds=[one]))
        self.assertIn("is not in a state from which it can be started", words)
        again = self.ec2.terminate_instances(InstanceIds=[one])["TerminatingInstances"][0]
        self.assertEqual((again["PreviousState"]["Name"], again["CurrentState"]["Name"]), ("terminated", "terminated"))

    def test_protection_spares_the_zone_of_the_protected_one_and_ends_the_others(self) -> None:
        here, there = self.run_until(2, 0), self.run_until(1, 1)
        self.ec2.modify_instance_attribute(InstanceId=here[0], DisableApiTermination={"Value": True})
        words = self.refused("OperationNotPermitted", 400, lambda: self.ec2.terminate_instances(InstanceIds=here + there))
        self.assertIn(here[0], words)
        self.assertEqual([self.instance_state(it) for it in here], ["running", "running"])
        self.assertIn(self.instance_state(there[0]), ("shutting-down", "terminated"))

    def test_one_unknown_id_fails_the_whole_batch(self) -> None:
        [one] = self.run_until(1)
        lost = "i-0123456789abcdef0"
        self.refused("InvalidInstanceID.NotFound", 400, lambda: self.ec2.terminate_instances(InstanceIds=[one, lost]))
        self.assertEqual(self.instance_state(one), "running")

    def test_pages_count_instances_not_reservations(self) -> None:
        ids = self.run_some(7) + self.run_some(4)
        seen: list[str] = []
        pages = 0
        token: dict[str, str] = {}
        while True:
            page = self.ec2.describe_instances(MaxResults=5, **token)
            part = [it["InstanceId"] for reservation in page["Reservations"] for it in reservation["Instances"]]
            self.assertLessEqual(len(part), 5)
            seen += part
            pages += 1
            if "NextToken" not in page:
                break
            token = {"NextToken": page["NextToken"]}
        self.assertEqual(pages, 3)
        self.assertEqual(sorted(seen), sorted(ids))

    def test_the_same_seed_gives_the_same_ids_however_often_one_looks(self) -> None:
        first = self.run_some(3)
        self.lab.reset()
        for _ in range(5):
            self.ec2.describe_instances()
        self.subnets = [it["SubnetId"] for it in self.ec2.describe_subnets()["Subnets"]]
        self.assertEqual(self.run_some(3), first)


class Listed(LabTest):
    with_site = False
    flags = ("--rules-only", "--empty", "--speed", "50", "--time", "listed=50")

    def test_in_the_end_it_is_no_longer_listed(self) -> None:
        one = self.ec2.run_instances(ImageId=site.IMAGE, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
        self.ec2.terminate_instances(InstanceIds=[one])
        wait("it is gone", lambda: not self.ec2.describe_instances()["Reservations"])
        self.refused("InvalidInstanceID.NotFound", 400, lambda: self.ec2.describe_instances(InstanceIds=[one]))
