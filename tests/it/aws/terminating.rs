//! Instances end, stop, restart and leave their balancer.

use serde_json::json;

use super::rig::{GROUP, Lab, REGION};

#[test]
fn one_is_terminated_and_its_group_replaces_it() {
    let lab = Lab::new();
    let before = lab.shape();
    lab.experiment("  - kill: what-time-web\n    hold: 1s\n");
    lab.firedrill(&["run", "experiment.yaml", "--yes"]).code(0).says("DescribeInstances: ");
    assert_eq!(lab.done("ec2:TerminateInstances").len(), 1);
    lab.settled();
    crate::support::residue::same(&lab.shape(), &before, "as before");
}

#[test]
fn a_zone_of_a_group_is_ended_by_one_call_and_the_zone_comes_back() {
    let lab = Lab::new();
    let before = lab.shape();
    lab.experiment("  - zone-outage: eu-west-1a\n    hold: 2s\n");
    lab.firedrill(&["plan", "experiment.yaml"]).code(0).says("launches in eu-west-1b, eu-west-1c only");
    lab.firedrill(&["run", "experiment.yaml", "--yes"]).code(0);
    let ended = lab.done("ec2:TerminateInstances");
    assert_eq!(ended.len(), 1, "{ended:?}");
    assert_eq!(lab.done("autoscaling:UpdateAutoScalingGroup").len(), 2);
    lab.settled();
    crate::support::residue::same(&lab.shape(), &before, "as before");
}

#[test]
fn a_stopped_instance_is_started_again_while_its_group_is_held_back() {
    let lab = Lab::new();
    let before = lab.state();
    lab.experiment("  - together:\n      - suspend-replacement: what-time-web\n        hold: 3s\n      - stop: { service: what-time-web, take: 1 }\n        hold: 3s\n");
    lab.firedrill(&["run", "experiment.yaml", "--yes"]).code(0).says("again");
    lab.settled();
    let after = lab.state();
    assert_eq!(after, before, "the very same instance is back");
}

#[test]
fn a_deregistered_instance_is_registered_again() {
    let lab = Lab::new();
    let before = lab.shape();
    lab.experiment("  - deregister: { service: what-time-web, take: 2 }\n    hold: 1s\n");
    lab.firedrill(&["run", "experiment.yaml", "--yes"]).code(0).says("registered");
    assert_eq!(lab.done("elasticloadbalancing:DeregisterTargets").len(), 1, "two with one call");
    lab.settled();
    crate::support::residue::same(&lab.shape(), &before, "as before");
    // One that was left out would be seen.
    let pool = &lab.ready["regions"][REGION]["TargetGroup"];
    let left = lab.running()["eu-west-1a"][0].clone();
    lab.aws("elbv2", "deregister_targets", &json!({ "TargetGroupArn": pool, "Targets": [{ "Id": left }] }));
    let without = lab.shape();
    let targets = |shape: &serde_json::Value| shape.to_string().matches("eu-west-1a \\\"healthy\\\"\":2").count();
    assert_eq!((targets(&before), targets(&without)), (1, 0), "{before}\n{without}");
}

#[test]
fn a_reboot_is_ordered_once_even_when_its_answer_is_lost() {
    let lab = Lab::new();
    lab.ask("PUT", "/lab/trouble", &json!([{ "kind": "cut-after", "actions": ["ec2:RebootInstances"], "nth": [2, 3, 4] }]).to_string());
    lab.experiment("  - restart: what-time-web\n");
    let said = lab.firedrill(&["run", "experiment.yaml", "--yes"]);
    assert_eq!(lab.done("ec2:RebootInstances").len(), 1, "{said:?}");
    assert_ne!(said.code, Some(0), "what is not known to have happened is no pass: {said:?}");
}

#[test]
fn one_that_goes_without_its_place_is_replaced_by_its_group() {
    let lab = Lab::new();
    let before = lab.shape();
    lab.experiment("  - remove: { service: what-time-web, take: 2, decrement: false }\n    hold: 2s\n");
    lab.firedrill(&["plan", "experiment.yaml"]).code(0).says("wants as many as before, and replaces it");
    lab.firedrill(&["run", "experiment.yaml", "--yes"]).code(0);
    let ended = lab.done("autoscaling:TerminateInstanceInAutoScalingGroup");
    assert_eq!(ended.len(), 2, "one call each: {ended:?}");
    assert!(ended.iter().all(|call| call["parameters"]["ShouldDecrementDesiredCapacity"] == "false"), "{ended:?}");
    for never in ["autoscaling:SetDesiredCapacity", "autoscaling:UpdateAutoScalingGroup", "autoscaling:CreateOrUpdateTags"] {
        assert_eq!(lab.done(never).len(), 0, "{never}");
    }
    lab.settled();
    crate::support::residue::same(&lab.shape(), &before, "it has as many as before, and is as it was");
}

#[test]
fn a_place_that_goes_and_one_that_stays_in_one_step() {
    let lab = Lab::new();
    lab.aws("autoscaling", "update_auto_scaling_group", &json!({ "AutoScalingGroupName": GROUP, "MinSize": 3 }));
    let before = lab.shape();
    lab.experiment(
        "  - together:\n      - remove: { service: what-time-web, zone: eu-west-1a, take: 1, decrement: false }\n        hold: 2s\n      \
         - remove: { service: what-time-web, zone: eu-west-1b, take: 1 }\n        hold: 2s\n",
    );
    lab.firedrill(&["run", "experiment.yaml", "--yes"]).code(0);
    let ended = lab.done("autoscaling:TerminateInstanceInAutoScalingGroup");
    let mut how: Vec<&str> = ended.iter().map(|call| call["parameters"]["ShouldDecrementDesiredCapacity"].as_str().unwrap()).collect();
    how.sort_unstable();
    assert_eq!(how, ["false", "true"], "{ended:?}");
    lab.settled();
    crate::support::residue::same(&lab.shape(), &before, "as before");
}

#[test]
fn one_whose_end_is_not_answered_is_ended_once() {
    let lab = Lab::new();
    let lost = json!([{ "kind": "cut-after", "actions": ["autoscaling:TerminateInstanceInAutoScalingGroup"], "nth": [1] }]);
    lab.ask("PUT", "/lab/trouble", &lost.to_string());
    lab.experiment("  - remove: { service: what-time-web, take: 1, decrement: false }\n    hold: 1s\n");
    lab.firedrill(&["run", "experiment.yaml", "--yes"]).code(0);
    assert_eq!(lab.done("autoscaling:TerminateInstanceInAutoScalingGroup").len(), 1);
    lab.settled();
}

#[test]
fn nobody_replaces_it_while_launching_is_suspended_and_that_is_said() {
    let lab = Lab::new();
    lab.aws("autoscaling", "suspend_processes", &json!({ "AutoScalingGroupName": GROUP, "ScalingProcesses": ["Launch"] }));
    lab.experiment("  - remove: { service: what-time-web, take: 1, decrement: false }\n");
    lab.firedrill(&["plan", "experiment.yaml"]).code(0).says("does not replace it while `Launch` is suspended");
}
