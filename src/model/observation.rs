//! What the platform saw happen by itself: deaths, ejections, replacements, capacity.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    ids::{InstanceId, Service, Zone},
    time::Mono,
};

/// One observation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Observation {
    /// When it happened, on the monotonic clock.
    pub at: Mono,
    /// Who says so: `supervisor`, `balancer edge`, `docker events`.
    pub source: String,
    /// What.
    pub what: Observed,
}

/// What was observed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "observed", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the fields are the ids of what each variant names")]
pub enum Observed {
    /// An instance ended.
    Died { instance: InstanceId, service: Service, zone: Zone, how: String },
    /// A balancer stopped sending to an instance.
    Ejected { balancer: String, instance: InstanceId, why: String },
    /// A balancer sends to an instance (again).
    Admitted { balancer: String, instance: InstanceId },
    /// A new instance was launched, in place of another if known.
    Launched { instance: InstanceId, service: Service, zone: Zone, replaces: Option<InstanceId> },
    /// An instance serves: its own health check passes, and every balancer that it is behind sends to it.
    InService { instance: InstanceId, service: Service, zone: Zone },
    /// An instance does not serve any more: its own health check fails, or a balancer does not send to it.
    OutOfService { instance: InstanceId, service: Service, zone: Zone, why: String },
    /// How many instances of a service serve, of how many wanted. Sent at each change.
    Capacity { service: Service, serving: u32, desired: u32 },
    /// A guard of the platform's says that the run must end: a `CloudWatch` alarm rings, or cannot be asked. The run is halted and undone.
    Alarm { text: String },
    /// Anything else worth a mark on the timeline.
    Note { text: String },
}
