"""Trouble on request."""

from __future__ import annotations

import time

from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, HTTPClientError

from lab import site

from .rig import LabTest, wait

LOST = (ConnectionClosedError, EndpointConnectionError, HTTPClientError)


class Trouble(LabTest):
    def test_throttling_has_each_services_own_code(self) -> None:
        self.lab.trouble({"kind": "throttle"})
        self.refused("RequestLimitExceeded", 503, lambda: self.ec2.describe_instances())
        self.refused("Throttling", 400, lambda: self.asg.describe_auto_scaling_groups())
        self.refused("Throttling", 400, lambda: self.elb.describe_load_balancers())
        self.refused("Throttling", 400, lambda: self.lab.client("rds").describe_db_instances())
        self.refused("Throttling", 400, lambda: self.lab.client("route53").list_hosted_zones())
        self.refused("ThrottlingException", 400, lambda: self.lab.client("ssm").list_commands())
        self.refused("ThrottlingException", 400, lambda: self.lab.client("cloudwatch").describe_alarms())
        self.lab.trouble()
        self.ec2.describe_instances()

    def test_a_share_is_drawn_from_the_seed(self) -> None:
        def strike(seed: str = "") -> list[str]:
            rules = [{"kind": "throttle", "share": 0.3}, {"kind": "error", "share": 0.05}]
            self.assertEqual(self.lab.ask("PUT", f"/lab/trouble{seed}", rules)[0], 200)
            self.lab.ask("DELETE", "/lab/calls")
            for _ in range(200):
                try:
                    self.ec2.describe_vpcs()
                except Exception:  # noqa: BLE001, S110 - that is what is asked for
                    pass
            return [it["outcome"] for it in self.lab.calls()]

        first = strike()
        self.assertEqual(strike(), first)
        other = strike("?seed=7")
        self.assertNotEqual(other, first)
        self.assertEqual(strike("?seed=7"), other)
        self.assertTrue(40 <= first.count("throttle") <= 80, first.count("throttle"))
        self.assertTrue(2 <= first.count("error") <= 20, first.count("error"))

    def test_the_nth_call_of_an_action_is_denied(self) -> None:
        self.lab.trouble({"kind": "deny", "actions": ["autoscaling:SuspendProcesses"], "nth": [3]})
        suspend = lambda: self.asg.suspend_processes(AutoScalingGroupName=self.group_name, ScalingProcesses=["Launch"])  # noqa: E731
        suspend()
        self.asg.describe_auto_scaling_groups()
        suspend()
        words = self.refused("AccessDenied", 403, suspend)
        self.assertIn("is not authorized to perform: autoscaling:SuspendProcesses", words)
        suspend()
        self.assertEqual([it["code"] for it in self.lab.calls("SuspendProcesses")], [None, None, "AccessDenied", None])
        self.assertEqual(self.lab.get("/lab/trouble")[0]["struck"], 1)

    def test_credentials_expire(self) -> None:
        self.lab.trouble({"kind": "expired"})
        self.refused("RequestExpired", 400, lambda: self.ec2.describe_instances())
        self.refused("ExpiredToken", 403, lambda: self.asg.describe_auto_scaling_groups())
        self.lab.trouble({"kind": "unknown-key"})
        self.refused("AuthFailure", 401, lambda: self.ec2.describe_instances())
        self.refused("InvalidClientTokenId", 403, lambda: self.asg.describe_auto_scaling_groups())

    def test_a_lost_call_did_nothing_and_a_lost_answer_did_it(self) -> None:
        before, after = self.members()[:2]
        self.lab.trouble({"kind": "cut-before", "actions": ["ec2:TerminateInstances"]})
        with self.assertRaises(LOST):
            self.ec2.terminate_instances(InstanceIds=[before])
        self.assertEqual(self.instance_state(before), "running")
        self.lab.trouble({"kind": "cut-after", "actions": ["ec2:TerminateInstances"]})
        with self.assertRaises(LOST):
            self.ec2.terminate_instances(InstanceIds=[after])
        self.assertIn(self.instance_state(after), ("shutting-down", "terminated"))
        self.assertEqual([(it["outcome"], it["done"]) for it in self.lab.calls("TerminateInstances")], [("cut-before", 0), ("cut-after", 1)])

    def test_answers_come_late_and_calls_arrive_twice(self) -> None:
        self.lab.trouble({"kind": "stall", "seconds": 0.5, "actions": ["ec2:DescribeVpcs"]}, {"kind": "duplicate", "actions": ["ec2:CreateNetworkAcl"]})
        began = time.monotonic()
        self.ec2.describe_vpcs()
        self.assertGreaterEqual(time.monotonic() - began, 0.5)
        count = len(self.ec2.describe_network_acls()["NetworkAcls"])
        self.ec2.create_network_acl(VpcId=self.outputs["Network"])
        self.assertEqual(len(self.ec2.describe_network_acls()["NetworkAcls"]), count + 2)
        self.assertEqual(self.lab.calls("CreateNetworkAcl")[0]["done"], 2)

    def test_without_capacity_in_one_zone_the_group_launches_elsewhere_and_says_so(self) -> None:
        self.lab.trouble({"kind": "no-capacity", "zones": ["eu-west-1a"]})
        self.ec2.terminate_instances(InstanceIds=self.members(zone="eu-west-1a"))
        wait("they are elsewhere", lambda: self.spread() == {"b": 3, "c": 3})
        failed = next(it for it in self.activities() if it["StatusCode"] == "Failed")
        self.assertTrue(failed["Description"].startswith("Launching a new EC2 instance.  Status Reason: We currently do not have sufficient"))
        self.assertIn("capacity in the Availability Zone you requested (eu-west-1a)", failed["StatusMessage"])
        self.lab.trouble()
        wait("the zones are balanced again", lambda: self.spread() == {"a": 2, "b": 2, "c": 2}, 40)

    def test_without_capacity_anywhere_the_group_stays_small_and_tries_again(self) -> None:
        self.lab.trouble({"kind": "no-capacity"})
        self.ec2.terminate_instances(InstanceIds=self.members()[:2])
        wait("two are missing", lambda: len(self.group()["Instances"]) == 4)
        wait("it tries again", lambda: sum(it["StatusCode"] == "Failed" for it in self.activities()) > 3)
        self.assertEqual(self.lab.ask("GET", "/lab/settled?within=0")[0], 504)
        self.lab.trouble()
        self.settled()

    def test_news_come_late(self) -> None:
        self.lab.trouble({"kind": "late-news", "milliseconds": 4000})
        subnet = self.group()["VPCZoneIdentifier"].split(",")[0]
        new = self.ec2.run_instances(ImageId=site.IMAGE, MinCount=1, MaxCount=1, SubnetId=subnet)["Instances"][0]["InstanceId"]
        self.refused("InvalidInstanceID.NotFound", 400, lambda: self.ec2.describe_instances(InstanceIds=[new]))
        self.refused("InvalidInstanceID.NotFound", 400, lambda: self.ec2.create_tags(Resources=[new], Tags=[{"Key": "a", "Value": "b"}]))
        wait("it is visible", lambda: any(it["InstanceId"] == new for r in self.ec2.describe_instances()["Reservations"] for it in r["Instances"]))
        # A dead one is shown running for a while.
        victim = self.members()[0]
        answer = self.ec2.terminate_instances(InstanceIds=[victim])["TerminatingInstances"][0]
        self.assertEqual(answer["CurrentState"]["Name"], "shutting-down")
        self.assertEqual(self.instance_state(victim), "running")
        wait("the news are there", lambda: self.instance_state(victim) in ("shutting-down", "terminated"))

    def test_news_of_acls_come_late(self) -> None:
        subnet = self.group()["VPCZoneIdentifier"].split(",")[0]
        wanted = [{"Name": "association.subnet-id", "Values": [subnet]}]
        old = self.ec2.describe_network_acls(Filters=wanted)["NetworkAcls"][0]
        held = next(it["NetworkAclAssociationId"] for it in old["Associations"] if it["SubnetId"] == subnet)
        self.lab.trouble({"kind": "late-news", "milliseconds": 4000})
        acl = self.ec2.create_network_acl(VpcId=self.outputs["Network"])["NetworkAcl"]["NetworkAclId"]
        self.refused("InvalidNetworkAclID.NotFound", 400, lambda: self.ec2.describe_network_acls(NetworkAclIds=[acl]))
        wait("it is there", lambda: acl in [it["NetworkAclId"] for it in self.ec2.describe_network_acls()["NetworkAcls"]])
        self.ec2.replace_network_acl_association(AssociationId=held, NetworkAclId=acl)
        shown = lambda: self.ec2.describe_network_acls(Filters=wanted)["NetworkAcls"][0]["NetworkAclId"]  # noqa: E731
        self.assertEqual(shown(), old["NetworkAclId"])
        self.assertEqual(self.lab.state()["subnets"][subnet]["acl"], acl)
        wait("the news are there", lambda: shown() == acl)

    def test_a_wrong_plan_is_refused_as_a_whole(self) -> None:
        for wrong in ({"kind": "trottle"}, {"kind": "throttle", "share": 3}, {"kind": "throttle", "shares": 1}, {"kind": "stall", "seconds": "1"}):
            status, answer = self.lab.ask("PUT", "/lab/trouble", [{"kind": "error"}, wrong])
            self.assertEqual(status, 400, answer)
        self.assertEqual(self.lab.get("/lab/trouble"), [])


class Control(LabTest):
    def test_calls_are_written_down(self) -> None:
        self.lab.ask("DELETE", "/lab/calls")
        victim = self.members()[0]
        self.ec2.terminate_instances(InstanceIds=[victim])
        [call] = self.lab.calls("TerminateInstances")
        self.assertEqual((call["name"], call["region"], call["status"], call["outcome"]), ("ec2:TerminateInstances", "eu-west-1", 200, "answered"))
        self.assertEqual(call["parameters"], {"InstanceId.1": victim})

    def test_state_shows_every_change_and_nothing_else(self) -> None:
        before = self.lab.get("/lab/state")
        self.ec2.describe_instances()
        self.assertEqual(self.lab.get("/lab/state"), before)
        self.asg.suspend_processes(AutoScalingGroupName=self.group_name, ScalingProcesses=["Launch"])
        after = self.lab.get("/lab/state")
        self.assertNotEqual(after, before)
        self.asg.resume_processes(AutoScalingGroupName=self.group_name, ScalingProcesses=["Launch"])
        self.assertEqual(self.lab.get("/lab/state"), before)

    def test_what_moto_cannot_do_is_an_error_that_clients_can_read_and_a_fault(self) -> None:
        self.faulty = True
        self.refused("InvalidAction", 400, lambda: self.asg.describe_traffic_sources(AutoScalingGroupName=self.group_name))
        status, health = self.lab.ask("GET", "/lab/health")
        self.assertEqual((status, health["ok"]), (500, False))
        self.assertIn("DescribeTrafficSources", health["faults"][0])

    def test_unsigned_calls_are_refused(self) -> None:
        import urllib.error
        import urllib.request

        with self.assertRaises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(self.lab.endpoint + "/", data=b"Action=DescribeInstances")
        self.assertEqual(caught.exception.code, 403)
        caught.exception.close()
