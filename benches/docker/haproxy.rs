//! One of three HAProxy backends is killed at 500 requests a second: what firedrill reports and what HAProxy's log says.

use std::collections::BTreeSet;

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
    let failed: BTreeSet<u32> = found.failed.keys().copied().collect();
    let (logged, logged_failures) = (found.logged(), found.logged_failures());
    // About a later request of a connection that dies unanswered HAProxy writes no line.
    let silent = failed.difference(&logged).count();
    println!(
        "  connections {connections:<5} {} requests, {} failed; HAProxy logged {} requests, {} failed; {} without a line there; differ: {} (bar 0)",
        found.sent,
        failed.len(),
        logged.len(),
        logged_failures.len(),
        silent,
        failed.symmetric_difference(&logged_failures).filter(|number| logged.contains(number)).count(),
    );
    match found.ejected_later_s {
        Some(later) => println!("    the victim was last seen {:+.1} ms from HAProxy's line `is DOWN` (bar 50 ms)", later * 1e3),
        None => println!("    HAProxy wrote no line `is DOWN`"),
    }
}
