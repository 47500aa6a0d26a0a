//! From a reason to stop to the end of the fault: `cargo bench --bench safety`, or `-- 5` for so many runs of each kind in place of twenty.
//!
//! The fault is a process that stands still (SIGSTOP), whose own undo takes about a millisecond: what is printed is what firedrill adds. The bar
//! for a halt or a guard is one second; a guard that is asked has its turn first, here every 100 ms.

use std::time::Duration;

use firedrill::clock;
use rustix::process::Signal;

#[path = "../tests/it/cli/foreign.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod foreign;
#[path = "../tests/it/cli/rig.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod rig;
#[path = "safety/support.rs"]
mod support;

use foreign::Foreign;
use rig::{Started, eventually};

/// What makes a run stop.
struct Reason {
    name: &'static str,
    /// A line of `guardrails`.
    guard: &'static str,
    hold: &'static str,
    /// How long after `stop` the condition holds by itself.
    holds: Duration,
    bar: Duration,
    stop: fn(&Foreign, &Started),
}

const REASONS: [Reason; 7] = [
    Reason {
        name: "Ctrl-C",
        guard: "",
        hold: "60s",
        holds: Duration::ZERO,
        bar: Duration::from_secs(1),
        stop: |_, run| run.signal(Signal::INT),
    },
    Reason {
        name: "guard: availability < 50% for 500ms",
        guard: ", abort-when: { probe: door, availability: '< 50%', for: 500ms }",
        hold: "60s",
        // Half of its window of half a second, and its time.
        holds: Duration::from_millis(750),
        bar: Duration::from_secs(1),
        stop: |drill, _| drill.close_door(),
    },
    Reason {
        name: "guard: burn rate > 50 over 10s",
        guard: ", abort-when: { probe: door, burn-rate: '> 50', over: 10s }",
        hold: "60s",
        // 50 times 0.1 % of 10 s.
        holds: Duration::from_millis(500),
        bar: Duration::from_secs(1),
        stop: |drill, _| drill.close_door(),
    },
    Reason {
        name: "guard: a command, every 100ms",
        guard: ", abort-when: { command: [test, '!', -e, bad], every: 100ms }",
        hold: "60s",
        holds: Duration::ZERO,
        bar: Duration::from_millis(1_100),
        stop: |drill, _| drill.rig.write("bad", ""),
    },
    Reason {
        name: "firedrill killed (SIGKILL)",
        guard: "",
        hold: "60s",
        holds: Duration::ZERO,
        bar: Duration::from_secs(1),
        stop: |_, run| run.signal(Signal::KILL),
    },
    Reason {
        name: "firedrill hangs (SIGSTOP), after its hold of 2s",
        guard: "",
        hold: "2s",
        // The hold, and the time in which it should have gone on.
        holds: Duration::from_secs(7),
        bar: Duration::from_secs(1),
        stop: |_, run| run.signal(Signal::STOP),
    },
    Reason {
        name: "firedrill and its helper killed, then `recover`",
        guard: "",
        hold: "60s",
        holds: Duration::ZERO,
        bar: Duration::from_secs(2),
        stop: |drill, run| {
            support::alone::kill_both(run.pid());
            drop(drill.rig.firedrill(["recover"]));
        },
    },
];

fn once(reason: &Reason) -> Duration {
    let head = format!(
        "objective: {{ availability: 99.9% }}\nwarm-up: 0s\nbaseline: 500ms\nrecovery: {{ hold: 100ms, limit: 500ms }}\n\
         guardrails: {{ max-affected: {{ service: 100% }}{} }}",
        reason.guard
    );
    let drill = Foreign::new(1, &head, &format!("  - pause: {}\n    hold: {}\n", Foreign::target(0), reason.hold));
    let run = drill.rig.acting(&["run", "experiment.yaml"]);
    let from = clock::now();
    (reason.stop)(&drill, &run);
    eventually("the fault is over", || drill.stopped() == 0);
    let took = clock::now().since(from).saturating_sub(reason.holds);
    drop(run.end());
    took
}

fn main() {
    let runs: usize = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(20);
    println!("from the reason to the end of the fault, {runs} runs each (ms)");
    println!("  {:<50} {:>6} {:>6} {:>6}   bar", "", "least", "median", "most");
    let mut missed = 0;
    for reason in &REASONS {
        let mut all: Vec<u128> = (0..runs).map(|_| once(reason).as_millis()).collect();
        all.sort_unstable();
        let met = all[all.len() - 1] <= reason.bar.as_millis();
        missed += usize::from(!met);
        let word = if met { "met" } else { "MISSED" };
        println!(
            "  {:<50} {:>6} {:>6} {:>6}   {} {word}",
            reason.name,
            all[0],
            all[all.len() / 2],
            all[all.len() - 1],
            reason.bar.as_millis()
        );
    }
    assert_eq!(missed, 0, "a bar was missed");
}
