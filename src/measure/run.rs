//! The pass over the record: each probe's samples once, in due order, into everything that is computed.

use super::{
    budget::budget,
    capacity::Capacity,
    course::Course,
    findings,
    groups::Groups,
    latency::Latencies,
    phase::Phases,
    phoenix,
    reach::Reach,
    recovery,
    source::SampleSource,
    stats::Collector,
    timeline,
    trust::Watch,
    victims::Victims,
    windows::{Tracker, Window},
    worst::{LENGTHS_NS, Worst},
};
use crate::model::{
    act::{Act, Effect},
    experiment::Experiment,
    measurement::{Accounting, Measurement, OutageWindow, PhaseSpan, PhaseStats, ProbeMeasurement, Trust},
    observation::Observation,
    probe::ProbeSpec,
    sample::SampleOutcome,
    state::StateFindings,
    steady_state::Phase,
    time::{Mono, nanos},
};

/// What is measured from, beside the samples.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The experiment.
    pub experiment: &'a Experiment,
    /// The prober's origin: `Sample::due_ns` counts from it.
    pub origin: Mono,
    /// When each phase began and ended, in seconds since the origin.
    pub phases: &'a [PhaseSpan],
    /// When the first act took effect.
    pub first_effect: Option<Mono>,
    /// When the last undo ended. Without one, the recovery counts from the end of the fault phase.
    pub last_undo: Option<Mono>,
    /// What was done, and what is known of it.
    pub acts: &'a [(Act, Effect)],
    /// What the platform saw.
    pub observations: &'a [Observation],
    /// What happened beside the acts.
    pub course: &'a Course,
    /// Names of backends, zones and addresses, by `NameIndex`.
    pub names: &'a [String],
    /// Requests that were due, per probe.
    pub due: &'a [u64],
    /// What each probe found out about state.
    pub state: &'a [Option<StateFindings>],
    /// What the recorder doubts.
    pub doubts: &'a [String],
    /// The seed of the bootstrap.
    pub seed: u64,
}

/// Measures a run.
pub fn measure(input: &Input<'_>, source: &dyn SampleSource) -> Measurement {
    let phases = Phases::new(input.phases, input.origin, input.first_effect);
    let victims = Victims::new(input.acts, input.observations, input.names, input.origin, input.last_undo);
    let mut trust = Trust { doubts: input.doubts.to_vec(), gaps: Vec::new() };
    let capacity = Capacity::new(input.acts, input.observations);
    let (capacity_lost, capacity_back_after_s) = capacity.over_the_run(input.first_effect);
    let end = Mono(input.origin.0 + phases.end());
    let capacity_by_step = capacity.by_step(input.origin, end);
    let reach = Reach::new(input, &capacity_by_step, &victims.times(), end);
    let mut watchers = Watchers { victims, reach };
    let probes: Vec<ProbeMeasurement> = (input.experiment.probes.iter().zip(0_u16..))
        .map(|(spec, place)| one_probe(input, spec, place, &phases, source, &mut watchers, &mut trust))
        .collect();
    let Watchers { victims, reach } = watchers;
    let mut measurement = Measurement {
        origin: input.origin,
        phases: input.phases.to_vec(),
        recovered_after_s: recovery::recovered_after_s(input, &phases, &probes, source),
        capacity_back_after_s,
        capacity_lost,
        watched_after_effect_s: input.first_effect.map(|effect| end.seconds_from(effect).max(0.0)),
        capacity_by_step,
        death_spread_s: victims.death_spread_s(),
        victims: victims.times(),
        probes,
        replacements: findings::replacements(input.course, input.observations),
        phoenixes: phoenix::phoenixes(input),
        findings: Vec::new(),
        trust,
    };
    measurement.findings = findings::findings(input, &measurement, &reach);
    measurement
}

/// What looks at the samples of all probes.
struct Watchers<'a> {
    victims: Victims<'a>,
    reach: Reach,
}

fn one_probe(
    input: &Input<'_>,
    spec: &ProbeSpec,
    place: u16,
    phases: &Phases,
    source: &dyn SampleSource,
    watchers: &mut Watchers<'_>,
    trust: &mut Trust,
) -> ProbeMeasurement {
    let interval_ns = nanos(spec.rate.interval());
    let (from, to) = phases.counted();
    let effect_ns = input.first_effect.map(|effect| effect.0.saturating_sub(input.origin.0));

    let mut accounting = Accounting { due: input.due.get(usize::from(place)).copied().unwrap_or(0), ..Accounting::default() };
    let mut schedule_errors = Latencies::default();
    let mut whole = Collector::default();
    let mut by_phase: Vec<(Phase, Collector)> =
        Phase::COUNTED.into_iter().filter(|phase| phases.has(*phase)).map(|phase| (phase, Collector::default())).collect();
    let mut groups = Groups::default();
    let mut tracker = Tracker::new(interval_ns, from);
    let mut worst: Vec<Worst> = LENGTHS_NS.into_iter().map(|length| Worst::new(length, from, to)).collect();
    let mut pictures = timeline::Builder::new(phases.end());
    let mut watch = Watch::new(interval_ns);
    let mut first_failure_phase = Vec::new();
    let mut first_error_ns = None;
    let mut opened = false;

    // The last looks of a journey and the last readings of a ledger are the probe's own: they are in its findings, and in no phase.
    let last_round_s = input.state.get(usize::from(place)).and_then(Option::as_ref).and_then(StateFindings::last_round_s);
    for sample in source.samples(place).flatten() {
        accounting.recorded += 1;
        if last_round_s.is_some_and(|last_round_s| sample.due_ns as f64 / 1e9 >= last_round_s) {
            continue;
        }
        if sample.outcome == SampleOutcome::NotSent {
            accounting.not_sent += 1;
        } else {
            accounting.late += u64::from(sample.late());
            schedule_errors.record(sample.sent_us);
        }
        pictures.push(&sample);
        watchers.victims.push(&sample);
        let phase = phases.of(&sample);
        if phase == Phase::WarmUp {
            continue;
        }
        watch.push(&sample, phase);
        whole.push(&sample);
        if let Some((_, collector)) = by_phase.iter_mut().find(|(p, _)| *p == phase) {
            collector.push(&sample);
        }
        groups.push(&sample, phase);
        if sample.late() {
            continue;
        }
        watchers.reach.push(&sample);
        let ok = sample.outcome.is_ok();
        tracker.push(sample.due_ns, sample.outcome);
        if tracker.is_open() && !opened {
            first_failure_phase.push(phase);
        }
        opened = tracker.is_open();
        for worst in &mut worst {
            worst.push(sample.due_ns, ok);
        }
        if !ok && effect_ns.is_some_and(|effect| sample.due_ns >= effect) {
            first_error_ns.get_or_insert(sample.due_ns);
        }
    }

    accounting.schedule_error = schedule_errors.latency();
    let (doubts, gaps) = watch.finish(spec.name.as_str(), &accounting, phases);
    trust.doubts.extend(doubts);
    trust.gaps.extend(gaps);

    let outages: Vec<OutageWindow> =
        tracker.finish().into_iter().zip(first_failure_phase).map(|(window, phase)| in_seconds(window, phase, to)).collect();
    let phase_stats = by_phase
        .into_iter()
        .map(|(phase, collector)| {
            let touching = || outages.iter().map(|w| (w.duration_s, inside(w, phase, input.phases))).filter(|(_, inside)| *inside > 0.0);
            PhaseStats {
                phase,
                stats: collector.stats(input.seed),
                longest_outage_s: touching().map(|(duration, _)| duration).fold(0.0, f64::max),
                downtime_s: touching().map(|(_, inside)| inside).sum(),
            }
        })
        .collect();
    let whole = whole.stats(input.seed);
    ProbeMeasurement {
        name: spec.name.clone(),
        kind: spec.kind.name().to_owned(),
        rate: spec.rate.0,
        timeout_s: spec.timeout.as_secs_f64(),
        accounting,
        phases: phase_stats,
        groups: groups.finish(input.names, &spec.kind.routes(), input.seed),
        downtime_s: outages.iter().map(|w| w.duration_s).sum(),
        weighted_downtime_s: outages.iter().map(|w| w.duration_s * w.share()).sum(),
        smallest_visible_outage_s: 3.0 / spec.rate.0,
        worst_windows: worst.into_iter().filter_map(Worst::finish).collect(),
        first_error_after_s: first_error_ns.zip(effect_ns).map(|(error, effect)| (error - effect) as f64 / 1e9),
        budget: input.experiment.objective.and_then(|objective| budget(objective, spec.rate.0, &whole)),
        state: input.state.get(usize::from(place)).cloned().flatten(),
        timeline: pictures.finish(input.names),
        whole,
        outages,
    }
}

/// A window in seconds; one that is still open lasts until the end of what counts.
fn in_seconds(window: Window, phase: Phase, end_ns: u64) -> OutageWindow {
    let seconds = |ns: u64| ns as f64 / 1e9;
    let until = window.until_ns.unwrap_or(end_ns.max(window.last_failure_ns));
    let brackets = (window.first_failure_ns - window.after_ns) + (until - window.last_failure_ns);
    OutageWindow {
        after_s: seconds(window.after_ns),
        first_failure_s: seconds(window.first_failure_ns),
        last_failure_s: seconds(window.last_failure_ns),
        until_s: window.until_ns.map(seconds),
        duration_s: seconds(until - window.first_failure_ns),
        uncertainty_s: seconds(brackets),
        requests: window.requests,
        failures: window.failures,
        classes: window.classes,
        phase,
    }
}

/// How much of a window lies in a phase, in seconds. A window whose first failure was in flight when the act took effect is the
/// fault's, though it was due in the baseline.
pub fn inside(window: &OutageWindow, phase: Phase, spans: &[PhaseSpan]) -> f64 {
    let span = |phase: Phase| spans.iter().find(|span| span.phase == phase);
    let Some(this) = span(phase) else { return 0.0 };
    let (from, to) = (window.first_failure_s, window.first_failure_s + window.duration_s);
    match phase.cmp(&window.phase) {
        std::cmp::Ordering::Less => 0.0,
        // All of its begin, and whatever was due after the last phase's end.
        std::cmp::Ordering::Equal => {
            let last = spans.iter().all(|span| span.to_s <= this.to_s);
            if last { to - from } else { to.min(this.to_s.max(from)) - from }
        }
        std::cmp::Ordering::Greater => (to.min(this.to_s) - from.max(this.from_s)).max(0.0),
    }
}
