//! A run dies, and its journal is lost with it: what it left in the system is found there.

use std::path::Path;

use firedrill::platform::local::{
    client::Client,
    control::{Status, Traffic},
};
use rustix::process::Signal;

use super::rig::{EXPERIMENT, Rig, SYSTEM, eventually, names};
use crate::support::residue;

/// Of each kind that lasts: a suspension of replacement, kills, a pause, and late answers.
const METHOD: &str = "method:
  - zone-outage: b
  - pause: { service: web, zone: a, take: 1 }
  - slow: { service: web, zone: a, take: 1, latency: 50ms }
  - wait: 60s
guardrails: { max-affected: { service: 100% } }
";

fn lasting() -> String {
    let (head, _) = EXPERIMENT.split_once("method:").unwrap();
    head.replace(">= 70%", ">= 1%") + METHOD
}

/// What the supervisor knows, and how many acts it has noted.
fn known(rig: &Rig) -> (Status, usize) {
    let folder = rig.path("state").join("local");
    let socket = names(&folder).into_iter().find(|name| Path::new(name).extension().is_some_and(|e| e == "sock")).unwrap();
    let client = Client::new(folder.join(socket));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { (client.status().await.unwrap(), client.marks().await.unwrap().len()) })
}

fn as_before(rig: &Rig) {
    let (status, marks) = known(rig);
    residue::same(&marks, &0, "marks");
    residue::none(status.suspended.is_empty(), format_args!("{:?}", status.suspended));
    residue::none(status.instances.iter().all(|k| k.traffic == Traffic::default()), format_args!("{:?}", status.instances));
    residue::none(rig.instances().iter().all(|i| i["state"] == "running"), format_args!("{:?}", rig.instances()));
    residue::same(&rig.serving().len(), &3, "servers that run");
}

/// A run in the middle of its faults.
fn at_work(rig: &Rig) -> super::rig::Started {
    for _ in 0..8 {
        let run = rig.start(["run", "experiment.yaml"]);
        let came_so_far = || run.said_so_far().contains("wait 1m");
        eventually("it is in the middle of its faults, or ended", || came_so_far() || run.said_so_far().contains("report:"));
        if came_so_far() {
            let (status, marks) = known(rig);
            assert_eq!((marks, status.suspended.len()), (4, 1), "{status:?}");
            return run;
        }
        // On a busy machine firedrill may rightly find its own baseline too late to be trusted.
        let said = run.end().code(3);
        assert!(said.out.contains("more than 10 ms late"), "{}", said.out);
    }
    panic!("this machine is too busy for a drill of 200 requests a second");
}

/// Kills the run and its helper, and takes its journal away.
fn lose(rig: &Rig, run: super::rig::Started) {
    run.kill_with_its_helper();
    let journals = rig.path("state").join("journals");
    let journal = names(&journals).into_iter().find(|name| Path::new(name).extension().is_some_and(|e| e == "journal")).unwrap();
    std::fs::remove_file(journals.join(journal)).unwrap();
}

#[test]
fn recover_finds_what_a_run_left_whose_journal_is_lost() {
    let _quiet = crate::support::quiet::quiet();
    let rig = Rig::with(SYSTEM, &lasting());
    let up = rig.up();
    as_before(&rig);
    let run = at_work(&rig);
    rig.firedrill(["recover"]).code(3);
    assert_eq!(known(&rig).1, 4, "what a run that lives did is left alone");
    lose(&rig, run);
    let said = rig.firedrill(["recover"]).code(0);
    for words in ["suspend-replacement of", "kill of web-b-1", "pause of web-a-", "slow of web-a-", "left without a journal"] {
        assert!(said.out.contains(words), "`{words}` is not in {}", said.out);
    }
    as_before(&rig);
    rig.owes_nothing();
    up.signal(Signal::TERM);
    up.end().code(0);
}

#[test]
fn the_next_run_undoes_first_what_a_run_left_whose_journal_is_lost() {
    let _quiet = crate::support::quiet::quiet();
    let rig = Rig::with(SYSTEM, &lasting());
    let up = rig.up();
    let run = at_work(&rig);
    lose(&rig, run);
    std::fs::remove_dir_all(rig.path("firedrill-runs")).unwrap();
    rig.write("experiment.yaml", EXPERIMENT);
    let said = rig.firedrill(["run", "experiment.yaml"]);
    assert!(said.out.contains("undone first: suspend-replacement of"), "{}", said.out);
    assert!(said.out.contains("baseline"), "it went on from there: {}", said.out);
    as_before(&rig);
    up.signal(Signal::TERM);
    up.end().code(0);
}
