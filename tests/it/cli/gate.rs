//! The gate of a pipeline: runs held against earlier ones, and what a CI system is shown.

use std::fs;

use super::rig::{EXPERIMENT, Rig, SYSTEM};

/// One server of three freezes until its hold is over. A check that gives up after 100 ms takes it out; one that waits 3 s does not.
fn rig() -> Rig {
    let experiment = EXPERIMENT
        .replace("kill:", "pause:")
        .replace("timeout: 1s", "timeout: 150ms")
        .replace(">= 70%", ">= 50%")
        .replace("    hold: 1s\n", "    hold: 2s\n");
    let rig = Rig::with(&SYSTEM.replace("timeout: 500ms", "timeout: 100ms"), &experiment);
    rig.write("summary.md", "");
    rig
}

/// Keeps the one run that there is under another folder: the next baseline.
fn keep(rig: &Rig) -> String {
    let run = rig.run_folder();
    let name = format!("baseline/{}", run.file_name().unwrap().to_str().unwrap());
    fs::create_dir_all(rig.path("baseline")).unwrap();
    fs::rename(run, rig.path(&name)).unwrap();
    name
}

fn clear(rig: &Rig) {
    fs::remove_dir_all(rig.path("firedrill-runs")).unwrap();
}

#[test]
fn a_regression_is_red_and_the_same_again_is_green() {
    let _quiet = crate::support::quiet::quiet();
    let rig = rig();
    rig.judged(&["run", "experiment.yaml"], 0);
    let baseline = keep(&rig);

    let said = rig.judged(&["run", "experiment.yaml", "--against", &baseline, "--junit", "same.xml"], 0);
    said.says("Nothing is worse than in the earlier run").says("home, fault: availability");
    assert!(fs::read_to_string(rig.path("same.xml")).unwrap().contains("not worse than before"));
    let id = rig.run_folder().file_name().unwrap().to_str().unwrap().to_owned();
    rig.firedrill(["compare", &id, "--against", &baseline, "--markdown", "compare.md"]).code(0).says("as before");
    assert!(fs::read_to_string(rig.path("compare.md")).unwrap().contains("✅"));
    clear(&rig);

    // The same experiment still holds by its own conditions: only the comparison is red.
    rig.write("system.yaml", &SYSTEM.replace("timeout: 500ms", "timeout: 3s"));
    let args = ["run", "experiment.yaml", "--against", &baseline, "--junit", "worse.xml", "--markdown", "worse.md"];
    let said = rig.judged(&args, 1);
    said.says("PASSED").says("✗ worse").says("Worse than in the earlier run: home, fault: availability");
    let junit = fs::read_to_string(rig.path("worse.xml")).unwrap();
    assert!(junit.contains("failures=\"1\"") && junit.contains("Worse than in the earlier run"), "{junit}");
    assert!(fs::read_to_string(rig.path("worse.md")).unwrap().contains("beside earlier runs"));
    let id = rig.run_folder().file_name().unwrap().to_str().unwrap().to_owned();
    rig.firedrill(["compare", &id, "--against", &baseline]).code(1);
    rig.firedrill(["compare", &id, "--against", &baseline, "--tolerance", "availability=60%,longest-outage=10s,p99=1000%"]).code(0);
    clear(&rig);

    // GitHub's own variables say that it is there, and where its summary is.
    let mut command = rig.command(["run", "experiment.yaml", "--against", &baseline]);
    command.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", rig.path("summary.md"));
    let output = command.output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    if output.status.code() == Some(1) {
        assert!(out.contains("::error file=experiment.yaml,title=firedrill%3A failed::Worse than in the earlier run"), "{out}");
        let summary = fs::read_to_string(rig.path("summary.md")).unwrap();
        assert!(summary.contains("One server of three dies") && summary.contains("❌"), "{summary}");
    } else {
        assert!(out.contains("more than 10 ms late"), "{out}");
    }
    rig.nothing_runs();
}

#[test]
fn what_cannot_be_held_against_is_refused_before_anything_runs() {
    let rig = rig();
    fs::create_dir_all(rig.path("empty")).unwrap();
    rig.write("empty/events.jsonl", "");
    let said = rig.firedrill(["run", "experiment.yaml", "--against", "nowhere", "--against", "empty", "--tolerance", "availabilty=1%,p99=3"]);
    said.code(2)
        .says("nowhere")
        .says("there is no event in it")
        .says("did you mean `availability`?")
        .says("expected a percentage, such as `30%`");
    assert!(rig.run_folders().is_empty());
    rig.firedrill(["compare", "nowhere"]).code(2).says("--against EARLIER");
    // Tolerances of nothing are a mistake.
    rig.firedrill(["run", "experiment.yaml", "--tolerance", "p99=30%"]).code(2);
}
