//! Undo data of AWS: what `Undo::Restore::before` holds. Any process with the same account can carry it out.

use serde::{Deserialize, Serialize};

use super::{cut::Cut, group::Held, names::Failing, shift::Away};
use crate::{
    model::{ids::Region, undo::Undo},
    platform::PlatformError,
};

/// What an act owes, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Owed {
    /// The account: credentials may lead to another one tomorrow.
    pub(super) account: String,
    /// The region; of an act on groups, the first of its groups' regions.
    pub(super) region: Region,
    /// How it was.
    #[serde(flatten)]
    pub(super) before: Before,
}

/// The state before an act: one variant for each kind of way back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "before", rename_all = "kebab-case")]
pub(super) enum Before {
    /// The instance ran.
    Ran {
        instance: String,
        /// When it had been launched, in nanoseconds since 1970: another start is another time.
        launched: String,
    },
    /// A command undoes what a command did.
    Command { instance: String, undo: Vec<String> },
    /// The instance was registered in target groups.
    Registered { instance: String, targets: Vec<Registration> },
    /// The instance was reached through its subnet.
    Reached(Cut),
    /// The region's health check went by what it found.
    Checked(Failing),
    /// Load balancers sent users to every zone.
    Sent { balancers: Vec<Away> },
    /// Groups launched instances in a place.
    Launching { groups: Vec<Held> },
}

/// A place of an instance in a target group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Registration {
    /// The target group's ARN.
    pub(super) pool: String,
    /// The instance's id, or its address.
    pub(super) target: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) port: Option<u16>,
}

impl Before {
    /// As undo data.
    pub(super) fn into_undo(self, account: &str, region: &Region, says: impl Into<String>) -> Undo {
        let owed = Owed { account: account.to_owned(), region: region.clone(), before: self };
        match serde_json::to_value(owed) {
            Ok(before) => Undo::restore(says, before),
            Err(error) => Undo::Impossible { why: format!("the state before cannot be written down: {error}") },
        }
    }
}

impl Owed {
    /// From undo data.
    ///
    /// # Errors
    /// When it is not this platform's: nothing is done then, now or at a second try.
    pub(super) fn read(undo: &Undo) -> Result<Self, PlatformError> {
        let Undo::Restore { before, .. } = undo else {
            return Err(PlatformError::Refused("the act was prepared without a way back".to_owned()));
        };
        Self::deserialize(before).map_err(|e| PlatformError::Refused(format!("the undo data is not this platform's: {e}")))
    }
}

/// The undo data is of another kind than the act.
pub(super) fn of_another_fault() -> PlatformError {
    PlatformError::Refused("the undo data is that of another fault".to_owned())
}
