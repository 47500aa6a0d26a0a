//! Managed stores: databases of RDS, clusters (Aurora and Multi-AZ), replication groups of `ElastiCache`. A drill makes them fail over; how long
//! writes were lost is what the probes measure.

mod failover;
mod read;

pub(super) use failover::{inject, prepare, verify};
pub(super) use read::stores;

use std::{collections::BTreeMap, sync::Arc};

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

/// In which a store serves as when it is `available`, beside being worked on: a backup or a snapshot, settings of what is watched and logged,
/// storage that grows (Amazon RDS user guide, "DB instance status"; `snapshotting` is the word of `ElastiCache`).
const WORKED_ON: [&str; 7] = [
    "backing-up",
    "snapshotting",
    "configuring-enhanced-monitoring",
    "configuring-iam-database-auth",
    "configuring-log-exports",
    "storage-optimization",
    "storage-config-upgrade",
];

impl Store {
    /// Whether nothing goes on with it: only then does AWS let it fail over.
    pub(super) fn available(&self) -> bool {
        self.status == "available"
    }

    /// Whether it takes writes.
    fn serves(&self) -> bool {
        self.available() || WORKED_ON.contains(&self.status.as_str())
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
            state: if self.serves() { InstanceState::Running } else { InstanceState::Starting },
            healthy: None,
            labels: Arc::new(labels),
            address: None,
            identity: format!("store:{}", self.kind.id()),
            fingerprint: self.engine.clone(),
            managed: true,
            kept_out,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_is_backed_up_serves_and_one_that_fails_over_does_not() {
        let store = |status: &str| Store {
            kind: Kind::Database("accounts".to_owned()),
            status: status.to_owned(),
            primary: String::new(),
            zone: String::new(),
            alone: None,
            engine: String::new(),
            tags: BTreeMap::new(),
        };
        let state = |status: &str| store(status).instance(&Region("r".to_owned()), Service("accounts".to_owned()), None).state;
        for status in ["available", "backing-up", "storage-optimization"] {
            assert_eq!(state(status), InstanceState::Running, "{status}");
        }
        for status in ["rebooting", "failing-over", "creating", "stopped", ""] {
            assert_eq!(state(status), InstanceState::Starting, "{status}");
        }
        assert!(store("available").available() && !store("backing-up").available());
    }
}
