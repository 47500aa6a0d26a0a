//! Whole runs made by hand: samples in, numbers and judgements out.

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;

use super::{
    Course, Input, Live, judge, measure, shown,
    source::InMemory,
    support::{ORIGIN, act_on, phases, sample},
};
use JudgedResult::{Broken, Held};

use crate::model::{
    act::{Effect, EffectStatus},
    blast_radius::Caps,
    experiment::{Bind, Experiment, Objective, Recovery},
    guardrail::AbortWhen,
    ids::ActId,
    measurement::{JudgedResult, Measurement, Trust},
    observation::{Observation, Observed},
    outcome::Shown,
    probe::{CommandProbe, ProbeKind, ProbeSpec},
    quantity::{Rate, Share},
    sample::{NameIndex, Sample, SampleOutcome},
    state::{Sessions, StateFindings, Writes},
    steady_state::{Comparison, Condition, Expect, Metric, Op, Phase},
    time::{Bracket, Mono},
};

fn condition(metric: Metric, op: Op, bound: f64) -> Condition {
    let comparison = Comparison { op, bound, unit: metric.unit() };
    Condition { expect: Expect::Probe { probe: "home".into(), metric, comparison }, phases: vec![] }
}

fn experiment(rate: f64, steady_state: Vec<Condition>) -> Experiment {
    Experiment {
        title: "t".into(),
        description: None,
        owner: None,
        labels: BTreeMap::new(),
        environment: None,
        seed: None,
        probes: vec![ProbeSpec {
            name: "home".into(),
            kind: ProbeKind::Command(CommandProbe { command: vec![], status: vec![] }),
            rate: Rate(rate),
            timeout: Duration::from_secs(1),
            slow: None,
            service: None,
        }],
        steady_state,
        objective: None,
        warm_up: Duration::from_secs(1),
        baseline: Duration::from_secs(9),
        recovery: Recovery { hold: Duration::from_secs(5), limit: Duration::from_mins(1) },
        watch: Duration::from_secs(30),
        bind: Bind::AtStart,
        method: vec![],
        caps: Caps::default(),
        abort_when: vec![],
        versions: std::collections::BTreeMap::new(),
    }
}

/// Samples at `rate` for `seconds`, changed one by one.
fn record(rate: f64, seconds: f64, mut change: impl FnMut(&mut Sample)) -> InMemory {
    let n = (rate * seconds) as u32;
    let samples = (0..n).map(|k| {
        let mut sample = sample(k, (f64::from(k) / rate * 1e9) as u64, true);
        change(&mut sample);
        Some(sample)
    });
    InMemory { probes: vec![samples.collect()] }
}

fn fail(sample: &mut Sample, from_s: f64, to_s: f64) {
    let due = sample.due_ns as f64 / 1e9;
    if from_s <= due && due < to_s {
        sample.outcome = SampleOutcome::Refused;
    }
}

/// One second of warm-up, a baseline to 10 s, a fault to `fault_end`, a recovery to `end`.
fn measured(experiment: &Experiment, source: &InMemory, fault_end: f64, end: f64) -> Measurement {
    measured_with(experiment, source, fault_end, end, None)
}

fn measured_with(experiment: &Experiment, source: &InMemory, fault_end: f64, end: f64, state: Option<StateFindings>) -> Measurement {
    let spans = phases(&[
        (Phase::WarmUp, 0.0, 1.0),
        (Phase::Baseline, 1.0, 10.0),
        (Phase::Fault, 10.0, fault_end),
        (Phase::Recovery, fault_end, end),
    ]);
    let input = Input {
        experiment,
        origin: ORIGIN,
        phases: &spans,
        first_effect: Some(ORIGIN.plus(Duration::from_secs(10))),
        last_undo: Some(ORIGIN.plus(Duration::from_secs_f64(fault_end))),
        acts: &[],
        observations: &[],
        course: &Course::default(),
        names: &[String::new()],
        due: &[source.probes[0].len() as u64],
        state: &[state],
        doubts: &[],
        seed: 1,
    };
    measure(&input, source)
}

#[test]
fn the_last_readings_of_a_probe_are_in_no_phase() {
    // From 30.2 s on: all of them missed something, and one was not even sent.
    let source = record(10.0, 33.0, |s| {
        if s.due_ns >= 30_200_000_000 {
            s.outcome = if s.due_ns % 1_000_000_000 == 0 { SampleOutcome::NotSent } else { SampleOutcome::StateLost };
        }
    });
    let availability = condition(Metric::Availability, Op::AtLeast, 1.0);
    let judged_with = |metric, state| {
        let experiment = experiment(10.0, vec![availability.clone(), condition(metric, Op::Equal, 0.0)]);
        let m = measured_with(&experiment, &source, 20.0, 30.0, Some(state));
        let probe = &m.probes[0];
        assert_eq!((probe.accounting.recorded, probe.whole.requests, probe.whole.failed()), (330, 292, 0));
        assert!(probe.outages.is_empty() && m.trust.doubts.is_empty(), "{:?}", m.trust);
        judge(&experiment, &m).into_iter().map(|judged| judged.result).collect::<Vec<_>>()
    };
    let last_round_s = Some(30.2);
    let writes = |acknowledged, lost| StateFindings::Writes(Writes { acknowledged, lost, last_round_s, ..Writes::default() });
    assert_eq!(judged_with(Metric::Lost, writes(9, 0)), [Held, Held, Held, Held]);
    assert_eq!(judged_with(Metric::Lost, writes(9, 1)).last(), Some(&Broken));
    assert_eq!(judged_with(Metric::Lost, writes(0, 0)).last(), Some(&JudgedResult::Untold), "nothing could be lost");
    // A session that was found lost by the last look was lost in the last phase at the latest.
    let sessions = |lost_at_the_end| {
        StateFindings::Sessions(Sessions { started: 9, lost: lost_at_the_end, lost_at_the_end, last_round_s, ..Sessions::default() })
    };
    assert_eq!(judged_with(Metric::StateLost, sessions(0))[3..], [Held, Held, Held]);
    assert_eq!(judged_with(Metric::StateLost, sessions(2))[3..], [Held, Held, Broken]);
}

#[test]
fn a_black_hole_of_60_s_in_10_minutes_is_90_percent() {
    // Field P2: a pool of five workers shows 98.9 % here.
    let source = record(10.0, 601.0, |s| {
        if (100_000_000_000..160_000_000_000).contains(&s.due_ns) {
            s.outcome = SampleOutcome::ResponseTimeout;
            s.done_us = 5_000_000;
        }
    });
    let m = measured(&experiment(10.0, vec![]), &source, 300.0, 601.0);
    let probe = &m.probes[0];
    assert_eq!(probe.whole.requests, 6_000);
    assert!((probe.whole.availability.unwrap().value - 0.9).abs() < 1e-12);
    assert_eq!(probe.outages.len(), 1);
    assert!((probe.outages[0].duration_s - 60.0).abs() < 1e-6 && (probe.downtime_s - 60.0).abs() < 1e-6);
    assert_eq!(probe.worst_windows.iter().map(|w| w.availability).collect::<Vec<_>>(), [0.0; 4]);
    assert_eq!(probe.first_error_after_s, Some(90.0));
    assert!(m.trust.doubts.is_empty(), "{:?}", m.trust);
}

#[test]
fn thirteen_of_thirteen_ticks_are_accounted_for() {
    let source = record(1.0, 13.0, |s| {
        if s.number == 4 || s.number == 8 {
            s.done_us = 3_000_000;
        }
    });
    let m = measured(&experiment(1.0, vec![]), &source, 11.0, 13.0);
    let accounting = m.probes[0].accounting;
    assert_eq!((accounting.due, accounting.recorded, accounting.late, accounting.not_sent), (13, 13, 0, 0));
}

#[test]
fn a_hole_in_the_record_is_doubted() {
    let mut source = record(200.0, 20.0, |_| ());
    source.probes[0][77] = None;
    let m = measured(&experiment(200.0, vec![]), &source, 15.0, 20.0);
    assert_eq!(m.trust.doubts, ["probe home: there is no sample of 1 of 4,000 due requests"]);
}

/// Field P1: an outage of 3 s in the middle, up again at the end, is not green.
#[test]
fn an_outage_in_the_middle_is_broken_in_its_phase() {
    let conditions = vec![
        condition(Metric::Availability, Op::AtLeast, 0.995),
        condition(Metric::LongestOutage, Op::AtMost, 2.0),
        condition(Metric::P99, Op::AtMost, 0.3),
    ];
    let experiment = experiment(200.0, conditions);
    let source = record(200.0, 50.0, |s| fail(s, 12.0, 15.0));
    let m = measured(&experiment, &source, 40.0, 50.0);
    let judged = judge(&experiment, &m);
    let results: Vec<JudgedResult> = judged.iter().map(|j| j.result).collect();
    assert_eq!(results, [Held, Broken, Held, Held, Broken, Held, Held, Held, Held], "{judged:#?}");
    assert_eq!(judged[1].condition, "home availability >= 99.5%");
    assert!(judged[1].measured.starts_with("90.00 % (") && judged[1].measured.ends_with("n = 6,000)"), "{}", judged[1].measured);
    assert_eq!(judged[4].measured, "3 s ± 10 ms");
    let happened = Effect {
        act: ActId { step: 1, act: 1 },
        instance: Some("web-a-1".into()),
        status: EffectStatus::Happened,
        requested: ORIGIN,
        answered: None,
        took_effect: None,
        source: "pidfd".into(),
    };
    assert_eq!(shown(&judged, &m.trust, std::slice::from_ref(&happened), 1), Shown::Deviated);
    let doubted = Trust { doubts: vec!["late".into()], gaps: vec![] };
    assert!(matches!(shown(&judged, &doubted, std::slice::from_ref(&happened), 1), Shown::Untold { .. }), "untrusted wins");
    assert!(matches!(shown(&judged[..1], &m.trust, &[], 0), Shown::Untold { .. }), "nothing was done");
    assert!(matches!(shown(&judged[..1], &m.trust, std::slice::from_ref(&happened), 2), Shown::Untold { .. }), "fewer victims");
    assert_eq!(shown(&judged[..1], &m.trust, std::slice::from_ref(&happened), 1), Shown::Held);
    let failed = Effect { status: EffectStatus::Failed { why: "exit status 7".into() }, ..happened };
    let Shown::Untold { why } = shown(&judged[..1], &m.trust, &[failed], 0) else { panic!("an act that failed is no pass") };
    assert_eq!(why, ["the fault did not verifiably happen: act 1.1 on web-a-1 failed: exit status 7"]);
}

#[test]
fn what_cannot_be_told_is_not_held() {
    let conditions = vec![
        condition(Metric::Availability, Op::AtLeast, 0.995),
        condition(Metric::LongestOutage, Op::AtMost, 1.0),
        condition(Metric::TimeToEjection, Op::AtMost, 1.0),
        condition(Metric::TimeToFirstError, Op::AtLeast, 1.0),
    ];
    let experiment = experiment(2.0, conditions);
    let m = measured(&experiment, &record(2.0, 50.0, |_| ()), 40.0, 50.0);
    let judged = judge(&experiment, &m);
    assert_eq!(judged.len(), 8);
    assert!(judged.iter().all(|j| j.result == JudgedResult::Untold && j.why.is_some()), "{judged:#?}");
}

#[test]
fn an_outage_close_to_its_bound_cannot_be_told() {
    let experiment = experiment(20.0, vec![condition(Metric::LongestOutage, Op::AtMost, 2.0)]);
    let result = |length: f64| {
        let m = measured(&experiment, &record(20.0, 50.0, |s| fail(s, 12.0, 12.0 + length)), 40.0, 50.0);
        judge(&experiment, &m)[1].result
    };
    assert_eq!([result(1.5), result(1.95), result(2.2)], [JudgedResult::Held, JudgedResult::Untold, JudgedResult::Broken]);
}

#[test]
fn recovery_counts_from_the_last_undo() {
    let mut experiment = experiment(200.0, vec![condition(Metric::Availability, Op::AtLeast, 0.995)]);
    let within = |s| Condition { expect: Expect::RecoveredWithin(Duration::from_secs(s)), phases: vec![] };
    experiment.steady_state.extend([within(10), within(2)]);
    let m = measured(&experiment, &record(200.0, 40.0, |s| fail(s, 12.0, 23.0)), 20.0, 40.0);
    assert!((m.recovered_after_s.unwrap() - 3.0).abs() < 0.11, "{:?}", m.recovered_after_s);
    let results: Vec<_> = judge(&experiment, &m).into_iter().filter(|j| j.phase.is_none()).map(|j| j.result).collect();
    assert_eq!(results, [JudgedResult::Held, JudgedResult::Broken]);
    let never = measured(&experiment, &record(200.0, 40.0, |s| fail(s, 12.0, 40.0)), 20.0, 40.0);
    assert_eq!(never.recovered_after_s, None);
    let results: Vec<_> = judge(&experiment, &never).into_iter().filter(|j| j.phase.is_none()).map(|j| j.result).collect();
    assert_eq!(results, [JudgedResult::Broken, JudgedResult::Broken]);
}

#[test]
fn an_answer_of_the_next_life_is_not_the_victims() {
    let at = |s: f64| ORIGIN.plus(Duration::from_secs_f64(s));
    let acts = [act_on(1, "web", Bracket { after: at(10.0), by: at(10.001) })];
    let life = Observed::Launched { instance: "web-a-1".into(), service: "web".into(), zone: "a".into(), replaces: None };
    // It answers as soon as it is started, before anybody says that it serves, and before its undo has ended.
    let observations = [Observation { at: at(14.0), source: "test".into(), what: life }];
    let source = record(200.0, 20.0, |s| {
        if s.due_ns < 10_300_000_000 || s.due_ns > 14_000_000_000 {
            s.backend = NameIndex(1);
        }
    });
    let experiment = experiment(200.0, vec![]);
    let spans = phases(&[(Phase::Baseline, 0.0, 10.0), (Phase::Fault, 10.0, 16.0), (Phase::Recovery, 16.0, 20.0)]);
    let m = measure(
        &Input {
            experiment: &experiment,
            origin: ORIGIN,
            phases: &spans,
            first_effect: Some(at(10.0)),
            last_undo: Some(at(14.5)),
            acts: &acts,
            observations: &observations,
            course: &Course::default(),
            names: &[String::new(), "web-a-1".into()],
            due: &[4_000],
            state: &[],
            doubts: &[],
            seed: 1,
        },
        &source,
    );
    assert!((m.victims[0].last_seen_after_s.unwrap() - 0.296).abs() < 1e-6, "{:?}", m.victims[0]);
}

#[test]
fn victims_are_followed_from_the_effect() {
    let at = |s: f64| ORIGIN.plus(Duration::from_secs_f64(s));
    let acts = [act_on(1, "web", Bracket { after: at(10.0), by: at(10.001) })];
    let see = |s: f64, what: Observed| Observation { at: at(s), source: "test".into(), what };
    let capacity = |serving| Observed::Capacity { service: "web".into(), serving, desired: 6 };
    let observations = [
        see(10.0, Observed::Died { instance: "web-a-1".into(), service: "web".into(), zone: "a".into(), how: "killed".into() }),
        see(10.0, capacity(5)),
        see(10.4, Observed::Ejected { balancer: "edge".into(), instance: "web-a-1".into(), why: "check".into() }),
        see(
            13.0,
            Observed::Launched { instance: "web-a-3".into(), service: "web".into(), zone: "a".into(), replaces: Some("web-a-1".into()) },
        ),
        see(14.0, Observed::InService { instance: "web-a-3".into(), service: "web".into(), zone: "a".into() }),
        see(14.5, capacity(6)),
    ];
    let source = record(200.0, 40.0, |s| {
        if s.due_ns < 10_300_000_000 {
            s.backend = NameIndex(1);
        }
    });
    let experiment =
        experiment(200.0, vec![condition(Metric::TimeToEjection, Op::AtMost, 0.5), condition(Metric::TimeToCapacity, Op::AtMost, 4.0)]);
    let spans = phases(&[(Phase::Baseline, 0.0, 10.0), (Phase::Fault, 10.0, 30.0), (Phase::Recovery, 30.0, 40.0)]);
    let m = measure(
        &Input {
            experiment: &experiment,
            origin: ORIGIN,
            phases: &spans,
            first_effect: Some(at(10.0)),
            last_undo: Some(at(30.0)),
            acts: &acts,
            observations: &observations,
            course: &Course::default(),
            names: &[String::new(), "web-a-1".into()],
            due: &[8_000],
            state: &[],
            doubts: &[],
            seed: 1,
        },
        &source,
    );
    let victim = &m.victims[0];
    assert!((victim.last_seen_after_s.unwrap() - 0.296).abs() < 1e-6);
    assert_eq!((victim.ejected_after_s, victim.replaced_after_s, victim.in_service_after_s), (Some(0.4), Some(3.0), Some(4.0)));
    assert_eq!((m.capacity_lost, m.capacity_back_after_s, m.watched_after_effect_s), (true, Some(4.5), Some(30.0)));
    assert_eq!(m.capacity_by_step.iter().map(|c| (c.step, c.effect_s, c.back_after_s)).collect::<Vec<_>>(), [(1, 10.0, Some(4.5))]);
    assert_eq!(judge(&experiment, &m).iter().map(|j| j.result).collect::<Vec<_>>(), [JudgedResult::Held, JudgedResult::Broken]);

    // Not lost, not back, and not watched for long enough to say so are three different things.
    let capacity = |lost, watched| {
        let never = Measurement { capacity_back_after_s: None, capacity_lost: lost, watched_after_effect_s: Some(watched), ..m.clone() };
        let judged = judge(&experiment, &never).pop().unwrap();
        (judged.result, format!("{} {}", judged.measured, judged.why.unwrap_or_default()))
    };
    assert_eq!(capacity(true, 30.0), (JudgedResult::Broken, "not within 30 s ".to_owned()));
    let (result, words) = capacity(true, 3.0);
    assert!(result == JudgedResult::Untold && words.contains("not back within 3 s, when the run ended"), "{words}");
    let (result, words) = capacity(false, 30.0);
    assert!(result == JudgedResult::Untold && words.contains("no service that was hit was seen with less than it wants"), "{words}");
}

/// Gives the live view each sample when it completes, and asks it every 100 ms.
fn drive(live: &mut Live, source: &InMemory, end_s: f64, mut ask: impl FnMut(&mut Live, Mono) -> bool) -> Option<f64> {
    let mut samples: Vec<Sample> = source.probes[0].iter().flatten().copied().collect();
    let done = |s: &Sample| s.due_ns + u64::from(s.done_us) * 1000;
    samples.sort_by_key(done);
    let mut next = samples.iter().peekable();
    (0..(end_s * 10.0) as u64).map(|k| k * 100_000_000).find_map(|now| {
        while let Some(sample) = next.next_if(|s| done(s) <= now) {
            live.push(sample);
        }
        ask(live, Mono(ORIGIN.0 + now)).then_some(now as f64 / 1e9)
    })
}

#[test]
fn the_live_view_sees_the_recovery_after_what_hangs() {
    let experiment = experiment(200.0, vec![condition(Metric::Availability, Op::AtLeast, 0.995)]);
    let source = record(200.0, 60.0, |s| {
        fail(s, 12.0, 23.0);
        if s.outcome == SampleOutcome::Refused {
            s.done_us = 1_000_000; // hangs until its deadline
        }
    });
    let undo = ORIGIN.plus(Duration::from_secs(20));
    let mut live = Live::new(&experiment, ORIGIN);
    let ended = drive(&mut live, &source, 60.0, |live, now| now >= undo && live.recovered(undo, now).is_some()).unwrap();
    assert!((28.0..28.6).contains(&ended), "steady from 23 s on, held for 5 s: {ended}");
    let mut live = Live::new(&experiment, ORIGIN);
    let calm = record(200.0, 60.0, |_| ());
    let ended = drive(&mut live, &calm, 60.0, |live, now| now >= undo && live.recovered(undo, now).is_some()).unwrap();
    assert!((25.0..25.4).contains(&ended), "no impact at all still has to hold: {ended}");
}

#[test]
fn a_probe_slower_than_the_hold_time_recovers_too() {
    let experiment = experiment(0.1, vec![condition(Metric::Availability, Op::AtLeast, 0.995)]);
    let undo = ORIGIN.plus(Duration::from_secs(200));
    let recovered = |source: InMemory| {
        let mut live = Live::new(&experiment, ORIGIN);
        drive(&mut live, &source, 400.0, |live, now| now >= undo && live.recovered(undo, now).is_some())
    };
    assert!((205.0..212.0).contains(&recovered(record(0.1, 400.0, |_| ())).unwrap()));
    assert_eq!(recovered(record(0.1, 400.0, |s| fail(s, 100.0, 400.0))), None);
}

#[test]
fn the_baseline_gate_says_what_does_not_hold() {
    let experiment = experiment(200.0, vec![condition(Metric::Availability, Op::AtLeast, 0.995)]);
    let gate = |source: InMemory| {
        let mut live = Live::new(&experiment, ORIGIN);
        drive(&mut live, &source, 10.0, |_, _| false);
        live.baseline_holds()
    };
    assert_eq!(gate(record(200.0, 10.0, |s| fail(s, 0.0, 0.9))), Ok(()), "the warm-up does not count");
    let why = gate(record(200.0, 10.0, |s| fail(s, 2.0, 2.2))).unwrap_err();
    assert_eq!(why.len(), 1);
    assert!(why[0].starts_with("home availability >= 99.5% does not hold: 97.7"), "{why:?}");
    assert!(gate(record(20.0, 10.0, |_| ())).unwrap_err()[0].contains("too few samples to tell"));
}

#[test]
fn an_abort_condition_must_be_bad_without_a_break() {
    let mut experiment = experiment(200.0, vec![]);
    let comparison = Comparison { op: Op::Below, bound: 0.5, unit: Metric::Availability.unit() };
    let held_for = Duration::from_secs(10);
    experiment.abort_when = vec![AbortWhen::Metric { probe: "home".into(), metric: Metric::Availability, comparison, held_for }];
    let aborted = |source: InMemory| drive(&mut Live::new(&experiment, ORIGIN), &source, 60.0, |live, now| live.abort(now).is_some());
    let at = aborted(record(200.0, 60.0, |s| fail(s, 20.0, 50.0))).unwrap();
    assert!((30.0..31.2).contains(&at), "{at}");
    assert_eq!(
        aborted(record(200.0, 60.0, |s| {
            fail(s, 20.0, 28.0);
            fail(s, 30.0, 38.0);
        })),
        None
    );
}

#[test]
fn a_burn_rate_is_that_of_its_window_and_of_nothing_before() {
    let mut experiment = experiment(200.0, vec![]);
    experiment.objective = Some(Objective { availability: Share(0.99), over: Duration::from_hours(720) });
    experiment.abort_when = vec![AbortWhen::BurnRate { probe: "home".into(), op: Op::Above, bound: 5.0, over: Duration::from_secs(10) }];
    let aborted = |failing: &[(f64, f64)]| {
        let source = record(200.0, 60.0, |s| failing.iter().for_each(|(from, to)| fail(s, *from, *to)));
        drive(&mut Live::new(&experiment, ORIGIN), &source, 60.0, |live, now| live.abort(now).is_some())
    };
    assert_eq!(aborted(&[(20.0, 20.4), (30.5, 30.9), (41.0, 41.4)]), None, "further apart than the window is long");
    assert!((25.1..26.5).contains(&aborted(&[(20.0, 20.4), (25.0, 25.4)]).unwrap()));
    assert!((50.5..52.0).contains(&aborted(&[(50.0, 50.7)]).unwrap()), "fifty good seconds before it make it no better");
}

#[test]
fn the_tick_counts_since_the_last_one() {
    let mut live = Live::new(&experiment(200.0, vec![]), ORIGIN);
    let source = record(200.0, 1.0, |s| fail(s, 0.0, 0.05));
    for sample in source.probes[0].iter().flatten() {
        live.push(sample);
    }
    let tick = live.tick().remove(&"home".into()).unwrap();
    assert_eq!((tick.requests, tick.ok, tick.failures[&SampleOutcome::Refused]), (200, 190, 10));
    assert_eq!(live.tick().remove(&"home".into()).unwrap().requests, 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// From the record to the numbers, in one go: each phase's availability is the ratio of what its samples say, and its outages do not
    /// overlap and hold every failure.
    #[test]
    fn the_numbers_of_each_phase_are_those_of_its_samples(
        outcomes in prop::collection::vec(prop_oneof![4 => Just(SampleOutcome::Ok), 1 => (0_u8..20).prop_map(|n| SampleOutcome::from_number(n).unwrap())], 300),
        slow in prop::collection::vec(0_u32..900_000, 300),
    ) {
        let source = record(10.0, 30.0, |s| {
            s.outcome = outcomes[s.number as usize];
            s.done_us = slow[s.number as usize];
        });
        let m = measured(&experiment(10.0, vec![]), &source, 20.0, 30.0);
        let probe = &m.probes[0];
        // Due every 100 ms; what is in flight when the first act takes effect, at 10 s, belongs to the fault.
        let phase_of = |k: usize| match k {
            0..10 => Phase::WarmUp,
            10..100 if k as u64 * 100_000 + u64::from(slow[k]) <= 10_000_000 => Phase::Baseline,
            10..200 => Phase::Fault,
            _ => Phase::Recovery,
        };
        for phase in [Phase::Baseline, Phase::Fault, Phase::Recovery] {
            let these: Vec<bool> = (0..300).filter(|k| phase_of(*k) == phase).map(|k| outcomes[k].is_ok()).collect();
            let ok = these.iter().filter(|ok| **ok).count();
            let stats = &probe.phases.iter().find(|stats| stats.phase == phase).unwrap().stats;
            prop_assert_eq!((stats.requests, stats.ok), (these.len() as u64, ok as u64), "{}", phase);
            prop_assert_eq!(stats.availability.map(|a| a.value), Some(ok as f64 / these.len() as f64));
        }
        // Outages begin where the baseline does.
        let failures = outcomes[10..].iter().filter(|outcome| !outcome.is_ok()).count() as u64;
        prop_assert_eq!(probe.outages.iter().map(|outage| outage.failures).sum::<u64>(), failures);
        for pair in probe.outages.windows(2) {
            prop_assert!(pair[0].until_s.is_some_and(|until| until <= pair[1].after_s + 1e-9), "{:?}", pair);
        }
    }
}
