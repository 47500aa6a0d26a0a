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
        /// What the platform needs for it; its shape is the platform's own. Never a secret: it is in the journal, in events and in
        /// reports.
        before: serde_json::Value,
        /// What else it needs that may be secret: a container's environment. It is never written with the rest; the journal keeps
        /// it in a file of its own until the undo is done.
        #[serde(skip)]
        secret: Option<Secret>,
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

/// Undo data that may be secret. It does not show itself.
#[derive(Clone, PartialEq)]
pub struct Secret(pub serde_json::Value);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Undo {
    /// The way back, without secrets.
    pub fn restore(says: impl Into<String>, before: serde_json::Value) -> Self {
        Self::Restore { says: says.into(), before, secret: None }
    }

    /// What may be secret in it.
    pub fn secret(&self) -> Option<&Secret> {
        match self {
            Self::Restore { secret, .. } => secret.as_ref(),
            _ => None,
        }
    }

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
