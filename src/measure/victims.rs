//! What followed each act: when the victim was last seen, ejected, replaced, in service again; how far
//! apart the deaths in a zone were. Times after the effect count from the earliest moment it may have happened.

use std::collections::BTreeMap;

use crate::model::{
    act::{Act, Effect},
    ids::{InstanceId, Zone},
    instance::Instance,
    measurement::VictimTimes,
    observation::{Observation, Observed},
    sample::Sample,
    time::Mono,
};

/// The victims of a run, and where samples of theirs are noted.
#[derive(Debug)]
pub struct Victims<'a> {
    origin: Mono,
    /// What was observed of each instance, as its own or as that of who came in its place.
    observed: BTreeMap<&'a InstanceId, Vec<&'a Observation>>,
    hits: Vec<Hit<'a>>,
    /// The hits of a backend, by its place in the table of names.
    by_name: BTreeMap<u16, Vec<usize>>,
}

#[derive(Debug)]
struct Hit<'a> {
    act: &'a Act,
    instance: &'a Instance,
    after: Mono,
    by: Mono,
    /// What is seen of it from here on is its life after the fault.
    back: Option<Mono>,
    last_seen: Option<Mono>,
}

impl<'a> Victims<'a> {
    /// The victims of all acts that verifiably happened. After `last_undo` nothing that is seen of a victim is the fault's.
    pub fn new(
        acts: &'a [(Act, Effect)],
        observations: &'a [Observation],
        names: &[String],
        origin: Mono,
        last_undo: Option<Mono>,
    ) -> Self {
        let mut observed: BTreeMap<&InstanceId, Vec<&Observation>> = BTreeMap::new();
        for observation in observations {
            for id in concerned(&observation.what).into_iter().flatten() {
                observed.entry(id).or_default().push(observation);
            }
        }
        let mut victims = Self { origin, observed, hits: Vec::new(), by_name: BTreeMap::new() };
        for (act, effect) in acts {
            let (Some(instance), Some(took), true) = (act.target.instance(), effect.took_effect, effect.status.happened()) else {
                continue;
            };
            // Started again it is another life: a balancer of the system's own may send to it before anybody says that it serves.
            let again =
                victims.first_after(&instance.id, took.after, |what| is_back(what, &instance.id) || lives_again(what, &instance.id));
            let back = [again, last_undo].into_iter().flatten().min();
            let places = names.iter().enumerate().skip(1).filter(|(_, name)| instance.id.is_meant_by(name) || **name == instance.name);
            for (place, _) in places {
                victims.by_name.entry(place as u16).or_default().push(victims.hits.len());
            }
            victims.hits.push(Hit { act, instance, after: took.after, by: took.by, back, last_seen: None });
        }
        victims
    }

    /// What was observed of an instance from a moment on.
    fn of(&self, id: &InstanceId, after: Mono) -> impl Iterator<Item = &'a Observation> {
        self.observed.get(id).into_iter().flatten().copied().filter(move |observation| observation.at >= after)
    }

    fn first_after(&self, id: &InstanceId, moment: Mono, is_it: impl Fn(&Observed) -> bool) -> Option<Mono> {
        self.of(id, moment).filter(|o| is_it(&o.what)).map(|o| o.at).min()
    }

    /// Notes a sample: an answer of a victim, or a failure attributed to it, after the effect.
    pub fn push(&mut self, sample: &Sample) {
        let Some(hits) = self.by_name.get(&sample.backend.0) else { return };
        let done = Mono(self.origin.0 + sample.due_ns + u64::from(sample.done_us) * 1000);
        for place in hits {
            let Some(hit) = self.hits.get_mut(*place) else { continue };
            if done >= hit.after && hit.back.is_none_or(|back| done < back) {
                hit.last_seen = hit.last_seen.max(Some(done));
            }
        }
    }

    /// The moment the last balancer stopped sending: each balancer's first word after the effect counts.
    fn ejected(&self, victim: &InstanceId, after: Mono) -> Option<Mono> {
        let mut by_balancer: BTreeMap<&str, Mono> = BTreeMap::new();
        for observation in self.of(victim, after) {
            if let Observed::Ejected { balancer, instance, .. } = &observation.what
                && instance == victim
            {
                let first = by_balancer.entry(balancer).or_insert(observation.at);
                *first = (*first).min(observation.at);
            }
        }
        by_balancer.into_values().max()
    }

    /// What followed each act.
    pub fn times(&self) -> Vec<VictimTimes> {
        self.hits.iter().map(|hit| self.times_of(hit)).collect()
    }

    fn times_of(&self, hit: &Hit<'_>) -> VictimTimes {
        let id = &hit.instance.id;
        let replacement = self.of(id, hit.after).find_map(|o| match &o.what {
            // The same one started again, by its restart policy or by our undo, replaces nobody.
            Observed::Launched { instance, replaces: Some(old), .. } if old == id && instance != id => Some((o.at, instance)),
            _ => None,
        });
        let again = self.first_after(id, hit.after, |what| is_back(what, id));
        let replaced = replacement.and_then(|(launched, new)| self.first_after(new, launched, |what| is_back(what, new)));
        let since = |moment: Mono| moment.seconds_from(hit.after).max(0.0);
        VictimTimes {
            act: hit.act.id,
            instance: id.clone(),
            name: (hit.instance.name != id.as_str()).then(|| hit.instance.name.clone()),
            service: hit.instance.service.clone(),
            zone: hit.instance.zone.clone(),
            fault: hit.act.fault.kind().name().to_owned(),
            effect_after_s: hit.after.seconds_from(self.origin),
            effect_by_s: hit.by.seconds_from(self.origin),
            last_seen_after_s: hit.last_seen.map(since),
            ejected_after_s: self.ejected(id, hit.after).map(since),
            replaced_after_s: replacement.map(|(launched, _)| since(launched)),
            in_service_after_s: [again, replaced].into_iter().flatten().min().map(since),
        }
    }

    /// The difference between the first and the last death inside each zone with at least two.
    pub fn death_spread_s(&self) -> BTreeMap<Zone, f64> {
        let mut deaths: BTreeMap<&Zone, (Mono, Mono, u32)> = BTreeMap::new();
        for hit in self.hits.iter().filter(|hit| hit.act.fault.kind().takes_capacity()) {
            let id = &hit.instance.id;
            let died = self.first_after(id, hit.after, |what| matches!(what, Observed::Died { instance, .. } if instance == id));
            let at = died.unwrap_or(hit.by).min(hit.by);
            let (first, last, n) = deaths.entry(&hit.instance.zone).or_insert((at, at, 0));
            (*first, *last, *n) = ((*first).min(at), (*last).max(at), *n + 1);
        }
        let of_several = deaths.into_iter().filter(|(_, (.., n))| *n > 1);
        of_several.map(|(zone, (first, last, _))| (zone.clone(), last.since(first).as_secs_f64())).collect()
    }
}

/// The instances that an observation says something of.
fn concerned(what: &Observed) -> [Option<&InstanceId>; 2] {
    match what {
        Observed::Launched { instance, replaces, .. } => [Some(instance), replaces.as_ref().filter(|old| *old != instance)],
        Observed::Died { instance, .. }
        | Observed::Ejected { instance, .. }
        | Observed::Admitted { instance, .. }
        | Observed::InService { instance, .. }
        | Observed::OutOfService { instance, .. } => [Some(instance), None],
        Observed::Capacity { .. } | Observed::Alarm { .. } | Observed::Note { .. } => [None, None],
    }
}

/// Whether an observation says that an instance was started (again).
fn lives_again(what: &Observed, id: &InstanceId) -> bool {
    matches!(what, Observed::Launched { instance, .. } if instance == id)
}

/// Whether an observation says that an instance serves. That one of its balancers sends to it is not enough.
fn is_back(what: &Observed, id: &InstanceId) -> bool {
    matches!(what, Observed::InService { instance, .. } if instance == id)
}
