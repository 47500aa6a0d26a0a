//! Undo as data: made from the state found *before* the act, never a default; any process can carry it out.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How an act is undone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "undo", rename_all = "kebab-case")]
pub enum Undo {
    /// The state before can be restored.
    Restore {
        /// What will be done, as a person reads it in the plan: `start web-a-1 again unless it was replaced`.
        says: String,
        /// What the platform needs for it; its shape is the platform's own.
        before: serde_json::Value,
    },
    /// It cannot be undone, and the plan says why.
    Impossible {
        /// Why.
        why: String,
    },
    /// There is nothing to undo: the act leaves nothing behind.
    Nothing {
        /// Why.
        why: String,
    },
}

impl Undo {
    /// The sentence for the plan.
    pub fn says(&self) -> &str {
        match self {
            Self::Restore { says, .. } => says,
            Self::Impossible { why } | Self::Nothing { why } => why,
        }
    }

    /// Whether there is something to carry out.
    pub fn restores(&self) -> bool {
        matches!(self, Self::Restore { .. })
    }
}
