//! What AWS does not have, does not let us do, or does in part: a clear message, the right exit code, and nothing left behind.

use serde_json::json;

use super::rig::{GROUP, Lab};

#[test]
fn a_region_without_the_group_and_one_that_is_not_there() {
    let lab = Lab::new();
    lab.environment("        services: { web: { group: what-time-web } }\n");
    let there = std::fs::read_to_string(lab.path("firedrill.yaml")).unwrap();
    lab.experiment("  - kill: web\n");
    lab.write("firedrill.yaml", &there.replace("region: eu-west-1", "region: eu-central-1"));
    lab.firedrill(&["run", "experiment.yaml", "--yes"]).code(3).says("no Auto Scaling group `what-time-web` in `eu-central-1`");
    lab.write("firedrill.yaml", &there.replace("region: eu-west-1", "region: eu-west-1a"));
    lab.firedrill(&["run", "experiment.yaml", "--yes"]).code(2).says("eu-west-1");
}

#[test]
fn a_zone_that_the_group_is_not_in_has_no_target() {
    let lab = Lab::new();
    let before = lab.shape();
    lab.experiment("  - zone-outage: { zone: eu-west-1d, mechanism: blackhole }\n    hold: 1s\n");
    let said = lab.firedrill(&["run", "experiment.yaml", "--yes"]);
    assert!(matches!(said.code, Some(2 | 3)), "{said:?}");
    said.says("nothing matches the target of zone-outage");
    crate::support::residue::same(&lab.shape(), &before, "as before");
}

#[test]
fn an_instance_that_ends_between_the_plan_and_the_act_is_no_success_of_ours() {
    let lab = Lab::new();
    let id = lab.running()["eu-west-1a"][0].clone();
    lab.experiment(&format!("  - kill: {{ id: {id} }}\n"));
    lab.firedrill(&["plan", "experiment.yaml", "-o", "plan.json"]).code(0);
    lab.aws("ec2", "terminate_instances", &json!({ "InstanceIds": [id] }));
    let said = lab.firedrill(&["run", "--plan", "plan.json", "experiment.yaml", "--yes"]);
    assert!(matches!(said.code, Some(3 | 5)), "{said:?}");
    said.says(&id);
    assert_eq!(lab.done("ec2:TerminateInstances").len(), 1, "somebody else's call alone");
}

#[test]
fn of_a_batch_that_aws_refuses_in_part_only_what_ended_counts() {
    let lab = Lab::new();
    // More than twenty are not asked one by one whether they are protected: AWS's own refusal tells, and spares the zone of the protected one.
    lab.aws(
        "autoscaling",
        "update_auto_scaling_group",
        &json!({ "AutoScalingGroupName": GROUP, "MinSize": 0, "MaxSize": 60, "DesiredCapacity": 48 }),
    );
    lab.settled();
    let zones = lab.running();
    let last = zones["eu-west-1b"].last().unwrap();
    lab.aws("ec2", "modify_instance_attribute", &json!({ "InstanceId": last, "DisableApiTermination": { "Value": true } }));
    lab.experiment("  - together:\n      - kill: { service: what-time-web, zone: eu-west-1a, take: 8 }\n        hold: 1s\n      - kill: { service: what-time-web, zone: eu-west-1b, take: all }\n        hold: 1s\n");
    let said = lab.firedrill(&["run", "experiment.yaml", "--yes"]);
    assert!(matches!(said.code, Some(3 | 5)), "{said:?}");
    said.says("disableApiTermination");
    let left = lab.running();
    assert!(left["eu-west-1b"].contains(last), "{left:?}");
    lab.settled();
}

#[test]
fn news_that_come_late_are_waited_for() {
    let lab = Lab::new();
    let before = lab.shape();
    lab.ask("PUT", "/lab/trouble", &json!([{ "kind": "late-news", "milliseconds": 1500 }]).to_string());
    lab.experiment("  - kill: { service: what-time-web, zone: eu-west-1a, take: 1 }\n    hold: 1s\n  - zone-outage: { zone: eu-west-1c, mechanism: blackhole }\n    hold: 2s\n");
    lab.firedrill(&["run", "experiment.yaml", "--yes"]).code(0);
    lab.ask("DELETE", "/lab/trouble", "");
    assert_eq!(lab.done("ec2:TerminateInstances").len(), 1);
    lab.settled();
    crate::support::residue::same(&lab.shape(), &before, "as before");
}

#[test]
fn a_group_that_refreshes_its_instances_is_left_alone() {
    let lab = Lab::with(&["--time", "refresh=600"]);
    lab.aws("autoscaling", "start_instance_refresh", &json!({ "AutoScalingGroupName": GROUP }));
    lab.experiment("  - kill: what-time-web\n");
    lab.firedrill(&["run", "experiment.yaml", "--yes"])
        .code(3)
        .says("an instance refresh of the Auto Scaling group what-time-web is under way");
    let ended = lab.done("ec2:TerminateInstances");
    assert!(ended.is_empty(), "{ended:?}");
}
