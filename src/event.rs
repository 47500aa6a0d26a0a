//! Events: owned, serialised, numbered. The same event is the JSON line, the history row, the page's stream, and the input of
//! `report` on an old run. Every layer above the model may use this module.

use std::{collections::BTreeMap, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{
    act::{Act, Effect},
    built::Built,
    experiment::Experiment,
    ids::{ActId, InstanceId, ProbeName, RunId},
    measurement::{Judged, Measurement},
    observation::Observation,
    outcome::Outcome,
    plan::Plan,
    sample::SampleOutcome,
    steady_state::Phase,
    time::{Mono, Wall},
    undo::Undo,
    verdict::Verdict,
};

/// The version of the event format that this build writes and reads.
pub const EVENT_VERSION: u32 = 1;

/// Something that happened in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// From 1, without a gap.
    pub number: u64,
    /// When, on the monotonic clock.
    pub at: Mono,
    /// When, on the wall clock, for display.
    pub wall: Wall,
    /// What.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the fields carry the types that explain them")]
pub enum EventKind {
    /// The run began. Always the first.
    RunStarted { version: u32, run: RunId, tool: String, file: Option<String>, environment: Option<String>, experiment: Box<Experiment> },
    /// The victims are known. Nothing has been touched.
    Planned { plan: Arc<Plan> },
    /// A phase began.
    PhaseStarted { phase: Phase },
    /// A step of the method began.
    StepStarted { step: u32, says: String },
    /// A step of the method ended.
    StepEnded { step: u32 },
    /// The intent and its undo are durable; the act comes next.
    Armed { act: Box<Act>, undo: Undo },
    /// What is known of an act after it was done and verified.
    Acted { effect: Effect },
    /// An undo began.
    Reverting { act: ActId, says: String },
    /// An undo ended.
    Reverted { act: ActId, says: String },
    /// There was nothing to undo.
    NothingToUndo { act: ActId, why: String },
    /// An undo did not succeed.
    Stuck { act: ActId, why: String, command: String },
    /// What each instance is built from, and which version it says it is: right before the first act, at the end of the fault phase
    /// and at the end of the recovery.
    Built { instances: Vec<Built> },
    /// In a phoenix drill, the victim of an act was replaced and its service has its capacity back.
    Replaced { act: ActId, by: InstanceId },
    /// In a phoenix drill, that did not come within the time that the file gives.
    NotReplaced { act: ActId, why: String },
    /// The platform saw something.
    Observed { observation: Observation },
    /// How a probe fared since the last tick: for the live strip. Not every number is final: requests may still be in flight.
    Tick { probes: BTreeMap<ProbeName, Tick> },
    /// The run is to stop.
    Halting { by: String },
    /// Worth knowing.
    Warning { text: String },
    /// The numbers.
    Measured { measurement: Box<Measurement> },
    /// The conditions, judged.
    Judged { conditions: Vec<Judged> },
    /// The run ended. Always the last.
    RunEnded { outcome: Outcome, verdict: Verdict },
}

/// A probe's requests that completed since the last tick.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Tick {
    /// Requests that completed.
    pub requests: u64,
    /// Of which ok.
    pub ok: u64,
    /// The others, by class.
    pub failures: BTreeMap<SampleOutcome, u64>,
    /// Median latency of the ok ones, seconds.
    pub p50_s: Option<f64>,
    /// 99 % latency of the ok ones, seconds.
    pub p99_s: Option<f64>,
    /// Requests in flight.
    pub in_flight: u64,
}
