//! Undo data of Docker: what `Undo::Restore::before` holds. Any process can carry it out, given the same engines.

use std::collections::BTreeMap;

use bollard::models::EndpointSettings;
use serde::{Deserialize, Serialize};

use super::{container::definition::Definition, engine::Engine, swarm::task::Task};
use crate::{
    model::{
        fault::Cut,
        ids::InstanceId,
        undo::{Secret, Undo},
    },
    platform::PlatformError,
};

/// The part of the undo data that is kept as a secret: the field of [`Before::Defined`].
const DEFINITION: &str = "definition";

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
    /// Its packets passed: a chain of rules in its network namespace is to go.
    Passed {
        /// How it lived.
        #[serde(flatten)]
        life: Life,
        /// The chain's name, which no other act has.
        chain: String,
        /// What the rules of the chain do.
        mode: Cut,
    },
    /// It was on these networks.
    Connected {
        /// How it lived.
        #[serde(flatten)]
        life: Life,
        /// Each network by its id, with its name and the container's place on it.
        networks: BTreeMap<String, Place>,
        /// Where its ports were published.
        #[serde(default)]
        published: BTreeMap<String, Vec<String>>,
    },
    /// Its interfaces were not shaped.
    Unshaped {
        /// How it lived.
        #[serde(flatten)]
        life: Life,
        /// The handle of the discipline, which no other act has.
        handle: String,
        /// The name of the chain that stands beside it and tells whose it is, where one was to be made.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        chain: Option<String>,
    },
    /// It was not under stress: processes with this mark are to go.
    Unstressed {
        /// How it lived.
        #[serde(flatten)]
        life: Life,
        /// The mark in their environment, which no other act has.
        mark: String,
    },
    /// A command undoes what a command did.
    Command {
        /// How it lived.
        #[serde(flatten)]
        life: Life,
        /// The command and its arguments.
        undo: Vec<String>,
    },
    /// It was a task of Swarm, which replaces it.
    Task(Task),
}

/// The life of a container that an act was prepared on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// When it had been started: another start is another life.
    pub started_at: String,
    /// Whether its health check passed; then it must pass again.
    pub healthy: bool,
}

/// A container's place on a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// The network's name, for people.
    pub name: String,
    /// Addresses, aliases, links, MAC, options, as the engine told them.
    pub endpoint: EndpointSettings,
}

/// The undo data is of another kind than the act.
pub fn of_another_fault() -> PlatformError {
    PlatformError::Refused("the undo data is that of another fault".to_owned())
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
            Self::Passed { life, .. }
            | Self::Connected { life, .. }
            | Self::Unshaped { life, .. }
            | Self::Unstressed { life, .. }
            | Self::Command { life, .. } => Some(&life.started_at),
            Self::Task(task) => Some(&task.started_at),
        }
    }

    /// As undo data.
    pub fn into_undo(self, engine: &Engine, container: &InstanceId, says: String) -> Undo {
        let owed = Owed { engine: engine.id.clone(), container: container.clone(), before: self };
        match serde_json::to_value(owed) {
            Ok(mut before) => {
                // An environment may hold secrets: the definition never lies where the rest of the undo data is shown.
                let secret = before.as_object_mut().and_then(|parts| parts.remove(DEFINITION)).map(Secret);
                Undo::Restore { says, before, secret }
            }
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
        let Undo::Restore { before, secret, .. } = undo else {
            return Err(PlatformError::Refused("the act was prepared without a way back".to_owned()));
        };
        let mut before = before.clone();
        if let (Some(parts), Some(Secret(definition))) = (before.as_object_mut(), secret) {
            parts.insert(DEFINITION.to_owned(), definition.clone());
        }
        serde_json::from_value(before).map_err(|e| PlatformError::Refused(format!("the undo data is not this platform's: {e}")))
    }
}
