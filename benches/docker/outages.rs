//! Seven outages behind a real HAProxy with two backends and no checks: what firedrill counts, what the case's arithmetic says, and what
//! HAProxy's own log says.

use std::collections::BTreeSet;

use crate::{
    agreement::{Agreement, Case, run},
    full_engine,
};

const RATE: u32 = 500;
/// TCP sends an unanswered SYN again after 1 s, and then after 3 s. So a request that is due in the last second before the return is
/// answered within its deadline of 2 s, and one that is due before that is not. (A stopped process's kernel takes as many connections as its
/// backlog has room for, which the first half second fills.)
const SYN_AGAIN_S: f64 = 1.0;

/// A case and its arithmetic: the share that must fail of the requests due while the fault lasts, without its last second.
struct Known {
    case: Case,
    share: f64,
    why: &'static str,
}

const fn known(
    name: &'static str,
    mode: &'static str,
    settings: &'static str,
    fault: &'static str,
    share: f64,
    why: &'static str,
) -> Known {
    let case = Case { name, backends: 2, mode, settings, server: "", fault, connections: "new", rate: RATE, hold: "4s" };
    Known { case, share, why }
}

const KILL: &str = "kill: { service: web, take: 1 }";
const PAUSE: &str = "pause: { service: web, take: 1 }";
const TUNED: &str = "timeout connect 100ms; timeout server 300ms; option redispatch 1; retries 3; retry-on all-retryable-errors";
const DEFAULT: &str = "";
const HALF: &str = "every second request goes to the dead backend";
const RETRIED: &str = "each is tried again on the other backend";

const CASES: [Known; 7] = [
    known("killed, tcp, default retries", "tcp", DEFAULT, KILL, 0.5, HALF),
    known("stopped, tcp, default retries", "tcp", DEFAULT, PAUSE, 0.5, HALF),
    known("killed, http, default retries", "http", DEFAULT, KILL, 0.5, HALF),
    known("stopped, http, default retries", "http", DEFAULT, PAUSE, 0.5, HALF),
    known("killed, http, tuned retries", "http", TUNED, KILL, 0.0, RETRIED),
    known("stopped, http, tuned retries", "http", TUNED, PAUSE, 0.0, RETRIED),
    known("the balancer itself killed", "http", DEFAULT, "kill: { service: balancer }", 1.0, "nobody answers"),
];

pub fn print() {
    println!("seven outages behind HAProxy, {RATE} new connections a second");
    let engine = full_engine();
    for known in &CASES {
        report(known, &run(&engine, &known.case));
    }
}

/// How long the victim was away: from its death until it ran again, by the platform's own evidence.
fn away_s(found: &Agreement) -> f64 {
    let phases = found.ran.result["measurement"]["phases"].as_array().unwrap();
    let fault = phases.iter().find(|phase| phase["phase"] == "fault").unwrap();
    let victim = &found.ran.victims()[0];
    let from = victim["effect_after_s"].as_f64().unwrap();
    let back = victim["in_service_after_s"].as_f64().map(|after| from + after);
    back.or(fault["to_s"].as_f64()).unwrap() - from
}

fn report(known: &Known, found: &Agreement) {
    let away = away_s(found);
    let expected = known.share * (away - SYN_AGAIN_S) * f64::from(RATE);
    let failed = found.failed.len() as f64;
    let off = 100.0 * (failed - expected).abs() / found.sent as f64;
    println!(
        "  {:<32} {failed:>5} failed of {}; by arithmetic {expected:.0} ({}), off by {off:.2} % of all (bar 1 %)",
        known.case.name, found.sent, known.why
    );
    if known.case.mode == "http" && known.share < 1.0 {
        let ours: BTreeSet<u32> = found.failed.keys().copied().collect();
        let theirs = found.logged_failures();
        println!("  {:<32} differ from HAProxy's log: {} (bar 0)", "", ours.symmetric_difference(&theirs).count());
    }
}
