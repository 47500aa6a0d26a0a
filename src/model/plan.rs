//! The plan: the exact victims in order. `plan` prints it, `run` executes exactly it.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    act::Prepared,
    experiment::CommandStep,
    fault::Fault,
    ids::{Region, Scope, Zone},
};

/// The version of the plan file that this build writes and reads.
pub const PLAN_VERSION: u32 = 1;

/// So long after the moment at which firedrill should have been heard of, the dead-man's switch takes it for hung.
pub const HANGS_AFTER: Duration = Duration::from_secs(5);

/// What a run will do, and to whom.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// The version of the format.
    pub version: u32,
    /// The experiment's title.
    pub title: String,
    /// SHA-256 (hex) of the experiment as lowered: a plan does not fit a file that has changed since.
    pub experiment: String,
    /// The platform's name.
    pub platform: String,
    /// The scope the victims live in.
    pub scope: Scope,
    /// The seed of all draws.
    pub seed: u64,
    /// The steps, in order.
    pub steps: Vec<PlannedStep>,
    /// What the caps allow, and how much of it this plan uses.
    pub caps: Vec<CapUse>,
    /// What ends the run early, each as a person reads it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guards: Vec<String>,
    /// Things worth knowing: a share rounded up to one, instances left out because they are protected.
    pub notes: Vec<String>,
}

impl Plan {
    /// All acts of all steps, in order.
    pub fn acts(&self) -> impl Iterator<Item = &Prepared> {
        self.steps.iter().flat_map(|step| step.work.faults()).flat_map(|fault| &fault.acts)
    }
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedStep {
    /// From 1.
    pub number: u32,
    /// What it does.
    pub work: Work,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// Faults that start at once.
    Faults(Vec<PlannedFault>),
    /// Nothing for a while.
    Wait(Duration),
    /// Nothing until somebody says that the fault is mitigated, for at most so long.
    UntilMitigated(Duration),
    /// A command.
    Command(CommandStep),
    /// Instances that are ended one after another, each once the one before was replaced.
    Phoenix(PlannedPhoenix),
}

impl Work {
    /// Its faults; none for a wait or a command.
    pub fn faults(&self) -> &[PlannedFault] {
        match self {
            Self::Faults(faults) => faults,
            Self::Phoenix(phoenix) => std::slice::from_ref(&phoenix.kill),
            Self::Wait(_) | Self::UntilMitigated(_) | Self::Command(_) => &[],
        }
    }
}

/// A phoenix drill with its victims.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedPhoenix {
    /// Each act ends one instance.
    pub kill: PlannedFault,
    /// Within so long each replacement must serve.
    pub wait: Duration,
}

/// A fault with its victims.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedFault {
    /// As in the file.
    pub fault: Fault,
    /// The zone that was drawn, if one was.
    pub zone: Option<Zone>,
    /// The region that was drawn, if one was.
    pub region: Option<Region>,
    /// How many instances matched before `take`.
    pub matched: u32,
    /// Undone after so long; without it, at the end of the method.
    pub hold: Option<Duration>,
    /// The acts, in the order in which they are done (undone in reverse). Empty under `bind: at-step`.
    pub acts: Vec<Prepared>,
    /// Whether the victims are drawn only when the step begins.
    pub bound_at_step: bool,
}

/// How much of a cap a plan uses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CapUse {
    /// `service web`, `zone a`, `in all`.
    pub of: String,
    /// Instances affected at most at any time.
    pub used: u32,
    /// Instances allowed.
    pub allowed: u32,
    /// Instances there are.
    pub total: u32,
    /// Which rule: `max-affected.service: 50% (default)`.
    pub rule: String,
}
