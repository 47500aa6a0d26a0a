//! An instance: the same idea on every platform.

use std::{collections::BTreeMap, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::{InstanceId, Region, Scope, Service, Zone};

/// One process, container or machine as the inventory found it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Instance {
    /// Unique in its scope.
    pub id: InstanceId,
    /// What a person calls it; often the id.
    pub name: String,
    /// The service it belongs to.
    pub service: Service,
    /// Where it runs.
    pub zone: Zone,
    /// The region of its zone.
    pub region: Region,
    /// Whether it runs.
    pub state: InstanceState,
    /// What its health check says; `None` without one.
    pub healthy: Option<bool>,
    /// Labels or tags. Those of one service are mostly the same, and thousands of instances share them.
    pub labels: Arc<BTreeMap<String, String>>,
    /// `host:port` where it serves, when known.
    pub address: Option<String>,
    /// Which incarnation this is: pid and start time, container id and `StartedAt`. A name that was reused has another one.
    pub identity: String,
    /// What it was built from: command and binary hash, image digest, AMI and template version.
    pub fingerprint: String,
    /// Whether the tool (or the system it manages) started it. What it did not start needs an opt-in.
    pub managed: bool,
    /// Why it may never be chosen, whatever the selector says: it is the tool's own container, it lacks the label that the
    /// environment asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_out: Option<String>,
}

impl Instance {
    /// Whether the protected label forbids touching it. The label always wins.
    pub fn protected(&self) -> bool {
        [PROTECTED, PROTECTED_TAG].iter().any(|key| self.labels.get(*key).is_some_and(|v| v == "true"))
    }

    /// Whether it counts as capacity: running and not known to be unhealthy.
    pub fn serving(&self) -> bool {
        self.state == InstanceState::Running && self.healthy != Some(false)
    }
}

/// How many instances of each service serve.
pub fn serving<'a>(instances: impl IntoIterator<Item = &'a Instance>) -> BTreeMap<Service, usize> {
    let mut all: BTreeMap<&Service, usize> = BTreeMap::new();
    for instance in instances {
        *all.entry(&instance.service).or_default() += usize::from(instance.serving());
    }
    all.into_iter().map(|(service, count)| (service.clone(), count)).collect()
}

/// The label (or tag) that protects an instance on every platform.
pub const PROTECTED: &str = "firedrill.protected";
/// The same in the way that tags are written on AWS.
pub const PROTECTED_TAG: &str = "firedrill:protected";

/// Whether an instance runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum InstanceState {
    /// Launched, not yet serving.
    Starting,
    /// Running.
    Running,
    /// Stopped in place (SIGSTOP, docker pause).
    Paused,
    /// Not running, but could be started again.
    Stopped,
    /// Gone for good.
    Gone,
}

impl InstanceState {
    /// The word a reader sees.
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
            Self::Gone => "gone",
        }
    }
}

/// Everything a platform sees in one scope, at one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Inventory {
    /// The scope the instances were listed in; two runs on one scope exclude each other.
    pub scope: Scope,
    /// The instances, in the platform's stable order (by id). Shared with the platform's next lists, where they stay as they are.
    pub instances: Vec<Arc<Instance>>,
    /// How many instances each service wants (declared replicas, desired capacity); absent when nobody says.
    pub desired: BTreeMap<Service, u32>,
}

impl Inventory {
    /// Each of the instances.
    pub fn each(&self) -> impl Iterator<Item = &Instance> {
        self.instances.iter().map(AsRef::as_ref)
    }
}
