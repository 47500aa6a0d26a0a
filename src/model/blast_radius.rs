//! The blast radius: how much may be hurt at most.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ids::Service, quantity::Share};

/// Caps on what all steps (and all overlapping runs) may affect together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Caps {
    /// At most this share of each service's instances; half unless told.
    pub service: Share,
    /// Whether `service` was written in the file (an explicit cap is named differently in refusals).
    pub service_stated: bool,
    /// At most this share of each zone's instances; no cap unless told.
    pub zone: Option<Share>,
    /// At most this many instances in all.
    pub count: Option<u32>,
    /// At least this many healthy instances must remain of each of these services.
    pub min_healthy: BTreeMap<Service, MinHealthy>,
}

impl Default for Caps {
    fn default() -> Self {
        Self { service: Share(0.5), service_stated: false, zone: None, count: None, min_healthy: BTreeMap::new() }
    }
}

/// A floor under a service's healthy instances.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MinHealthy {
    /// This many.
    Count(u32),
    /// This share of the desired number, rounded up.
    Percent(Share),
}
