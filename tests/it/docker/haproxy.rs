//! What firedrill counts is what HAProxy's own log says.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use firedrill::model::sample::SampleOutcome;

use super::agreement::{Agreement, Case, run};
use crate::support::{engine::Engine, quiet::quiet};

/// One of three is killed; HAProxy tries each request once, and leaves a server out after two checks that failed.
const fn one_of_three(connections: &'static str) -> Case {
    Case {
        name: "one of three",
        backends: 3,
        mode: "http",
        settings: "timeout connect 25ms; retries 0; timeout check 100ms",
        server: "check inter 100ms fall 2 rise 2",
        fault: "kill: { service: web, take: 1 }",
        connections,
        rate: 500,
        hold: "3s",
    }
}

/// What the two sides say of the requests on which they differ.
fn told(agreement: &Agreement) -> String {
    let failed: BTreeSet<u32> = agreement.failed.keys().copied().collect();
    let differ = failed.symmetric_difference(&agreement.logged_failures()).copied().collect::<Vec<_>>();
    let mut text = String::new();
    for number in differ {
        let lines: Vec<_> = agreement.lines.iter().filter(|line| line.number == Some(number)).map(|l| (l.status, &l.ended)).collect();
        let _ = writeln!(text, "request {number}: {:?}, and in the log {lines:?}", agreement.failed.get(&number));
    }
    let kinds: Vec<_> = agreement.lines.iter().filter(|line| line.status != 200).map(|l| (l.number, l.status, &l.ended)).collect();
    format!("{text}failures in the log: {kinds:?}\n{}", agreement.ran.said)
}

/// Both sides tell the same failures; gives what HAProxy was silent about.
fn agreed(agreement: &Agreement) -> BTreeMap<u32, SampleOutcome> {
    assert_eq!(agreement.ran.victims().len(), 1, "{}", agreement.ran.said);
    assert!(!agreement.failed.is_empty(), "nothing failed: {}", agreement.ran.said);
    let silent = agreement.silent();
    let told_of: BTreeSet<u32> = agreement.failed.keys().filter(|number| !silent.contains_key(number)).copied().collect();
    assert_eq!(told_of, agreement.logged_failures(), "{}", told(agreement));
    assert_eq!(agreement.sent, agreement.logged().len() + silent.len(), "each other request is logged once: {}", told(agreement));
    let retries = (agreement.retried.len(), agreement.failed_retries());
    assert_eq!(agreement.logged_retries(), retries, "{}", told(agreement));
    let all = (agreement.failed.len() + agreement.failed_retries()) as u64;
    assert_eq!(agreement.counted, Some(all), "by HAProxy's counters: {}", told(agreement));
    // The figure is 50 ms (`cargo bench --bench docker -- haproxy`); a busy machine delays log lines as well as answers.
    let later = agreement.ejected_later_s.expect("HAProxy wrote when it left the server out");
    assert!(later.abs() < 0.3, "the victim was last seen {later} s after HAProxy left it out: {}", agreement.ran.said);
    silent
}

#[test]
fn failures_are_those_of_haproxys_log_request_for_request() {
    let _quiet = quiet();
    let agreement = run(&Engine::shared(), &one_of_three("new"));
    assert!(agreed(&agreement).is_empty(), "on a connection of its own each request is logged: {}", told(&agreement));
}

#[test]
fn on_kept_connections_what_haproxy_is_silent_about_is_in_its_counters() {
    let _quiet = quiet();
    let agreement = run(&Engine::shared(), &one_of_three("both"));
    let silent = agreed(&agreement);
    assert!(silent.values().all(|class| *class == SampleOutcome::EofReused), "{silent:?}: {}", told(&agreement));
}
