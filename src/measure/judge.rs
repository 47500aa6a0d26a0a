//! Conditions to judgements: each condition in each of its phases by itself. How one is decided is in `reading`.

use super::{
    reading::{Decision, decide, decide_availability, decide_latency},
    words,
};
use crate::model::{
    experiment::Experiment,
    measurement::{Judged, Likeness, Measurement, OutageWindow, PhaseStats, Phoenix, ProbeMeasurement, Replacement, VictimTimes},
    sample::SampleOutcome,
    state::{Counted, StateFindings},
    steady_state::{Comparison, Condition, Expect, Metric, Op, Phase, Unit},
};

/// Judges every condition of the experiment. A condition that cannot be measured is untold, never held.
pub fn judge(experiment: &Experiment, measurement: &Measurement) -> Vec<Judged> {
    let stated = experiment.steady_state.iter().flat_map(|condition| judge_condition(condition, measurement));
    // The time that a phoenix drill gives to each replacement is a condition, stated where it is drilled.
    let phoenixes = measurement.phoenixes.iter().map(|drill| judged(words::phoenix_condition(drill), Some(Phase::Fault), phoenix(drill)));
    stated.chain(phoenixes).collect()
}

fn phoenix(drill: &Phoenix) -> Finding {
    let decision = match &drill.stopped {
        Some(why) => Decision { why: Some(why.clone()), ..Decision::exact(false) },
        None if drill.replaced_after_s.len() < drill.of as usize => Decision::untold(words::PHOENIX_CUT_SHORT),
        None => Decision::exact(true),
    };
    let value = drill.replaced_after_s.iter().copied().reduce(f64::max);
    Finding { measured: words::phoenix(drill), value, decision }
}

/// Broken by one that is known to be different, whatever is not known of the others. What was merely started again replaced nobody: it
/// proves nothing by being like its siblings, but is looked at.
fn replacements(all: &[Replacement]) -> Finding {
    let aspects = |new: &Replacement| std::iter::once(new.fingerprint.clone()).chain(new.version.clone()).collect::<Vec<_>>();
    let differs = |new: &Replacement| aspects(new).iter().any(|likeness| matches!(likeness, Likeness::Differs { .. }));
    let counted: Vec<&Replacement> = all.iter().filter(|new| !new.started_again() || differs(new)).collect();
    let alike = counted.iter().filter(|new| aspects(new).iter().all(|likeness| *likeness == Likeness::Alike)).count();
    let untold = counted.iter().find_map(|new| {
        aspects(new).into_iter().find_map(|likeness| match likeness {
            Likeness::Untold { why } => Some(words::replacement_untold(&new.name, &why)),
            _ => None,
        })
    });
    let decision = match untold {
        _ if counted.is_empty() => return Finding::untold(words::NO_REPLACEMENT),
        _ if counted.iter().any(|new| differs(new)) => Decision::exact(false),
        Some(why) => Decision::untold(why),
        None => Decision::exact(true),
    };
    Finding { measured: words::replacements(alike, counted.len()), value: Some(alike as f64), decision }
}

/// What was measured, and the decision.
struct Finding {
    measured: String,
    value: Option<f64>,
    decision: Decision,
}

impl Finding {
    fn untold(why: impl Into<String>) -> Self {
        Self { measured: words::NOT_MEASURED.to_owned(), value: None, decision: Decision::untold(why) }
    }
}

fn judge_condition(condition: &Condition, measurement: &Measurement) -> Vec<Judged> {
    match &condition.expect {
        Expect::RecoveredWithin(within) => {
            let finding = recovered(within.as_secs_f64(), measurement);
            vec![judged(words::recovered_condition(*within), None, finding)]
        }
        Expect::ReplacementsAlike => {
            vec![judged(words::REPLACEMENTS_CONDITION.to_owned(), None, replacements(&measurement.replacements))]
        }
        Expect::Probe { probe, metric, comparison } => {
            let text = words::condition(probe, *metric, *comparison);
            let Some(numbers) = measurement.probes.iter().find(|p| p.name == *probe) else {
                return vec![judged(text, None, Finding::untold(words::no_probe(probe)))];
            };
            if let Some(finding) = of_whole_run(*metric, *comparison, numbers, measurement) {
                return vec![judged(text, None, finding)];
            }
            let phases = if condition.phases.is_empty() { &Phase::COUNTED[..] } else { &condition.phases };
            phases
                .iter()
                .map(|phase| judged(text.clone(), Some(*phase), in_phase(*metric, *comparison, numbers, *phase, measurement)))
                .collect()
        }
    }
}

fn judged(condition: String, phase: Option<Phase>, finding: Finding) -> Judged {
    let Finding { measured, value, decision } = finding;
    Judged { condition, phase, measured, value, result: decision.result, why: decision.why }
}

/// Metrics that count from the fault have no phase.
fn of_whole_run(metric: Metric, comparison: Comparison, probe: &ProbeMeasurement, measurement: &Measurement) -> Option<Finding> {
    let time = |value: Option<f64>, missing: &str| match value {
        Some(value) => Finding { measured: words::seconds(value), value: Some(value), decision: Decision::exact(comparison.holds(value)) },
        None => Finding::untold(missing),
    };
    match metric {
        Metric::TimeToFirstError => Some(time(probe.first_error_after_s, words::NO_ERROR)),
        Metric::TimeToCapacity => Some(capacity(comparison, measurement)),
        Metric::TimeToEjection => Some(ejection(comparison, &measurement.victims)),
        Metric::Lost => Some(of_findings(comparison, probe, StateFindings::lost)),
        Metric::Duplicated => Some(of_findings(comparison, probe, StateFindings::duplicated)),
        Metric::NeverRead => Some(of_findings(comparison, probe, StateFindings::never_read)),
        _ => None,
    }
}

/// A count of what the probe found out about state. What is not known may be as bad as it can be, or nothing.
fn of_findings(comparison: Comparison, probe: &ProbeMeasurement, pick: fn(&StateFindings) -> Option<Counted>) -> Finding {
    let Some(Counted { known, unknown }) = probe.state.as_ref().and_then(pick) else { return Finding::untold(words::NO_STATE) };
    if probe.state.as_ref().is_some_and(StateFindings::is_blank) {
        return Finding::untold(words::NOTHING_HELD);
    }
    let decision = match (comparison.holds(known as f64), comparison.holds((known + unknown) as f64)) {
        (true, true) => Decision::exact(true),
        (false, false) => Decision::exact(false),
        _ => Decision::untold(words::not_known(unknown)),
    };
    Finding { measured: words::found(known), value: Some(known as f64), decision }
}

/// Broken also when the return was watched for longer than the bound and never came.
fn capacity(comparison: Comparison, measurement: &Measurement) -> Finding {
    if let Some(value) = measurement.capacity_back_after_s {
        return Finding { measured: words::seconds(value), value: Some(value), decision: Decision::exact(comparison.holds(value)) };
    }
    let Some(watched) = measurement.watched_after_effect_s.filter(|_| measurement.capacity_lost) else {
        return Finding::untold(words::NO_CAPACITY_LOST);
    };
    let decision = if matches!(comparison.op, Op::AtMost | Op::Below) && watched > comparison.bound {
        Decision::exact(false)
    } else {
        Decision::untold(words::capacity_cut_short(watched))
    };
    Finding { measured: words::not_recovered(watched), value: None, decision }
}

/// Every victim must satisfy it. The later of the balancer's own word and the last that users saw of the victim counts.
fn ejection(comparison: Comparison, victims: &[VictimTimes]) -> Finding {
    let times: Vec<Option<f64>> =
        victims.iter().map(|v| v.ejected_after_s.into_iter().chain(v.last_seen_after_s).reduce(f64::max)).collect();
    let known = || times.iter().flatten().copied();
    let worst = match comparison.op {
        Op::AtLeast | Op::Above => known().reduce(f64::min),
        _ => known().reduce(f64::max),
    };
    let Some(value) = worst else { return Finding::untold(words::NO_VICTIM) };
    let missing: Vec<String> = victims.iter().zip(&times).filter(|(_, time)| time.is_none()).map(|(v, _)| v.instance.0.clone()).collect();
    let decision = if known().any(|time| !comparison.holds(time)) {
        Decision::exact(false)
    } else if missing.is_empty() {
        Decision::exact(true)
    } else {
        Decision::untold(words::not_ejected(&missing))
    };
    Finding { measured: words::seconds(value), value: Some(value), decision }
}

fn in_phase(metric: Metric, comparison: Comparison, probe: &ProbeMeasurement, phase: Phase, measurement: &Measurement) -> Finding {
    let Some(numbers) = probe.phases.iter().find(|p| p.phase == phase) else { return Finding::untold(words::NO_PHASE) };
    let stats = &numbers.stats;
    if stats.requests == 0 {
        return Finding::untold(words::NO_REQUESTS);
    }
    let latency = |pick: fn(&crate::model::measurement::Latency) -> f64| match &stats.latency {
        None => Finding::untold(words::NO_SUCCESS),
        Some(latency) => {
            let value = pick(latency);
            let decision = decide_latency(metric, comparison, value, latency.n);
            Finding { measured: words::latency(value, *latency), value: Some(value), decision }
        }
    };
    let exact = |value: u64| Finding {
        measured: words::counted(value, stats.requests),
        value: Some(value as f64),
        decision: Decision::exact(comparison.holds(value as f64)),
    };
    let class = |outcome: SampleOutcome| stats.failures.get(&outcome).copied().unwrap_or(0);
    match metric {
        Metric::Availability => Finding {
            measured: stats.availability.map_or_else(|| words::NOT_MEASURED.to_owned(), words::availability),
            value: stats.availability.map(|estimate| estimate.value),
            decision: decide_availability(comparison, stats.ok, stats.requests),
        },
        Metric::P50 => latency(|l| l.p50),
        Metric::P90 => latency(|l| l.p90),
        Metric::P99 => latency(|l| l.p99),
        Metric::P999 => latency(|l| l.p999),
        Metric::Max => latency(|l| l.max),
        Metric::Failures => exact(stats.failed()),
        Metric::StateLost => exact(class(SampleOutcome::StateLost) + lost_at_the_end(probe, phase, measurement)),
        Metric::Stale => exact(class(SampleOutcome::Stale)),
        Metric::LongestOutage | Metric::Downtime => outage(metric, comparison, probe, numbers, measurement),
        Metric::Lost
        | Metric::Duplicated
        | Metric::NeverRead
        | Metric::TimeToFirstError
        | Metric::TimeToEjection
        | Metric::TimeToCapacity => Finding::untold(words::NO_PHASE),
    }
}

/// What the last looks after the run's end found lost, for its last phase: nobody came by before, but it was lost by then.
fn lost_at_the_end(probe: &ProbeMeasurement, phase: Phase, measurement: &Measurement) -> u64 {
    match &probe.state {
        Some(StateFindings::Sessions(found)) if measurement.phases.last().is_some_and(|span| span.phase == phase) => found.lost_at_the_end,
        _ => 0,
    }
}

/// Outages: the true length lies within the printed uncertainty of the measured one, and a probe cannot vouch for the absence of
/// outages that are too short for it to see. `<= 0s` is a statement about what was seen.
fn outage(metric: Metric, comparison: Comparison, probe: &ProbeMeasurement, numbers: &PhaseStats, measurement: &Measurement) -> Finding {
    let touching: Vec<&OutageWindow> =
        probe.outages.iter().filter(|window| super::run::inside(window, numbers.phase, &measurement.phases) > 0.0).collect();
    let (value, uncertainty) = if metric == Metric::Downtime {
        (numbers.downtime_s, touching.iter().map(|w| w.uncertainty_s).sum())
    } else {
        let longest = touching.iter().max_by(|a, b| a.duration_s.total_cmp(&b.duration_s));
        (numbers.longest_outage_s, longest.map_or(0.0, |w| w.uncertainty_s))
    };
    let open = touching.iter().any(|window| window.until_s.is_none());
    let upper = matches!(comparison.op, Op::AtMost | Op::Below);
    let decision = if upper && comparison.bound > 0.0 && comparison.holds(value) && probe.smallest_visible_outage_s > comparison.bound {
        Decision::untold(words::too_coarse(probe.smallest_visible_outage_s, comparison.bound))
    } else if upper && open && comparison.holds(value) {
        Decision::untold(words::STILL_OPEN)
    } else {
        let (low, high) = ((value - uncertainty).max(0.0), value + uncertainty);
        decide(comparison, value, low, high, || words::too_close(low, high, Unit::Seconds))
    };
    Finding { measured: words::outage(value, uncertainty, open), value: Some(value), decision }
}

/// Broken also when the recovery was watched for longer than the bound and never came.
fn recovered(within: f64, measurement: &Measurement) -> Finding {
    if let Some(value) = measurement.recovered_after_s {
        return Finding { measured: words::seconds(value), value: Some(value), decision: Decision::exact(value <= within) };
    }
    let Some(recovery) = measurement.phases.iter().find(|span| span.phase == Phase::Recovery) else {
        return Finding::untold(words::NO_RECOVERY);
    };
    let watched = recovery.to_s - recovery.from_s;
    let decision = if watched > within { Decision::exact(false) } else { Decision::untold(words::recovery_cut_short(watched)) };
    Finding { measured: words::not_recovered(watched), value: None, decision }
}
