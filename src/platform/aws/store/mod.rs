//! Managed stores: databases of RDS, clusters (Aurora and Multi-AZ), replication groups of `ElastiCache`. A drill makes them fail over; how long
//! writes were lost is what the probes measure.

mod failover;
mod read;

pub(super) use failover::{inject, prepare, verify};
pub(super) use read::stores;

use std::collections::BTreeMap;

use crate::model::{
    ids::{InstanceId, Region, Service, Zone},
    instance::{Instance, InstanceState},
};

/// What kind of store, and what AWS calls it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// An RDS instance.
    Database(String),
    /// A cluster of RDS.
    Cluster(String),
    /// A shard of a replication group of `ElastiCache`.
    Cache { group: String, shard: String },
}

/// A managed store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Store {
    pub(super) kind: Kind,
    /// AWS's word: `available`, `rebooting`, `failing-over`, `modifying`.
    pub(super) status: String,
    /// Who takes the writes: a member's id, or the zone where only that is told.
    pub(super) primary: String,
    /// The zone of that.
    pub(super) zone: String,
    /// Why it cannot fail over, if it cannot.
    pub(super) alone: Option<String>,
    pub(super) engine: String,
    pub(super) tags: BTreeMap<String, String>,
}

impl Kind {
    /// The id that a target has.
    pub(super) fn id(&self) -> String {
        match self {
            Self::Database(name) => format!("db:{name}"),
            Self::Cluster(name) => format!("cluster:{name}"),
            Self::Cache { group, shard } => format!("cache:{group}/{shard}"),
        }
    }

    /// The name that a service is made of.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Database(name) | Self::Cluster(name) => name,
            Self::Cache { group, .. } => group,
        }
    }
}

impl Store {
    /// Whether it takes writes.
    pub(super) fn available(&self) -> bool {
        self.status == "available"
    }

    /// As a target.
    pub(super) fn instance(&self, region: &Region, service: Service, kept_out: Option<String>) -> Instance {
        let mut labels = self.tags.clone();
        labels.insert(crate::plan::select::ROLE.to_owned(), crate::plan::select::STORE.to_owned());
        labels.insert("aws:engine".to_owned(), self.engine.clone());
        Instance {
            id: InstanceId(self.kind.id()),
            name: self.kind.id(),
            service,
            zone: Zone(self.zone.clone()),
            region: region.clone(),
            state: if self.available() { InstanceState::Running } else { InstanceState::Starting },
            healthy: None,
            labels,
            address: None,
            identity: format!("store:{}", self.kind.id()),
            fingerprint: self.engine.clone(),
            managed: true,
            kept_out,
        }
    }
}
