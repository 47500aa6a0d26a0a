//! Subnets that are cut off and groups that are held back: as they were, field by field, whatever becomes of us.

use std::{
    fs,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
};

use serde_json::{Value, json};

use super::rig::{EXPERIMENT, GROUP, Lab, Said, WITHOUT_HELPER};

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
    crate::support::residue::same(&lab.shape(), &before, "as before");
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
    crate::support::residue::same(&lab.shape(), &before, "as before");
}

/// Kills the tool at each visit of a fail point, one run after another until a run meets it no more; and recovers each time. Everything must be
/// as it was, field by field, N times of N.
fn killed_everywhere(place: &str, when: &str, least: usize, helper: bool, recover: impl Fn(&Lab, &str) + Sync) {
    method_killed_everywhere(BLACKHOLE, (place, when), least, helper, recover);
}

/// Such drills wait most of the time: every other visit is met in a second laboratory, beside the first one.
fn method_killed_everywhere(method: &str, (place, when): (&str, &str), least: usize, helper: bool, recover: impl Fn(&Lab, &str) + Sync) {
    let recover = &recover;
    let met: Vec<(usize, Vec<String>)> = std::thread::scope(|scope| {
        let turns = [1, 2].map(|first| scope.spawn(move || killed_at_every_other(method, (place, when), first, helper, recover)));
        turns.map(|turn| turn.join().unwrap()).into()
    });
    let n: usize = met.iter().map(|(n, _)| n).sum();
    let differ: Vec<String> = met.into_iter().flat_map(|(_, differ)| differ).collect();
    let good = n - differ.len();
    eprintln!("killed {when} each {place}: as it was {good} times of {n}");
    assert!(n >= least, "only {n} visits of {place}");
    assert!(differ.is_empty(), "as it was {good} times of {n}:\n{}", differ.join("\n"));
}

/// At the first visit, and then at every second one; gives how often, and what was not as it was.
fn killed_at_every_other(
    method: &str,
    (place, when): (&str, &str),
    first: usize,
    helper: bool,
    recover: &(impl Fn(&Lab, &str) + Sync),
) -> (usize, Vec<String>) {
    let lab = Lab::with(&["--speed", "120"]);
    let before = lab.shape();
    lab.write(
        "experiment.yaml",
        &format!("{}{method}", EXPERIMENT.replace("rate: 10/s", "rate: 40/s").replace("baseline: 1s", "baseline: 500ms"))
            .replace("hold: 2s", "hold: 500ms"),
    );
    let (mut n, mut differ) = (0, Vec::new());
    for visit in (first..).step_by(2) {
        let run = || {
            let mut command = lab.command(&["run", "experiment.yaml", "--yes"]);
            if !helper {
                command.env(WITHOUT_HELPER.0, WITHOUT_HELPER.1);
            }
            // Its output ends with its helper, which has undone all then.
            Said::of(command.env("FIREDRILL_FAILPOINT", format!("{place}:{visit}:{when}")).output().unwrap())
        };
        // A machine that is busy with others has nothing to do with it.
        let busy = |said: &Said| {
            matches!(said.code, Some(3 | 5)) && said.out.split_whitespace().collect::<Vec<_>>().join(" ").contains("10 ms late")
        };
        let said = (0..8).map(|_| run()).find(|said| !busy(said)).expect("a run that the machine had time for");
        if said.code.is_some() {
            said.code(0);
            break;
        }
        n += 1;
        recover(&lab, &said.err);
        lab.settled();
        let after = lab.shape();
        if after != before {
            let found = format!("after a crash {when} {place} {visit}: {after}, not {before}");
            crate::support::residue::mark(&found);
            differ.push(found);
        }
    }
    (n, differ)
}

/// From another folder, with only the journal; and once more, which finds nothing.
fn by_the_journal(lab: &Lab, _: &str) {
    let elsewhere = tempfile::tempdir().unwrap();
    let again = || Said::of(lab.command(&["recover"]).current_dir(elsewhere.path()).output().unwrap()).recovered();
    again();
    again().found_nothing();
}

/// The journal is lost.
fn by_the_tags(lab: &Lab, _: &str) {
    fs::remove_dir_all(lab.path("state")).unwrap();
    lab.firedrill(&["recover", "--env", "here"]).recovered();
    lab.firedrill(&["recover", "--env", "here"]).found_nothing();
}

#[test]
fn killed_before_every_record_it_is_recovered_from_its_journal() {
    killed_everywhere("journal", "before", 6, false, by_the_journal);
}

#[test]
fn killed_after_every_record_it_is_recovered_from_its_journal() {
    killed_everywhere("journal", "after", 6, false, by_the_journal);
}

#[test]
fn torn_in_every_record_it_is_recovered_from_its_journal() {
    killed_everywhere("journal", "torn", 6, false, by_the_journal);
}

#[test]
fn a_disk_that_is_full_from_each_record_on_leaves_nothing_behind() {
    let lab = Lab::with(&["--speed", "120"]);
    let before = lab.shape();
    lab.experiment(&BLACKHOLE.replace("hold: 2s", "hold: 500ms"));
    let mut n = 0;
    loop {
        let mut command = lab.command(&["run", "experiment.yaml", "--yes"]);
        command.envs([
            ("FIREDRILL_FAILPOINT", format!("journal:{}+:short", n + 1)),
            ("FIREDRILL_LOG", "firedrill::failpoint=info".to_owned()),
        ]);
        let said = Said::of(command.output().unwrap());
        let met = said.err.contains("is met");
        // It has undone what it did, whatever could be written of it.
        crate::support::residue::none([Some(0), Some(3), Some(5)].contains(&said.code), format_args!("record {}: {said:?}", n + 1));
        lab.firedrill(&["recover"]).recovered();
        lab.firedrill(&["recover"]).found_nothing();
        lab.settled();
        crate::support::residue::same(&lab.shape(), &before, format_args!("record {}: {said:?}", n + 1));
        if !met {
            break;
        }
        n += 1;
    }
    eprintln!("the disk was full from each of {n} records on: as it was {n} times of {n}");
    assert!(n >= 6, "{n}");
}

#[test]
fn read_only_folders_begin_nothing() {
    let lab = Lab::new();
    let before = lab.shape();
    lab.experiment(BLACKHOLE);
    for folder in ["firedrill-runs", "state"] {
        fs::create_dir_all(lab.path(folder)).unwrap();
        let usual = lab.command(&["run", "experiment.yaml", "--yes"]);
        let words = format!("mount --bind {folder} {folder} && mount -o remount,bind,ro {folder} && exec \"$@\"");
        // In a mount namespace of its own, as root.
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-euc", &words, "sh"]).arg(usual.get_program()).args(usual.get_args());
        for (name, value) in usual.get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        let said = Said::of(command.current_dir(usual.get_current_dir().unwrap()).output().unwrap());
        said.code(3).says("Read-only file system");
        crate::support::residue::same(&lab.shape(), &before, format_args!("{folder}"));
    }
}

/// A group that replaces nothing, with one of its instances stopped and another one out of its balancer.
const STOPPED: &str = "  - together:\n      - suspend-replacement: what-time-web\n        hold: 2s\n      \
     - stop: { service: what-time-web, zone: eu-west-1a, take: 1 }\n        hold: 2s\n      \
     - deregister: { service: what-time-web, zone: eu-west-1b, take: 1 }\n        hold: 2s\n";

#[test]
fn killed_after_every_record_of_three_faults_it_is_recovered_from_its_journal() {
    method_killed_everywhere(STOPPED, ("journal", "after"), 10, false, by_the_journal);
}

#[test]
fn killed_after_every_call_of_three_faults_it_is_recovered_from_its_journal() {
    method_killed_everywhere(STOPPED, ("aws", "after"), 5, false, by_the_journal);
}

#[test]
fn killed_after_every_record_its_helper_undoes_it() {
    let helped = AtomicUsize::new(0);
    killed_everywhere("journal", "after", 6, true, |lab, said| {
        let recovered = lab.firedrill(&["recover"]).recovered();
        // Before the first act there is nothing to undo, and its helper lets the run be.
        if said.contains("the dead-man's switch undoes what it did") {
            recovered.found_nothing();
            helped.fetch_add(1, Ordering::Relaxed);
        }
    });
    let helped = helped.into_inner();
    assert!(helped >= 4, "its helper undid {helped} runs");
}

#[test]
fn killed_after_every_record_it_is_recovered_from_the_tags() {
    killed_everywhere("journal", "after", 6, false, by_the_tags);
}

#[test]
fn killed_before_every_call_it_is_recovered_from_the_tags() {
    killed_everywhere("aws", "before", 8, false, by_the_tags);
}

#[test]
fn killed_after_every_call_it_is_recovered_from_the_tags() {
    killed_everywhere("aws", "after", 8, false, by_the_tags);
}

#[test]
fn what_somebody_else_changed_meanwhile_is_not_overwritten() {
    let lab = Lab::new();
    lab.experiment(BLACKHOLE);
    let mut command = lab.command(&["run", "experiment.yaml", "--yes"]);
    let output = command.envs([WITHOUT_HELPER, ("FIREDRILL_FAILPOINT", "aws:4:after")]).output().unwrap();
    assert_eq!(output.status.code(), None, "it was to be killed: {}", String::from_utf8_lossy(&output.stdout));
    let groups = lab.aws("autoscaling", "describe_auto_scaling_groups", &json!({ "AutoScalingGroupNames": [GROUP] }));
    let subnets = groups["AutoScalingGroups"][0]["VPCZoneIdentifier"].as_str().unwrap().to_owned();
    let one = subnets.split(',').next().unwrap().to_owned();
    lab.aws("autoscaling", "update_auto_scaling_group", &json!({ "AutoScalingGroupName": GROUP, "VPCZoneIdentifier": one }));
    lab.firedrill(&["recover"]).code(6).says("somebody else changed it").says(&one);
    let after = lab.aws("autoscaling", "describe_auto_scaling_groups", &json!({ "AutoScalingGroupNames": [GROUP] }));
    assert_eq!(after["AutoScalingGroups"][0]["VPCZoneIdentifier"], Value::String(one));
}
