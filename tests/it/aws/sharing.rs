//! An account that two drill at the same time, each from a machine of its own: no lock of one is seen by the other, only what AWS itself
//! tells. And one machine with two of them.

use std::{fs, process::Child, time::Duration};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::rig::{EXPERIMENT, Lab, Said, WITHOUT_HELPER};

fn outage(zone: &str, hold: &str) -> String {
    format!("{EXPERIMENT}  - zone-outage: {{ zone: {zone}, mechanism: blackhole }}\n    hold: {hold}\n")
}

/// A run that holds a zone. It does not outlive its test.
struct Holding(Child);

impl Drop for Holding {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Holding {
    /// One whose zone is cut off.
    fn new(lab: &Lab) -> Self {
        Self::of(lab, &outage("eu-west-1a", "120s"))
    }

    /// One in the middle of an experiment that cuts one subnet off.
    fn of(lab: &Lab, experiment: &str) -> Self {
        lab.write("first.yaml", experiment);
        let said = fs::File::create(lab.path("said")).unwrap();
        let mut command = lab.command(&["run", "first.yaml", "--yes"]);
        command.envs([WITHOUT_HELPER]);
        let run = Self(command.stdout(said.try_clone().unwrap()).stderr(said).spawn().unwrap());
        let text = || fs::read_to_string(lab.path("said")).unwrap();
        for _ in 0..1200 {
            std::thread::sleep(Duration::from_millis(50));
            assert!(!text().contains("report:"), "it ended: {}", text());
            if text().contains("happened") && lab.done("ec2:ReplaceNetworkAclAssociation").len() == 1 {
                return run;
            }
        }
        panic!("never in the middle of its outage: {}", text());
    }

    /// Halts it, and waits until it has undone all.
    fn halt(mut self) {
        kill_process(Pid::from_child(&self.0), Signal::INT).unwrap();
        assert_eq!(self.0.wait().unwrap().code(), Some(4));
    }
}

#[test]
fn what_another_machines_drill_holds_is_left_alone() {
    let lab = Lab::new();
    let before = lab.shape();
    let first = Holding::new(&lab);
    // What was in the zone has come up elsewhere.
    lab.settled();
    let during = lab.shape();
    // Another zone of the group that the first one holds back.
    lab.write("second.yaml", &outage("eu-west-1b", "1s"));
    let mut command = lab.command(&["run", "second.yaml", "--yes"]);
    let said = Said::of(command.env("FIREDRILL_STATE_DIR", lab.path("other-state")).output().unwrap());
    assert_ne!(said.code, Some(0), "{said:?}");
    said.says("by another drill");
    assert_eq!(lab.shape(), during, "the second one touched what the first one holds");
    // A machine that has no journal finds tags, and leaves those of one that lives.
    let mut command = lab.command(&["recover", "--env", "here"]);
    command.env("FIREDRILL_STATE_DIR", lab.path("third-state")).output().unwrap();
    assert_eq!(lab.shape(), during, "recover undid a drill that lives");
    first.halt();
    lab.settled();
    crate::support::residue::same(&lab.shape(), &before, "as before");
}

#[test]
fn what_another_machines_drill_only_cuts_off_counts_for_the_caps() {
    let lab = Lab::new();
    // The moment in which they are cut off and nobody has noticed it yet, made long: what a balancer holds for unhealthy is down, and counted
    // as that.
    let pools = lab.aws("elbv2", "describe_target_groups", &json!({}));
    for pool in pools["TargetGroups"].as_array().unwrap() {
        let slow = json!({ "TargetGroupArn": pool["TargetGroupArn"], "HealthCheckIntervalSeconds": 300, "UnhealthyThresholdCount": 10 });
        lab.aws("elbv2", "modify_target_group", &slow);
    }
    let before = lab.shape();
    assert_eq!(lab.running().values().map(Vec::len).collect::<Vec<_>>(), [2, 2, 2]);
    let kill = |take: u8| format!("{EXPERIMENT}  - kill: {{ zone: eu-west-1b, take: {take} }}\n    hold: 1s\n");
    lab.write("one.yaml", &kill(1));
    lab.write("two.yaml", &kill(2));
    let elsewhere = |args: &[&str]| Said::of(lab.command(args).env("FIREDRILL_STATE_DIR", lab.path("other-state")).output().unwrap());
    elsewhere(&["plan", "two.yaml"]).code(0);
    let first = Holding::of(&lab, &format!("{EXPERIMENT}  - partition: {{ zone: eu-west-1a, take: all }}\n    hold: 120s\n"));
    // Half of six may be affected at a time, and two are.
    for command in [&["plan", "two.yaml"][..], &["run", "two.yaml", "--yes"]] {
        elsewhere(command).code(3).says("2 of them affected by the partition of");
    }
    assert!(lab.done("ec2:TerminateInstances").is_empty());
    elsewhere(&["run", "one.yaml", "--yes"]).code(0);
    assert_eq!(lab.done("ec2:TerminateInstances").len(), 1);
    first.halt();
    elsewhere(&["plan", "two.yaml"]).code(0);
    lab.settled();
    crate::support::residue::same(&lab.shape(), &before, "as before");
}

#[test]
fn of_two_on_one_machine_the_second_is_refused() {
    let lab = Lab::new();
    let before = lab.shape();
    let first = Holding::new(&lab);
    lab.write("second.yaml", &outage("eu-west-1b", "1s"));
    lab.calls();
    lab.firedrill(&["run", "second.yaml", "--yes"]).code(3).says("another drill is at work");
    let changed: Vec<String> = lab.calls().into_keys().filter(|name| name.contains("Replace") || name.contains("Terminate")).collect();
    assert!(changed.is_empty(), "{changed:?}");
    first.halt();
    lab.settled();
    crate::support::residue::same(&lab.shape(), &before, "as before");
}

#[test]
fn hostile_tags_stay_text() {
    let lab = Lab::new();
    let victim = lab.running()["eu-west-1a"][0].clone();
    let hostile = format!("</td><script>alert(1)</script>\u{202e}line\n{}", "x".repeat(150));
    let tags = json!({ "Resources": [victim], "Tags": [{ "Key": "Name", "Value": hostile }] });
    lab.aws("ec2", "create_tags", &tags);
    lab.experiment(&format!("  - kill: {{ id: {victim} }}\n    hold: 1s\n"));
    for args in [&["targets"][..], &["plan", "experiment.yaml"], &["run", "experiment.yaml", "--yes"]] {
        let said = lab.firedrill(args).code(0);
        // A plan names ids alone.
        assert!(args[0] == "plan" || said.out.contains("alert(1)"), "its name is shown: {}", said.out);
        assert!(![&said.out, &said.err].iter().any(|text| text.contains('\u{202e}')), "{args:?}: {}", said.out);
    }
    let run = fs::read_dir(lab.path("firedrill-runs")).unwrap().next().unwrap().unwrap().path();
    let page = fs::read_to_string(run.join("report.html")).unwrap();
    assert!(!page.contains("<script>alert") && !page.contains('\u{202e}'), "a tag became a part of the page");
    assert!(page.contains("alert(1)"), "its name is shown");
}
