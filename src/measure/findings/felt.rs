//! What the routes felt while a service was away.
//!
//! A route *fails* without a service when it did worse than in its own baseline by more than chance: the 95 % intervals do not overlap,
//! the difference is at least one percentage point, and at least three requests failed. A route that was failing before the fault (the
//! one of an earlier step is not over for it) is not laid to this one.

use std::{borrow::Cow, collections::BTreeMap};

use crate::{
    measure::{
        reach::{Away, Reach},
        run::Input,
    },
    model::{
        ids::Service,
        journey::JourneyStep,
        measurement::{Estimate, GroupBy, GroupStats, Measurement, ProbeMeasurement},
        probe::{ProbeKind, ProbeSpec},
        steady_state::Phase,
    },
};

/// Fewer failures than this may be chance.
const FEWEST_FAILURES: u64 = 3;
/// A smaller difference of availability than this is not worth a sentence.
const SMALLEST_DIFFERENCE: f64 = 0.01;
/// Fewer requests than this do not show that a route went on.
const FEWEST_REQUESTS: u64 = 10;

/// A route: a probe, or a step of a journey whose steps say their services; and the service that answers it where the file says so.
#[derive(Debug, Clone)]
pub struct Route<'a> {
    /// The probe; `journey/step` for a step.
    pub probe: Cow<'a, str>,
    /// Its service.
    pub service: Option<&'a Service>,
    /// How it fared while the service was away.
    pub then: Estimate,
    /// How it fared in the baseline.
    pub baseline: Estimate,
    /// What that comes to.
    pub fate: Fate,
}

/// What became of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It failed, which is laid to the fault.
    Failed,
    /// It went on as before.
    WentOn,
    /// Neither can be said.
    Untold,
}

/// A step's faults with what the routes felt.
#[derive(Debug, Clone)]
pub struct Story<'a> {
    /// When, and whom.
    pub away: &'a Away,
    /// How many instances of each service there were before the first act; absent where nobody knows.
    pub instances: BTreeMap<&'a Service, usize>,
    /// The routes, in the order of the file.
    pub routes: Vec<Route<'a>>,
    /// Whether the file says of any probe which service answers it.
    pub services_named: bool,
}

impl Story<'_> {
    /// Whether every instance of every service that was hit was away.
    pub fn whole(&self) -> bool {
        self.away.takes_capacity
            && self.away.victims.iter().all(|(service, victims)| self.instances.get(service).is_some_and(|n| victims.len() >= *n))
    }
}

/// The story of each window in which a probe felt anything.
pub fn stories<'a>(input: &Input<'a>, measurement: &'a Measurement, reach: &'a Reach) -> Vec<Story<'a>> {
    let probes = &input.experiment.probes;
    let mut instances: BTreeMap<&Service, usize> = BTreeMap::new();
    for built in &input.course.before {
        *instances.entry(&built.service).or_default() += 1;
    }
    let told = |(window, away): (usize, &'a Away)| {
        let routes: Vec<Route<'_>> = (0_u16..)
            .zip(probes)
            .flat_map(|(place, spec)| {
                let felt = |route| reach.felt(window, place, route);
                measurement.probes.get(usize::from(place)).map(|numbers| routes(spec, numbers, away, felt)).unwrap_or_default()
            })
            .collect();
        let services_named = probes.iter().any(|probe| probe.service.is_some() || steps(probe).is_some());
        (!routes.is_empty()).then(|| Story { away, instances: instances.clone(), routes, services_named })
    };
    reach.windows.iter().enumerate().filter_map(told).collect()
}

/// The steps of a journey, if one of them at least says its service.
fn steps(spec: &ProbeSpec) -> Option<&[JourneyStep]> {
    let ProbeKind::Journey(journey) = &spec.kind else { return None };
    journey.steps.iter().any(|step| step.service.is_some()).then_some(journey.steps.as_slice())
}

/// The routes of a probe: itself, or its steps.
fn routes<'a>(
    spec: &'a ProbeSpec,
    numbers: &ProbeMeasurement,
    away: &Away,
    felt: impl Fn(Option<u16>) -> Option<Estimate>,
) -> Vec<Route<'a>> {
    let Some(steps) = steps(spec) else {
        let baseline = numbers.phases.iter().find(|phase| phase.phase == Phase::Baseline).and_then(|phase| phase.stats.availability);
        let fared = felt(None).zip(baseline);
        return fared
            .map(|fared| route(Cow::Borrowed(spec.name.as_str()), spec.service.as_ref(), (spec, numbers), away, fared))
            .into_iter()
            .collect();
    };
    let of_step = |(number, step): (u16, &'a JourneyStep)| {
        let is_it = |group: &&GroupStats| group.by == GroupBy::Route && group.key == step.name && group.phase == Phase::Baseline;
        // A journey of one step has no groups: it is the whole.
        let baseline = match steps {
            [_] => numbers.phases.iter().find(|phase| phase.phase == Phase::Baseline).and_then(|phase| phase.stats.availability),
            _ => numbers.groups.iter().find(is_it).and_then(|group| group.stats.availability),
        };
        let name = Cow::Owned(format!("{}/{}", spec.name, step.name));
        let service = step.service.as_ref().or(spec.service.as_ref());
        Some(route(name, service, (spec, numbers), away, (felt(Some(number))?, baseline?)))
    };
    (1_u16..).zip(steps).filter_map(of_step).collect()
}

/// What became of a route, from how it fared then and in the baseline.
fn route<'a>(
    probe: Cow<'a, str>,
    service: Option<&'a Service>,
    (spec, numbers): (&ProbeSpec, &ProbeMeasurement),
    away: &Away,
    (then, baseline): (Estimate, Estimate),
) -> Route<'a> {
    let failures = (then.n as f64 * (1.0 - then.value)).round() as u64;
    let worse = then.high < baseline.low && baseline.value - then.value >= SMALLEST_DIFFERENCE && failures >= FEWEST_FAILURES;
    // A request may have been in flight when the fault took effect, for as long as its timeout.
    let from_s = away.from_ns as f64 / 1e9;
    let failing_before = numbers
        .outages
        .iter()
        .any(|outage| outage.first_failure_s < from_s - spec.timeout.as_secs_f64() && outage.until_s.is_none_or(|until| until > from_s));
    let fate = match (worse, failing_before) {
        (true, false) => Fate::Failed,
        (false, false) if then.value >= baseline.low && then.n >= FEWEST_REQUESTS => Fate::WentOn,
        _ => Fate::Untold,
    };
    Route { probe, service, then, baseline, fate }
}
