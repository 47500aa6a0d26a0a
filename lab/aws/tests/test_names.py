"""Two regions under one name: users are sent where the site is healthy."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections import Counter

from lab import site

from .rig import LabTest, ask, wait

NAME = "what-time.example.org"


class Names(LabTest):
    flags = ("--empty", "--speed", "30")
    with_site = False

    def setUp(self) -> None:
        super().setUp()
        self.regions = {it: site.deploy(self.lab.endpoint, it, Size=3) for it in ("eu-west-1", "eu-central-1")}
        site.wait_until_settled(self.lab.endpoint)
        self.names = site.deploy_names(self.lab.endpoint, "eu-west-1", *self.regions.values())
        self.dns = self.lab.client("route53")

    def ask(self, name: str = NAME, kind: int = 1) -> tuple[int, list[str]]:
        return ask(self.lab.ready["resolver"], name, kind)

    def region_of(self, address: str) -> str:
        """Who answers there."""
        try:
            with urllib.request.urlopen(f"http://{address}/", timeout=3) as answer:
                return answer.headers["x-zone"][:-1]
        except urllib.error.HTTPError as wrong:
            wrong.close()
            return str(wrong.code)

    def users_go_to(self, region: str) -> bool:
        code, [address] = self.ask()
        return code == 0 and self.region_of(address) == region

    def test_names_lead_to_the_balancers(self) -> None:
        self.assertTrue(self.users_go_to("eu-west-1"))
        code, [address] = self.ask(self.regions["eu-central-1"]["BalancerName"])
        self.assertEqual((code, self.region_of(address)), (0, "eu-central-1"))
        self.assertEqual(self.ask("nobody.example.org"), (3, []))
        self.assertEqual(self.ask(kind=28), (0, []))

    def test_a_lost_region_sends_its_users_to_the_other_and_has_them_back(self) -> None:
        asg, ec2 = self.lab.client("autoscaling"), self.lab.client("ec2")
        group = asg.describe_auto_scaling_groups()["AutoScalingGroups"][0]
        name = group["AutoScalingGroupName"]
        asg.suspend_processes(AutoScalingGroupName=name, ScalingProcesses=["Launch"])
        ec2.terminate_instances(InstanceIds=[it["InstanceId"] for it in group["Instances"]])
        wait("users are elsewhere", lambda: self.users_go_to("eu-central-1"))
        status = self.dns.get_health_check_status(HealthCheckId=self.names["HealthCheck"])
        self.assertIn("Failure", status["HealthCheckObservations"][0]["StatusReport"]["Status"])
        asg.resume_processes(AutoScalingGroupName=name, ScalingProcesses=["Launch"])
        site.wait_until_settled(self.lab.endpoint)
        wait("users are back", lambda: self.users_go_to("eu-west-1"))

    def test_an_inverted_health_check_sends_users_away_and_its_version_counts(self) -> None:
        check = self.names["HealthCheck"]
        version = self.dns.get_health_check(HealthCheckId=check)["HealthCheck"]["HealthCheckVersion"]
        self.dns.update_health_check(HealthCheckId=check, HealthCheckVersion=version, Inverted=True)
        self.assertTrue(self.users_go_to("eu-central-1"))
        self.refused(
            "HealthCheckVersionMismatch", 409, lambda: self.dns.update_health_check(HealthCheckId=check, HealthCheckVersion=version, Inverted=False)
        )
        self.dns.update_health_check(HealthCheckId=check, HealthCheckVersion=version + 1, Inverted=False)
        self.assertTrue(self.users_go_to("eu-west-1"))

    def test_a_disabled_check_does_not_look_and_an_inverted_one_fails_then(self) -> None:
        check = self.names["HealthCheck"]

        def change(**settings: bool) -> int:
            version = self.dns.get_health_check(HealthCheckId=check)["HealthCheck"]["HealthCheckVersion"]
            answer = self.dns.update_health_check(HealthCheckId=check, HealthCheckVersion=version, **settings)["HealthCheck"]
            self.assertEqual(answer["HealthCheckVersion"], version + 1)
            config = answer["HealthCheckConfig"]
            self.assertEqual({it: config[it] for it in settings}, settings)
            return int(answer["HealthCheckVersion"])

        change(Disabled=True)
        self.assertTrue(self.users_go_to("eu-west-1"), "disabled counts as healthy")
        change(Inverted=True)
        self.assertTrue(self.users_go_to("eu-central-1"), "and inverted as failing")
        time.sleep(2)
        self.assertTrue(self.users_go_to("eu-central-1"), "whatever its endpoint does")
        change(Disabled=False, Inverted=False)
        self.assertTrue(self.users_go_to("eu-west-1"))

    def test_a_health_check_has_tags_and_no_more_than_ten(self) -> None:
        on = {"ResourceType": "healthcheck", "ResourceId": self.names["HealthCheck"]}

        def tags() -> dict[str, str]:
            found = self.dns.list_tags_for_resource(**on)["ResourceTagSet"]["Tags"]
            return {it["Key"]: it["Value"] for it in found}

        self.assertEqual(tags(), {"firedrill:allowed": "true"}, "those of the template")
        many = [{"Key": f"k{number}", "Value": "v"} for number in range(9)]
        self.dns.change_tags_for_resource(**on, AddTags=many)
        self.refused("InvalidInput", 400, lambda: self.dns.change_tags_for_resource(**on, AddTags=[{"Key": "more", "Value": "v"}]))
        self.dns.change_tags_for_resource(**on, RemoveTagKeys=[it["Key"] for it in many])
        self.assertEqual(tags(), {"firedrill:allowed": "true"})

    def test_weights_share_the_users(self) -> None:
        places = {region: self.ask(it["BalancerName"])[1][0] for region, it in self.regions.items()}
        weights = {"eu-west-1": 3, "eu-central-1": 1}
        self.dns.change_resource_record_sets(
            HostedZoneId=self.names["HostedZone"],
            ChangeBatch={
                "Changes": [
                    {
                        "Action": "CREATE",
                        "ResourceRecordSet": {
                            "Name": f"shared.{NAME}",
                            "Type": "A",
                            "TTL": 60,
                            "SetIdentifier": region,
                            "Weight": weight,
                            "ResourceRecords": [{"Value": places[region]}],
                        },
                    }
                    for region, weight in weights.items()
                ]
            },
        )
        drawn = Counter(self.ask(f"shared.{NAME}")[1][0] for _ in range(200))
        self.assertTrue(110 <= drawn[places["eu-west-1"]] <= 185, drawn)
        self.assertEqual(sum(drawn.values()), 200)
