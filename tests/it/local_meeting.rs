//! `up` in one process and the other verbs in others mean the same system, through the real binary.

use std::{collections::BTreeMap, path::Path};

use crate::cli::rig::{EXPERIMENT, Rig, names};

#[test]
fn a_run_attaches_to_the_system_that_up_keeps_and_leaves_it_there() {
    let _quiet = crate::support::quiet::quiet();
    let rig = Rig::new();
    // The environment has a `url` too, which the system's file has no use for and `up` is not given.
    let up = rig.up();
    let state = rig.path("state").join("local");
    let sockets = || names(&state).into_iter().filter(|n| Path::new(n).extension().is_some_and(|e| e == "sock")).collect::<Vec<_>>();
    let before: BTreeMap<String, String> = rig.serving().into_iter().collect();
    assert_eq!((before.len(), sockets().len()), (3, 1), "{before:?}");

    // Nobody replaces the victim within the hold: it is undone, so that its id is the same and its process is another.
    rig.write("experiment.yaml", &EXPERIMENT.replace("kill: { service: web, take: 1 }", "zone-outage: { zone: b }"));
    rig.judged(&["run", "experiment.yaml"], 0);
    let after: BTreeMap<String, String> = rig.serving().into_iter().collect();
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    let changed: Vec<&String> = before.keys().filter(|id| before[*id] != after[*id]).collect();
    assert_eq!(changed, ["web-b-1"], "the victim's process alone is another one");
    assert_eq!(sockets().len(), 1, "no second system was started");

    up.signal(rustix::process::Signal::TERM);
    up.end().code(0);
    let left = names(&state);
    assert!(left.iter().all(|name| !name.contains('.')), "neither a socket nor a lock is left: {left:?}");
}

#[test]
fn a_variable_that_the_system_does_not_have_is_a_typing_error() {
    let rig = Rig::new();
    rig.firedrill(["up", "system.yaml", "--var", "prot=1"]).code(2).says("system.yaml has no variable `prot`").says("did you mean `port`?");
}
