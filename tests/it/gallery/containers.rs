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

/// Jobs waited in Redis while it was away itself, and each is there.
pub fn jobs_waited_in_the_queue(result: &Json) {
    every_job_is_there(result);
    assert!(jobs(result)["visible_after"]["max"].as_f64().unwrap() > 2.0, "{}", jobs(result));
}

/// What was brought in the second in which nobody took a job, and Redis was still there.
pub fn what_waited_is_lost(result: &Json) {
    let jobs = jobs(result);
    let (lost, acknowledged) = (jobs["lost"].as_u64().unwrap(), jobs["acknowledged"].as_u64().unwrap());
    assert!(lost >= 10 && lost < acknowledged / 2, "{jobs}");
    let (from, to) = lost_within(jobs);
    let (worker_died, redis_died) = (died(result, "worker"), died(result, "queue"));
    // A job that the worker had in hand was brought a moment before.
    assert!(from > worker_died - 1.0 && to < redis_died + 0.5, "{jobs}, {worker_died} s, {redis_died} s");
}

/// About three seconds of jobs: those between the backup and the end of the database.
pub fn what_came_after_the_backup_is_lost(result: &Json) {
    let jobs = jobs(result);
    assert!(jobs["lost"].as_u64().unwrap() >= 20, "{jobs}");
    let (from, to) = lost_within(jobs);
    let died = died(result, "database");
    // The backup itself takes a moment, and the worker may be a moment behind.
    assert!((died - 6.0..died - 2.0).contains(&from) && (died - 1.0..died + 0.5).contains(&to), "{jobs}, {died} s");
}

/// None is lost, and each was looked for.
pub fn every_job_is_there(result: &Json) {
    let jobs = jobs(result);
    assert_eq!((&jobs["lost"], &jobs["unchecked"], &jobs["never_read"]), (&0.into(), &0.into(), &0.into()), "{jobs}");
    assert!(jobs["acknowledged"].as_u64().unwrap() > 100, "{jobs}");
}

fn lost_within(jobs: &Json) -> (f64, f64) {
    (jobs["lost_within"]["from_s"].as_f64().unwrap(), jobs["lost_within"]["to_s"].as_f64().unwrap())
}

/// When the instance of this service died, in seconds of the run.
fn died(result: &Json, service: &str) -> f64 {
    let victims = result["measurement"]["victims"].as_array().unwrap();
    let victim = victims.iter().find(|victim| victim["service"] == service).unwrap_or_else(|| panic!("{victims:#?}"));
    victim["effect_by_s"].as_f64().unwrap()
}
