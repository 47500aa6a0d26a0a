//! Drills that would meet: on one place, on places of which one is a part of the other, and where no lock is between them.

use rustix::process::Signal;

use super::{
    foreign::Foreign,
    rig::{EXPERIMENT, Rig, SYSTEM, Started},
};
use crate::support::{quiet::quiet, residue};

const HEAD: &str = "warm-up: 0s\nbaseline: 300ms\nrecovery: { hold: 100ms, limit: 5s }\nguardrails: { max-affected: { service: 100% } }";

fn paused(hold: &str) -> Foreign {
    Foreign::new(1, HEAD, &format!("  - pause: {}\n    hold: {hold}\n", Foreign::target(0)))
}

#[test]
fn of_two_that_begin_at_the_same_moment_one_acts() {
    let _quiet = quiet();
    let drill = paused("300ms");
    let before = drill.world();
    for round in 0..5 {
        let both: Vec<Started> = (0..2).map(|_| drill.rig.start(["run", "experiment.yaml"])).collect();
        let said: Vec<_> = both.into_iter().map(Started::end).collect();
        let acted = said.iter().filter(|said| said.out.contains("happened")).count();
        // One that has the lock and has not yet written who it is has it all the same.
        let held = ["another drill is at work there", "is in use by another process"];
        let refused = said.iter().filter(|said| held.iter().any(|words| said.out.replace("\n             ", " ").contains(words))).count();
        // Neither acts where the machine was too busy for a baseline; never both.
        residue::none(acted <= 1, format_args!("round {round}: two acted: {}\n{}", said[0].out, said[1].out));
        assert_eq!(refused, 1, "round {round}: {}\n{}", said[0].out, said[1].out);
        residue::same(&drill.world(), &before, format_args!("round {round}"));
    }
}

#[test]
fn a_system_and_processes_that_may_be_of_any_system_exclude_each_other() {
    let _quiet = quiet();
    let foreign = paused("60s");
    let system = Rig::new();
    // One state directory, as two checkouts of one user have.
    let state = foreign.rig.path("state");
    let of_system = || {
        let mut command = system.command(["run", "experiment.yaml"]);
        command.env("FIREDRILL_STATE_DIR", &state);
        command
    };
    let runs = || Started::new(of_system().spawn().unwrap()).end();

    let run = foreign.rig.acting(&["run", "experiment.yaml"]);
    runs().code(3).says("another drill is at work there");
    // It dies, and its helper with it. What it left has to be undone first, where it was done.
    run.kill_with_its_helper();
    runs().code(3).says("was interrupted: undo");
    residue::same(&foreign.stopped(), &1, "the lock of the dead is not taken over before its undo");
    foreign.rig.firedrill(["recover"]).code(0).says("recovered");
    residue::same(&foreign.stopped(), &0, "stopped");

    // And the other way round.
    let long = std::fs::read_to_string(system.path("experiment.yaml")).unwrap().replace("    hold: 1s", "    hold: 60s");
    system.write("experiment.yaml", &long);
    let run = system.acting_by(of_system);
    foreign.rig.firedrill(["run", "experiment.yaml"]).code(3).says("another drill is at work there");
    residue::same(&foreign.stopped(), &0, "stopped");
    run.signal(Signal::INT);
    run.end().code(4);
}

#[test]
fn what_another_drill_only_slows_counts_for_the_caps() {
    let _quiet = quiet();
    let system = SYSTEM.replace("b: 1", "b: 2");
    let (head, _) = EXPERIMENT.split_once("method:").unwrap();
    let head = head.replace(">= 70%", ">= 1%");
    let rig = Rig::with(&system, &format!("{head}method:\n  - slow: {{ service: web, zone: a, take: 1, latency: 1ms }}\n    hold: 60s\n"));
    rig.write("two.yaml", &format!("{head}method:\n  - kill: {{ service: web, zone: b, take: 2 }}\n    hold: 1s\n"));
    rig.write("three.yaml", &format!("{head}method:\n  - kill: {{ service: web, zone: b, take: 1 }}\n    hold: 1s\n"));
    let up = rig.up();
    rig.firedrill(["plan", "two.yaml"]).code(0);
    let run = rig.acting(&["run", "experiment.yaml"]);
    // It is up and answers; with two of the other zone three of four would be affected.
    let said = rig.firedrill(["plan", "two.yaml"]).code(3);
    said.says("service web has 4 instances, 1 of them affected by the slow of run");
    rig.firedrill(["plan", "three.yaml"]).code(0);
    run.signal(Signal::INT);
    run.end().code(4);
    rig.firedrill(["plan", "two.yaml"]).code(0);
    up.signal(Signal::TERM);
    up.end().code(0);
}

#[test]
fn what_another_drill_has_taken_counts_for_the_caps() {
    let _quiet = quiet();
    // Half of four may be taken, which is the default.
    let system = SYSTEM.replace("    replace: { after: 500ms }\n", "").replace("b: 1", "b: 2");
    let (head, _) = EXPERIMENT.split_once("method:").unwrap();
    let head = head.replace(">= 70%", ">= 1%");
    let rig = Rig::with(&system, &format!("{head}method:\n  - kill: {{ service: web, take: 1 }}\n    hold: 60s\n"));
    rig.write("two.yaml", &format!("{head}method:\n  - kill: {{ service: web, take: 2 }}\n    hold: 1s\n"));
    let up = rig.up();
    rig.firedrill(["plan", "two.yaml"]).code(0);
    let run = rig.acting(&["run", "experiment.yaml"]);
    // A plan takes no lock, as a drill from another machine or another state directory would not meet ours.
    rig.firedrill(["plan", "two.yaml"]).code(3).says("service web has 4 instances, 1 of them down already");
    rig.firedrill(["run", "two.yaml"]).code(3).says("another drill is at work there");
    run.signal(Signal::INT);
    run.end().code(4);
    rig.firedrill(["plan", "two.yaml"]).code(0);
    up.signal(Signal::TERM);
    up.end().code(0);
}
