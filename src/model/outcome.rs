//! The outcome of a run on three axes: how it ended, what the system showed, what is left.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::ActId;

/// How a run ended, what it showed, what is left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    /// How it ended.
    pub ended: Ended,
    /// What the system showed.
    pub shown: Shown,
    /// What could not be undone.
    pub residue: Vec<Residue>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "ended", rename_all = "kebab-case")]
pub enum Ended {
    /// Through all its phases.
    Completed,
    /// Before anything was touched.
    NotStarted {
        /// Why.
        why: String,
    },
    /// By a person or an abort condition.
    Halted {
        /// Who or what, and why.
        by: String,
    },
    /// By a failure of the platform or of the tool.
    Broke {
        /// Why.
        why: String,
    },
}

/// What the system showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "shown", rename_all = "kebab-case")]
pub enum Shown {
    /// Every condition held where it was to hold.
    Held,
    /// A condition did not.
    Deviated,
    /// Nothing that can be trusted.
    Untold {
        /// Why.
        why: Vec<String>,
    },
}

/// Something that is still there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Residue {
    /// Which act left it.
    pub act: ActId,
    /// What is left, as a person reads it.
    pub what: String,
    /// Why the undo did not succeed.
    pub why: String,
    /// The command that undoes it.
    pub command: String,
}
