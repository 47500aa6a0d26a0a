//! Stopping a run from inside, from outside, and by accident.

use rustix::process::Signal;

use super::rig::{EXPERIMENT, Rig, SYSTEM};
use crate::support::residue;

/// Long enough to be interrupted in the middle of its fault.
fn long() -> String {
    EXPERIMENT.replace("    hold: 1s", "    hold: 60s")
}

/// No server is replaced: only firedrill's undo brings a killed one back.
fn without_replacement() -> String {
    SYSTEM.replace("    replace: { after: 500ms }\n", "")
}

#[test]
fn ctrl_c_in_the_middle_undoes_and_is_aborted() {
    let _quiet = crate::support::quiet::quiet();
    let rig = Rig::with(&without_replacement(), &long());
    let up = rig.up();
    let run = rig.acting(&["run", "experiment.yaml"]);
    assert_eq!(rig.serving().len(), 2, "one is dead");
    run.signal(Signal::INT);
    run.end().code(4).says("ABORTED").says("Ctrl-C");
    residue::same(&rig.serving().len(), &3, "it was started again");
    assert_eq!(rig.result()["verdict"], "aborted");
    rig.owes_nothing();
    up.signal(Signal::TERM);
    up.end().code(0);
}

#[test]
fn halt_from_another_process_undoes_and_is_aborted() {
    let _quiet = crate::support::quiet::quiet();
    let rig = Rig::with(&without_replacement(), &long().replace("kill:", "pause:"));
    let up = rig.up();
    let run = rig.acting(&["run", "experiment.yaml"]);
    let folder = rig.run_folder();
    let id = folder.file_name().unwrap().to_str().unwrap();
    rig.firedrill(["halt", "another"]).code(2).says("no drill with the id `another`");
    rig.firedrill(["halt", id]).code(0).says("told to stop and undo");
    run.end().code(4).says("ABORTED");
    residue::none(rig.instances().iter().all(|i| i["state"] == "running"), format_args!("{:?}", rig.instances()));
    up.signal(Signal::TERM);
    up.end().code(0);
}

#[test]
fn one_system_file_on_two_ports_is_two_systems_and_on_one_port_one() {
    let _quiet = crate::support::quiet::quiet();
    let rig = Rig::with(&without_replacement(), &long());
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let there =
        format!("  there:\n    platform: {{ local: system.yaml }}\n    vars: {{ port: {other}, url: \"http://127.0.0.1:{other}\" }}\n");
    let file = std::fs::read_to_string(rig.path("firedrill.yaml")).unwrap() + &there;
    rig.write("firedrill.yaml", &file);
    let first = rig.acting(&["run", "experiment.yaml", "--env", "here"]);
    rig.firedrill(["run", "experiment.yaml", "--env", "here"]).code(3).says("another drill is at work there");
    let second = rig.acting(&["run", "experiment.yaml", "--env", "there"]);
    for run in [first, second] {
        run.signal(Signal::INT);
        run.end().code(4).says("ABORTED");
    }
    rig.nothing_runs();
}

#[test]
fn ctrl_c_before_the_fault_touches_nothing() {
    let _quiet = crate::support::quiet::quiet();
    let rig = Rig::with(SYSTEM, &EXPERIMENT.replace("baseline: 1s", "baseline: 60s"));
    let run = rig.start(["run", "experiment.yaml"]);
    run.wait_for("baseline");
    run.signal(Signal::TERM);
    run.end().code(4).says("ABORTED").says("SIGTERM");
    rig.nothing_runs();
}

#[test]
fn recover_finishes_what_a_killed_run_left_and_once_is_enough() {
    let _quiet = crate::support::quiet::quiet();
    let rig = Rig::with(&without_replacement(), &long());
    let up = rig.up();
    let before = rig.serving();
    let run = rig.acting(&["run", "experiment.yaml"]);
    rig.firedrill(["recover"]).code(3).says("wait for it, or stop it with `firedrill halt");
    run.kill_with_its_helper();
    assert_eq!(rig.serving().len(), 2, "one is dead");
    let folder = rig.run_folder();
    let id = folder.file_name().unwrap().to_str().unwrap();
    rig.firedrill(["report", id]).code(0).says("firedrill recover");
    rig.firedrill(["halt", id]).says("its process is gone");

    rig.firedrill(["recover"]).code(0).says("undone:").says(&format!("{id}: recovered"));
    let after = rig.serving();
    let ids = |list: &[(String, String)]| list.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>();
    residue::same(&ids(&after), &ids(&before), "it was started again");
    rig.owes_nothing();
    rig.firedrill(["recover", id]).code(0).says("it was undone");
    residue::same(&rig.serving(), &after, "nothing more happened");
    up.signal(Signal::TERM);
    up.end().code(0);
}

#[test]
fn a_killed_run_takes_the_system_with_it_that_it_started() {
    let _quiet = crate::support::quiet::quiet();
    let rig = Rig::with(SYSTEM, &long());
    let run = rig.acting(&["run", "experiment.yaml"]);
    assert!(rig.processes().len() > 4, "{:?}", rig.processes());
    run.signal(Signal::KILL);
    let _ = run.end();
    rig.nothing_runs();
    rig.firedrill(["recover"]).code(0);
    rig.nothing_runs();
}

#[test]
fn the_next_run_finishes_the_undo_of_the_last() {
    let _quiet = crate::support::quiet::quiet();
    let rig = Rig::with(&without_replacement(), &long());
    let up = rig.up();
    let run = rig.acting(&["run", "experiment.yaml"]);
    // Two at once on one system: the second is refused, and touches nothing.
    rig.firedrill(["run", "experiment.yaml"]).code(3).says("NOT STARTED");
    run.kill_with_its_helper();
    rig.write("experiment.yaml", EXPERIMENT);
    let next = rig.judged(&["run", "experiment.yaml"], 0);
    // `judged` may have made the run twice; only the first found something to recover.
    assert!(next.out.contains("recovered first") || next.out.contains("PASSED"), "{}", next.out);
    residue::same(&rig.serving().len(), &3, "all serve again");
    rig.firedrill(["recover"]).code(0);
    up.signal(Signal::TERM);
    up.end().code(0);
}

#[test]
fn a_system_that_is_lost_under_the_run_ends_it_with_an_error() {
    let _quiet = crate::support::quiet::quiet();
    let rig = Rig::with(&without_replacement(), &long());
    let up = rig.up();
    let run = rig.acting(&["run", "experiment.yaml"]);
    up.signal(Signal::KILL);
    // At once, not when the hold of a minute ends; and it is no verdict about the system.
    run.end().code(5).says("ERROR").says("the system under the run is gone").says("nothing to undo for 1.1");
    let fault: Vec<_> = rig.result()["measurement"]["phases"].as_array().unwrap().clone();
    let last = fault.last().unwrap();
    assert!(last["phase"] == "fault" && last["to_s"].as_f64().unwrap() - last["from_s"].as_f64().unwrap() < 30.0, "{last}");
    rig.owes_nothing();
    drop(up);
    rig.nothing_runs();
}
