//! The gate of a pipeline: runs held against earlier ones, and what a CI system is shown.

use std::fs;

use super::gated::{clear, keep, rig, slow_check};

#[test]
fn a_regression_is_red_and_the_same_again_is_green() {
    let _quiet = crate::support::quiet::quiet();
    let rig = rig();
    rig.write("summary.md", "");
    rig.judged(&["run", "experiment.yaml"], 0);
    let baseline = keep(&rig);

    // A gate that lost its baseline says so before anything runs.
    rig.write("renamed.yaml", &fs::read_to_string(rig.path("experiment.yaml")).unwrap().replace("One server", "A server"));
    let said = rig.firedrill(["run", "renamed.yaml", "--against", &baseline]);
    said.code(2).says("`One server of three dies`, which is not among those to be run; `A server of three dies` is");
    assert!(rig.run_folders().is_empty());

    let said = rig.judged(&["run", "experiment.yaml", "--against", &baseline, "--junit", "same.xml"], 0);
    said.says("Nothing is worse than in the earlier run").says("home, fault: availability");
    assert!(fs::read_to_string(rig.path("same.xml")).unwrap().contains("not worse than before"));
    let id = rig.run_folder().file_name().unwrap().to_str().unwrap().to_owned();
    rig.firedrill(["compare", &id, "--against", &baseline, "--markdown", "compare.md"]).code(0).says("as before");
    assert!(fs::read_to_string(rig.path("compare.md")).unwrap().contains("✅"));
    clear(&rig);

    // The same experiment still holds by its own conditions: only the comparison is red.
    slow_check(&rig);
    let args = ["run", "experiment.yaml", "--against", &baseline, "--junit", "worse.xml", "--markdown", "worse.md"];
    let said = rig.judged(&args, 1);
    said.says("PASSED").says("✗ worse").says("Worse than in the earlier run: home");
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
    let said =
        rig.firedrill(["run", "experiment.yaml", "--against", "nowhere", "--against", "empty", "--tolerance", "availabilty=1%,p99=3"]);
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
