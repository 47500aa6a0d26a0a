//! Undo data of Docker: what `Undo::Restore::before` holds. Any process can carry it out, given the same engines.

use serde::{Deserialize, Serialize};

use super::{container::definition::Definition, engine::Engine};
use crate::{
    model::{ids::InstanceId, undo::Undo},
    platform::PlatformError,
};

/// What an act owes, and where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Owed {
    /// The id of the engine: an address may lead to another one tomorrow.
    pub engine: String,
    /// The container, by its full id.
    pub container: InstanceId,
    /// How it was.
    #[serde(flatten)]
    pub before: Before,
}

/// The state before an act: one variant for each kind of way back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "before", rename_all = "kebab-case")]
pub enum Before {
    /// The container ran.
    Ran(Ran),
    /// The container ran, and an end of it deletes it: it is made again.
    Defined {
        /// How it ran.
        ran: Ran,
        /// What it was made from. Holds its environment, which may hold secrets.
        definition: Box<Definition>,
    },
    /// The container was not paused.
    Went {
        /// When it had been started: another start is another life, which nobody paused.
        started_at: String,
        /// Whether its health check passed.
        healthy: bool,
    },
}

/// How a container ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ran {
    /// When it had been started: the engine's own words for this life of it.
    pub started_at: String,
    /// Whether it was paused.
    pub paused: bool,
    /// Whether its health check passed; then it must pass again.
    pub healthy: bool,
}

impl Before {
    /// When the container had been started, for those that hold only for that life of it.
    pub fn started_at(&self) -> Option<&str> {
        match self {
            Self::Ran(Ran { started_at, .. }) | Self::Defined { ran: Ran { started_at, .. }, .. } | Self::Went { started_at, .. } => {
                Some(started_at)
            }
        }
    }

    /// As undo data.
    pub fn into_undo(self, engine: &Engine, container: &InstanceId, says: String) -> Undo {
        let owed = Owed { engine: engine.id.clone(), container: container.clone(), before: self };
        match serde_json::to_value(owed) {
            Ok(before) => Undo::Restore { says, before },
            Err(e) => Undo::Impossible { why: format!("the state before cannot be written down: {e}") },
        }
    }
}

impl Owed {
    /// From undo data.
    ///
    /// # Errors
    /// When it is not this platform's: nothing is done then, now or at a second try.
    pub fn read(undo: &Undo) -> Result<Self, PlatformError> {
        let Undo::Restore { before, .. } = undo else {
            return Err(PlatformError::Refused("the act was prepared without a way back".to_owned()));
        };
        serde_json::from_value(before.clone()).map_err(|e| PlatformError::Refused(format!("the undo data is not this platform's: {e}")))
    }
}
