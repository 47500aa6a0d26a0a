//! The numbers of a run. `measure` makes them, `report` renders them, `result.json` publishes them.
//!
//! Times are seconds since the run's origin (the first due request), unless a name says otherwise; shares are between 0 and 1.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    finding::Finding,
    ids::{ActId, InstanceId, ProbeName, Service, Zone},
    sample::SampleOutcome,
    state::StateFindings,
    steady_state::Phase,
    time::Mono,
};

/// All numbers of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Measurement {
    /// Zero of all times, on the monotonic clock: when the first request was due.
    pub origin: Mono,
    /// When each phase began and ended.
    pub phases: Vec<PhaseSpan>,
    /// Each probe's numbers, in file order.
    pub probes: Vec<ProbeMeasurement>,
    /// When each victim was hit, and what followed.
    pub victims: Vec<VictimTimes>,
    /// From the last undo until the steady state held again; absent when it never did (or nothing was undone).
    pub recovered_after_s: Option<f64>,
    /// From the first effect until all capacity that was lost was back; absent when it never was, or was never lost.
    pub capacity_back_after_s: Option<f64>,
    /// Whether a service that was hit was seen with less than it wants after the first effect.
    #[serde(default)]
    pub capacity_lost: bool,
    /// From the first effect to the end of the run; absent without an effect.
    #[serde(default)]
    pub watched_after_effect_s: Option<f64>,
    /// The capacity that each step of the method took, and when it was back: steps whose faults take none are left out.
    #[serde(default)]
    pub capacity_by_step: Vec<StepCapacity>,
    /// The difference between the first and the last death inside each zone.
    pub death_spread_s: BTreeMap<Zone, f64>,
    /// Instances that came in place of others, each held against its siblings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replacements: Vec<Replacement>,
    /// The phoenix drills, step by step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phoenixes: Vec<Phoenix>,
    /// What was found out about the system beside the numbers.
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// Whether the numbers are to be trusted, and why not.
    pub trust: Trust,
}

/// A phase on the timeline.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PhaseSpan {
    /// Which.
    pub phase: Phase,
    /// Its first moment.
    pub from_s: f64,
    /// Its end.
    pub to_s: f64,
}

/// Whether the measurement is to be trusted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Trust {
    /// Reasons not to; empty when trusted. Each is a sentence with its numbers.
    pub doubts: Vec<String>,
    /// Spans in which we were late, with the largest schedule error in each.
    pub gaps: Vec<Gap>,
}

/// A span in which the prober, not the system, was late.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Gap {
    /// From this due time.
    pub from_s: f64,
    /// To this due time.
    pub to_s: f64,
    /// The largest schedule error inside.
    pub worst_error_s: f64,
    /// Requests sent late in it.
    pub requests: u64,
}

/// One probe's numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProbeMeasurement {
    /// The probe.
    pub name: ProbeName,
    /// Its kind.
    pub kind: String,
    /// Requests per second.
    pub rate: f64,
    /// The deadline of a request.
    pub timeout_s: f64,
    /// Whether every due request is accounted for.
    pub accounting: Accounting,
    /// The whole run without the warm-up.
    pub whole: Stats,
    /// Each phase by itself.
    pub phases: Vec<PhaseStats>,
    /// By route, backend, zone, connection policy, name model and address, each within a phase.
    pub groups: Vec<GroupStats>,
    /// The outage windows, in order, warm-up left out.
    pub outages: Vec<OutageWindow>,
    /// All windows together.
    pub downtime_s: f64,
    /// All windows together, each weighted by its share of failures.
    pub weighted_downtime_s: f64,
    /// The smallest outage that could have been seen: 3 / (rate × share of failures), for a full outage.
    pub smallest_visible_outage_s: f64,
    /// The worst availability of any window of 100 ms, 1 s, 10 s and 1 min.
    pub worst_windows: Vec<WorstWindow>,
    /// From the first effect to the first error that began after it.
    pub first_error_after_s: Option<f64>,
    /// How much of the error budget this run burned, if there is an objective.
    pub budget: Option<Budget>,
    /// What became of the state that the probe made or held; absent for kinds that hold none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<StateFindings>,
    /// The timeline for pictures: equal buckets over the whole run.
    pub timeline: Timeline,
}

/// Every due request accounted for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Accounting {
    /// Requests that were due, warm-up included.
    pub due: u64,
    /// Of which there is a sample.
    pub recorded: u64,
    /// Sent more than 10 ms late: counted apart.
    pub late: u64,
    /// Never sent.
    pub not_sent: u64,
    /// The schedule error (due to sent) of all that were sent.
    pub schedule_error: Option<Latency>,
}

/// Requests, failures and latency of some set of samples. Late requests are in none of the numbers but `late`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Stats {
    /// Requests that count.
    pub requests: u64,
    /// Of which the user got what was asked for.
    pub ok: u64,
    /// Of which slower than the probe's slow bound.
    pub ok_slow: u64,
    /// The others, by class.
    pub failures: BTreeMap<SampleOutcome, u64>,
    /// Status codes of `status` failures.
    #[serde(deserialize_with = "codes")]
    pub statuses: BTreeMap<u16, u64>,
    /// Requests left out because we sent them late.
    pub late: u64,
    /// `ok / requests`; absent without requests.
    pub availability: Option<Estimate>,
    /// Latency of those that were ok.
    pub latency: Option<Latency>,
    /// What a client that retries once on a closed reused connection would have seen.
    pub retrying_client: Option<f64>,
}

/// Reads a map by status code. Inside a tagged enum (an event) serde hands over the keys as text, which plain `u16` refuses.
fn codes<'de, D: serde::Deserializer<'de>>(from: D) -> Result<BTreeMap<u16, u64>, D::Error> {
    let raw = BTreeMap::<String, u64>::deserialize(from)?;
    raw.into_iter().map(|(code, n)| code.parse().map(|code| (code, n)).map_err(serde::de::Error::custom)).collect()
}

impl Stats {
    /// How many failed.
    pub fn failed(&self) -> u64 {
        self.requests - self.ok
    }
}

/// A share with its 95 % interval: the wider of Wilson's and a bootstrap over blocks of one second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Estimate {
    /// The share measured.
    pub value: f64,
    /// The interval's lower end.
    pub low: f64,
    /// The interval's upper end.
    pub high: f64,
    /// How many requests it rests on.
    pub n: u64,
}

/// Latency quantiles in seconds, 3 significant digits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Latency {
    /// How many values.
    pub n: u64,
    /// Median.
    pub p50: f64,
    /// 90 %.
    pub p90: f64,
    /// 99 %.
    pub p99: f64,
    /// 99.9 %.
    pub p999: f64,
    /// Largest.
    pub max: f64,
}

/// One phase's numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PhaseStats {
    /// Which phase.
    pub phase: Phase,
    /// Its numbers.
    pub stats: Stats,
    /// The longest outage that touches this phase.
    pub longest_outage_s: f64,
    /// The downtime inside this phase.
    pub downtime_s: f64,
}

/// The numbers of one group within a phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GroupStats {
    /// What groups.
    pub by: GroupBy,
    /// The group: an instance, a zone, `new`, `pinned`, an address.
    pub key: String,
    /// Within this phase.
    pub phase: Phase,
    /// The numbers.
    pub stats: Stats,
}

/// What groups samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum GroupBy {
    Route,
    Backend,
    Zone,
    Policy,
    Names,
    Address,
}

/// One outage window, in due time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OutageWindow {
    /// The last success before; the true start lies in `(after_s, first_failure_s]`.
    pub after_s: f64,
    /// The first failure.
    pub first_failure_s: f64,
    /// The last failure; the true end lies in `(last_failure_s, until_s]`.
    pub last_failure_s: f64,
    /// The first success after; absent when the run ended first.
    pub until_s: Option<f64>,
    /// From the first failure to the first success after (or the end of the run).
    pub duration_s: f64,
    /// How much shorter or longer it may truly have been: the widths of both brackets.
    pub uncertainty_s: f64,
    /// Requests in the window.
    pub requests: u64,
    /// Of which failed.
    pub failures: u64,
    /// By class.
    pub classes: BTreeMap<SampleOutcome, u64>,
    /// The phase of its first failure.
    pub phase: Phase,
}

impl OutageWindow {
    /// The share of requests in the window that failed.
    pub fn share(&self) -> f64 {
        if self.requests == 0 { 0.0 } else { self.failures as f64 / self.requests as f64 }
    }
}

/// The worst availability of any window of one length.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorstWindow {
    /// The length.
    pub window_s: f64,
    /// The worst availability.
    pub availability: f64,
    /// Where the worst one begins.
    pub from_s: f64,
    /// Requests in it.
    pub requests: u64,
}

/// The error budget.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Budget {
    /// The objective, such as 0.999.
    pub objective: f64,
    /// Its period.
    pub over_s: f64,
    /// The share of the period's budget that this run burned, at a constant rate of requests over the period.
    pub burned: f64,
    /// How many such events the objective bears per 30 days; absent when nothing failed.
    pub events_per_month: Option<f64>,
}

/// When a victim was hit, and what followed. Seconds since the origin; `..after_s` since the effect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VictimTimes {
    /// The act.
    pub act: ActId,
    /// The victim.
    pub instance: InstanceId,
    /// What a person calls it, where that is not its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its service.
    pub service: Service,
    /// Its zone.
    pub zone: Zone,
    /// The fault's name.
    pub fault: String,
    /// When the fault took effect: not before this,
    pub effect_after_s: f64,
    /// and no later than this.
    pub effect_by_s: f64,
    /// Its last answer (or failure attributed to it) after the effect: until the balancer stopped sending, as users saw it.
    pub last_seen_after_s: Option<f64>,
    /// The balancer's own word on when it stopped sending.
    pub ejected_after_s: Option<f64>,
    /// A replacement was launched.
    pub replaced_after_s: Option<f64>,
    /// A replacement (or the victim again) was in service.
    pub in_service_after_s: Option<f64>,
}

impl VictimTimes {
    /// What a person calls the victim.
    pub fn called(&self) -> &str {
        self.name.as_deref().unwrap_or(self.instance.as_str())
    }

    /// Whether an answer that names `backend` came from the victim.
    pub fn is_meant_by(&self, backend: &str) -> bool {
        self.called() == backend || self.instance.is_meant_by(backend)
    }
}

/// What a step of the method did to the capacity of the services that it hit. `..after_s` counts from the step's first effect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StepCapacity {
    /// The step.
    pub step: u32,
    /// The services that it took instances from.
    pub services: Vec<Service>,
    /// Its first effect that takes capacity, seconds since the origin.
    pub effect_s: f64,
    /// Whether one of them was seen with less than it wants, after this effect and before a later step hit the same service.
    pub lost: bool,
    /// Until all of them that did had everything back; absent when that was never seen, or nothing was lost.
    pub back_after_s: Option<f64>,
    /// A later step hit one of these services before all was back: the time above holds that step's loss too.
    pub with_later_step: bool,
    /// From the step's first effect to the end of the run: how long a return would have been seen.
    pub watched_s: f64,
}

/// An instance that came during the run: launched in place of another one, or started again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Replacement {
    /// Its service.
    pub service: Service,
    /// Its id.
    pub instance: InstanceId,
    /// What a person calls it.
    pub name: String,
    /// The name of the instance in whose place it is, where that is known (with the id behind it, if both have the same name); its own,
    /// when it was started again.
    pub replaces: Option<String>,
    /// Whether it is built from what its siblings are built from.
    pub fingerprint: Likeness,
    /// Whether it says the version that its siblings say; absent where nobody was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Likeness>,
}

impl Replacement {
    /// Whether it is no new instance: the same one was started again.
    pub fn started_again(&self) -> bool {
        self.replaces.as_ref() == Some(&self.name)
    }
}

/// Whether something is the same on an instance and on its siblings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Likeness {
    /// The same as on at least one sibling.
    Alike,
    /// Another.
    Differs {
        /// What it is on the instance.
        own: String,
        /// What it is on its siblings, each with how many of them.
        siblings: Vec<(String, u32)>,
    },
    /// It cannot be told.
    Untold {
        /// Why not.
        why: String,
    },
}

/// A phoenix drill.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Phoenix {
    /// The step.
    pub step: u32,
    /// The services of the instances that were to be replaced.
    pub services: Vec<Service>,
    /// Each was to be replaced within this.
    pub wait_s: f64,
    /// How many were to be replaced.
    pub of: u32,
    /// For each that was, from its end until its replacement served and the service had its capacity back, in their order.
    pub replaced_after_s: Vec<f64>,
    /// The one that was not replaced in time, and what was seen.
    pub stopped: Option<String>,
}

/// Equal buckets over the whole run, for pictures.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Timeline {
    /// The width of a bucket.
    pub bucket_s: f64,
    /// The buckets, from the origin on.
    pub buckets: Vec<Bucket>,
    /// The names of the backends in `Bucket::backends`.
    pub backends: Vec<String>,
    /// The names of the zones in `Bucket::zones`.
    pub zones: Vec<String>,
}

/// One bucket of the timeline.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Bucket {
    /// Requests due in it, late ones left out.
    pub requests: u32,
    /// Of which ok.
    pub ok: u32,
    /// Of which late (left out of the two above).
    pub late: u32,
    /// Median latency of the ok ones.
    pub p50_s: Option<f32>,
    /// 99 % latency of the ok ones.
    pub p99_s: Option<f32>,
    /// Answers per backend, in the order of `Timeline::backends`.
    pub backends: Vec<u32>,
    /// Answers per zone, in the order of `Timeline::zones`.
    pub zones: Vec<u32>,
}

/// One condition, judged in one phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Judged {
    /// The condition as a person writes it: `home availability >= 99.5%`.
    pub condition: String,
    /// The phase it was judged in; none for a condition on the whole run.
    pub phase: Option<Phase>,
    /// The measured value as a person reads it, with its interval and n.
    pub measured: String,
    /// The measured value, in the metric's unit.
    pub value: Option<f64>,
    /// The result.
    pub result: JudgedResult,
    /// Why, when it is neither held nor broken.
    pub why: Option<String>,
}

/// The result of judging a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum JudgedResult {
    /// It held, on the interval's safe side.
    Held,
    /// It did not.
    Broken,
    /// Too few samples to tell, or nothing was measured: an error, not a pass.
    Untold,
}
