//! Verdicts and exit codes: one exhaustive match from how a run ended to what it is called.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::outcome::{Ended, Outcome, Shown};

/// The named verdict of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The fault verifiably happened, and every condition held where it was to hold.
    Passed,
    /// A condition did not hold.
    Failed,
    /// The command line or the file is wrong: nothing was touched.
    Invalid,
    /// No steady baseline, no targets, a guardrail refused, a lock is held: nothing was touched.
    NotStarted,
    /// Halted by a person or an abort condition; everything was undone.
    Aborted,
    /// The platform or the tool failed, the fault did not verifiably happen, or the measurement is not to be trusted.
    Error,
    /// An undo did not succeed.
    Residue,
}

impl Verdict {
    /// All of them, in the order of their exit codes.
    pub const ALL: [Self; 7] = [Self::Passed, Self::Failed, Self::Invalid, Self::NotStarted, Self::Aborted, Self::Error, Self::Residue];

    /// The exit code of the process.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::Failed => 1,
            Self::Invalid => 2,
            Self::NotStarted => 3,
            Self::Aborted => 4,
            Self::Error => 5,
            Self::Residue => 6,
        }
    }

    /// The word in reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Invalid => "invalid",
            Self::NotStarted => "not started",
            Self::Aborted => "aborted",
            Self::Error => "error",
            Self::Residue => "residue",
        }
    }

    /// How bad it is among several files: 6, 5, 4, 1, 3, 0; an invalid file never gets this far, and is worst of all.
    pub fn badness(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::NotStarted => 1,
            Self::Failed => 2,
            Self::Aborted => 3,
            Self::Error => 4,
            Self::Residue => 5,
            Self::Invalid => 6,
        }
    }

    /// The verdict of an outcome.
    pub fn of(outcome: &Outcome) -> Self {
        match (outcome.residue.is_empty(), &outcome.ended, &outcome.shown) {
            (false, _, _) => Self::Residue,
            (true, Ended::NotStarted { .. }, _) => Self::NotStarted,
            (true, Ended::Halted { .. }, _) => Self::Aborted,
            (true, Ended::Broke { .. }, _) | (true, Ended::Completed, Shown::Untold { .. }) => Self::Error,
            (true, Ended::Completed, Shown::Deviated) => Self::Failed,
            (true, Ended::Completed, Shown::Held) => Self::Passed,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}
