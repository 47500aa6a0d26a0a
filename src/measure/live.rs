//! The view while the run goes on: ticks for the console, the baseline's gate, the end of the recovery, and abort conditions.
//!
//! Samples come when they complete, up to the timeout after they were due, so the newest seconds look better than they are (what
//! hangs is not there yet). Everything here is judged up to the **frontier**: the end of the newest bucket of which every request
//! is known, or long enough ago that it must be. Failures beyond the frontier count at once.

use std::collections::BTreeMap;

use super::{
    abort::AbortView,
    reading::{decide_availability, decide_latency},
    sliding::{BUCKET_NS, Slice, Sliding},
    trust, words,
};
use crate::{
    event::Tick,
    model::{
        experiment::Experiment,
        guardrail::AbortWhen,
        ids::ProbeName,
        measurement::JudgedResult,
        probe::ProbeSpec,
        sample::{Sample, SampleOutcome},
        steady_state::{Comparison, Condition, Expect, Metric, Phase},
        time::{Mono, nanos},
    },
};

/// At least so much is kept.
const KEEP_NS: u64 = 120_000_000_000;
/// At most so much is kept, whatever the file asks for.
const KEEP_AT_MOST_NS: u64 = 900_000_000_000;
/// A bucket's end is known this long after the last deadline in it: the prober hands samples over in batches.
const HANDOVER_NS: u64 = 250_000_000;
/// So many.
const FEW_INTERVALS: u64 = 5;

/// Follows a run by its completed samples. Bounded memory: the newest two minutes, or what the file's own times need.
#[derive(Debug)]
pub struct Live {
    origin: Mono,
    probes: Vec<ProbeView>,
    conditions: Vec<Condition>,
    aborts: Vec<AbortView>,
    warm_up_ns: u64,
    hold: u64,
    /// The newest boundary that was judged, and since when the steady state has held there.
    judged: u64,
    steady_since: Option<u64>,
}

#[derive(Debug)]
pub(super) struct ProbeView {
    name: ProbeName,
    interval_ns: u64,
    /// Whether the rate says how many requests are due in a bucket.
    even: bool,
    timeout_ns: u64,
    pub(super) sliding: Sliding,
    since_tick: Slice,
    since_warm_up: Slice,
    frontier: u64,
}

impl ProbeView {
    fn new(spec: &ProbeSpec, keep_ns: u64) -> Self {
        Self {
            name: spec.name.clone(),
            interval_ns: nanos(spec.rate.interval()).max(1),
            even: spec.kind.is_even(),
            timeout_ns: nanos(spec.timeout),
            sliding: Sliding::new(keep_ns),
            since_tick: Slice::default(),
            since_warm_up: Slice::default(),
            frontier: 0,
        }
    }

    /// Moves the frontier: every bucket before it is complete, or older than its deadline.
    fn advance(&mut self, now_ns: u64) -> u64 {
        while (self.frontier + 1) * BUCKET_NS <= now_ns {
            let (from, to) = (self.frontier * BUCKET_NS, (self.frontier + 1) * BUCKET_NS);
            let due = to.div_ceil(self.interval_ns) - from.div_ceil(self.interval_ns);
            let overdue = to + self.timeout_ns + HANDOVER_NS <= now_ns;
            let complete = self.even && self.sliding.recorded(self.frontier) >= due;
            if !overdue && !complete {
                break;
            }
            self.frontier += 1;
        }
        self.frontier
    }

    /// The buckets in which enough requests are due to say anything.
    pub(super) fn few(&self) -> u64 {
        (FEW_INTERVALS * self.interval_ns).div_ceil(BUCKET_NS).max(1)
    }
}

impl Live {
    /// Follows a run of the experiment; `origin` is the prober's.
    pub fn new(experiment: &Experiment, origin: Mono) -> Self {
        let looks_back = |abort: &AbortWhen| match abort {
            AbortWhen::Metric { held_for, .. } => nanos(*held_for),
            AbortWhen::BurnRate { over, .. } => nanos(*over),
            AbortWhen::Asked(_) => 0,
        };
        let longest = experiment.abort_when.iter().map(looks_back).chain([nanos(experiment.recovery.hold)]).max().unwrap_or(0);
        let slowest = experiment.probes.iter().map(|p| nanos(p.timeout)).max().unwrap_or(0);
        let keep_ns = (2 * longest + 2 * slowest).clamp(KEEP_NS, KEEP_AT_MOST_NS);
        let place = |name: &ProbeName| experiment.probes.iter().position(|p| p.name == *name);
        Self {
            origin,
            probes: experiment.probes.iter().map(|spec| ProbeView::new(spec, keep_ns)).collect(),
            conditions: experiment.steady_state.clone(),
            aborts: experiment
                .abort_when
                .iter()
                .filter_map(|when| Some(AbortView::new(when, experiment.objective, place(when.probe()?)?)))
                .collect(),
            warm_up_ns: nanos(experiment.warm_up),
            hold: (nanos(experiment.recovery.hold) / BUCKET_NS).max(1),
            judged: 0,
            steady_since: None,
        }
    }

    /// A sample that was completed.
    pub fn push(&mut self, sample: &Sample) {
        let Some(probe) = self.probes.get_mut(usize::from(sample.probe)) else { return };
        probe.since_tick.push(sample);
        if sample.due_ns >= self.warm_up_ns {
            probe.since_warm_up.push(sample);
        }
        probe.sliding.push(sample);
    }

    /// How each probe fared since the last tick. `in_flight` is for the prober to fill in.
    pub fn tick(&mut self) -> BTreeMap<ProbeName, Tick> {
        let tick = |probe: &mut ProbeView| {
            let slice = std::mem::take(&mut probe.since_tick);
            let (p50_s, p99_s) = (slice.quantile(0.5), slice.quantile(0.99));
            (probe.name.clone(), Tick { requests: slice.requests, ok: slice.ok, failures: slice.failures, p50_s, p99_s, in_flight: 0 })
        };
        self.probes.iter_mut().map(tick).collect()
    }

    /// Everything due before this moment is known.
    pub fn known_to(&mut self, now: Mono) -> Mono {
        let frontier = self.frontier(now);
        Mono(self.origin.0 + frontier * BUCKET_NS)
    }

    fn frontier(&mut self, now: Mono) -> u64 {
        let now_ns = now.0.saturating_sub(self.origin.0);
        self.probes.iter_mut().map(|probe| probe.advance(now_ns)).min().unwrap_or(now_ns / BUCKET_NS)
    }

    /// Since when the steady state has held (looking back over windows of its hold time); none when it does not hold now.
    pub fn steady_since(&mut self, now: Mono) -> Option<Mono> {
        let frontier = self.frontier(now);
        // Asked for the first time late in a run, there is no need to judge all of it.
        self.judged = self.judged.max(frontier.saturating_sub(self.hold));
        while self.judged < frontier {
            self.judged += 1;
            let Some(from) = self.judged.checked_sub(self.hold) else { continue };
            if self.steady_over(from, self.judged) {
                self.steady_since.get_or_insert(from);
            } else {
                self.steady_since = None;
            }
        }
        let since = self.steady_since?;
        // What is known already beyond the frontier may break it.
        let still = self.steady_over(frontier.saturating_sub(self.hold), u64::MAX);
        still.then(|| Mono(self.origin.0 + since * BUCKET_NS))
    }

    /// Whether the steady state has held for its hold time since `after` (the last undo), and from when on.
    pub fn recovered(&mut self, after: Mono, now: Mono) -> Option<Mono> {
        let since = self.steady_since(now)?.max(after);
        let known_to = self.known_to(now);
        (known_to.since(since) >= std::time::Duration::from_nanos(self.hold * BUCKET_NS)).then_some(since)
    }

    /// Whether every condition that must hold in the recovery holds over these buckets, and no outage is open at their end.
    pub(super) fn steady_over(&self, from: u64, to: u64) -> bool {
        let conditions = self.conditions.iter().filter(|c| c.phases.is_empty() || c.phases.contains(&Phase::Recovery));
        let holds = conditions.filter_map(|c| self.probe_condition(c)).all(|(probe, metric, comparison)| {
            // A slow probe has few requests in the hold time: then so many as say anything.
            let from = from.min(to.saturating_sub(probe.few()));
            match value(metric, &probe.sliding.slice(from, to)) {
                Value::Measured(value) => comparison.holds(value),
                Value::Nothing => false,
                Value::NotLive => true,
            }
        });
        holds && self.probes.iter().all(|probe| !outage_open(probe, to))
    }

    fn probe_condition(&self, condition: &Condition) -> Option<(&ProbeView, Metric, Comparison)> {
        match &condition.expect {
            Expect::Probe { probe, metric, comparison } => {
                self.probes.iter().find(|view| view.name == *probe).map(|view| (view, *metric, *comparison))
            }
            Expect::RecoveredWithin(_) | Expect::ReplacementsAlike => None,
        }
    }

    /// Whether every condition that must hold in the baseline held over everything since the warm-up: asked once, at the end of
    /// the baseline. The error says which did not, or cannot be told, and why.
    pub fn baseline_holds(&self) -> Result<(), Vec<String>> {
        let mut why = Vec::new();
        for probe in &self.probes {
            let slice = &probe.since_warm_up;
            let all = slice.requests + slice.late;
            if trust::too_late(slice.late, all) {
                why.push(words::late_share(probe.name.as_str(), Phase::Baseline, slice.late, all, trust::most_late(all)));
            }
        }
        for condition in self.conditions.iter().filter(|c| c.phases.is_empty() || c.phases.contains(&Phase::Baseline)) {
            let Some((probe, metric, comparison)) = self.probe_condition(condition) else { continue };
            let slice = &probe.since_warm_up;
            let (value, decision) = match value(metric, slice) {
                Value::NotLive => continue,
                Value::Nothing => {
                    why.push(words::untold(&words::condition(&probe.name, metric, comparison), None, words::NOT_MEASURED));
                    continue;
                }
                Value::Measured(measured) => match metric {
                    Metric::Availability => (measured, decide_availability(comparison, slice.ok, slice.requests)),
                    Metric::Failures | Metric::StateLost | Metric::Stale => {
                        (measured, super::reading::Decision::exact(comparison.holds(measured)))
                    }
                    _ => (measured, decide_latency(metric, comparison, measured, slice.ok)),
                },
            };
            if decision.result != JudgedResult::Held {
                let text = words::condition(&probe.name, metric, comparison);
                let n = slice.requests;
                why.push(
                    decision.why.map_or_else(|| words::live_value(&text, metric, value, n), |reason| words::untold(&text, None, &reason)),
                );
            }
        }
        if why.is_empty() { Ok(()) } else { Err(why) }
    }

    /// Whether an abort condition has been bad for its time; says which, as a person reads it.
    ///
    /// A share or a latency is looked at over windows of one second (longer for slow probes) that slide by 100 ms, and must be bad
    /// in each of them for the whole time. A count is looked at over the time itself, and is bad at once.
    pub fn abort(&mut self, now: Mono) -> Option<String> {
        let now_ns = now.0.saturating_sub(self.origin.0);
        for abort in &mut self.aborts {
            let probe = &mut self.probes[abort.place];
            let frontier = probe.advance(now_ns);
            if let Some(value) = abort.judge(probe, frontier) {
                return Some(words::aborted(&abort.when, value));
            }
        }
        None
    }
}

/// What a metric is over a slice.
pub(super) enum Value {
    Measured(f64),
    /// Nothing was measured.
    Nothing,
    /// This metric is judged at the end only.
    NotLive,
}

pub(super) fn value(metric: Metric, slice: &Slice) -> Value {
    let some = |value: Option<f64>| value.map_or(Value::Nothing, Value::Measured);
    let class = |outcome: SampleOutcome| Value::Measured(slice.failures.get(&outcome).copied().unwrap_or(0) as f64);
    match metric {
        Metric::Availability => some((slice.requests > 0).then(|| slice.ok as f64 / slice.requests as f64)),
        Metric::P50 => some(slice.quantile(0.5)),
        Metric::P90 => some(slice.quantile(0.9)),
        Metric::P99 => some(slice.quantile(0.99)),
        Metric::P999 => some(slice.quantile(0.999)),
        Metric::Max => some(slice.quantile(1.0)),
        Metric::Failures => Value::Measured((slice.requests - slice.ok) as f64),
        Metric::StateLost => class(SampleOutcome::StateLost),
        Metric::Stale => class(SampleOutcome::Stale),
        Metric::Lost
        | Metric::Duplicated
        | Metric::NeverRead
        | Metric::LongestOutage
        | Metric::Downtime
        | Metric::TimeToFirstError
        | Metric::TimeToEjection
        | Metric::TimeToCapacity => Value::NotLive,
    }
}

/// Whether most of the last few requests before a boundary failed.
fn outage_open(probe: &ProbeView, to: u64) -> bool {
    let to = if to == u64::MAX { probe.frontier } else { to };
    let slice = probe.sliding.slice(to.saturating_sub(probe.few()), to);
    slice.requests > 0 && slice.ok * 2 < slice.requests
}
