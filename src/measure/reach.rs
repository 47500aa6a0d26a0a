//! How far a fault reached: what each probe felt while what a step hit was away. One window a step, from its first effect until its
//! undo began, what it took served again, or the next step began: whatever comes first. So everything inside is the step's.

use std::collections::{BTreeMap, BTreeSet};

use super::{rates::wilson, run::Input};
use crate::model::{
    experiment::{Experiment, Step},
    fault::FaultKind,
    ids::Service,
    measurement::{Estimate, StepCapacity, VictimTimes},
    sample::Sample,
    time::Mono,
};

/// The time in which a step's faults were in effect, and whom they hit.
#[derive(Debug, Clone, PartialEq)]
pub struct Away {
    /// The step.
    pub step: u32,
    /// The services that were hit.
    pub services: BTreeSet<Service>,
    /// The names of the victims of each, in the order of the acts.
    pub victims: BTreeMap<Service, Vec<String>>,
    /// The faults, as in the file.
    pub faults: BTreeSet<FaultKind>,
    /// Whether all of what was hit is gone while it lasts: not slowed, not one after another.
    pub takes_capacity: bool,
    /// From the first effect, nanoseconds since the origin,
    pub from_ns: u64,
    /// until this.
    pub to_ns: u64,
}

/// The windows of a run, and what each probe felt in each.
#[derive(Debug)]
pub struct Reach {
    /// In order, none over another.
    pub windows: Vec<Away>,
    /// Requests and successes, by window, by probe, by route.
    felt: BTreeMap<(usize, u16, u16), (u64, u64)>,
}

impl Reach {
    /// The windows of all acts that verifiably happened and that users of their victims may feel.
    pub fn new(input: &Input<'_>, capacity: &[StepCapacity], victims: &[VictimTimes], end: Mono) -> Self {
        let Input { experiment, acts, course, origin, .. } = *input;
        let mut windows: BTreeMap<u32, Away> = BTreeMap::new();
        for (act, effect) in acts.iter().filter(|(act, effect)| effect.status.happened() && act.fault.kind().affects_victims()) {
            let (Some(instance), Some(took)) = (act.target.instance(), effect.took_effect) else { continue };
            let step = act.id.step;
            let from_ns = took.after.0.saturating_sub(origin.0);
            let away = windows.entry(step).or_insert_with(|| Away {
                step,
                services: BTreeSet::new(),
                victims: BTreeMap::new(),
                faults: BTreeSet::new(),
                takes_capacity: !is_phoenix(experiment, step),
                from_ns,
                to_ns: end.0.saturating_sub(origin.0),
            });
            away.services.insert(instance.service.clone());
            away.victims.entry(instance.service.clone()).or_default().push(instance.name.clone());
            away.faults.insert(act.fault.kind());
            away.takes_capacity &= act.fault.kind().takes_capacity() && act.fault.kind() != FaultKind::Restart;
            away.from_ns = away.from_ns.min(from_ns);
            // In a phoenix drill each act is over before the next one begins.
            if let Some(undone) = course.undone.get(&act.id)
                && !is_phoenix(experiment, step)
            {
                away.to_ns = away.to_ns.min(undone.0.saturating_sub(origin.0));
            }
        }
        let mut windows: Vec<Away> = windows.into_values().collect();
        for away in &mut windows {
            let next = course.steps.iter().filter(|(step, _)| *step > away.step && !is_wait(experiment, *step)).map(|(_, at)| *at).min();
            if let Some(next) = next {
                away.to_ns = away.to_ns.min(next.0.saturating_sub(origin.0));
            }
            if let Some((effect_s, back_s)) =
                capacity.iter().find(|c| c.step == away.step).and_then(|c| Some((c.effect_s, c.back_after_s?)))
            {
                away.to_ns = away.to_ns.min(((effect_s + back_s).max(0.0) * 1e9) as u64);
            }
        }
        for away in windows.iter_mut().filter(|away| away.takes_capacity) {
            // What balancers are has no capacity that anybody counts; but it is seen when they serve again.
            let of_step = victims.iter().filter(|victim| victim.act.step == away.step);
            let back: Option<Vec<f64>> = of_step.map(|victim| Some(victim.effect_after_s + victim.in_service_after_s?)).collect();
            if let Some(last) = back.and_then(|back| back.into_iter().reduce(f64::max)) {
                away.to_ns = away.to_ns.min((last.max(0.0) * 1e9) as u64);
            }
        }
        windows.retain(|away| away.from_ns < away.to_ns);
        windows.sort_by_key(|away| away.from_ns);
        Self { windows, felt: BTreeMap::new() }
    }

    /// Counts a sample. Late ones are not for it.
    pub fn push(&mut self, sample: &Sample) {
        let after = self.windows.partition_point(|away| away.from_ns <= sample.due_ns);
        let Some(place) = after.checked_sub(1).filter(|place| sample.due_ns < self.windows[*place].to_ns) else { return };
        let (n, ok) = self.felt.entry((place, sample.probe, sample.route)).or_default();
        *n += 1;
        *ok += u64::from(sample.outcome.is_ok());
    }

    /// The availability that a probe, or one route of it, felt in a window, with Wilson's interval; none without requests. Windows are short: a bootstrap over
    /// blocks of a second has nothing to draw from. That failures come in clusters is in the interval of the baseline that this is held
    /// against.
    pub fn felt(&self, window: usize, probe: u16, route: Option<u16>) -> Option<Estimate> {
        let routes = route.map_or(0..=u16::MAX, |route| route..=route);
        let felt = self.felt.range((window, probe, *routes.start())..=(window, probe, *routes.end()));
        let (n, ok) = felt.map(|(_, counts)| *counts).reduce(|a, b| (a.0 + b.0, a.1 + b.1))?;
        let (low, high) = wilson(ok, n);
        Some(Estimate { value: ok as f64 / n as f64, low, high, n })
    }
}

fn step_of(experiment: &Experiment, number: u32) -> Option<&Step> {
    experiment.method.get((number as usize).checked_sub(1)?)
}

fn is_wait(experiment: &Experiment, number: u32) -> bool {
    matches!(step_of(experiment, number), Some(Step::Wait(_) | Step::UntilMitigated(_)))
}

fn is_phoenix(experiment: &Experiment, number: u32) -> bool {
    matches!(step_of(experiment, number), Some(Step::Phoenix(_)))
}
