//! One of three HAProxy backends is killed at 500 requests a second: what firedrill reports and what HAProxy's log says.

use std::collections::BTreeSet;

use firedrill::model::sample::SampleOutcome;

use crate::{
    agreement::{Case, run},
    full_engine,
    support::engine::Engine,
};

const ROUNDS: usize = 3;

pub fn print() {
    println!("one of three HAProxy backends is killed, 500 requests/s, {ROUNDS} rounds");
    let engine = full_engine();
    for connections in ["new", "both"] {
        for _ in 0..ROUNDS {
            round(&engine, connections);
        }
    }
}

fn round(engine: &Engine, connections: &'static str) {
    let case = Case {
        name: "one of three",
        backends: 3,
        mode: "http",
        settings: "timeout connect 25ms; retries 0; timeout check 100ms",
        server: "check inter 100ms fall 2 rise 2",
        fault: "kill: { service: web, take: 1 }",
        connections,
        rate: 500,
        hold: "3s",
    };
    let found = run(engine, &case);
    let (logged_failures, silent) = (found.logged_failures(), found.silent());
    let told_of: BTreeSet<u32> = found.failed.keys().filter(|number| !silent.contains_key(number)).copied().collect();
    let unexplained = silent.values().filter(|class| **class != SampleOutcome::EofReused).count();
    println!(
        "  connections {connections:<5} {} requests, {} failed; HAProxy's log: {} failed, differ: {} (bar 0)",
        found.sent,
        found.failed.len(),
        logged_failures.len(),
        told_of.symmetric_difference(&logged_failures).count() + unexplained,
    );
    println!(
        "    without a line there: {} (each an EOF on a kept connection, which HAProxy closes in silence); retried {}, of which {} failed; by \
         HAProxy's counters all in all {} failed",
        silent.len(),
        found.retried.len(),
        found.failed_retries(),
        found.counted.unwrap_or_default(),
    );
    match found.ejected_later_s {
        Some(later) => println!("    the victim was last seen {:+.1} ms from HAProxy's line `is DOWN` (bar 50 ms)", later * 1e3),
        None => println!("    HAProxy wrote no line `is DOWN`"),
    }
}
