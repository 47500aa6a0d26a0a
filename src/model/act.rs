//! Acts: what the platform is asked to do, and what is known of it afterwards.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    fault::Fault,
    ids::{ActId, InstanceId, Region, Service, Zone},
    instance::Instance,
    time::{Bracket, Mono},
    undo::Undo,
};

/// What one act acts on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// One instance, as it was when it was chosen.
    Instance(Arc<Instance>),
    /// Something around instances: replacement in a zone, a service's group.
    Group(Group),
    /// Nothing of the platform's: a command of the experimenter's.
    Command,
}

/// Something around instances. `None` means "any".
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Group {
    /// These services; all when empty.
    pub services: Vec<Service>,
    /// In this zone only.
    pub zone: Option<Zone>,
    /// In this region only.
    pub region: Option<Region>,
}

impl Target {
    /// The instance, if it is one.
    pub fn instance(&self) -> Option<&Arc<Instance>> {
        match self {
            Self::Instance(instance) => Some(instance),
            _ => None,
        }
    }

    /// How a person calls it.
    pub fn says(&self) -> String {
        match self {
            Self::Instance(instance) => instance.name.clone(),
            Self::Group(group) => group.to_string(),
            Self::Command => "command".to_owned(),
        }
    }
}

impl std::fmt::Display for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let services = match self.services.as_slice() {
            [] => "all services".to_owned(),
            some => some.iter().map(Service::as_str).collect::<Vec<_>>().join(", "),
        };
        f.write_str(&services)?;
        if let Some(zone) = &self.zone {
            write!(f, " in zone {zone}")?;
        }
        if let Some(region) = &self.region {
            write!(f, " in region {region}")?;
        }
        Ok(())
    }
}

/// One act: one fault on one target. The unit of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Act {
    /// Which.
    pub id: ActId,
    /// What is done. For an outage this is the part of it that falls on the target (a `kill`, a `suspend-replacement`).
    pub fault: Fault,
    /// To whom.
    pub target: Target,
}

/// An act with its undo, ready to be journalled and done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Prepared {
    /// The act.
    pub act: Act,
    /// How it is undone.
    pub undo: Undo,
}

/// What is known of an act after it was done, from the platform's best source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Effect {
    /// Which act.
    pub act: ActId,
    /// Its victim, if it was an instance.
    pub instance: Option<InstanceId>,
    /// Whether it happened.
    pub status: EffectStatus,
    /// When the call was made.
    pub requested: Mono,
    /// When the call answered.
    pub answered: Option<Mono>,
    /// When it took effect.
    pub took_effect: Option<Bracket>,
    /// Where that time comes from: `pidfd`, `State.FinishedAt`.
    pub source: String,
}

/// Whether an act happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum EffectStatus {
    /// Seen by an independent source.
    Happened,
    /// The target was already gone, or is another one now. Not a success of ours.
    Vanished {
        /// What was found.
        found: String,
    },
    /// The act was refused: by the platform, or because the target became protected.
    Refused {
        /// Why.
        why: String,
    },
    /// The call failed.
    Failed {
        /// Why.
        why: String,
    },
    /// No answer, or no sign of it: it may or may not have happened. Never a pass.
    Unknown {
        /// What was looked at.
        why: String,
    },
    /// Left out on purpose, because the drill had its answer before: the instance before it in a phoenix drill was not replaced.
    Spared {
        /// What answered it.
        why: String,
    },
}

impl EffectStatus {
    /// Whether it verifiably happened.
    pub fn happened(&self) -> bool {
        matches!(self, Self::Happened)
    }

    /// Whether it was left out on purpose.
    pub fn spared(&self) -> bool {
        matches!(self, Self::Spared { .. })
    }

    /// Whether something may have been changed, so that an undo is owed.
    pub fn may_have_acted(&self) -> bool {
        matches!(self, Self::Happened | Self::Failed { .. } | Self::Unknown { .. })
    }

    /// The word in reports.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Happened => "happened",
            Self::Vanished { .. } => "vanished",
            Self::Refused { .. } => "refused",
            Self::Failed { .. } => "failed",
            Self::Unknown { .. } => "unknown",
            Self::Spared { .. } => "spared",
        }
    }

    /// The reason as it can be changed, where there is one.
    pub fn why_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::Happened => None,
            Self::Vanished { found } => Some(found),
            Self::Refused { why } | Self::Failed { why } | Self::Unknown { why } | Self::Spared { why } => Some(why),
        }
    }

    /// The reason, where there is one.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Happened => None,
            Self::Vanished { found } => Some(found),
            Self::Refused { why } | Self::Failed { why } | Self::Unknown { why } | Self::Spared { why } => Some(why),
        }
    }
}
