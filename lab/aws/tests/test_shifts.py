"""Zonal shifts: what the API answers, and where users go."""

from __future__ import annotations

import time
from typing import Any

from .rig import REGION, LabTest, wait
from .users import Users

KEY = "zonal_shift.config.enabled"


class Shifting(LabTest):
    def setUp(self) -> None:
        super().setUp()
        self.arc = self.lab.client("arc-zonal-shift")
        self.arn = self.elb.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
        zones = self.ec2.describe_availability_zones()["AvailabilityZones"]
        self.ids = {it["ZoneName"][-1]: it["ZoneId"] for it in zones}

    def start(self, zone: str = "a", **parameters: Any) -> dict[str, Any]:
        wanted = {"resourceIdentifier": self.arn, "awayFrom": self.ids[zone], "expiresIn": "1h", "comment": "a test"}
        return self.arc.start_zonal_shift(**{**wanted, **parameters})

    def resource(self) -> dict[str, Any]:
        return self.arc.get_managed_resource(resourceIdentifier=self.arn)


class Shifts(Shifting):
    def test_one_is_started_seen_updated_and_canceled(self) -> None:
        before = self.resource()
        self.assertEqual((before["name"], before["zonalShifts"], before["autoshifts"]), ("what-time", [], []))
        self.assertEqual(before["appliedWeights"], dict.fromkeys(self.ids.values(), 1.0))
        self.assertNotEqual(sorted(self.ids), [it[-1] for it in sorted(self.ids.values())], "an id is not a name")
        state = self.lab.state()
        shift = self.start()
        self.assertEqual((shift["status"], shift["awayFrom"], shift["ResponseMetadata"]["HTTPStatusCode"]), ("ACTIVE", self.ids["a"], 201))
        during = self.resource()
        self.assertEqual({key for key, weight in during["appliedWeights"].items() if weight == 0.0}, {self.ids["a"]})
        self.assertEqual([(it["zonalShiftId"], it["appliedStatus"]) for it in during["zonalShifts"]], [(shift["zonalShiftId"], "APPLIED")])
        [listed] = self.arc.list_managed_resources()["items"]
        self.assertEqual(sorted(listed["availabilityZones"]), sorted(self.ids.values()))
        self.assertEqual(self.lab.state()["shifts"], {"what-time": {"away_from": self.ids["a"], "comment": "a test"}})
        updated = self.arc.update_zonal_shift(zonalShiftId=shift["zonalShiftId"], comment="other words", expiresIn="2h")
        self.assertEqual(updated["comment"], "other words")
        self.assertGreater(updated["expiryTime"], shift["expiryTime"])
        self.assertEqual(self.arc.cancel_zonal_shift(zonalShiftId=shift["zonalShiftId"])["status"], "CANCELED")
        self.assertEqual(self.lab.state(), state)
        self.assertEqual([it["status"] for it in self.arc.list_zonal_shifts(resourceIdentifier=self.arn)["items"]], ["CANCELED"])
        self.assertEqual(self.arc.list_zonal_shifts(status="ACTIVE")["items"], [])
        for call in (self.arc.cancel_zonal_shift, self.arc.update_zonal_shift):
            self.refused("ConflictException", 409, lambda: call(zonalShiftId=shift["zonalShiftId"]))  # noqa: B023

    def test_what_cannot_be_is_refused_and_nothing_is_shifted(self) -> None:
        self.refused("ValidationException", 400, lambda: self.start(expiresIn="73h"))
        self.refused("ValidationException", 400, lambda: self.start(expiresIn="60s"))
        self.refused("ValidationException", 400, lambda: self.start(awayFrom="eu-west-1a"))
        self.refused("ValidationException", 400, lambda: self.start(awayFrom="euw1-az9"))
        self.refused("ValidationException", 400, lambda: self.start(resourceIdentifier="what-time"))
        self.refused("ResourceNotFoundException", 404, lambda: self.start(resourceIdentifier=self.arn + "0"))
        self.refused("ResourceNotFoundException", 404, lambda: self.arc.cancel_zonal_shift(zonalShiftId="nothing"))
        self.assertEqual(self.arc.list_zonal_shifts()["items"], [])
        first = self.start()
        with self.assertRaises(self.arc.exceptions.ConflictException) as caught:
            self.start("b")
        self.assertEqual(caught.exception.response["reason"], "ZonalShiftAlreadyExists")
        self.assertEqual(caught.exception.response["zonalShiftId"], first["zonalShiftId"])

    def test_who_did_not_opt_in_is_not_managed(self) -> None:
        self.elb.modify_load_balancer_attributes(LoadBalancerArn=self.arn, Attributes=[{"Key": KEY, "Value": "false"}])
        self.assertEqual(self.arc.list_managed_resources()["items"], [])
        self.refused("ResourceNotFoundException", 404, self.resource)
        self.refused("ResourceNotFoundException", 404, self.start)

    def test_it_ends_by_itself_in_the_laboratorys_time(self) -> None:
        begun = time.monotonic()
        self.start(expiresIn="1m")
        self.assertEqual(len(self.resource()["zonalShifts"]), 1)
        wait("it is over", lambda: not self.resource()["zonalShifts"], 5)
        # Fifty times faster.
        self.assertGreater(time.monotonic() - begun, 1.0)
        self.assertEqual([it["status"] for it in self.arc.list_zonal_shifts()["items"]], ["EXPIRED"])
        self.start()

    def test_lists_have_pages(self) -> None:
        for zone in "abc":
            self.arc.cancel_zonal_shift(zonalShiftId=self.start(zone)["zonalShiftId"])
        self.lab.trouble({"kind": "short-pages", "number": 2})
        first = self.arc.list_zonal_shifts(maxResults=50)
        self.assertEqual(len(first["items"]), 2)
        self.assertEqual([it["awayFrom"] for it in self.arc.list_zonal_shifts(nextToken=first["nextToken"])["items"]], [self.ids["c"]])
        self.refused("ValidationException", 400, lambda: self.arc.list_zonal_shifts(nextToken="x"))

    def test_aws_itself_may_shift(self) -> None:
        self.lab.trouble({"kind": "autoshift", "zones": ["eu-west-1b"]})
        found = self.resource()
        self.assertEqual([(it["awayFrom"], it["appliedStatus"]) for it in found["autoshifts"]], [(self.ids["b"], "APPLIED")])
        self.assertEqual(found["appliedWeights"][self.ids["b"]], 0.0)
        # Somebody's own goes before it.
        self.start("a")
        found = self.resource()
        self.assertEqual((found["appliedWeights"][self.ids["a"]], found["appliedWeights"][self.ids["b"]]), (0.0, 1.0))
        self.assertEqual(found["autoshifts"][0]["appliedStatus"], "NOT_APPLIED")

    def test_trouble_comes_in_its_own_words_and_a_lost_answer_is_done(self) -> None:
        self.lab.trouble({"kind": "throttle", "times": 1}, {"kind": "error", "nth": [2]}, {"kind": "deny", "nth": [3]}, {"kind": "cut-after", "nth": [4]})
        for code, status in (("ThrottlingException", 429), ("InternalServerException", 500), ("AccessDeniedException", 403)):
            self.refused(code, status, self.start)
        with self.assertRaises(Exception):  # noqa: B017 - the connection ends
            self.start()
        self.assertEqual(len(self.resource()["zonalShifts"]), 1)
        told = self.lab.calls("StartZonalShift")
        self.assertEqual([(it["name"], it["done"]) for it in told], [("arc-zonal-shift:StartZonalShift", it) for it in (0, 0, 0, 1)])
        self.assertEqual([it["code"] for it in told[:3]], ["ThrottlingException", "InternalServerException", "AccessDeniedException"])

    def test_a_policy_goes_by_the_balancer(self) -> None:
        tag = {"StringEquals": {"elasticloadbalancing:ResourceTag/firedrill:allowed": "true"}}
        actions = ["arc-zonal-shift:StartZonalShift", "arc-zonal-shift:CancelZonalShift"]
        document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*", "Condition": tag}]}
        status, answer = self.lab.ask("PUT", "/lab/policy", document)
        self.assertEqual(status, 200, answer)
        shift = self.start()["zonalShiftId"]
        self.refused("AccessDeniedException", 403, lambda: self.arc.update_zonal_shift(zonalShiftId=shift, expiresIn="2h"))
        self.lab.ask("DELETE", "/lab/policy")
        self.elb.remove_tags(ResourceArns=[self.arn], TagKeys=["firedrill:allowed"])
        self.lab.ask("PUT", "/lab/policy", document)
        words = self.refused("AccessDeniedException", 403, lambda: self.arc.cancel_zonal_shift(zonalShiftId=shift))
        self.assertIn(self.arn, words)


class Reality(Shifting):
    flags = ("--empty", "--speed", "30")

    def test_users_leave_the_zone_and_come_back_without_an_error(self) -> None:
        users = Users(str(self.lab.get("/lab/site")[REGION]["what-time"]["url"]), per_second=60.0)
        try:
            time.sleep(0.7)
            shift = self.start()["zonalShiftId"]
            time.sleep(0.3)
            shifted = time.monotonic()
            time.sleep(1)
            self.assertEqual(set(self.health().values()), {"healthy"}, "its targets are well")
            canceled = time.monotonic()
            self.arc.cancel_zonal_shift(zonalShiftId=shift)
            time.sleep(0.3)
            back = time.monotonic()
            time.sleep(0.7)
        finally:
            users.end()
        during = {zone for begun, _, _, zone in users.seen if shifted <= begun < canceled}
        self.assertEqual(during, {"eu-west-1b", "eu-west-1c"})
        self.assertEqual(set(users.zones(since=back)), {"eu-west-1a", "eu-west-1b", "eu-west-1c"})
        self.assertIn("eu-west-1a", {zone for begun, _, _, zone in users.seen if begun < shifted - 0.3})
        self.assertEqual(set(users.outcomes()), {"200"})

    def test_a_target_that_falls_ill_there_is_found_out(self) -> None:
        self.start()
        self.asg.suspend_processes(AutoScalingGroupName=self.group_name, ScalingProcesses=["ReplaceUnhealthy", "HealthCheck"])
        victim = self.members(zone="eu-west-1a")[0]
        self.ec2.stop_instances(InstanceIds=[victim])
        wait("its checks say so", lambda: self.health()[victim] != "healthy", 10)
