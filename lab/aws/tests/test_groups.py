"""Auto Scaling groups: launches, replacement, processes, limits, zones, activities, refreshes."""

from __future__ import annotations

import json
import time

from .rig import LabTest, wait


class Groups(LabTest):
    def kill(self, *ids: str) -> None:
        self.ec2.terminate_instances(InstanceIds=list(ids))

    def zone_subnets(self) -> dict[str, str]:
        wanted = self.group()["VPCZoneIdentifier"].split(",")
        found = self.ec2.describe_subnets(SubnetIds=wanted)["Subnets"]
        return {it["AvailabilityZone"][-1]: it["SubnetId"] for it in found}

    # ── launches ──

    def test_launches_are_spread_and_each_has_its_own_reservation(self) -> None:
        self.assertEqual(self.spread(), {"a": 2, "b": 2, "c": 2})
        reservations = self.ec2.describe_instances()["Reservations"]
        self.assertEqual([len(it["Instances"]) for it in reservations], [1] * 6)
        tags = {it["Key"]: it["Value"] for it in reservations[0]["Instances"][0]["Tags"]}
        self.assertEqual(tags["aws:autoscaling:groupName"], self.group_name)
        self.assertEqual(tags["firedrill:allowed"], "true")

    def test_a_new_member_is_pending_then_in_service_and_registered(self) -> None:
        self.asg.set_desired_capacity(AutoScalingGroupName=self.group_name, DesiredCapacity=7)
        [new] = wait("one is pending", lambda: self.members(states=("Pending",)))
        self.assertNotIn(new, self.health())
        wait("it is in service", lambda: new in self.members())
        self.assertIn(new, self.health())
        wait("it is healthy", lambda: self.health().get(new) == "healthy")
        launched = next(it for it in self.activities() if new in it["Description"])
        self.assertEqual(launched["Description"], f"Launching a new EC2 instance: {new}")
        self.assertEqual(launched["StatusCode"], "Successful")
        self.assertIn("a user request explicitly set group desired capacity changing the desired capacity from 6 to 7.", launched["Cause"])
        self.assertIn("increasing the capacity from 6 to 7.", launched["Cause"])
        self.assertEqual(set(json.loads(launched["Details"])), {"Subnet ID", "Availability Zone"})

    # ── replacement ──

    def test_a_dead_member_is_replaced_in_its_zone_after_a_health_check(self) -> None:
        victim = self.members(zone="eu-west-1b")[0]
        self.kill(victim)
        # Within the call nothing has changed for the group.
        self.assertIn(victim, [it["InstanceId"] for it in self.group()["Instances"]])
        wait("it is no member", lambda: victim not in [it["InstanceId"] for it in self.group()["Instances"]])
        self.settled()
        self.assertEqual(self.spread(), {"a": 2, "b": 2, "c": 2})
        ended = next(it for it in self.activities() if victim in it["Description"] and it["Description"].startswith("Terminating"))
        self.assertIn("in response to an EC2 health check indicating it has been terminated or stopped.", ended["Cause"])
        begun = self.activities()[0]
        self.assertIn("an instance was launched in response to an unhealthy instance needing to be replaced.", begun["Cause"])

    def test_a_stopped_member_is_replaced_and_terminated(self) -> None:
        victim = self.members()[0]
        self.ec2.stop_instances(InstanceIds=[victim])
        wait("it is terminated", lambda: self.instance_state(victim) == "terminated")
        self.settled()
        self.assertNotIn(victim, self.members())

    def test_what_the_user_calls_unhealthy_is_replaced(self) -> None:
        victim = self.members()[0]
        self.asg.set_instance_health(InstanceId=victim, HealthStatus="Unhealthy")
        wait("it is out", lambda: self.instance_state(victim) == "terminated")
        self.settled()

    # ── suspended processes ──

    def suspend(self, *processes: str) -> None:
        self.asg.suspend_processes(AutoScalingGroupName=self.group_name, ScalingProcesses=list(processes))

    def resume(self, *processes: str) -> None:
        self.asg.resume_processes(AutoScalingGroupName=self.group_name, ScalingProcesses=list(processes))

    def looks(self) -> None:
        """Time for the group to look at its members twice (it looks every 0.6 s)."""
        time.sleep(1.5)

    def test_without_health_check_nobody_is_marked(self) -> None:
        self.suspend("HealthCheck")
        victim = self.members()[0]
        self.kill(victim)
        self.looks()
        member = next(it for it in self.group()["Instances"] if it["InstanceId"] == victim)
        self.assertEqual((member["HealthStatus"], member["LifecycleState"]), ("Healthy", "InService"))
        self.resume("HealthCheck")
        wait("it is replaced", lambda: victim not in self.members())
        self.settled()

    def test_without_replacement_the_dead_stay_marked(self) -> None:
        for process in ("ReplaceUnhealthy", "Launch", "Terminate"):
            with self.subTest(process):
                self.suspend(process)
                victim = self.members()[0]
                self.kill(victim)
                wait("it is marked", lambda: any(it["InstanceId"] == victim and it["HealthStatus"] == "Unhealthy" for it in self.group()["Instances"]))
                self.looks()
                self.assertIn(victim, self.members())
                self.resume(process)
                wait("it is replaced", lambda: victim not in self.members())
                self.settled()

    def test_without_launch_the_group_does_not_grow(self) -> None:
        self.suspend("Launch")
        self.asg.set_desired_capacity(AutoScalingGroupName=self.group_name, DesiredCapacity=8)
        self.looks()
        self.assertEqual(len(self.group()["Instances"]), 6)
        self.resume("Launch")
        wait("it has grown", lambda: len(self.members()) == 8)

    def test_without_terminate_the_group_does_not_shrink(self) -> None:
        self.asg.update_auto_scaling_group(AutoScalingGroupName=self.group_name, MinSize=3)
        self.suspend("Terminate")
        self.asg.set_desired_capacity(AutoScalingGroupName=self.group_name, DesiredCapacity=5)
        self.looks()
        self.assertEqual(len(self.members()), 6)
        self.resume("Terminate")
        wait("it has shrunk", lambda: len(self.group()["Instances"]) == 5)

    def test_without_add_to_load_balancer_new_members_get_no_users(self) -> None:
        self.suspend("AddToLoadBalancer")
        before = set(self.members())
        self.kill(self.members()[0])
        wait("a new one serves", lambda: set(self.members()) - before and len(self.members()) == 6)
        [new] = set(self.members()) - before
        self.looks()
        self.assertNotIn(new, self.health())
        self.resume("AddToLoadBalancer")
        self.looks()
        # As on AWS, nobody registers it afterwards.
        self.assertNotIn(new, self.health())

    def test_suspended_processes_say_why_and_unknown_ones_are_refused(self) -> None:
        self.suspend("Launch", "AZRebalance")
        found = self.group()["SuspendedProcesses"]
        self.assertEqual([it["ProcessName"] for it in found], ["AZRebalance", "Launch"])
        self.assertTrue(all(it["SuspensionReason"].startswith("User suspended at 20") for it in found))
        self.refused("ValidationError", 400, lambda: self.suspend("Lunch"))
        self.resume("Launch")
        self.assertEqual([it["ProcessName"] for it in self.group()["SuspendedProcesses"]], ["AZRebalance"])

    # ── zones ──

    def test_a_zone_taken_out_is_drained_one_by_one_and_comes_back(self) -> None:
        places = self.zone_subnets()
        self.asg.update_auto_scaling_group(
            AutoScalingGroupName=self.group_name, VPCZoneIdentifier=f"{places['a']},{places['b']}"
        )
        self.assertEqual(self.group()["AvailabilityZones"], ["eu-west-1a", "eu-west-1b"])

        def drained() -> bool:
            # A new one is in service before an old one goes.
            self.assertGreaterEqual(len(self.members()), 6)
            return self.spread() == {"a": 3, "b": 3}

        wait("all are in two zones", drained, 40)
        self.assertIn("An instance was launched to aid in balancing the group's zones.", " ".join(it["Cause"] for it in self.activities()))
        self.asg.update_auto_scaling_group(
            AutoScalingGroupName=self.group_name, VPCZoneIdentifier=",".join(places.values())
        )
        wait("all zones are used again", lambda: self.spread() == {"a": 2, "b": 2, "c": 2}, 40)
        self.settled()

    def test_without_az_rebalance_a_zone_taken_out_keeps_its_members(self) -> None:
        self.suspend("AZRebalance")
        places = self.zone_subnets()
        self.asg.update_auto_scaling_group(AutoScalingGroupName=self.group_name, VPCZoneIdentifier=f"{places['a']},{places['b']}")
        self.looks()
        self.assertEqual(self.spread(), {"a": 2, "b": 2, "c": 2})
        # But a replacement does not go there.
        self.kill(*self.members(zone="eu-west-1c"))
        wait("they are elsewhere", lambda: self.spread() == {"a": 3, "b": 3})

    def test_zones_and_subnets_must_agree(self) -> None:
        places = self.zone_subnets()
        self.refused(
            "ValidationError",
            400,
            lambda: self.asg.update_auto_scaling_group(
                AutoScalingGroupName=self.group_name, VPCZoneIdentifier=places["a"], AvailabilityZones=["eu-west-1b"]
            ),
        )

    # ── limits ──

    def test_limits_are_enforced_with_their_codes(self) -> None:
        name = self.group_name
        words = self.refused("ValidationError", 400, lambda: self.asg.set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=10))
        self.assertEqual(words, "New SetDesiredCapacity value 10 is above max value 9 for the AutoScalingGroup.")
        words = self.refused("ValidationError", 400, lambda: self.asg.set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=5))
        self.assertEqual(words, "New SetDesiredCapacity value 5 is below min value 6 for the AutoScalingGroup.")
        self.refused("ValidationError", 400, lambda: self.asg.update_auto_scaling_group(AutoScalingGroupName=name, MinSize=10))
        self.refused("ValidationError", 400, lambda: self.asg.set_desired_capacity(AutoScalingGroupName="nobody", DesiredCapacity=1))
        self.assertEqual(self.group()["DesiredCapacity"], 6)

    def test_a_new_limit_takes_the_capacity_along(self) -> None:
        self.asg.update_auto_scaling_group(AutoScalingGroupName=self.group_name, MinSize=1, MaxSize=4)
        self.assertEqual(self.group()["DesiredCapacity"], 4)
        wait("it has shrunk", lambda: len(self.group()["Instances"]) == 4)

    def test_terminate_through_the_group_drains_and_decrements_down_to_the_minimum(self) -> None:
        victim = self.members()[0]
        words = self.refused(
            "ValidationError",
            400,
            lambda: self.asg.terminate_instance_in_auto_scaling_group(InstanceId=victim, ShouldDecrementDesiredCapacity=True),
        )
        self.assertIn("Currently, desiredSize equals minSize (6).", words)
        self.asg.update_auto_scaling_group(AutoScalingGroupName=self.group_name, MinSize=3)
        answer = self.asg.terminate_instance_in_auto_scaling_group(InstanceId=victim, ShouldDecrementDesiredCapacity=True)
        self.assertEqual(answer["Activity"]["Description"], f"Terminating EC2 instance: {victim}")
        self.assertIn("shrinking the capacity from 6 to 5.", answer["Activity"]["Cause"])
        # It finishes what it has before it ends.
        self.assertEqual(self.health()[victim], "draining")
        self.assertEqual(self.instance_state(victim), "running")
        wait("it is terminated", lambda: self.instance_state(victim) == "terminated")
        self.settled()
        self.assertEqual(len(self.members()), 5)
        self.refused(
            "ValidationError",
            400,
            lambda: self.asg.terminate_instance_in_auto_scaling_group(InstanceId=victim, ShouldDecrementDesiredCapacity=False),
        )

    def test_scaling_in_spares_protected_members(self) -> None:
        self.asg.update_auto_scaling_group(AutoScalingGroupName=self.group_name, MinSize=1)
        kept = self.members()[:2]
        self.asg.set_instance_protection(AutoScalingGroupName=self.group_name, InstanceIds=kept, ProtectedFromScaleIn=True)
        self.asg.set_desired_capacity(AutoScalingGroupName=self.group_name, DesiredCapacity=1)
        wait("only they are left", lambda: sorted(it["InstanceId"] for it in self.group()["Instances"]) == sorted(kept))

    # ── activities, refreshes, deletion ──

    def test_activities_come_newest_first_in_pages(self) -> None:
        whole = [it["ActivityId"] for it in self.activities()]
        self.assertEqual(len(whole), 6)
        starts = [it["StartTime"] for it in self.activities()]
        self.assertEqual(starts, sorted(starts, reverse=True))
        first = self.asg.describe_scaling_activities(AutoScalingGroupName=self.group_name, MaxRecords=4)
        rest = self.asg.describe_scaling_activities(AutoScalingGroupName=self.group_name, NextToken=first["NextToken"])
        self.assertEqual([it["ActivityId"] for it in first["Activities"] + rest["Activities"]], whole)
        self.refused("ValidationError", 400, lambda: self.asg.describe_scaling_activities(AutoScalingGroupName="nobody"))

    def test_an_instance_refresh_replaces_all_and_keeps_enough(self) -> None:
        before = set(self.members())
        identity = self.asg.start_instance_refresh(
            AutoScalingGroupName=self.group_name, Preferences={"MinHealthyPercentage": 50}
        )["InstanceRefreshId"]
        self.refused("InstanceRefreshInProgress", 400, lambda: self.asg.start_instance_refresh(AutoScalingGroupName=self.group_name))

        def done() -> bool:
            self.assertGreaterEqual(sum(it == "healthy" for it in self.health().values()), 3)
            found = self.asg.describe_instance_refreshes(AutoScalingGroupName=self.group_name)["InstanceRefreshes"]
            self.assertEqual(found[0]["InstanceRefreshId"], identity)
            return found[0]["Status"] == "Successful"

        wait("it is done", done, 40)
        self.assertFalse(before & set(self.members()))

    def test_an_instance_refresh_can_be_cancelled(self) -> None:
        self.refused("ActiveInstanceRefreshNotFound", 400, lambda: self.asg.cancel_instance_refresh(AutoScalingGroupName=self.group_name))
        self.asg.start_instance_refresh(AutoScalingGroupName=self.group_name)
        self.asg.cancel_instance_refresh(AutoScalingGroupName=self.group_name)
        wait(
            "it is cancelled",
            lambda: self.asg.describe_instance_refreshes(AutoScalingGroupName=self.group_name)["InstanceRefreshes"][0]["Status"] == "Cancelled",
        )

    def test_a_group_with_members_is_deleted_only_by_force(self) -> None:
        self.refused("ResourceInUse", 400, lambda: self.asg.delete_auto_scaling_group(AutoScalingGroupName=self.group_name))
        ids = self.members()
        self.asg.delete_auto_scaling_group(AutoScalingGroupName=self.group_name, ForceDelete=True)
        wait("all are terminated", lambda: all(self.instance_state(it) == "terminated" for it in ids))

    def test_the_stack_can_be_deleted(self) -> None:
        self.lab.client("cloudformation").delete_stack(StackName="what-time")
        self.assertEqual(self.asg.describe_auto_scaling_groups()["AutoScalingGroups"], [])
        self.assertEqual(self.lab.state().get("balancers"), None)

    def test_a_network_acl_that_was_left_behind_keeps_the_network(self) -> None:
        network = self.outputs["Network"]
        self.ec2.create_network_acl(VpcId=network)
        self.refused("DependencyViolation", 400, lambda: self.ec2.delete_vpc(VpcId=network))
