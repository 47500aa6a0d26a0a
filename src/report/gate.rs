//! Outcome → verdict → exit code, with the one sentence that says why. Every report takes its words from here.

use super::record::RunRecord;
use crate::model::{
    measurement::{Judged, JudgedResult},
    outcome::{Ended, Shown},
    quantity::plural,
    verdict::Verdict,
};

/// The verdict of a run with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// The verdict.
    pub verdict: Verdict,
    /// The exit code of the process.
    pub exit_code: u8,
    /// One sentence: why.
    pub reason: String,
}

impl Gate {
    /// The gate of a run.
    pub fn of(record: &RunRecord) -> Self {
        let verdict = record.verdict();
        Self { verdict, exit_code: verdict.exit_code(), reason: reason(record, verdict) }
    }
}

/// The worst of several verdicts; `Passed` for none.
pub fn worst(verdicts: impl IntoIterator<Item = Verdict>) -> Verdict {
    verdicts.into_iter().max_by_key(|verdict| verdict.badness()).unwrap_or(Verdict::Passed)
}

fn reason(record: &RunRecord, verdict: Verdict) -> String {
    let Some(outcome) = &record.outcome else {
        let open = record.open_undos().count();
        return match open {
            0 => "The record stops before the end of the run: firedrill was killed, or it is still running.".to_owned(),
            1 => "The record stops before the end of the run, and 1 act is not known to be undone: run `firedrill recover`.".to_owned(),
            n => format!("The record stops before the end of the run, and {n} acts are not known to be undone: run `firedrill recover`."),
        };
    };
    match verdict {
        Verdict::Residue => {
            let n = outcome.residue.len();
            let what = outcome.residue.first().map_or("", |residue| residue.what.as_str());
            match n {
                1 => format!("One undo did not succeed: {}.", bare(what)),
                _ => format!("{n} undos did not succeed: {}, and more.", bare(what)),
            }
        }
        Verdict::NotStarted | Verdict::Aborted | Verdict::Error => match (&outcome.ended, &outcome.shown) {
            (Ended::NotStarted { why }, _) => format!("Nothing was touched: {}.", bare(why)),
            (Ended::Halted { by }, _) => format!("Halted by {}; everything was undone.", bare(by)),
            (Ended::Broke { why }, _) => format!("The run could not be carried out: {}.", bare(why)),
            (Ended::Completed, Shown::Untold { why }) => match why.as_slice() {
                [] => "The run showed nothing that can be trusted.".to_owned(),
                [one] => format!("The run cannot be judged: {}.", bare(one)),
                [one, rest @ ..] => format!("The run cannot be judged: {} (and {} more).", bare(one), plural(rest.len(), "reason")),
            },
            (Ended::Completed, _) => "The run ended without a reason.".to_owned(),
        },
        Verdict::Failed => {
            let broken: Vec<&Judged> = record.judged.iter().filter(|j| j.result == JudgedResult::Broken).collect();
            match broken.as_slice() {
                [] => "A condition of the steady state did not hold.".to_owned(),
                [first, rest @ ..] => {
                    let place = first.phase.map_or_else(|| "over the whole run".to_owned(), |phase| format!("in the {phase} phase"));
                    let more = match rest.len() {
                        0 => String::new(),
                        n => format!(" ({n} more did not hold)"),
                    };
                    format!("“{}” did not hold {place}: {}{more}.", first.condition, bare(&first.measured))
                }
            }
        }
        Verdict::Passed => {
            let happened = record.effects.iter().filter(|effect| effect.status.happened()).count();
            let held = record.judged.iter().filter(|j| j.result == JudgedResult::Held).count();
            format!(
                "{} verifiably happened, everything was undone, and {} held.",
                plural(happened, "act"),
                match held {
                    1 => "the one condition".to_owned(),
                    n => format!("all {n} conditions"),
                }
            )
        }
        Verdict::Invalid => "The command line or the file is wrong: nothing was touched.".to_owned(),
    }
}

fn bare(text: &str) -> &str {
    text.trim_end().trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::outcome::{Outcome, Residue};

    #[test]
    fn the_worst_verdict_is_by_badness_and_not_by_exit_code() {
        assert_eq!(worst([Verdict::Passed, Verdict::NotStarted, Verdict::Failed]), Verdict::Failed);
        assert_eq!(worst([Verdict::Aborted, Verdict::Residue, Verdict::Error]), Verdict::Residue);
        assert_eq!(worst([]), Verdict::Passed);
    }

    #[test]
    fn a_record_without_an_end_is_an_error() {
        let gate = Gate::of(&RunRecord::default());
        assert_eq!((gate.verdict, gate.exit_code), (Verdict::Error, 5));
        assert!(gate.reason.contains("stops before the end"), "{}", gate.reason);
    }

    #[test]
    fn every_outcome_has_a_sentence() {
        let residue = Residue { act: crate::model::ids::ActId { step: 1, act: 1 }, what: "x".into(), why: "y".into(), command: "z".into() };
        for ended in [
            Ended::Completed,
            Ended::NotStarted { why: "no targets.".into() },
            Ended::Halted { by: "a person".into() },
            Ended::Broke { why: "gone".into() },
        ] {
            for shown in [Shown::Held, Shown::Deviated, Shown::Untold { why: vec![] }] {
                for residue in [vec![], vec![residue.clone()]] {
                    let record = RunRecord {
                        outcome: Some(Outcome { ended: ended.clone(), shown: shown.clone(), residue }),
                        ..RunRecord::default()
                    };
                    let gate = Gate::of(&record);
                    assert!(gate.reason.ends_with('.') && !gate.reason.contains(".."), "{}", gate.reason);
                    assert!(!gate.reason.contains("without a reason"), "{ended:?} {shown:?}");
                }
            }
        }
    }
}
