//! A drill whose verdict is known beforehand: what `demo ladder` and `demo gallery` are made of.
//!
//! An architecture that is wrong must fail, and for the reason that is given; one that is right must pass. Anything else is a
//! surprise, and is told as one. A run that something else on the machine disturbed says nothing about an architecture: it is made
//! again, a few times in all.

use std::path::{Path, PathBuf};

use super::{demo, say};
use crate::{
    engine::halt::{Halt, Urgency},
    model::{
        measurement::{Judged, JudgedResult},
        outcome::Ended,
        steady_state::Phase,
        verdict::Verdict,
    },
    report::{
        Gate, RunRecord,
        console::style::{Tone, tone},
    },
};

/// What a drill must show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Every condition holds.
    Passes,
    /// It fails, and a condition that begins with these words (`home longest-outage`) is among those that do not hold, in the fault phase or
    /// over the whole run.
    Fails(&'static str),
    /// It is not started: a condition that begins with these words does not hold even while nothing is touched.
    NotSteady(&'static str),
}

impl Expected {
    /// The verdict.
    pub fn verdict(self) -> Verdict {
        match self {
            Self::Passes => Verdict::Passed,
            Self::Fails(_) => Verdict::Failed,
            Self::NotSteady(_) => Verdict::NotStarted,
        }
    }
}

/// A drill and what it must show.
pub(super) struct Trial<'a> {
    /// What it is called in what is printed: `Rung 6 (…)`.
    pub name: String,
    /// The experiment.
    pub file: PathBuf,
    /// Its environment.
    pub environment: &'a str,
    /// The variables that are ports: each gets a free one.
    pub ports: &'a [&'a str],
    /// Other variables.
    pub vars: Vec<(String, String)>,
    /// What it must show.
    pub expected: Expected,
}

/// What a drill showed.
pub(super) struct Tried {
    /// Its record, or why there is none.
    pub result: Result<RunRecord, String>,
    /// Its report.
    pub report: Option<PathBuf>,
}

/// So many runs that something else on the machine disturbed are made again, in all drills together: a machine that is always busy must
/// not hold anybody up for long.
pub(super) const REPEATS: usize = 3;

impl Trial<'_> {
    /// Runs it, again while it is disturbed and there are repeats left.
    pub(super) async fn run(&self, out: &Path, halt: &Halt, repeats: &mut usize) -> Tried {
        loop {
            let ran = demo::file(&self.file, Some(self.environment), self.ports, &self.vars, out, halt, true).await;
            let again = ran.as_ref().is_ok_and(|ran| disturbed(&ran.record, self.expected));
            if !again || *repeats == 0 || halt.urgency() > Urgency::None {
                let report = ran.as_ref().ok().map(|ran| ran.folder.join("report.html"));
                return Tried { result: ran.map(|ran| ran.record), report };
            }
            *repeats -= 1;
            say::out("disturbed by other work on this machine, once more … ");
        }
    }

    /// What is not as it must be, in words; none when all is.
    pub(super) fn surprise(&self, tried: &Tried) -> Option<String> {
        let name = &self.name;
        let record = match &tried.result {
            Ok(record) => record,
            Err(why) => return Some(format!("{name} did not start: {why}")),
        };
        let gate = Gate::of(record);
        // Somebody stopped it: that is no finding about the architecture.
        if gate.verdict == Verdict::Aborted {
            return Some(format!("{name} was stopped: {}", gate.reason));
        }
        let said = match self.expected {
            _ if as_expected(record, self.expected) => return None,
            Expected::Passes => "should have passed".to_owned(),
            Expected::Fails(by) => format!("should have failed by its `{by}`"),
            Expected::NotSteady(by) => format!("should not have been steady, by its `{by}`"),
        };
        Some(format!("{name} {said}, but it {}: {}", past(gate.verdict), gate.reason))
    }
}

impl Tried {
    pub(super) fn verdict(&self) -> Verdict {
        self.result.as_ref().map_or(Verdict::NotStarted, RunRecord::verdict)
    }

    /// The verdict in one word.
    pub(super) fn seen(&self) -> (Tone, String) {
        let verdict = self.verdict();
        (tone(verdict), verdict.to_string())
    }

    pub(super) fn is_disturbed(&self, expected: Expected) -> bool {
        self.result.as_ref().is_ok_and(|record| disturbed(record, expected))
    }

    /// The condition that is the reason of what was expected, with what was measured: in the fault phase where it has phases.
    pub(super) fn shown(&self, expected: Expected) -> Option<&Judged> {
        let record = self.result.as_ref().ok()?;
        match expected {
            Expected::Passes => None,
            Expected::Fails(by) => broken(record, by),
            Expected::NotSteady(by) => record.judged.iter().find(|judged| judged.result == JudgedResult::Broken && is_of(judged, by)),
        }
    }
}

/// Whether a run showed what it must.
fn as_expected(record: &RunRecord, expected: Expected) -> bool {
    record.verdict() == expected.verdict()
        && match expected {
            Expected::Passes => true,
            Expected::Fails(by) => broken(record, by).is_some(),
            Expected::NotSteady(by) => not_steady(record).is_some_and(|why| why.contains(by)),
        }
}

/// Whether the run says more about the machine than about the architecture: its measurement is not to be trusted, or the untouched
/// system was not steady although it should be.
fn disturbed(record: &RunRecord, expected: Expected) -> bool {
    let untrusted = record.measurement.as_ref().is_some_and(|measurement| !measurement.trust.doubts.is_empty());
    untrusted || (record.verdict() == Verdict::NotStarted && !as_expected(record, expected))
}

fn not_steady(record: &RunRecord) -> Option<&str> {
    match &record.outcome.as_ref()?.ended {
        Ended::NotStarted { why } => Some(why),
        _ => None,
    }
}

/// A condition with these first words that did not hold during the fault, or over the whole run.
fn broken<'r>(record: &'r RunRecord, by: &str) -> Option<&'r Judged> {
    record
        .judged
        .iter()
        .find(|judged| judged.result == JudgedResult::Broken && judged.phase.is_none_or(|phase| phase == Phase::Fault) && is_of(judged, by))
}

/// Whether a condition begins with these words.
fn is_of(judged: &Judged, by: &str) -> bool {
    judged.condition.strip_prefix(by).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

fn past(verdict: Verdict) -> String {
    match verdict {
        Verdict::Passed | Verdict::Failed => verdict.to_string(),
        other => format!("ended as `{other}`"),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::outcome::{Outcome, Shown};

    pub(in crate::cli) fn record(shown: Shown, broken: &str) -> RunRecord {
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

    fn trial(expected: Expected) -> Trial<'static> {
        Trial { name: "Rung 6 (all)".to_owned(), file: PathBuf::new(), environment: "rung-6", ports: &[], vars: vec![], expected }
    }

    fn surprise(expected: Expected, result: Result<RunRecord, String>) -> Option<String> {
        trial(expected).surprise(&Tried { result, report: None })
    }

    #[test]
    fn a_wrong_architecture_must_fail_and_for_the_right_reason() {
        let tight = Expected::Fails("home p99");
        assert_eq!(surprise(tight, Ok(record(Shown::Deviated, "p99"))), None);
        let other = surprise(tight, Ok(record(Shown::Deviated, "longest-outage"))).unwrap();
        assert!(other.contains("should have failed by its `home p99`"), "{other}");
        let longer = surprise(tight, Ok(record(Shown::Deviated, "p99.9"))).unwrap();
        assert!(longer.contains("should have failed by its `home p99`"), "a metric is a whole word: {longer}");
        assert!(surprise(tight, Ok(record(Shown::Held, "p99"))).unwrap().contains("but it passed"));
        let untold = Shown::Untold { why: vec!["we were late".to_owned()] };
        let six = surprise(Expected::Passes, Ok(record(untold, "p99"))).unwrap();
        assert!(six.contains("should have passed, but it ended as `error`") && six.contains("we were late"), "{six}");
        assert!(surprise(tight, Err("the port is taken".to_owned())).unwrap().contains("did not start: the port is taken"));
    }

    #[test]
    fn what_is_not_steady_by_itself_is_no_disturbance_where_that_is_expected() {
        let not_steady = |why: &str| RunRecord {
            outcome: Some(Outcome {
                ended: Ended::NotStarted { why: why.to_owned() },
                shown: Shown::Untold { why: vec![] },
                residue: vec![],
            }),
            ..RunRecord::default()
        };
        let expected = Expected::NotSteady("cart state-lost");
        let lost = not_steady("the steady state does not hold: “cart state-lost == 0”: 12");
        assert!(!disturbed(&lost, expected) && disturbed(&lost, Expected::Passes));
        assert_eq!(surprise(expected, Ok(lost)), None);
        let late = not_steady("the steady state does not hold: “home p99 <= 1 s”");
        assert!(disturbed(&late, expected));
        assert!(surprise(expected, Ok(late)).unwrap().contains("should not have been steady, by its `cart state-lost`"));
    }
}
