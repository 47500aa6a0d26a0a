"""What DescribeTargetHealth says."""

from __future__ import annotations

from lab import site

from .rig import LabTest, wait


class Targets(LabTest):
    def arn(self) -> str:
        return self.outputs["TargetGroup"]

    def told(self, identity: str) -> dict[str, str]:
        found = self.elb.describe_target_health(TargetGroupArn=self.arn(), Targets=[{"Id": identity}])
        return found["TargetHealthDescriptions"][0]["TargetHealth"]

    def free_instance(self) -> str:
        subnet = self.group()["VPCZoneIdentifier"].split(",")[0]
        one = self.ec2.run_instances(ImageId=site.IMAGE, MinCount=1, MaxCount=1, SubnetId=subnet)["Instances"][0]["InstanceId"]
        return one

    def test_initial_then_healthy(self) -> None:
        one = self.free_instance()
        self.refused("InvalidTarget", 400, lambda: self.elb.register_targets(TargetGroupArn=self.arn(), Targets=[{"Id": one}]))
        wait("it runs", lambda: self.instance_state(one) == "running")
        self.elb.register_targets(TargetGroupArn=self.arn(), Targets=[{"Id": one}])
        first = self.told(one)
        self.assertEqual(first["State"], "initial")
        self.assertIn(first["Reason"], ("Elb.RegistrationInProgress", "Elb.InitialHealthChecking"))
        wait("it is healthy", lambda: self.told(one)["State"] == "healthy")

    def test_deregistered_targets_drain(self) -> None:
        one = self.members()[0]
        self.elb.deregister_targets(TargetGroupArn=self.arn(), Targets=[{"Id": one}])
        told = self.told(one)
        self.assertEqual((told["State"], told["Reason"]), ("draining", "Target.DeregistrationInProgress"))
        self.assertEqual(self.health()[one], "draining")
        wait("it is gone", lambda: one not in self.health())
        self.assertEqual(self.told(one)["Reason"], "Target.NotRegistered")
        # Again, it is no error; and it can come back.
        self.elb.deregister_targets(TargetGroupArn=self.arn(), Targets=[{"Id": one}])
        self.elb.register_targets(TargetGroupArn=self.arn(), Targets=[{"Id": one}])
        wait("it is healthy", lambda: self.told(one)["State"] == "healthy")

    def test_a_stopped_instance_is_unused(self) -> None:
        self.asg.suspend_processes(AutoScalingGroupName=self.group_name, ScalingProcesses=["ReplaceUnhealthy"])
        one = self.members()[0]
        self.ec2.stop_instances(InstanceIds=[one])
        told = self.told(one)
        self.assertEqual((told["State"], told["Reason"]), ("unused", "Target.InvalidState"))

    def test_a_deny_all_acl_makes_its_subnet_unhealthy_and_the_group_replaces_elsewhere(self) -> None:
        subnet = self.group()["VPCZoneIdentifier"].split(",")[0]
        network = self.outputs["Network"]
        sick = [it["InstanceId"] for it in self.group()["Instances"] if it["AvailabilityZone"] == "eu-west-1a"]
        acl = self.ec2.create_network_acl(VpcId=network)["NetworkAcl"]["NetworkAclId"]
        old = self.ec2.describe_network_acls(Filters=[{"Name": "association.subnet-id", "Values": [subnet]}])["NetworkAcls"][0]
        held = next(it["NetworkAclAssociationId"] for it in old["Associations"] if it["SubnetId"] == subnet)
        new = self.ec2.replace_network_acl_association(AssociationId=held, NetworkAclId=acl)["NewAssociationId"]
        wait("they are unhealthy", lambda: all(self.health().get(it) in ("unhealthy", None, "draining") for it in sick))
        wait("they are replaced", lambda: not set(sick) & set(self.members()))
        self.ec2.replace_network_acl_association(AssociationId=new, NetworkAclId=old["NetworkAclId"])
        self.settled(40)
        self.assertIn("ELB system health check failure", " ".join(it["Cause"] for it in self.activities()))

    def test_a_target_group_without_a_listener_is_unused(self) -> None:
        made = self.elb.create_target_group(Name="spare", Protocol="HTTP", Port=80, VpcId=self.outputs["Network"])
        spare = made["TargetGroups"][0]["TargetGroupArn"]
        one = self.members()[0]
        self.elb.register_targets(TargetGroupArn=spare, Targets=[{"Id": one}])
        told = self.elb.describe_target_health(TargetGroupArn=spare)["TargetHealthDescriptions"][0]["TargetHealth"]
        self.assertEqual((told["State"], told["Reason"]), ("unused", "Target.NotInUse"))

    def test_attributes_of_the_template_hold_and_the_balancer_crosses_zones(self) -> None:
        found = self.elb.describe_target_group_attributes(TargetGroupArn=self.arn())["Attributes"]
        self.assertIn({"Key": "deregistration_delay.timeout_seconds", "Value": "30"}, found)
        balancer = self.elb.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
        found = self.elb.describe_load_balancer_attributes(LoadBalancerArn=balancer)["Attributes"]
        self.assertIn({"Key": "load_balancing.cross_zone.enabled", "Value": "true"}, found)
