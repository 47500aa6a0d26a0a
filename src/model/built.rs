//! What instances were built from, and which version they say they are: the same on every sibling, or somebody changed one by hand.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    ids::{InstanceId, Service},
    instance::{Instance, InstanceState},
};

/// One instance of a list that was made during a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Built {
    /// Which.
    pub instance: InstanceId,
    /// What a person calls it.
    pub name: String,
    /// Its service.
    pub service: Service,
    /// Which incarnation it was.
    pub identity: String,
    /// What it was built from, as its platform says.
    pub fingerprint: String,
    /// Which version it says it is; absent where the experiment does not ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
}

impl Built {
    /// What an inventory says of an instance. `None` for one that is gone, that does not run, or that is not the system's own.
    pub fn of(instance: &Instance) -> Option<Self> {
        let runs = !matches!(instance.state, InstanceState::Stopped | InstanceState::Gone);
        (runs && instance.managed).then(|| Self {
            instance: instance.id.clone(),
            name: instance.name.clone(),
            service: instance.service.clone(),
            identity: instance.identity.clone(),
            fingerprint: instance.fingerprint.clone(),
            version: None,
        })
    }

    /// Whether it is the very same incarnation.
    pub fn is(&self, other: &Self) -> bool {
        self.incarnation() == other.incarnation()
    }

    /// The instance, and which incarnation of it.
    pub fn incarnation(&self) -> (&InstanceId, &str) {
        (&self.instance, &self.identity)
    }
}

/// What an instance said when it was asked for its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Version {
    /// Its answer, cut at [`LONGEST_VERSION`].
    Said(String),
    /// There was none.
    Unknown {
        /// Why not.
        why: String,
    },
}

/// Characters of a version that are kept.
pub const LONGEST_VERSION: usize = 200;

/// Where an instance says which version it is: an HTTP path at its own address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VersionEndpoint {
    /// The path with its query.
    pub path: String,
    /// Another port than the one it serves at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The JSON pointer (RFC 6901) of the version within the answer; without it the whole body is the version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<String>,
}
