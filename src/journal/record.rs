//! The records of a journal, and the states an act goes through.

use std::{fmt, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::model::{
    act::{EffectStatus, Prepared},
    claim::Claim,
    environment::Environment,
    ids::{ActId, RunId, Scope},
    undo::Undo,
};

/// The version that this build writes and reads.
pub const JOURNAL_VERSION: u32 = 1;

/// What a journal begins with: everything another process needs to recover the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// The version of the format.
    pub version: u32,
    /// The run.
    pub run: RunId,
    /// Its scope.
    pub scope: Scope,
    /// What it locked; nothing said is the whole scope.
    #[serde(default)]
    pub claims: Vec<Claim>,
    /// SHA-256 of the experiment it executes.
    pub plan_digest: String,
    /// The environment: how the platform is reached again.
    pub environment: Environment,
    /// The process that runs it.
    pub pid: u32,
    /// That process's start time (clock ticks since boot), so that a reused pid is told apart.
    pub pid_started: u64,
    /// The folder that relative paths of the environment are relative to.
    pub working_directory: PathBuf,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "kebab-case")]
pub enum Record {
    /// Always the first.
    Header(Box<Header>),
    /// Something about one act.
    Act {
        /// Which.
        act: ActId,
        /// What.
        #[serde(flatten)]
        what: ActRecord,
    },
    /// The run ended, and nothing is owed (or what is owed is stuck).
    Closed,
}

/// Something about one act.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum ActRecord {
    /// It will be done.
    Planned {
        /// The act and its undo as prepared.
        prepared: Box<Prepared>,
    },
    /// It is done next. The undo is made from the state found just now and replaces the planned one.
    Armed {
        /// How it is undone.
        undo: Undo,
        /// Whether it has a secret part, in a file of its own: see `sealed`.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        sealed: bool,
    },
    /// It happened, or may have.
    Injected {
        /// What is known.
        status: EffectStatus,
    },
    /// The call failed, or did not act; whether it left something behind is for the undo to find out.
    InjectFailed {
        /// What is known.
        status: EffectStatus,
    },
    /// Its undo begins.
    Reverting,
    /// The state before is back.
    Reverted {
        /// What was done.
        says: String,
    },
    /// There was nothing to undo.
    NothingToUndo {
        /// Why.
        why: String,
    },
    /// The undo did not succeed.
    Stuck {
        /// Why.
        why: String,
    },
}

impl ActRecord {
    /// The state after this record.
    pub fn state(&self) -> ActState {
        match self {
            Self::Planned { .. } => ActState::Planned,
            Self::Armed { .. } => ActState::Armed,
            Self::Injected { .. } => ActState::Injected,
            Self::InjectFailed { .. } => ActState::InjectFailed,
            Self::Reverting => ActState::Reverting,
            Self::Reverted { .. } => ActState::Reverted,
            Self::NothingToUndo { .. } => ActState::NothingToUndo,
            Self::Stuck { .. } => ActState::Stuck,
        }
    }
}

/// Where an act stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are those of `ActRecord`, explained there")]
pub enum ActState {
    Planned,
    Armed,
    Injected,
    InjectFailed,
    Reverting,
    Reverted,
    NothingToUndo,
    Stuck,
}

impl ActState {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Planned, Self::Armed, Self::Injected, Self::InjectFailed, Self::Reverting, Self::Reverted, Self::NothingToUndo, Self::Stuck];

    /// Whether an undo is owed. A stuck one is owed too: the next recovery tries again.
    pub fn owes(self) -> bool {
        matches!(self, Self::Armed | Self::Injected | Self::InjectFailed | Self::Reverting | Self::Stuck)
    }
}

/// A record that cannot follow the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{record:?} cannot follow {}", .state.map_or("nothing".to_owned(), |s| format!("{s:?}")))]
pub struct Illegal {
    /// The state before; none before the first record.
    pub state: Option<ActState>,
    /// What the record says.
    pub record: ActState,
}

/// The state after a record. Pure and total: every pair has an answer.
///
/// # Errors
/// When the record cannot follow the state.
pub fn next(state: Option<ActState>, record: &ActRecord) -> Result<ActState, Illegal> {
    use ActState as S;
    let to = record.state();
    let legal = match (state, to) {
        (None, S::Planned)
        | (Some(S::Planned), S::Armed)
        | (Some(S::Armed), S::Injected | S::InjectFailed | S::Reverting)
        // A crash in the middle of an undo, or an undo that was stuck: it begins again.
        | (Some(S::Injected | S::InjectFailed | S::Reverting | S::Stuck), S::Reverting)
        | (Some(S::Reverting), S::Reverted | S::NothingToUndo | S::Stuck) => true,
        (None | Some(_), _) => false,
    };
    if legal { Ok(to) } else { Err(Illegal { state, record: to }) }
}

impl fmt::Display for ActState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Planned => "planned",
            Self::Armed => "armed",
            Self::Injected => "injected",
            Self::InjectFailed => "inject failed",
            Self::Reverting => "reverting",
            Self::Reverted => "reverted",
            Self::NothingToUndo => "nothing to undo",
            Self::Stuck => "stuck",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(state: ActState) -> ActRecord {
        let prepared = || {
            serde_json::from_value(serde_json::json!({
                "act": { "id": { "step": 1, "act": 1 }, "fault": { "fault": "pause" }, "target": "command" },
                "undo": { "undo": "nothing", "why": "x" }
            }))
        };
        match state {
            ActState::Planned => ActRecord::Planned { prepared: prepared().expect("a prepared act") },
            ActState::Armed => ActRecord::Armed { undo: Undo::Nothing { why: String::new() }, sealed: false },
            ActState::Injected => ActRecord::Injected { status: EffectStatus::Happened },
            ActState::InjectFailed => ActRecord::InjectFailed { status: EffectStatus::Failed { why: "no".into() } },
            ActState::Reverting => ActRecord::Reverting,
            ActState::Reverted => ActRecord::Reverted { says: String::new() },
            ActState::NothingToUndo => ActRecord::NothingToUndo { why: String::new() },
            ActState::Stuck => ActRecord::Stuck { why: String::new() },
        }
    }

    /// Rows: the state before (first row: none); columns: the record, in the order of `ALL`.
    const TABLE: [&str; 9] = [
        "P.......", // nothing yet
        ".A......", // planned
        "..IFR...", // armed
        "....R...", // injected
        "....R...", // inject failed
        "....RDNS", // reverting
        "........", // reverted
        "........", // nothing to undo
        "....R...", // stuck
    ];

    #[test]
    fn the_transitions_are_exactly_the_table() {
        let before = std::iter::once(None).chain(ActState::ALL.map(Some));
        for (state, row) in before.zip(TABLE) {
            for (to, cell) in ActState::ALL.into_iter().zip(row.chars()) {
                let expected = if cell == '.' { Err(Illegal { state, record: to }) } else { Ok(to) };
                assert_eq!(next(state, &record(to)), expected, "{state:?} then {to:?}");
            }
        }
    }
}
