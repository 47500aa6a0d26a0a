//! Runs that are made up, held against each other.

use std::collections::BTreeMap;

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

use super::*;
use crate::model::{
    measurement::{Accounting, Estimate, Latency, PhaseStats, Timeline, Trust},
    time::Mono,
};

/// A run of one probe: in the fault phase `failed` of `requests` failed, and the 99th percentile was `p99` seconds.
fn run(requests: u64, failed: u64, p99: f64) -> Measurement {
    let share = 1.0 - failed as f64 / requests as f64;
    let half = 1.96 * (share * (1.0 - share) / requests as f64).sqrt() + 1.0 / requests as f64;
    let availability = Estimate { value: share, low: share - half, high: (share + half).min(1.0), n: requests };
    let latency = Latency { n: requests - failed, p50: p99 / 4.0, p90: p99 / 2.0, p99, p999: p99 * 2.0, max: p99 * 3.0 };
    let stats = Stats { requests, ok: requests - failed, availability: Some(availability), latency: Some(latency), ..Stats::default() };
    let probe = ProbeMeasurement {
        name: "web".into(),
        kind: "http".to_owned(),
        rate: 100.0,
        timeout_s: 1.0,
        accounting: Accounting::default(),
        whole: stats.clone(),
        phases: vec![PhaseStats { phase: Phase::Fault, stats, longest_outage_s: 0.0, downtime_s: 0.0 }],
        groups: Vec::new(),
        outages: Vec::new(),
        downtime_s: 0.0,
        weighted_downtime_s: 0.0,
        smallest_visible_outage_s: 0.03,
        worst_windows: Vec::new(),
        first_error_after_s: None,
        budget: None,
        state: None,
        timeline: Timeline::default(),
    };
    Measurement {
        origin: Mono(0),
        phases: Vec::new(),
        probes: vec![probe],
        victims: Vec::new(),
        recovered_after_s: Some(1.0),
        capacity_back_after_s: None,
        capacity_lost: false,
        watched_after_effect_s: None,
        capacity_by_step: Vec::new(),
        death_spread_s: BTreeMap::new(),
        replacements: Vec::new(),
        phoenixes: Vec::new(),
        findings: Vec::new(),
        trust: Trust::default(),
    }
}

fn worse(before: &[&Measurement], now: &Measurement) -> Vec<Aspect> {
    compare(before, now, &Tolerance::default()).worse().map(|line| line.aspect).collect()
}

#[test]
fn a_run_is_not_worse_than_itself_nor_than_one_a_little_better() {
    let before = run(10_000, 50, 0.05);
    assert_eq!(worse(&[&before], &before), []);
    assert_eq!(worse(&[&before], &run(10_000, 90, 0.06)), []);
}

#[test]
fn more_failures_and_slower_answers_are_worse() {
    let before = run(10_000, 50, 0.05);
    assert_eq!(worse(&[&before], &run(10_000, 300, 0.05)), [Aspect::Availability]);
    assert_eq!(worse(&[&before], &run(10_000, 50, 0.2)), [Aspect::P99]);
    let better = compare(&[&run(10_000, 600, 0.05)], &before, &Tolerance::default());
    assert!(better.lines.iter().any(|line| line.aspect == Aspect::Availability && line.change == Change::Better), "{better:?}");
}

/// Of few requests the interval is wide: what one failure more would turn red says nothing.
#[test]
fn what_cannot_be_told_is_no_regression() {
    assert_eq!(worse(&[&run(60, 0, 0.05)], &run(60, 2, 0.05)), []);
    let few = compare(&[&run(60, 0, 0.05)], &run(60, 0, 0.5), &Tolerance::default());
    let p99 = few.lines.iter().find(|line| line.aspect == Aspect::P99).unwrap();
    assert_eq!((p99.change, p99.before, p99.now), (Change::Untold, None, None));
}

#[test]
fn what_earlier_runs_differ_by_among_themselves_is_borne() {
    let (good, bad, now) = (run(10_000, 50, 0.05), run(10_000, 400, 0.05), run(10_000, 420, 0.05));
    assert_eq!(worse(&[&good], &now), [Aspect::Availability]);
    assert_eq!(worse(&[&good, &bad], &now), []);
}

#[test]
fn what_never_came_back_is_worse_whatever_is_tolerated() {
    let before = run(1_000, 0, 0.05);
    let now = Measurement { recovered_after_s: None, ..before.clone() };
    let everything = Tolerance { recovery: 1e9, ..Tolerance::default() };
    assert_eq!(compare(&[&before], &now, &everything).worse().map(|line| line.aspect).collect::<Vec<_>>(), [Aspect::Recovery]);
    let late = Measurement { recovered_after_s: Some(9.0), ..before.clone() };
    assert_eq!(worse(&[&before], &late), [Aspect::Recovery]);
}

#[test]
fn a_probe_that_only_one_run_has_is_named() {
    let before = run(1_000, 0, 0.05);
    let mut now = before.clone();
    now.probes[0].name = "api".into();
    let told = compare(&[&before], &now, &Tolerance::default());
    assert_eq!(told.without.iter().map(ToString::to_string).collect::<Vec<_>>(), ["api", "web"]);
    assert!(told.worse().next().is_none());
}

/// Runs of the same system, each with its own luck: none of two thousand comparisons cries wolf.
#[test]
fn the_same_system_is_never_worse_than_itself() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut draw = || {
        let mut share = || f64::from(rng.next_u32()) / f64::from(u32::MAX);
        let failed = (0..2_000).filter(|_| share() < 0.03).count() as u64;
        run(2_000, failed, 0.04 + 0.02 * share())
    };
    for _ in 0..2_000 {
        let (before, now) = (draw(), draw());
        assert_eq!(worse(&[&before], &now), []);
    }
}

#[test]
fn the_figures_are_those_of_the_worst_probe_and_tell_the_same_as_all_numbers() {
    let (before, now) = (run(10_000, 50, 0.05), run(10_000, 300, 0.2));
    let mut two = now.clone();
    two.probes.push(before.probes[0].clone());
    let figures = Figures::of(&two);
    assert_eq!((figures.requests, figures.failures), (Some(20_000), Some(350)));
    assert_eq!(figures.availability.map(|range| range.value), Some(0.97));
    assert_eq!(figures.p99.map(|range| range.value), Some(0.2));
    // No outage is less than could be seen, not nothing.
    assert_eq!(figures.longest_outage, Some(Range { low: 0.0, value: 0.0, high: 0.03 }));
    let told = compare_figures(&Figures::of(&before), &figures, &Tolerance::default());
    assert_eq!(told.worse().map(|line| line.aspect).collect::<Vec<_>>(), [Aspect::Availability, Aspect::P99]);
    // What was back and is not any more is worse, without a number.
    let never = Figures { recovery: None, ..figures.clone() };
    let told = compare_figures(&figures, &never, &Tolerance::default());
    assert_eq!(told.worse().map(|line| line.aspect).collect::<Vec<_>>(), [Aspect::Recovery]);
    let nothing = Figures::of(&Measurement { probes: Vec::new(), ..before });
    assert_eq!((nothing.requests, nothing.availability, nothing.longest_outage), (None, None, None));
}
