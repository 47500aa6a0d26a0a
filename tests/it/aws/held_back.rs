//! Subnets that are cut off and groups that are held back: as they were, field by field, whatever becomes of us.

use std::fs;

use serde_json::{Value, json};

use super::rig::{GROUP, Lab, Said};

const BLACKHOLE: &str = "  - zone-outage: { zone: eu-west-1a, mechanism: blackhole }\n    hold: 2s\n";

#[test]
fn a_zone_is_black_holed_and_everything_is_as_it_was() {
    let lab = Lab::new();
    let before = lab.shape();
    lab.experiment(BLACKHOLE);
    lab.firedrill(&["run", "experiment.yaml", "--yes"]).code(0).says("DescribeNetworkAcls");
    assert_eq!(lab.done("ec2:CreateNetworkAcl").len(), 1);
    assert_eq!(lab.done("ec2:ReplaceNetworkAclAssociation").len(), 2);
    assert_eq!(lab.done("ec2:DeleteNetworkAcl").len(), 1);
    lab.settled();
    assert_eq!(lab.shape(), before);
}

#[test]
fn a_subnet_with_somebody_else_in_it_is_not_cut_off() {
    let lab = Lab::new();
    let before = lab.shape();
    let zones = lab.running();
    lab.experiment(&format!("  - partition: {{ id: {} }}\n    hold: 1s\n", zones["eu-west-1a"][0]));
    let said = lab.firedrill(&["run", "experiment.yaml", "--yes"]);
    assert_ne!(said.code, Some(0));
    said.says(&zones["eu-west-1a"][1]).says("no target of this step");
    assert_eq!(lab.done("ec2:CreateNetworkAcl").len(), 0);
    assert_eq!(lab.shape(), before);
}

/// Kills the tool at each record of its journal, and at each call that changes something; then recovers.
fn killed_everywhere(place: &str, most: usize, recover: impl Fn(&Lab)) {
    let lab = Lab::new();
    let before = lab.shape();
    lab.experiment(BLACKHOLE);
    let mut crashes = 0;
    for n in 1..=most {
        for when in ["before", "after"] {
            let mut command = lab.command(&["run", "experiment.yaml", "--yes"]);
            let output = command.env("FIREDRILL_FAILPOINT", format!("{place}:{n}:{when}")).output().unwrap();
            if output.status.code().is_some() {
                continue;
            }
            crashes += 1;
            recover(&lab);
            lab.settled();
            assert_eq!(lab.shape(), before, "after a crash {when} {place} {n}");
        }
    }
    assert!(crashes >= most, "only {crashes} crashes at {place}");
}

#[test]
fn killed_at_every_record_it_is_recovered_from_its_journal_in_another_folder() {
    killed_everywhere("journal", 9, |lab| {
        let elsewhere = tempfile::tempdir().unwrap();
        Said::of(lab.command(&["recover"]).current_dir(elsewhere.path()).output().unwrap()).code(0);
        Said::of(lab.command(&["recover"]).current_dir(elsewhere.path()).output().unwrap()).code(0);
    });
}

#[test]
fn killed_at_every_call_it_is_recovered_from_the_tags_alone() {
    killed_everywhere("aws", 6, |lab| {
        fs::remove_dir_all(lab.path("state")).unwrap();
        lab.firedrill(&["recover", "--env", "here"]).code(0);
    });
}

#[test]
fn what_somebody_else_changed_meanwhile_is_not_overwritten() {
    let lab = Lab::new();
    lab.experiment(BLACKHOLE);
    let mut command = lab.command(&["run", "experiment.yaml", "--yes"]);
    let output = command.env("FIREDRILL_FAILPOINT", "aws:5:after").output().unwrap();
    assert_eq!(output.status.code(), None, "it was to be killed: {}", String::from_utf8_lossy(&output.stdout));
    let groups = lab.aws("autoscaling", "describe_auto_scaling_groups", &json!({ "AutoScalingGroupNames": [GROUP] }));
    let subnets = groups["AutoScalingGroups"][0]["VPCZoneIdentifier"].as_str().unwrap().to_owned();
    let one = subnets.split(',').next().unwrap().to_owned();
    lab.aws("autoscaling", "update_auto_scaling_group", &json!({ "AutoScalingGroupName": GROUP, "VPCZoneIdentifier": one }));
    lab.firedrill(&["recover"]).code(6).says("somebody else changed it").says(&one);
    let after = lab.aws("autoscaling", "describe_auto_scaling_groups", &json!({ "AutoScalingGroupNames": [GROUP] }));
    assert_eq!(after["AutoScalingGroups"][0]["VPCZoneIdentifier"], Value::String(one));
}
