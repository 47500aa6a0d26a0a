//! A region's health check: it fails while the region is lost, and is as it was afterwards, whatever becomes of us.

use serde_json::{Value, json};

use super::rig::{EXPERIMENT, Lab};

const OTHER: &str = "us-east-1";
/// A region is lost by a step that takes nothing for long: the stopped ones start again.
const OUTAGE: &str = "  - region-outage: { region: eu-west-1, mechanism: stop }\n    hold: 1s\n";

/// Two regions under one name, and the environment that knows its health check.
fn two_regions() -> Lab {
    let lab = Lab::with(&["--region", "eu-west-1", "--region", OTHER, "--size", "3", "--speed", "120"]);
    lab.environment(&settings(&check_of(&lab)));
    whole_region(&lab, OUTAGE);
    lab
}

/// The usual experiment with this method, which may take a region.
fn whole_region(lab: &Lab, method: &str) {
    lab.write("experiment.yaml", &format!("{}{method}", EXPERIMENT.replace("service: 50%", "service: 100%")));
}

fn settings(check: &str) -> String {
    format!("        health-checks: {{ eu-west-1: {check} }}\n")
}

fn check_of(lab: &Lab) -> String {
    lab.ready["names"]["HealthCheck"].as_str().unwrap_or_else(|| panic!("a health check: {}", lab.ready)).to_owned()
}

/// What AWS says of the health check: its settings, and its version.
fn shown(lab: &Lab) -> (Value, i64) {
    let answer = lab.aws("route53", "get_health_check", &json!({ "HealthCheckId": check_of(lab) }));
    let check = &answer["HealthCheck"];
    (check["HealthCheckConfig"].clone(), check["HealthCheckVersion"].as_i64().unwrap())
}

fn tags(lab: &Lab) -> Value {
    let answer = lab.aws("route53", "list_tags_for_resource", &json!({ "ResourceType": "healthcheck", "ResourceId": check_of(lab) }));
    answer["ResourceTagSet"]["Tags"].clone()
}

/// What the newest run did to the health check in the end.
fn undone(lab: &Lab, says: &str) {
    let result = lab.result().to_string();
    assert!(result.contains(says), "{says:?} is not in {result}");
}

/// Changes it as another user of the account would.
fn change(lab: &Lab, mut settings: Value) {
    settings["HealthCheckId"] = Value::String(check_of(lab));
    lab.aws("route53", "update_health_check", &settings);
}

#[test]
fn it_fails_while_the_region_is_lost_and_is_as_it_was() {
    let lab = two_regions();
    let (before, named) = (lab.state(), tags(&lab));
    lab.firedrill(&["plan", "experiment.yaml"]).code(0).says("fails while eu-west-1 is lost").says("enabled and not inverted as before");
    assert_eq!(lab.done("route53:UpdateHealthCheck").len(), 0, "a plan only reads");
    lab.firedrill(&["run", "experiment.yaml", "--yes"]).code(0);
    undone(&lab, "is enabled and not inverted again");
    let updates = lab.done("route53:UpdateHealthCheck");
    let body = |n: usize| updates[n]["parameters"]["body"].as_str().unwrap().to_owned();
    assert_eq!(updates.len(), 2, "{updates:?}");
    assert!(body(0).contains("<Disabled>true</Disabled>") && body(0).contains("<HealthCheckVersion>1</HealthCheckVersion>"), "{}", body(0));
    assert!(
        body(1).contains("<Disabled>false</Disabled>") && body(1).contains("<HealthCheckVersion>2</HealthCheckVersion>"),
        "{}",
        body(1)
    );
    // All zones first, then the health check; and it is put back last.
    let told = lab.ask("GET", "/lab/calls", "");
    let really = told["calls"].as_array().unwrap().iter().filter(|call| call["dry_run"] != true);
    let all: Vec<&str> = really.map(|call| call["name"].as_str().unwrap()).collect();
    let first = |name: &str| all.iter().position(|call| *call == name).unwrap();
    let last = |name: &str| all.iter().rposition(|call| *call == name).unwrap();
    assert!(first("ec2:StopInstances") < first("route53:UpdateHealthCheck"), "{all:?}");
    assert!(last("ec2:StartInstances") < last("route53:UpdateHealthCheck"), "{all:?}");
    lab.settled();
    crate::support::residue::same(&lab.state(), &before, "as before");
    crate::support::residue::same(&tags(&lab), &named, "as before");
    assert_eq!(shown(&lab).1, 3);
}

#[test]
fn a_region_that_is_lost_in_part_keeps_its_health_check() {
    let lab = two_regions();
    lab.environment(&format!("{}        services: {{ web: {{ group: what-time-web }} }}\n", settings(&check_of(&lab))));
    whole_region(&lab, "  - region-outage: { region: eu-west-1, service: web, mechanism: stop }\n    hold: 1s\n");
    let plan = lab.firedrill(&["plan", "experiment.yaml"]);
    assert!(!plan.out.contains("health check"), "{plan:?}");
    let policy = lab.firedrill(&["aws", "policy", "experiment.yaml"]).code(0).out;
    assert!(!policy.contains("route53"), "{policy}");
}

#[test]
fn its_policy_names_just_this_health_check_and_is_enough() {
    let lab = two_regions();
    let before = lab.state();
    let policy = lab.firedrill(&["aws", "policy", "experiment.yaml"]).code(0).out;
    assert!(policy.contains(&format!("\"arn:aws:route53:::healthcheck/{}\"", check_of(&lab))), "{policy}");
    lab.ask("PUT", "/lab/policy", &policy);
    lab.firedrill(&["run", "experiment.yaml", "--yes"]).code(0);
    lab.ask("PUT", "/lab/policy", &policy.replace(&check_of(&lab), "another"));
    lab.firedrill(&["run", "experiment.yaml", "--yes"]).code(3).says("route53:GetHealthCheck on resource");
    lab.ask("DELETE", "/lab/policy", "");
    lab.settled();
    crate::support::residue::same(&lab.state(), &before, "as before");
}

#[test]
fn one_that_may_not_or_cannot_be_failed_is_named_before_anything_is_touched() {
    let lab = two_regions();
    let id = check_of(&lab);
    let tag = |key: &str, value: &str| {
        let tags = json!([{ "Key": key, "Value": value }]);
        lab.aws("route53", "change_tags_for_resource", &json!({ "ResourceType": "healthcheck", "ResourceId": id, "AddTags": tags }));
    };
    let untag = |key: &str| {
        let ask = json!({ "ResourceType": "healthcheck", "ResourceId": id, "RemoveTagKeys": [key] });
        lab.aws("route53", "change_tags_for_resource", &ask);
    };
    let refused = |says: &str| drop(lab.firedrill(&["run", "experiment.yaml", "--yes"]).code(3).says(says));
    tag("firedrill:protected", "true");
    refused("carries the tag firedrill:protected=true");
    untag("firedrill:protected");
    tag("firedrill:allowed", "no");
    refused("does not carry the tag firedrill:allowed=true");
    tag("firedrill:allowed", "true");
    (0..7).for_each(|n| tag(&format!("k{n}"), "v"));
    refused("no room");
    (0..7).for_each(|n| untag(&format!("k{n}")));
    change(&lab, json!({ "Disabled": true }));
    refused("is disabled already");
    lab.environment(&settings("00000000-0000-4000-8000-000000000000"));
    refused("00000000-0000-4000-8000-000000000000 does not exist");
    for never in ["ec2:StopInstances", "autoscaling:SuspendProcesses", "autoscaling:CreateOrUpdateTags"] {
        assert_eq!(lab.done(never).len(), 0, "{never}");
    }
}

#[test]
fn one_that_was_inverted_is_inverted_again() {
    let lab = two_regions();
    change(&lab, json!({ "Inverted": true }));
    let before = lab.state();
    lab.firedrill(&["run", "experiment.yaml", "--yes"]).code(0);
    undone(&lab, "is enabled and inverted again");
    lab.settled();
    crate::support::residue::same(&lab.state(), &before, "as before");
}

#[test]
fn the_same_region_is_lost_twice_in_one_run() {
    let lab = two_regions();
    let before = lab.state();
    whole_region(&lab, &format!("{OUTAGE}  - wait: 1s\n{OUTAGE}"));
    lab.firedrill(&["run", "experiment.yaml", "--yes"]).code(0);
    assert_eq!(lab.done("route53:UpdateHealthCheck").len(), 4);
    lab.settled();
    crate::support::residue::same(&lab.state(), &before, "as before");
}

#[test]
fn answers_that_are_lost_leave_it_as_it_was() {
    let lab = two_regions();
    let before = lab.state();
    let lost = json!([
        { "kind": "cut-after", "actions": ["route53:UpdateHealthCheck"], "nth": [1, 3] },
        { "kind": "error", "actions": ["route53:ChangeTagsForResource"], "nth": [1, 3] },
        { "kind": "throttle", "actions": ["route53:GetHealthCheck"], "nth": [2] },
        { "kind": "cut-before", "actions": ["route53:UpdateHealthCheck"], "nth": [2] },
    ]);
    lab.ask("PUT", "/lab/trouble", &lost.to_string());
    lab.firedrill(&["run", "experiment.yaml", "--yes"]).code(0);
    let rules = lab.ask("GET", "/lab/trouble", "");
    assert!(rules.as_array().unwrap().iter().all(|rule| rule["struck"].as_u64() != Some(0)), "{rules}");
    lab.settled();
    crate::support::residue::same(&lab.state(), &before, "as before");
    assert_eq!(shown(&lab).1, 3, "changed once, and back once");
}

/// Kills it at each call that changes something, until a run meets it no more: before the calls in one laboratory, after them in another.
fn killed_everywhere(recover: impl Fn(&Lab) + Sync) {
    let recover = &recover;
    let failing: usize = std::thread::scope(|scope| {
        let both = ["before", "after"].map(|when| scope.spawn(move || killed_at_each(when, recover)));
        both.into_iter().map(|one| one.join().unwrap()).sum()
    });
    assert!(failing >= 2, "the health check failed when some of the runs died: {failing}");
}

/// Gives in how many of the runs that died the health check failed.
fn killed_at_each(when: &str, recover: &(impl Fn(&Lab) + Sync)) -> usize {
    let lab = two_regions();
    // Who finds only tags knows nothing of what was stopped: its group replaces it.
    let before = lab.shape();
    let mut failing = 0;
    for at in 1.. {
        let said = lab.killed_at_call(at, when);
        if said.code.is_some() {
            said.code(0);
            assert!(at > 6, "tags of the group, suspension, stop, tags of the check, the check: only {at} calls");
            break;
        }
        failing += usize::from(shown(&lab).0["Inverted"] == true);
        recover(&lab);
        lab.settled();
        crate::support::residue::same(&lab.shape(), &before, format_args!("killed {when} call {at}"));
    }
    failing
}

#[test]
fn killed_at_every_call_it_is_recovered_from_its_journal() {
    killed_everywhere(Lab::recovered_by_its_journal);
}

#[test]
fn killed_at_every_call_it_is_recovered_from_the_tags() {
    killed_everywhere(Lab::recovered_by_its_marks);
}

/// A run that died with the health check failing.
fn died_while_it_fails() -> Lab {
    let lab = two_regions();
    for at in 1..12 {
        let said = lab.killed_at_call(at, "after");
        assert_eq!(said.code, None, "it was to be killed: {said:?}");
        if shown(&lab).0["Inverted"] == true {
            return lab;
        }
        lab.firedrill(&["recover"]).code(0);
        lab.settled();
    }
    panic!("the health check never failed");
}

#[test]
fn what_somebody_else_set_meanwhile_is_not_overwritten() {
    let lab = died_while_it_fails();
    change(&lab, json!({ "Inverted": false }));
    let (theirs, version) = shown(&lab);
    lab.firedrill(&["recover"]).code(6).says("somebody else changed it meanwhile").says("disabled and not inverted now");
    assert_eq!(shown(&lab), (theirs, version));
    // Who sets it right by hand is believed.
    change(&lab, json!({ "Disabled": false }));
    lab.firedrill(&["recover"]).code(0);
    let left = tags(&lab).to_string();
    assert!(!left.contains("firedrill:was"), "{left}");
}

#[test]
fn what_somebody_else_updated_meanwhile_is_told_by_its_version() {
    let lab = died_while_it_fails();
    change(&lab, json!({ "Port": 8081 }));
    let before = shown(&lab);
    lab.firedrill(&["recover", "--env", "here"]).code(6).says("in version 3; this drill left version 2");
    assert_eq!(shown(&lab), before);
}
