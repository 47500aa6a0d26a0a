"""Commands of SSM."""

from __future__ import annotations

from .rig import LabTest, wait


class Commands(LabTest):
    flags = ("--rules-only", "--empty", "--speed", "50", "--time", "command=60")

    def setUp(self) -> None:
        super().setUp()
        self.ssm = self.lab.client("ssm")

    def send(self, **to: object) -> str:
        sent = self.ssm.send_command(DocumentName="AWS-RunShellScript", Parameters={"commands": ["true"]}, **to)
        return sent["Command"]["CommandId"]

    def states(self, command: str) -> dict[str, str]:
        found = self.ssm.list_command_invocations(CommandId=command)["CommandInvocations"]
        return {it["InstanceId"]: it["Status"] for it in found}

    def test_it_goes_to_those_it_names_and_takes_its_time(self) -> None:
        one, two = self.members()[:2]
        command = self.send(InstanceIds=[one, two])
        self.assertEqual(sorted(self.states(command)), sorted([one, two]))
        self.assertFalse({"Success", "Failed"} & set(self.states(command).values()))
        wait("it is done", lambda: self.states(command) == {one: "Success", two: "Success"})
        self.assertEqual(self.ssm.get_command_invocation(CommandId=command, InstanceId=one)["ResponseCode"], 0)
        self.assertEqual(self.ssm.list_commands(CommandId=command)["Commands"][0]["Status"], "Success")

    def test_it_goes_to_those_that_its_targets_select(self) -> None:
        command = self.send(Targets=[{"Key": "tag:aws:autoscaling:groupName", "Values": [self.group_name]}])
        self.assertEqual(sorted(self.states(command)), sorted(self.members()))
        self.assertEqual(self.states(self.send(Targets=[{"Key": "tag:nobody", "Values": ["x"]}])), {})

    def test_what_fails_is_told_with_its_output(self) -> None:
        self.lab.trouble({"kind": "command", "code": 3, "output": "no such file", "times": 1})
        one, two = self.members()[:2]
        command = self.send(InstanceIds=[one, two])
        wait("it is done", lambda: sorted(self.states(command).values()) == ["Failed", "Success"])
        [bad] = [key for key, value in self.states(command).items() if value == "Failed"]
        found = self.ssm.get_command_invocation(CommandId=command, InstanceId=bad)
        self.assertEqual((found["ResponseCode"], found["StandardOutputContent"]), (3, "no such file"))
        self.assertEqual(self.ssm.list_commands(CommandId=command)["Commands"][0]["Status"], "Failed")

    def test_it_can_be_cancelled_and_only_running_instances_take_it(self) -> None:
        one, two = self.members()[:2]
        command = self.send(InstanceIds=[one])
        self.ssm.cancel_command(CommandId=command)
        self.assertEqual(self.states(command), {one: "Cancelled"})
        self.ec2.terminate_instances(InstanceIds=[two])
        words = self.refused("InvalidInstanceId", 400, lambda: self.send(InstanceIds=[two]))
        self.assertIn("not in a valid state for account", words)
        listed = [it["InstanceId"] for it in self.ssm.describe_instance_information()["InstanceInformationList"]]
        self.assertNotIn(two, listed)
        self.assertIn(one, listed)
        self.refused(
            "InvalidDocument", 400, lambda: self.ssm.send_command(DocumentName="Nothing", InstanceIds=[one])
        )
