"""A policy of IAM: actions, resources, tags."""

from __future__ import annotations

from typing import Any

from .rig import LabTest


class Policy(LabTest):
    def allow(self, *statements: dict[str, Any]) -> None:
        document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*", **it} for it in statements]}
        status, answer = self.lab.ask("PUT", "/lab/policy", document)
        self.assertEqual(status, 200, answer)

    def test_what_it_does_not_allow_is_denied_and_not_done(self) -> None:
        self.allow({"Action": ["ec2:Describe*"]})
        one = [it["InstanceId"] for reservation in self.ec2.describe_instances()["Reservations"] for it in reservation["Instances"]][0]
        words = self.refused("UnauthorizedOperation", 403, lambda: self.ec2.terminate_instances(InstanceIds=[one]))
        self.assertIn(f"instance/{one}", words)
        self.refused("UnauthorizedOperation", 403, lambda: self.ec2.terminate_instances(InstanceIds=[one], DryRun=True))
        self.refused("AccessDenied", 403, lambda: self.asg.describe_auto_scaling_groups())
        self.assertEqual(self.instance_state(one), "running")
        self.lab.ask("DELETE", "/lab/policy")
        self.ec2.terminate_instances(InstanceIds=[one])

    def test_tags_of_what_is_touched_decide(self) -> None:
        self.allow(
            {"Action": "ec2:Describe*"},
            {
                "Action": "ec2:TerminateInstances",
                "Resource": "arn:*:ec2:*:*:instance/*",
                "Condition": {"StringEquals": {"aws:ResourceTag/firedrill:allowed": "true"}, "StringNotEquals": {"aws:ResourceTag/firedrill.protected": "true"}},
            },
        )
        found = [it["InstanceId"] for reservation in self.ec2.describe_instances()["Reservations"] for it in reservation["Instances"]]
        self.refused("DryRunOperation", 412, lambda: self.ec2.terminate_instances(InstanceIds=found[:2], DryRun=True))
        self.lab.ask("DELETE", "/lab/policy")
        self.ec2.create_tags(Resources=found[:1], Tags=[{"Key": "firedrill.protected", "Value": "true"}])
        self.ec2.delete_tags(Resources=found[1:2], Tags=[{"Key": "firedrill:allowed"}])
        self.allow(
            {
                "Action": "ec2:TerminateInstances",
                "Condition": {"StringEquals": {"aws:ResourceTag/firedrill:allowed": "true"}, "StringNotEquals": {"aws:ResourceTag/firedrill.protected": "true"}},
            }
        )
        for barred in found[:2]:
            self.refused("UnauthorizedOperation", 403, lambda: self.ec2.terminate_instances(InstanceIds=[barred], DryRun=True))  # noqa: B023
            # One of a batch bars it as a whole.
            self.refused("UnauthorizedOperation", 403, lambda: self.ec2.terminate_instances(InstanceIds=[found[2], barred]))  # noqa: B023
        self.refused("DryRunOperation", 412, lambda: self.ec2.terminate_instances(InstanceIds=[found[2]], DryRun=True))

    def test_groups_are_told_apart(self) -> None:
        self.allow(
            {"Action": "autoscaling:Describe*"},
            {"Action": "autoscaling:SuspendProcesses", "Resource": f"arn:*:autoscaling:*:*:autoScalingGroup:*:autoScalingGroupName/{self.group_name}"},
        )
        self.asg.suspend_processes(AutoScalingGroupName=self.group_name, ScalingProcesses=["Launch"])
        self.refused("AccessDenied", 403, lambda: self.asg.suspend_processes(AutoScalingGroupName="another", ScalingProcesses=["Launch"]))
        self.refused("AccessDenied", 403, lambda: self.asg.resume_processes(AutoScalingGroupName=self.group_name))

    def test_a_health_check_is_read_and_tagged_by_its_own_name(self) -> None:
        dns = self.lab.client("route53")
        config = {"Type": "TCP", "IPAddress": "127.0.0.1", "Port": 80}
        one, other = (dns.create_health_check(CallerReference=it, HealthCheckConfig=config)["HealthCheck"]["Id"] for it in ("one", "other"))
        actions = [f"route53:{it}" for it in ("GetHealthCheck", "ListTagsForResource", "ChangeTagsForResource")]
        self.allow({"Action": actions, "Resource": f"arn:aws:route53:::healthcheck/{one}"})
        tags = [{"Key": "k", "Value": "v"}]
        for identity in (one, other):
            calls = (
                lambda: dns.get_health_check(HealthCheckId=identity),  # noqa: B023
                lambda: dns.list_tags_for_resource(ResourceType="healthcheck", ResourceId=identity),  # noqa: B023
                lambda: dns.change_tags_for_resource(ResourceType="healthcheck", ResourceId=identity, AddTags=tags),  # noqa: B023
            )
            for call in calls:
                if identity == one:
                    call()
                else:
                    self.refused("AccessDenied", 403, call)
        self.refused("AccessDenied", 403, lambda: dns.update_health_check(HealthCheckId=one, Disabled=True))

    def test_creating_with_tags_needs_both(self) -> None:
        create = {"Action": "ec2:CreateNetworkAcl"}
        tag = {"Action": "ec2:CreateTags", "Resource": "arn:*:ec2:*:*:network-acl/*", "Condition": {"StringEquals": {"ec2:CreateAction": "CreateNetworkAcl"}}}
        tags = [{"ResourceType": "network-acl", "Tags": [{"Key": "firedrill:run", "Value": "1"}]}]
        make = lambda: self.ec2.create_network_acl(VpcId=self.outputs["Network"], TagSpecifications=tags, DryRun=True)  # noqa: E731
        self.allow(create)
        self.refused("UnauthorizedOperation", 403, make)
        self.allow(create, tag)
        self.refused("DryRunOperation", 412, make)

    def test_what_it_does_not_understand_is_refused(self) -> None:
        for statement in (
            {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"DateLessThan": {"aws:CurrentTime": "2030-01-01"}}},
            {"Effect": "Perhaps", "Action": "*", "Resource": "*"},
            {"Effect": "Allow", "Action": "*"},
        ):
            self.assertEqual(self.lab.ask("PUT", "/lab/policy", {"Statement": [statement]})[0], 400)
        self.asg.describe_auto_scaling_groups()
