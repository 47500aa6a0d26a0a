//! Faults on instances themselves: each in a file of its own. `phase` waits for what they become.

mod command;
mod deregister;
mod phase;
mod progress;
mod reboot;
mod remove;
mod stop;
mod terminate;

pub(super) use command::Run;
pub(super) use deregister::Deregister;
pub(super) use reboot::Reboot;
pub(super) use remove::Remove;
pub(super) use stop::Stop;
pub(super) use terminate::{Terminate, asked_of};

use std::{collections::BTreeMap, sync::Arc};

use super::{connection::Place, reach::Reach};
use crate::{
    clock,
    model::{
        act::{Effect, EffectStatus, Prepared},
        ids::Region,
    },
};

/// The most ids that a call takes.
const MOST_IDS: usize = 1000;

/// The acts of each region, with their places in the list.
fn by_region<'a>(acts: &[&'a Prepared]) -> BTreeMap<Region, Vec<(usize, &'a Prepared)>> {
    let mut all: BTreeMap<Region, Vec<(usize, &'a Prepared)>> = BTreeMap::new();
    for (at, prepared) in acts.iter().enumerate() {
        if let Some(instance) = prepared.act.target.instance() {
            all.entry(instance.region.clone()).or_default().push((at, prepared));
        }
    }
    all
}

/// Acts that go into one call: of one region, and no more than it takes.
struct Part<'a> {
    place: &'a Arc<Place>,
    acts: Vec<(usize, &'a Prepared)>,
}

impl Part<'_> {
    fn ids(&self) -> Vec<String> {
        self.acts.iter().filter_map(|(_, p)| p.act.target.instance()).map(|i| i.id.to_string()).collect()
    }
}

/// Divides acts into calls. What cannot be asked at all has its effect at once.
fn parts<'a>(reach: &'a Reach, acts: &[&'a Prepared], effects: &mut [Option<Effect>]) -> Vec<Part<'a>> {
    let mut parts = Vec::new();
    for (region, acts) in by_region(acts) {
        match reach.connection.place(&region) {
            Ok(place) => parts.extend(acts.chunks(MOST_IDS).map(|acts| Part { place, acts: acts.to_vec() })),
            Err(error) => {
                for (at, prepared) in acts {
                    let status = EffectStatus::Refused { why: error.to_string() };
                    effects[at] = Some(super::effect::effect(prepared, clock::now(), status));
                }
            }
        }
    }
    parts
}

/// Every act has its effect.
fn complete(acts: &[&Prepared], effects: Vec<Option<Effect>>) -> Vec<Effect> {
    acts.iter()
        .zip(effects)
        .map(|(prepared, effect)| {
            effect.unwrap_or_else(|| {
                let status = EffectStatus::Refused { why: format!("{} needs an instance", prepared.act.fault.kind()) };
                super::effect::effect(prepared, clock::now(), status)
            })
        })
        .collect()
}
