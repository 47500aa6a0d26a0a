//! The experiment: validated, and unable to represent nonsense.

use std::{collections::BTreeMap, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    blast_radius::Caps, built::VersionEndpoint, fault::Fault, guardrail::AbortWhen, ids::Service, probe::ProbeSpec, quantity::Share,
    selector::Selector, steady_state::Condition,
};

/// One experiment file, lowered and checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Experiment {
    /// One sentence: what is believed to hold.
    pub title: String,
    /// More words.
    pub description: Option<String>,
    /// Who is told.
    pub owner: Option<String>,
    /// Labels of the experiment itself.
    pub labels: BTreeMap<String, String>,
    /// The environment named in the file; `--env` overrides it.
    pub environment: Option<String>,
    /// The seed of all draws; drawn and printed when absent.
    pub seed: Option<u64>,
    /// What measures, in file order.
    pub probes: Vec<ProbeSpec>,
    /// What must hold.
    pub steady_state: Vec<Condition>,
    /// An objective for the error budget, if stated.
    pub objective: Option<Objective>,
    /// How long probes run before anything counts.
    pub warm_up: Duration,
    /// How long the untouched system is measured.
    pub baseline: Duration,
    /// How recovery is recognised.
    pub recovery: Recovery,
    /// How long an act that has no undo is watched.
    pub watch: Duration,
    /// When victims are drawn.
    pub bind: Bind,
    /// What is done, in order.
    pub method: Vec<Step>,
    /// The blast radius.
    pub caps: Caps,
    /// What ends the run early.
    pub abort_when: Vec<AbortWhen>,
    /// Where instances of a service say which version they are; each is asked at its own address.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub versions: BTreeMap<Service, VersionEndpoint>,
}

/// An availability objective over a period.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Objective {
    /// Such as 99.9 %.
    pub availability: Share,
    /// Such as 30 days.
    pub over: Duration,
}

/// When the system counts as recovered.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Recovery {
    /// The steady state must hold for so long.
    pub hold: Duration,
    /// And it must begin to within so long, or the recovery phase ends without it.
    pub limit: Duration,
}

/// When victims are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Bind {
    /// All of them before the first act.
    #[default]
    AtStart,
    /// Each step's when it begins; capped and journalled before it is armed.
    AtStep,
}

/// One step of the method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Faults that start at once; one for a plain step.
    Faults(Vec<FaultStep>),
    /// Nothing for a while.
    Wait(Duration),
    /// Nothing until somebody says that the fault is mitigated, for at most so long. No file has it: a game day makes it.
    UntilMitigated(Duration),
    /// A command of the experimenter's (a deployment, a switch), as an argument list, without a shell.
    Command(CommandStep),
    /// Instances are ended one after another, each once the one before is replaced, until all are new.
    Phoenix(PhoenixStep),
}

/// A phoenix drill: everything that was chosen is replaced, never more than one instance being away because of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PhoenixStep {
    /// Whom it replaces: all that match, unless the file takes fewer.
    pub target: Selector,
    /// Within so long each replacement must serve, and the service have its capacity back.
    pub wait: Duration,
}

/// A fault, its targets, and how long it lasts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FaultStep {
    /// What is done.
    pub fault: Fault,
    /// To whom.
    pub target: Selector,
    /// It is undone after so long; without it, at the end of the method.
    pub hold: Option<Duration>,
}

/// A command as a step of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CommandStep {
    /// The command and its arguments.
    pub command: Vec<String>,
    /// The command that undoes it.
    pub undo: Option<Vec<String>>,
    /// Its limit.
    pub timeout: Duration,
}

impl Experiment {
    /// The same as a drill in which people mitigate: no fault ends with its hold, which is only the pace of the method any more, and at the
    /// end of the method all of them stay until somebody says that they are mitigated, for at most so long.
    #[must_use]
    pub fn until_mitigated(mut self, at_most: Duration) -> Self {
        let last = self.method.len().saturating_sub(1);
        let mut method = Vec::new();
        for (n, mut step) in self.method.into_iter().enumerate() {
            let mut pace = None;
            if let Step::Faults(faults) = &mut step {
                pace = faults.iter_mut().filter_map(|fault| fault.hold.take()).max().filter(|_| n < last);
            }
            method.push(step);
            method.extend(pace.map(Step::Wait));
        }
        method.push(Step::UntilMitigated(at_most));
        self.method = method;
        self
    }
}
