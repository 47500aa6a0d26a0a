//! Undo data of the local platform: what `Undo::Restore::before` holds.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::control::TrafficChange;
use crate::{
    model::{ids::InstanceId, undo::Undo},
    platform::PlatformError,
};

/// The state before an act.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "before", rename_all = "kebab-case")]
pub enum Before {
    /// The instance ran.
    Ran {
        /// Which.
        id: InstanceId,
        /// The incarnation.
        identity: String,
    },
    /// The processes of a tree ran, except these, which were stopped already.
    Went {
        /// The first process: number and start time.
        process: (i32, u64),
        /// The marks of the tree.
        marks: Vec<String>,
        /// Stopped before: number and start time of each.
        stopped: Vec<(i32, u64)>,
    },
    /// The traffic of the instance was so.
    Flowed {
        /// Which.
        id: InstanceId,
        /// The change that brings it back.
        back: TrafficChange,
    },
    /// This holder did not hold replacement back.
    Replaced {
        /// Its name, drawn when the act was prepared.
        holder: String,
    },
    /// The experimenter's own way back.
    Command {
        /// The command and its arguments.
        command: Vec<String>,
        /// Its environment.
        env: BTreeMap<String, String>,
        /// Its limit.
        timeout: Duration,
    },
}

impl Before {
    /// As undo data.
    pub fn into_undo(self, says: String) -> Undo {
        match serde_json::to_value(self) {
            Ok(before) => Undo::restore(says, before),
            Err(e) => Undo::Impossible { why: format!("the state before cannot be written down: {e}") },
        }
    }

    /// From undo data.
    pub fn read(undo: &Undo) -> Result<Self, PlatformError> {
        let Undo::Restore { before, .. } = undo else {
            return Err(PlatformError::Failed("the act was prepared without a way back".to_owned()));
        };
        serde_json::from_value(before.clone()).map_err(|e| PlatformError::Failed(format!("the undo data is not this platform's: {e}")))
    }
}
