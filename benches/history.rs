//! The history's figures beside their bars: `cargo bench --bench history`.
//!
//! * 1,000 runs listed: under 10 ms; all experiments, and the trend of one: under 10 ms each;
//! * a run recorded among 10,000, of which the oldest goes: under 20 ms.

use std::{process::ExitCode, time::Duration};

use firedrill::{
    clock,
    history::{Filter, Run, Store},
    measure::compare::{Figures, Range},
    model::{ids::RunId, retention::Retention, verdict::Verdict},
};
use jiff::Timestamp;

const READ: Duration = Duration::from_millis(10);
const WRITE: Duration = Duration::from_millis(20);
const ROWS: i64 = 10_000;
const TIMES: usize = 21;

fn run(n: i64) -> Run {
    let range = |value: f64| Some(Range { low: value * 0.99, value, high: value * 1.01 });
    let figures = Figures {
        requests: Some(60_000),
        failures: Some(n.cast_unsigned() % 100),
        availability: range(0.99),
        p99: range(0.2),
        longest_outage: range(1.2),
        lost: range(0.0),
        recovery: range(3.0),
        capacity: range(9.0),
        capacity_lost: true,
    };
    Run {
        run: RunId(format!("20260101-000000-{n:06}")),
        experiment: format!("Losing a zone costs users at most two seconds of errors ({})", n % 20),
        file: Some("experiments/zone.yaml".to_owned()),
        project: Some("/srv/drills/firedrill.yaml".to_owned()),
        environment: Some("staging".to_owned()),
        platform: Some("docker".to_owned()),
        began: Timestamp::from_second(1_780_000_000 + n).unwrap_or_default(),
        took_s: Some(93.2),
        verdict: if n % 7 == 0 { Verdict::Failed } else { Verdict::Passed },
        reason: "1 act verifiably happened, everything was undone, and all 4 conditions held.".to_owned(),
        figures,
        seed: Some(4),
        tool: "firedrill".to_owned(),
        commit: None,
        folder: Some(format!("/srv/drills/firedrill-runs/20260101-000000-{n:06}")),
        scheduled: true,
    }
}

/// The middle of several times.
fn median(mut what: impl FnMut() -> Result<(), String>) -> Result<Duration, String> {
    let mut times = Vec::new();
    for _ in 0..TIMES {
        let begun = clock::now();
        what()?;
        times.push(clock::now().since(begun));
    }
    times.sort_unstable();
    Ok(times[TIMES / 2])
}

fn measure() -> Result<bool, String> {
    let state = tempfile::tempdir().map_err(|error| error.to_string())?;
    let words = |error: firedrill::history::HistoryError| error.to_string();
    let mut store = Store::open(state.path()).map_err(words)?;
    let all: Vec<Run> = (0..ROWS).map(run).collect();
    for run in &all {
        store.insert(run).map_err(words)?;
    }
    let (mut n, retention) = (ROWS, Retention { keep: ROWS.cast_unsigned(), keep_for: None });
    let record = median(|| {
        n += 1;
        store.record(&run(n), &retention, clock::moment()).map_err(words)
    })?;
    let open = || Store::open_to_read(state.path()).map_err(words)?.ok_or_else(|| "it is gone".to_owned());
    let list = median(|| {
        let listed = open()?.list(&Filter { last: Some(1_000), ..Filter::default() }).map_err(words)?;
        if listed.len() == 1_000 { Ok(()) } else { Err(format!("{} rows", listed.len())) }
    })?;
    let experiments = median(|| open()?.experiments().map(drop).map_err(words))?;
    let trend = median(|| open()?.trend(&all[3].experiment, None).map(drop).map_err(words))?;
    let mut fine = true;
    for (what, took, bar) in [
        ("a run recorded among 10,000", record, WRITE),
        ("1,000 runs listed, opening included", list, READ),
        ("20 experiments of 10,000 runs", experiments, READ),
        ("the trend of one over 500 runs", trend, READ),
    ] {
        let word = if took <= bar { "✓" } else { "✗" };
        println!("{word} {what}: {took:.1?} (bar {bar:?})");
        fine &= took <= bar;
    }
    Ok(fine)
}

fn main() -> ExitCode {
    match measure() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
