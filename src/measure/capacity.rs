//! Capacity: whether services that were hit had less than they want, and when all of it was back. Over the run, and step by step.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    act::{Act, Effect},
    ids::Service,
    measurement::StepCapacity,
    observation::{Observation, Observed},
    time::Mono,
};

/// What the platform said of the capacity of services that faults took instances from.
#[derive(Debug)]
pub struct Capacity<'a> {
    /// When each step first hit each service. Steps follow one another.
    hits: BTreeMap<u32, BTreeMap<&'a Service, Mono>>,
    /// Whether a service has all that it wants, in order of time.
    words: Vec<(Mono, &'a Service, bool)>,
}

impl<'a> Capacity<'a> {
    /// Of acts that verifiably happened, and whose fault takes capacity.
    pub fn new(acts: &'a [(Act, Effect)], observations: &'a [Observation]) -> Self {
        let mut hits: BTreeMap<u32, BTreeMap<&Service, Mono>> = BTreeMap::new();
        for (act, effect) in acts {
            if let (Some(instance), Some(took), true) = (act.target.instance(), effect.took_effect, effect.status.happened())
                && act.fault.kind().takes_capacity()
            {
                let first = hits.entry(act.id.step).or_default().entry(&instance.service).or_insert(took.after);
                *first = (*first).min(took.after);
            }
        }
        let mut words: Vec<(Mono, &Service, bool)> = observations
            .iter()
            .filter_map(|o| match &o.what {
                Observed::Capacity { service, serving, desired } => Some((o.at, service, serving >= desired)),
                _ => None,
            })
            .collect();
        words.sort_by_key(|(at, ..)| *at);
        Self { hits, words }
    }

    /// Whether a service that was hit lost capacity after the first effect; and how long it took from then until all those that
    /// did had all of it back, if they had.
    pub fn over_the_run(&self, first_effect: Option<Mono>) -> (bool, Option<f64>) {
        let Some(first_effect) = first_effect else { return (false, None) };
        let services: BTreeSet<&Service> = self.hits.values().flat_map(BTreeMap::keys).copied().collect();
        let mut short: BTreeSet<&Service> = BTreeSet::new();
        let (mut lost, mut back) = (false, None);
        for (at, service, full) in self.words.iter().filter(|(at, service, _)| *at >= first_effect && services.contains(service)) {
            if *full {
                back = if short.remove(service) && short.is_empty() { Some(*at) } else { back };
            } else {
                short.insert(service);
                (lost, back) = (true, None);
            }
        }
        (lost, back.map(|at| at.seconds_from(first_effect)))
    }

    /// Each step by itself. `end` is the end of the run.
    pub fn by_step(&self, origin: Mono, end: Mono) -> Vec<StepCapacity> {
        self.hits
            .iter()
            .filter_map(|(step, services)| {
                let effect = *services.values().min()?;
                let told: Vec<Told> = services.iter().map(|(service, hit)| self.told(*step, service, *hit)).collect();
                let lost = || told.iter().filter(|told| told.lost);
                let back = lost().map(|told| told.back).collect::<Option<Vec<Mono>>>().and_then(|back| back.into_iter().max());
                Some(StepCapacity {
                    step: *step,
                    services: services.keys().map(|service| (*service).clone()).collect(),
                    effect_s: effect.seconds_from(origin),
                    lost: lost().next().is_some(),
                    back_after_s: back.map(|at| at.seconds_from(effect)),
                    with_later_step: told.iter().any(|told| told.with_later_step),
                    watched_s: end.seconds_from(effect).max(0.0),
                })
            })
            .collect()
    }

    /// What became of a service that a step hit. What it loses once a later step has hit it too is the later step's; what it has
    /// not got back by then is both's.
    fn told(&self, step: u32, service: &Service, hit: Mono) -> Told {
        let later = self.hits.range(step + 1..).filter_map(|(_, services)| services.get(service)).min().copied();
        let words = || self.words.iter().filter(|(at, of, _)| *at >= hit && *of == service).map(|(at, _, full)| (*at, *full));
        let own = || words().filter(|(at, _)| later.is_none_or(|later| *at < later));
        let Some((last_short, _)) = own().rfind(|(_, full)| !full) else {
            return Told { lost: false, back: None, with_later_step: false };
        };
        let by_itself = own().find(|(at, full)| *full && *at >= last_short).map(|(at, _)| at);
        let together = || words().find(|(at, full)| *full && *at >= last_short).map(|(at, _)| at);
        Told { lost: true, back: by_itself.or_else(together), with_later_step: by_itself.is_none() && later.is_some() }
    }
}

struct Told {
    lost: bool,
    back: Option<Mono>,
    with_later_step: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use crate::{
        measure::support::{ORIGIN, act_on},
        model::time::Bracket,
    };

    fn at(s: f64) -> Mono {
        ORIGIN.plus(Duration::from_secs_f64(s))
    }

    /// A step, whether it lost capacity, when that was back, and whether a later step had its share in it.
    type Step = (u32, bool, Option<f64>, bool);

    fn of(acts: &[(u32, &str, f64)], words: &[(f64, &str, u32)]) -> (Option<f64>, Vec<Step>) {
        let acts: Vec<(Act, Effect)> =
            acts.iter().map(|(step, service, s)| act_on(*step, service, Bracket { after: at(*s), by: at(*s) })).collect();
        let see = |(s, service, serving): &(f64, &str, u32)| Observation {
            at: at(*s),
            source: "test".into(),
            what: Observed::Capacity { service: (*service).into(), serving: *serving, desired: 6 },
        };
        let words: Vec<Observation> = words.iter().map(see).collect();
        let capacity = Capacity::new(&acts, &words);
        let steps = capacity.by_step(ORIGIN, at(100.0));
        assert!(steps.iter().all(|s| (s.watched_s + s.effect_s - 100.0).abs() < 1e-9), "{steps:?}");
        let first = acts.iter().filter_map(|(_, effect)| effect.took_effect).map(|took| took.after).min();
        let told = steps.iter().map(|s| (s.step, s.lost, s.back_after_s, s.with_later_step)).collect();
        (capacity.over_the_run(first).1, told)
    }

    #[test]
    fn each_step_counts_from_its_own_effect() {
        let acts = [(1, "web", 10.0), (2, "web", 40.0), (3, "api", 60.0)];
        let words = [(10.0, "web", 5), (14.0, "web", 6), (40.0, "web", 4), (42.0, "web", 5), (49.0, "web", 6), (50.0, "api", 5)];
        let (over_all, steps) = of(&acts, &words);
        assert_eq!(over_all, None, "api was short before it was hit, and is still");
        assert_eq!(steps, [(1, true, Some(4.0), false), (2, true, Some(9.0), false), (3, false, None, false)]);
    }

    #[test]
    fn what_is_not_back_when_the_next_step_hits_is_said_to_be_both_s() {
        let acts = [(1, "web", 10.0), (2, "web", 20.0)];
        let (over_all, steps) = of(&acts, &[(10.0, "web", 5), (20.0, "web", 4), (21.0, "web", 5), (25.0, "web", 6)]);
        assert_eq!(over_all, Some(15.0));
        assert_eq!(steps, [(1, true, Some(15.0), true), (2, true, Some(5.0), false)]);
    }

    #[test]
    fn a_step_is_back_when_the_last_of_its_services_is() {
        let acts = [(1, "web", 10.0), (1, "api", 11.0), (2, "db", 50.0)];
        let words = [(10.0, "web", 5), (11.0, "api", 5), (13.0, "web", 6), (30.0, "api", 6), (50.0, "db", 5), (51.0, "other", 1)];
        let (over_all, steps) = of(&acts, &words);
        assert_eq!(over_all, None, "db never came back");
        assert_eq!(steps, [(1, true, Some(20.0), false), (2, true, None, false)]);
        let (over_all, steps) = of(&acts, &words[..3]);
        assert_eq!((over_all, steps[0]), (None, (1, true, None, false)), "api never came back");
    }

    #[test]
    fn a_loss_twice_within_a_step_lasts_until_the_second_is_over() {
        let (_, steps) = of(&[(1, "web", 10.0)], &[(10.0, "web", 5), (12.0, "web", 6), (15.0, "web", 5), (18.0, "web", 6)]);
        assert_eq!(steps, [(1, true, Some(8.0), false)]);
    }
}
