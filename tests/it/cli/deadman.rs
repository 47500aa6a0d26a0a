//! The dead-man's switch: whatever becomes of firedrill in the middle of a fault, the fault ends.

use std::{
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    time::Duration,
};

use firedrill::{clock, platform::process};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::{
    foreign::Foreign,
    rig::{EXPERIMENT, Rig, SYSTEM, Started, eventually},
};
use crate::support::{alone::helpers, quiet::quiet, residue};

/// One sleeper stands still for so long.
fn paused_for(hold: &str) -> Foreign {
    let head = "warm-up: 0s\nbaseline: 200ms\nrecovery: { hold: 200ms, limit: 10s }\nguardrails: { max-affected: { service: 100% } }";
    Foreign::new(1, head, &format!("  - pause: {}\n    hold: {hold}\n", Foreign::target(0)))
}

fn helper_of(run: &Started) -> Pid {
    let found = helpers(run.pid());
    assert_eq!(found.len(), 1, "{found:?}");
    found[0]
}

fn lives(pid: Pid) -> bool {
    process::stat(pid.as_raw_nonzero().get()).is_some_and(|stat| stat.alive())
}

#[test]
fn a_fault_whose_firedrill_is_killed_is_undone_at_once() {
    let _quiet = quiet();
    let drill = paused_for("60s");
    let before = drill.world();
    let run = drill.rig.acting(&["run", "experiment.yaml"]);
    assert_eq!(drill.stopped(), 1);
    let helper = helper_of(&run);
    let killed = clock::now();
    run.signal(Signal::KILL);
    residue::ends("the sleeper goes on", || drill.stopped() == 0);
    let took = clock::now().since(killed);
    println!("from the SIGKILL of firedrill to the end of the fault: {took:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    let said = run.end();
    assert!(said.err.contains("the dead-man's switch undoes what it did") && said.err.contains("goes on"), "{}", said.err);
    residue::same(&drill.world(), &before, "as before");
    eventually("the helper ends", || !lives(helper));
    drill.rig.owes_nothing();
    residue::same(&drill.world(), &before, "as before");
}

#[test]
fn a_local_system_whose_firedrill_is_killed_is_as_before() {
    let _quiet = quiet();
    let system = SYSTEM.replace("    replace: { after: 500ms }\n", "");
    let method = "method:\n  - kill: { service: web, take: 1 }\n  - slow: { service: web, take: 1, latency: 50ms }\n  - wait: 60s\n";
    let (head, _) = EXPERIMENT.split_once("method:").unwrap();
    let rig = Rig::with(&system, &(head.replace(">= 70%", ">= 1%") + method + "guardrails: { max-affected: { service: 100% } }\n"));
    let up = rig.up();
    let ids = |rig: &Rig| rig.serving().into_iter().map(|(id, _)| id).collect::<Vec<_>>();
    let before = ids(&rig);
    let run = rig.acting(&["run", "experiment.yaml"]);
    run.wait_for("wait 1m");
    assert_eq!(rig.serving().len(), 2);
    run.signal(Signal::KILL);
    let said = run.end();
    assert!(said.err.contains("undone: kill of web-") && said.err.contains("undone: slow of web-"), "{}", said.err);
    residue::same(&ids(&rig), &before, "as before");
    // Recovery and the next run find nothing to do.
    rig.owes_nothing();
    up.signal(Signal::TERM);
    up.end().code(0);
}

#[test]
fn a_firedrill_that_hangs_is_ended_at_its_deadline_and_undone() {
    let _quiet = quiet();
    let drill = paused_for("3s");
    let before = drill.world();
    let plan = drill.rig.firedrill(["plan", "experiment.yaml"]).code(0);
    assert!(plan.out.contains("5 s after it should have gone on: step 1 after 8 s"), "{}", plan.out);
    let run = drill.rig.acting(&["run", "experiment.yaml"]);
    let began = clock::now();
    run.signal(Signal::STOP);
    let helper = helper_of(&run);
    std::thread::sleep(Duration::from_secs(5));
    assert!(lives(run.pid()), "it may still go on");
    residue::same(&drill.stopped(), &1, "there are never two who act");
    residue::ends("the sleeper goes on", || drill.stopped() == 0);
    let took = clock::now().since(began);
    println!("from the act to the end of the fault, with a deadline of 8 s: {took:?}");
    assert!(took > Duration::from_secs(7) && took < Duration::from_secs(20), "{took:?}");
    assert!(!lives(run.pid()), "it was ended before anything was undone");
    let said = run.end();
    assert!(said.err.contains("did not go on in time and was ended"), "{}", said.err);
    residue::same(&drill.world(), &before, "as before");
    eventually("the helper ends", || !lives(helper));
    drill.rig.owes_nothing();
}

#[test]
fn a_helper_that_is_killed_or_stands_still_is_replaced() {
    let _quiet = quiet();
    let drill = paused_for("60s");
    let before = drill.world();
    let run = drill.rig.acting(&["run", "experiment.yaml"]);
    let mut helper = helper_of(&run);
    for (n, signal) in [Signal::KILL, Signal::STOP].into_iter().enumerate() {
        kill_process(helper, signal).unwrap();
        // It says so once the new one watches. One that was only just begun is not touched: it would be waited for.
        let said = || run.said_so_far().matches("the dead-man's switch had to be started again").count();
        eventually("another one watches", || said() > n);
        assert!(!lives(helper), "there are never two");
        let other = helper_of(&run);
        assert_ne!(other, helper);
        helper = other;
    }
    assert_eq!(drill.stopped(), 1, "the fault lasts");
    run.signal(Signal::KILL);
    let _ = run.end();
    residue::ends("the sleeper goes on", || drill.stopped() == 0);
    residue::same(&drill.world(), &before, "as before");
}

#[test]
fn a_helper_that_does_not_begin_keeps_nobody_from_halting() {
    let _quiet = quiet();
    let drill = paused_for("60s");
    let before = drill.world();
    let run = drill.rig.acting(&["run", "experiment.yaml"]);
    let first = helper_of(&run);
    kill_process(first, Signal::KILL).unwrap();
    // Stopped as soon as it is there: as a rule before it watches, and then it is waited for.
    let mut second = None;
    eventually("another one begins", || {
        second = helpers(run.pid()).into_iter().find(|pid| *pid != first);
        second.is_some_and(|pid| kill_process(pid, Signal::STOP).is_ok())
    });
    run.signal(Signal::INT);
    let halted = clock::now();
    residue::ends("the sleeper goes on", || drill.stopped() == 0);
    let took = clock::now().since(halted);
    println!("halted while a helper did not begin: undone after {took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    // It ends sooner so: the end of a run waits ten seconds for it.
    let _ = kill_process(second.unwrap(), Signal::KILL);
    run.end().code(4).says("Ctrl-C");
    residue::same(&drill.world(), &before, "as before");
    drill.rig.owes_nothing();
}

#[test]
fn what_ends_both_at_once_is_undone_by_recover_and_by_the_next_run() {
    let _quiet = quiet();
    let drill = paused_for("60s");
    let before = drill.world();
    for next in [&["recover"][..], &["run", "experiment.yaml"]] {
        drill.rig.acting(&["run", "experiment.yaml"]).kill_with_its_helper();
        assert_eq!(drill.stopped(), 1, "nobody was left to undo it");
        if next[0] == "recover" {
            drill.rig.firedrill(next).code(0).says("goes on").says("recovered");
            residue::same(&drill.world(), &before, "as before");
            drill.rig.owes_nothing();
        } else {
            let run = drill.rig.start(next);
            run.wait_for("it was recovered first (1 act undone)");
            run.signal(Signal::INT);
            let _ = run.end();
        }
        residue::same(&drill.world(), &before, "as before");
        std::fs::remove_dir_all(drill.rig.path("firedrill-runs")).unwrap();
    }
}

#[test]
fn the_helper_outlives_the_group_of_firedrill_and_what_ends_the_living() {
    let _quiet = quiet();
    let drill = paused_for("60s");
    let before = drill.world();
    let run = drill.rig.acting_by(|| {
        let mut command = drill.rig.command(["run", "experiment.yaml"]);
        command.process_group(0);
        command
    });
    let helper = helper_of(&run);
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT] {
        kill_process(helper, signal).unwrap();
    }
    std::thread::sleep(Duration::from_millis(300));
    assert!(lives(helper) && drill.stopped() == 1, "it stays while firedrill does");
    kill_process_group(run.pid(), Signal::KILL).unwrap();
    let _ = run.end();
    residue::ends("the sleeper goes on", || drill.stopped() == 0);
    residue::same(&drill.world(), &before, "as before");
}

/// A process that ends with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_helper_is_never_a_target_and_ends_with_the_run() {
    let _quiet = quiet();
    let drill = paused_for("1s");
    // The folder is in the arguments of the helper, of this one, and of no other process.
    drill.rig.write("state-of-it", "");
    let mut tail = Command::new("tail");
    let decoy = Ended(tail.arg("-f").arg(drill.rig.path("state-of-it")).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let arguments = drill.rig.path("state").display().to_string();
    let all = format!("{{ process: {{ executable: '**/{{firedrill,tail}}', arguments: '{arguments}' }}, take: all }}");
    let file = std::fs::read_to_string(drill.rig.path("experiment.yaml")).unwrap();
    let (head, _) = file.split_once("method:").unwrap();
    drill.rig.write("both.yaml", &format!("{head}bind: at-step\nmethod:\n  - wait: 100ms\n  - pause: {all}\n    hold: 1s\n"));
    let run = drill.rig.acting(&["run", "both.yaml"]);
    let helper = helper_of(&run);
    let state = |pid: Pid| process::stat(pid.as_raw_nonzero().get()).expect("it is there");
    assert!(state(Pid::from_child(&decoy.0)).stopped() && !state(helper).stopped(), "{}", run.said_so_far());
    let said = run.end();
    assert!(!said.out.contains("had to be started again"), "{}", said.out);
    drop(decoy);
    std::fs::remove_dir_all(drill.rig.path("firedrill-runs")).unwrap();
    let run = drill.rig.acting(&["run", "experiment.yaml"]);
    let helper = helper_of(&run);
    let _ = run.end();
    assert!(!lives(helper), "nothing of a run is left when it is over");
    residue::same(&drill.stopped(), &0, "stopped");
}
