//! `firedrill demo ladder`: the same drill on every rung of `examples/what-time`, and one table of what it cost users there.
//!
//! The files are inside the binary. A rung that is wrong must fail, and for the reason that the ladder gives; a rung that is
//! right must pass. When one does not, the ladder says so and its exit code is 1.

use std::path::Path;

use super::{
    demo::{self, Scratch},
    say, signals,
};
use crate::{
    engine::halt::{Halt, Urgency},
    model::{
        measurement::{JudgedResult, PhaseStats},
        steady_state::{Metric, Phase},
        verdict::Verdict,
    },
    report::{
        Gate, RunRecord,
        console::{
            style::{Style, Tone, tone},
            summary::{Row, table},
        },
        words::{percent, seconds},
    },
};

/// A file of the ladder, as it lies in the repository.
macro_rules! embedded {
    ($($name:literal),+ $(,)?) => { [$(($name, include_str!(concat!("../../examples/what-time/", $name)))),+] };
}

/// The files of the ladder.
const FILES: [(&str, &str); 9] = embedded![
    "experiment.yaml",
    "resize.yaml",
    "firedrill.yaml",
    "systems/rung-1.yaml",
    "systems/rung-2.yaml",
    "systems/rung-3.yaml",
    "systems/rung-4.yaml",
    "systems/rung-5.yaml",
    "systems/rung-6.yaml",
];

/// A rung, and what the ladder says of it.
struct Rung {
    /// What it is called: `1`, `6 tight`.
    name: &'static str,
    /// What runs there.
    architecture: &'static str,
    /// The experiment.
    file: &'static str,
    /// The metric that fails it during the fault; none for a rung that passes.
    fails_by: Option<Metric>,
}

const fn rung(name: &'static str, architecture: &'static str, fails_by: Option<Metric>) -> Rung {
    Rung { name, architecture, file: "experiment.yaml", fails_by }
}

impl Rung {
    /// Its environment in `firedrill.yaml`: `rung-1`, `rung-6-tight`.
    fn environment(&self) -> String {
        format!("rung-{}", self.name.replace(' ', "-"))
    }
}

/// The ladder, from the ground. An architecture's words fit a table on a terminal of 80 columns.
const LADDER: [Rung; 7] = [
    rung("1", "one server", Some(Metric::LongestOutage)),
    Rung { file: "resize.yaml", ..rung("2", "one server, made bigger", Some(Metric::LongestOutage)) },
    rung("3", "three servers in DNS", Some(Metric::LongestOutage)),
    rung("4", "balancer, one zone", Some(Metric::LongestOutage)),
    rung("5", "4, and the dead replaced", Some(Metric::LongestOutage)),
    rung("6", "5 over three zones", None),
    rung("6 tight", "6 without spare capacity", Some(Metric::P99)),
];

/// What the table shows of a rung.
const HEADS: [&str; 6] = ["rung", "architecture", "available", "longest outage", "p99", "verdict"];

/// So many runs that something else on the machine disturbed are made again, on all rungs together: a measurement that is not to
/// be trusted says nothing about an architecture, and a machine that is always busy must not hold anybody up for long.
const REPEATS: usize = 3;

/// Climbs the ladder.
///
/// # Errors
/// When nothing could be begun.
pub(super) async fn climb(out: &Path) -> Result<u8, String> {
    let folder = Scratch::with(&FILES)?;
    let style = Style::detect(&std::io::stdout());
    say::out(
        "What time is it? Each rung is another way to run the same site. On each, one server is killed and then a whole zone is\nlost (on rung 2 the server is stopped and made bigger), while 200 requests a second come in. About two minutes.\n\n",
    );
    let halt = Halt::default();
    let _signals = signals::listen(&halt).map_err(|error| format!("signals cannot be handled: {error}"))?;
    let mut climbed = Vec::new();
    let mut repeats = REPEATS;
    for rung in &LADDER {
        if halt.urgency() > Urgency::None {
            break;
        }
        say::out(&format!("rung {:<7}  {} … ", rung.name, rung.architecture));
        let (file, environment) = (folder.path.join(rung.file), rung.environment());
        let mut ran = demo::file(&file, Some(&environment), out, &halt, true).await;
        while repeats > 0 && halt.urgency() == Urgency::None && ran.as_ref().is_ok_and(|ran| disturbed(&ran.record)) {
            repeats -= 1;
            say::out("disturbed by other work on this machine, once more … ");
            ran = demo::file(&file, Some(&environment), out, &halt, true).await;
        }
        let report = ran.as_ref().map(|ran| format!("  {}", ran.folder.join("report.html").display())).unwrap_or_default();
        let result = ran.map(|ran| ran.record);
        let (tone, word) = seen(&result);
        say::out(&format!("{}{report}\n", style.paint(tone, &word)));
        climbed.push((rung, result));
    }
    let mut text = String::new();
    table(
        &mut text,
        style,
        "The ladder, in the seconds of the fault",
        &HEADS,
        climbed.iter().map(|(rung, result)| row(rung, result)).collect(),
    );
    let surprises: Vec<String> = climbed.iter().filter_map(|(rung, result)| surprise(rung, result)).collect();
    let whole = climbed.len() == LADDER.len();
    text.push('\n');
    for surprise in &surprises {
        text.push_str(surprise);
        text.push('\n');
    }
    if climbed.iter().any(|(_, result)| result.as_ref().is_ok_and(disturbed)) {
        text.push_str("This machine has too much else to do to measure on it: climb again when it is quieter.\n");
    }
    if !whole {
        text.push_str("The ladder was left before its end.\n");
    } else if surprises.is_empty() {
        text.push_str("Every rung did what the ladder says: only the servers over three zones, with spare capacity, pass.\n");
    }
    say::out(&text);
    Ok(match (whole, surprises.is_empty()) {
        (false, _) => Verdict::Aborted.exit_code(),
        (true, false) => Verdict::Failed.exit_code(),
        (true, true) => Verdict::Passed.exit_code(),
    })
}

/// Whether the run says more about the machine than about the rung: its measurement is not to be trusted, or the untouched site
/// was not steady.
fn disturbed(record: &RunRecord) -> bool {
    let untrusted = record.measurement.as_ref().is_some_and(|measurement| !measurement.trust.doubts.is_empty());
    untrusted || record.verdict() == Verdict::NotStarted
}

/// What one rung showed: its record, or why there is none.
type Climbed = Result<RunRecord, String>;

/// The verdict in one word.
fn seen(result: &Climbed) -> (Tone, String) {
    let verdict = verdict(result);
    (tone(verdict), verdict.to_string())
}

fn verdict(result: &Climbed) -> Verdict {
    result.as_ref().map_or(Verdict::NotStarted, RunRecord::verdict)
}

/// The numbers of the fault phase of the one probe.
fn fault(result: &Climbed) -> Option<&PhaseStats> {
    let probe = result.as_ref().ok()?.measurement.as_ref()?.probes.first()?;
    probe.phases.iter().find(|numbers| numbers.phase == Phase::Fault)
}

fn row(rung: &Rung, result: &Climbed) -> Row {
    let numbers = fault(result);
    let shown = |value: Option<String>| (Tone::Plain, value.unwrap_or_else(|| "–".to_owned()));
    let outage = |s: f64| if s > 0.0 { seconds(s) } else { "none".to_owned() };
    vec![
        (Tone::Plain, rung.name.to_owned()),
        (Tone::Plain, rung.architecture.to_owned()),
        shown(numbers.and_then(|n| n.stats.availability).map(|share| percent(share.value))),
        shown(numbers.map(|n| outage(n.longest_outage_s))),
        shown(numbers.and_then(|n| n.stats.latency).map(|latency| seconds(latency.p99))),
        seen(result),
    ]
}

/// What is not as the ladder says, in words; none when all is.
fn surprise(rung: &Rung, result: &Climbed) -> Option<String> {
    let Rung { name, architecture, fails_by, .. } = rung;
    let record = match result {
        Ok(record) => record,
        Err(why) => return Some(format!("Rung {name} ({architecture}) did not start: {why}")),
    };
    let gate = Gate::of(record);
    let said = match fails_by {
        // Somebody stopped it: that is no finding about the rung, and the ladder says by itself that it is not whole.
        _ if gate.verdict == Verdict::Aborted => return Some(format!("Rung {name} ({architecture}) was stopped: {}", gate.reason)),
        None if gate.verdict == Verdict::Passed => return None,
        Some(metric) if gate.verdict == Verdict::Failed && broke(record, *metric) => return None,
        None => "should have passed".to_owned(),
        Some(metric) => format!("should have failed by its {}", metric.name()),
    };
    Some(format!("Rung {name} ({architecture}) {said}, but it {}: {}", past(gate.verdict), gate.reason))
}

fn past(verdict: Verdict) -> String {
    match verdict {
        Verdict::Passed | Verdict::Failed => verdict.to_string(),
        other => format!("ended as `{other}`"),
    }
}

/// Whether a condition on the metric did not hold during the fault.
fn broke(record: &RunRecord, metric: Metric) -> bool {
    let judged = record.judged.iter().filter(|judged| judged.phase == Some(Phase::Fault) && judged.result == JudgedResult::Broken);
    judged.into_iter().any(|judged| judged.condition.split_whitespace().any(|word| word == metric.name()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::{args::Place, loading},
        model::{
            measurement::Judged,
            outcome::{Ended, Outcome, Shown},
        },
    };

    #[test]
    fn every_rung_can_run_from_the_binary_alone() {
        let folder = Scratch::with(&FILES).unwrap();
        for rung in &LADDER {
            let place = Place { env: Some(rung.environment()), vars: vec![("port".to_owned(), "4321".to_owned())] };
            let checked =
                loading::load(&folder.path.join(rung.file), &place, loading::Purpose::Look).unwrap_or_else(|errors| panic!("{errors}"));
            assert_eq!(checked.findings.to_string(), "", "{}", rung.name);
        }
    }

    fn record(shown: Shown, broken: &str) -> RunRecord {
        let judged = Judged {
            condition: format!("home {broken} <= 1 s"),
            phase: Some(Phase::Fault),
            measured: String::new(),
            value: None,
            result: JudgedResult::Broken,
            why: None,
        };
        let outcome = Outcome { ended: Ended::Completed, shown, residue: vec![] };
        RunRecord { outcome: Some(outcome), judged: vec![judged], ..RunRecord::default() }
    }

    #[test]
    fn a_rung_must_fail_and_for_the_right_reason() {
        let tight = &LADDER[6];
        assert_eq!(surprise(tight, &Ok(record(Shown::Deviated, "p99"))), None);
        let other = surprise(tight, &Ok(record(Shown::Deviated, "longest-outage"))).unwrap();
        assert!(other.contains("should have failed by its p99"), "{other}");
        assert!(surprise(tight, &Ok(record(Shown::Held, "p99"))).unwrap().contains("but it passed"));
        let untold = Shown::Untold { why: vec!["we were late".to_owned()] };
        let six = surprise(&LADDER[5], &Ok(record(untold, "p99"))).unwrap();
        assert!(six.contains("should have passed, but it ended as `error`") && six.contains("we were late"), "{six}");
        assert!(surprise(tight, &Err("the port is taken".to_owned())).unwrap().contains("did not start: the port is taken"));
    }

    #[test]
    fn the_table_fits_a_terminal_of_80_columns() {
        let mut text = String::new();
        let rows = LADDER.iter().map(|rung| row(rung, &Err("no".to_owned()))).collect();
        table(&mut text, Style::plain(80), "The ladder", &HEADS, rows);
        assert!(!text.contains('…'), "{text}");
    }

    #[test]
    fn a_rung_without_numbers_still_has_a_row() {
        let cells: Vec<String> = row(&LADDER[0], &Err("no".to_owned())).into_iter().map(|(_, text)| text).collect();
        assert_eq!(cells, ["1", "one server", "–", "–", "–", "not started"]);
    }
}
