//! A run that is halted, and one that is killed: what was begun is brought back, by the run itself or by the next one.

use std::{
    fs,
    path::Path,
    process::{Child, Stdio},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use super::rig::{Rig, finished, wait_for};
use crate::support::residue;

/// Makes a file, again and again for long, and takes the file away at the end.
const EXPERIMENT: &str = "title: t
description: d
steady-state-hypothesis:
  title: h
  probes:
    - { type: probe, name: always, tolerance: 0, provider: { type: process, path: \"true\", timeout: 5 } }
method:
  - { type: action, name: break, provider: { type: process, path: touch, arguments: [broken], timeout: 5 } }
  - { type: action, name: wait, provider: { type: process, path: sh, arguments: [-c, \"touch waits; while sleep 0.1; do touch broken; done & while sleep 0.1; do touch broken; done\"], timeout: 400 } }
rollbacks:
  - { type: action, name: mend, provider: { type: process, path: rm, arguments: [broken], timeout: 5 } }
";

fn begun(rig: &Rig, flags: &[&str]) -> Child {
    let file = rig.folder.path().join("experiment.yaml");
    fs::write(&file, EXPERIMENT).unwrap();
    let arguments = [&["run"], flags, &[file.to_str().unwrap()]].concat();
    let mut command = rig.command(Path::new(env!("CARGO_BIN_EXE_firedrill")), &arguments);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for("the second action", || rig.folder.path().join("waits").exists());
    child
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), signal).unwrap();
}

fn broken(rig: &Rig) -> bool {
    rig.folder.path().join("broken").exists()
}

fn firedrill(rig: &Rig, arguments: &[&str]) -> (i32, String) {
    let output = finished(&mut rig.command(Path::new(env!("CARGO_BIN_EXE_firedrill")), arguments));
    let words = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code().unwrap_or(-1), words)
}

#[test]
fn a_halted_run_ends_what_it_does_and_brings_everything_back() {
    for by_verb in [false, true] {
        let rig = Rig::new();
        let mut child = begun(&rig, &[]);
        if by_verb {
            let (code, words) = firedrill(&rig, &["halt"]);
            assert!(code == 0 && words.contains("told to stop"), "{words}");
        } else {
            signal(&child, Signal::INT);
        }
        assert_eq!(child.wait().unwrap().code(), Some(4));
        thread::sleep(Duration::from_millis(500));
        residue::none(!broken(&rig), "it is still broken");
        let (code, words) = firedrill(&rig, &["recover"]);
        residue::none(code == 0 && words.contains("nothing to recover"), &words);
    }
}

#[test]
fn an_interrupted_run_in_the_compatible_way_brings_nothing_back() {
    let rig = Rig::new();
    let mut child = begun(&rig, &["--compatible"]);
    signal(&child, Signal::INT);
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert!(broken(&rig), "as the original has it");
}

#[test]
fn what_a_killed_run_left_is_brought_back_by_recover_or_by_the_next_run() {
    for next in [false, true] {
        let rig = Rig::new();
        let mut child = begun(&rig, &[]);
        let (code, words) = firedrill(&rig, &["recover"]);
        assert!(code == 3 && words.contains("lives") && broken(&rig), "{words}");
        let file = rig.folder.path().join("experiment.yaml");
        let (code, words) = firedrill(&rig, &["run", file.to_str().unwrap()]);
        assert!(code == 3 && words.contains("another drill"), "one run of a file at a time: {words}");
        signal(&child, Signal::KILL);
        child.wait().unwrap();
        assert!(broken(&rig));
        if next {
            // The gate of the next run is not met, so it does nothing itself.
            fs::write(&file, EXPERIMENT.replace("tolerance: 0", "tolerance: 1")).unwrap();
            let (code, words) = firedrill(&rig, &["run", file.to_str().unwrap()]);
            assert!(code == 3 && words.contains("undone: mend"), "{words}");
        } else {
            let (code, words) = firedrill(&rig, &["recover"]);
            assert!(code == 0 && words.contains("undone: mend"), "{words}");
        }
        // The action was still at work, and would have gone on to break.
        thread::sleep(Duration::from_millis(500));
        residue::none(!broken(&rig), "it is still broken");
    }
}
