//! An account that two drill at the same time, each from a machine of its own: no lock of one is seen by the other, only what AWS itself
//! tells. And one machine with two of them.

use std::{fs, process::Child, time::Duration};

use rustix::process::{Pid, Signal, kill_process};

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
        lab.write("first.yaml", &outage("eu-west-1a", "120s"));
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
    let tags = serde_json::json!({ "Resources": [victim], "Tags": [{ "Key": "Name", "Value": hostile }] });
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
