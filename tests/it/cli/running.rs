//! `run` to its end, and `report` of what it left.

use std::fs;

use super::rig::{EXPERIMENT, Rig, names};

#[test]
fn a_run_that_passes_leaves_every_report() {
    let _quiet = crate::support::quiet::quiet();
    let rig = Rig::new();
    let said = rig.judged(&["run", "experiment.yaml", "--junit", "all.xml", "--markdown", "all.md", "--seed", "5"], 0);
    let said = said.says("PASSED").says("report.html");
    let folder = rig.run_folder();
    assert_eq!(names(&folder), ["events.jsonl", "junit.xml", "report.html", "report.md", "result.json", "samples"]);
    assert!(!names(&folder.join("samples")).is_empty());

    let schema: serde_json::Value = serde_json::from_str(&rig.firedrill(["schema", "result"]).code(0).out).unwrap();
    let result = rig.result();
    let faults: Vec<String> = jsonschema::validator_for(&schema).unwrap().iter_errors(&result).map(|e| e.to_string()).collect();
    assert!(faults.is_empty(), "{faults:?}");
    assert_eq!(result["verdict"], "passed", "{said}", said = said.out);

    let schema: serde_json::Value = serde_json::from_str(&rig.firedrill(["schema", "event"]).code(0).out).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    for event in rig.events() {
        assert!(schema.is_valid(&event), "{event}");
    }

    let markdown = fs::read_to_string(folder.join("report.md")).unwrap();
    let id = folder.file_name().unwrap().to_str().unwrap();
    for (format, file) in [("markdown", "report.md"), ("html", "report.html"), ("junit", "junit.xml"), ("json", "result.json")] {
        let written = fs::read_to_string(folder.join(file)).unwrap();
        let again = rig.firedrill(["report", id, "--format", format]).code(0).out;
        assert_eq!(again.trim_end(), written.trim_end(), "{format}");
    }
    rig.firedrill(["report", id]).code(0).says("PASSED");
    rig.firedrill(["report", folder.join("events.jsonl").to_str().unwrap(), "--format", "markdown", "-o", "again.md"]).code(0);
    assert_eq!(fs::read_to_string(rig.path("again.md")).unwrap().trim_end(), markdown.trim_end());
    assert!(fs::read_to_string(rig.path("all.md")).unwrap().contains("One server of three dies"));
    assert!(fs::read_to_string(rig.path("all.xml")).unwrap().contains("<testsuite"));
    let junit = fs::read_to_string(rig.path("all.xml")).unwrap();
    let suite = junit.lines().find(|line| line.contains("<testsuite ")).unwrap();
    let took: f64 = suite.split("time=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap();
    assert!(suite.contains("timestamp=\"20") && took > 1.0, "{suite}");
    rig.nothing_runs();
}

#[test]
fn a_condition_that_does_not_hold_fails_the_run_and_the_worst_of_two_counts() {
    let _quiet = crate::support::quiet::quiet();
    let rig = Rig::new();
    // One frozen server of three that no health check finds in time: a third of the requests wait for it, and those that users do
    // not wait for long enough fail. (With a timeout as long as the hold, nearly all would be answered in the end.)
    let experiment = EXPERIMENT.replace("kill:", "pause:").replace("timeout: 1s", "timeout: 200ms").replace(">= 70%", ">= 90%");
    rig.write("passing.yaml", &EXPERIMENT.replace(">= 70%", ">= 20%"));
    rig.write("failing.yaml", &experiment);
    let slow = super::rig::SYSTEM.replace(
        "check: { http: /health, every: 50ms, timeout: 500ms, rise: 1, fall: 2 }",
        "check: { http: /health, every: 5s, timeout: 4s, rise: 1, fall: 2 }",
    );
    rig.write("system.yaml", &slow);
    let said = rig.judged(&["run", "failing.yaml", "passing.yaml"], 1);
    said.says("FAILED")
        .says("did not hold in the fault phase")
        .says("2 files; the worst verdict is failed")
        .says("failed       failing.yaml")
        .says("passed       passing.yaml");
    assert_eq!(rig.run_folders().len(), 2, "the second file ran, too");
    rig.nothing_runs();
}

#[test]
fn a_system_that_is_not_steady_is_left_alone() {
    let _quiet = crate::support::quiet::quiet();
    let rig = Rig::new();
    rig.write("experiment.yaml", &EXPERIMENT.replace("${url}/", "${url}/no-such-page"));
    rig.judged(&["run", "experiment.yaml"], 3).says("NOT STARTED").says("Nothing was touched");
    // The plan was made, and then nothing was armed, tried or undone.
    let kinds: Vec<String> = rig.events().iter().map(|event| event["event"].as_str().unwrap().to_owned()).collect();
    assert!(kinds.iter().any(|kind| kind == "planned"), "{kinds:?}");
    for acting in ["armed", "acted", "verified", "reverted", "nothing-to-undo", "stuck"] {
        assert!(!kinds.iter().any(|kind| kind == acting), "{acting}: {kinds:?}");
    }
    assert_eq!(rig.result()["verdict"], "not-started");
}

#[test]
fn a_zone_goes_and_comes_back() {
    let _quiet = crate::support::quiet::quiet();
    let rig = Rig::new();
    let up = rig.up();
    rig.write("experiment.yaml", &EXPERIMENT.replace("kill: { service: web, take: 1 }", "zone-outage: { zone: b }"));
    rig.judged(&["run", "experiment.yaml"], 0).says("PASSED");
    let serving = rig.serving();
    assert_eq!(serving.len(), 3, "{serving:?}");
    up.signal(rustix::process::Signal::TERM);
    up.end().code(0);
}
