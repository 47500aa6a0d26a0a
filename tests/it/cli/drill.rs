//! Drills without a file.

use super::rig::Rig;
use crate::support::residue;

#[test]
fn a_drill_needs_a_yes() {
    let _quiet = crate::support::quiet::quiet();
    let rig = Rig::new();
    let up = rig.up();
    let before = rig.serving();
    let url = rig.url();
    let asked = rig.firedrill(["drill", "kill", "--service", "web", "--probe", &url]).code(3);
    asked.says("kill, held for 10 s; 1 of 3 that match").says("--yes");
    residue::same(&rig.serving(), &before, "nothing was touched");
    assert!(rig.run_folders().is_empty());
    up.signal(rustix::process::Signal::TERM);
    up.end().code(0);
}

#[test]
fn with_a_yes_it_runs_and_the_saved_file_is_the_same_drill() {
    let _quiet = crate::support::quiet::quiet();
    let rig = Rig::new();
    let url = rig.url();
    let args = ["drill", "kill", "--service", "web", "--hold", "1s", "--rate", "100/s", "--availability", "70%", "--probe", &url];
    let args: Vec<&str> = args.into_iter().chain(["--seed", "4", "--save", "saved.yaml", "--yes"]).collect();
    let said = rig.judged(&args, 0);
    said.says("saved as saved.yaml").says("PASSED");
    rig.firedrill(["check", "saved.yaml"]).code(0).says("fine");
    let plan = rig.firedrill(["plan", "saved.yaml"]).code(0);
    plan.says("Drill: kill 1 of web").says("seed 4").says("1 of 3 that match");
    rig.nothing_runs();
}

#[test]
fn every_flag_that_is_wrong_is_named_at_once() {
    let _quiet = crate::support::quiet::quiet();
    let rig = Rig::new();
    rig.firedrill(["drill", "kil", "--service", "web", "--hold", "2 parsecs", "--take", "0"])
        .code(2)
        .says("did you mean `kill`?")
        .says("--hold")
        .says("--take")
        .says("--probe is missing");
    rig.firedrill(["drill", "kill", "--probe", &rig.url()]).code(2).says("nothing says whom");
    let (url, none) = (rig.url(), "webb");
    let partition = ["drill", "partition", "--service", "web", "--yes", "--probe", &url, "--mode"];
    rig.firedrill([&partition[..], &["disconect"]].concat())
        .code(2)
        .says("--mode: `disconect` is not `hang`, `refuse` or `disconnect`; did you mean `disconnect`?");
    rig.firedrill([&partition[..], &["disconnect"]].concat()).code(3).says("refused").says("balancer");
    rig.firedrill(["drill", "kill", "--service", none, "--yes", "--probe", &url]).code(3).says("webb");
    rig.firedrill(["drill", "kill", "--service", "web", "--take", "all", "--yes", "--probe", &url]).code(3).says("max-affected");
    assert!(rig.processes().is_empty(), "{:?}", rig.processes());
}
