//! What the drills of the application of many containers show beside their verdicts.

use serde_json::Value as Json;

/// The books of the jobs.
fn jobs(result: &Json) -> &Json {
    let probes = result["measurement"]["probes"].as_array().unwrap();
    &probes.iter().find(|probe| probe["name"] == "jobs").unwrap_or_else(|| panic!("{probes:#?}"))["state"]
}

fn finds(result: &Json, kind: &str, part: &str) -> bool {
    let findings = result["measurement"]["findings"].as_array().unwrap();
    findings.iter().any(|finding| finding["kind"] == kind && finding["says"].as_str().unwrap().contains(part))
}

/// The report names it.
pub fn the_router_is_a_single_point(result: &Json) {
    assert!(finds(result, "single-point-of-failure", "`router` is a single point of failure"), "{result:#}");
    assert_eq!(jobs(result)["lost"], 0);
}

/// Jobs waited for as long as it was away, and each was done once.
pub fn jobs_waited(result: &Json) {
    let jobs = jobs(result);
    assert_eq!((&jobs["lost"], &jobs["duplicated"], &jobs["unchecked"]), (&0.into(), &0.into(), &0.into()), "{jobs}");
    assert!(jobs["visible_after"]["max"].as_f64().unwrap() > 2.0, "{jobs}");
    assert!(finds(result, "independent", "without `worker`"), "{result:#}");
}

/// What it had taken out is gone, and no more than that.
pub fn what_it_had_in_hand_is_lost(result: &Json) {
    let jobs = jobs(result);
    let (lost, acknowledged) = (jobs["lost"].as_u64().unwrap(), jobs["acknowledged"].as_u64().unwrap());
    assert!(lost > 0 && lost < acknowledged / 2, "{jobs}");
}

/// About three seconds of jobs: those between the backup and the end of the database.
pub fn what_came_after_the_backup_is_lost(result: &Json) {
    let jobs = jobs(result);
    let span = &jobs["lost_within"];
    let lasted = span["to_s"].as_f64().unwrap() - span["from_s"].as_f64().unwrap();
    assert!((1.0..8.0).contains(&lasted), "{jobs}");
    assert!(jobs["lost"].as_u64().unwrap() >= 20, "{jobs}");
}
