"""Elastic Beanstalk environments have instances, groups and balancers of their own."""

from __future__ import annotations

from typing import Any

from lab import site

from .rig import LabTest, wait


class Beanstalk(LabTest):
    with_site = False

    def setUp(self) -> None:
        super().setUp()
        self.outputs = site.deploy(self.lab.endpoint, "eu-west-1", site.TEMPLATE.with_name("beanstalk.yaml"), "what-time-beanstalk")
        self.settled()
        self.eb = self.lab.client("elasticbeanstalk")

    def resources(self, name: str) -> dict[str, Any]:
        return self.eb.describe_environment_resources(EnvironmentName=name)["EnvironmentResources"]

    def test_each_kind_has_what_it_should(self) -> None:
        found = {name: self.resources(f"what-time-{name}") for name in ("single", "balanced", "workers")}
        self.assertEqual({name: len(it["Instances"]) for name, it in found.items()}, {"single": 1, "balanced": 3, "workers": 2})
        self.assertEqual({name: len(it["LoadBalancers"]) for name, it in found.items()}, {"single": 0, "balanced": 1, "workers": 0})
        self.assertTrue(all(len(it["AutoScalingGroups"]) == 1 for it in found.values()))

    def test_an_environment_is_found_by_its_tags(self) -> None:
        wanted = [{"Name": "tag:elasticbeanstalk:environment-name", "Values": ["what-time-balanced"]}]
        found = self.ec2.describe_instances(Filters=wanted)["Reservations"]
        ids = sorted(it["InstanceId"] for reservation in found for it in reservation["Instances"])
        self.assertEqual(ids, sorted(it["Id"] for it in self.resources("what-time-balanced")["Instances"]))
        tags = {it["Key"]: it["Value"] for it in found[0]["Instances"][0]["Tags"]}
        self.assertEqual(tags["firedrill:allowed"], "true")
        self.assertTrue(tags["elasticbeanstalk:environment-id"].startswith("e-"))

    def test_a_dead_instance_is_replaced_and_the_environment_says_so(self) -> None:
        def health() -> str:
            return self.eb.describe_environments(EnvironmentNames=["what-time-single"])["Environments"][0]["Health"]

        wait("it is green", lambda: health() == "Green")
        [victim] = [it["Id"] for it in self.resources("what-time-single")["Instances"]]
        [group] = [it["Name"] for it in self.resources("what-time-single")["AutoScalingGroups"]]
        self.asg.suspend_processes(AutoScalingGroupName=group, ScalingProcesses=["Launch"])
        self.ec2.terminate_instances(InstanceIds=[victim])
        wait("it is red", lambda: health() == "Red")
        self.asg.resume_processes(AutoScalingGroupName=group, ScalingProcesses=["Launch"])
        wait("it is green", lambda: health() == "Green")
        self.assertNotEqual([it["Id"] for it in self.resources("what-time-single")["Instances"]], [victim])

    def test_an_environment_that_ended_is_gone(self) -> None:
        ids = [it["Id"] for it in self.resources("what-time-workers")["Instances"]]
        self.eb.terminate_environment(EnvironmentName="what-time-workers")
        wait("its instances are terminated", lambda: all(self.instance_state(it) == "terminated" for it in ids))
        self.refused("InvalidParameterValue", 400, lambda: self.resources("what-time-workers"))
