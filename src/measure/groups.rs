//! The same numbers by route, backend, zone, connection policy, name model and address, each within a phase.

use std::collections::BTreeMap;

use super::stats::Collector;
use crate::model::{
    measurement::{GroupBy, GroupStats},
    probe::NameModel,
    sample::{NameIndex, Policy, Sample},
    steady_state::Phase,
};

/// A hostile system may answer with a new backend name each time; beyond so many groups of one kind and phase the rest is one.
const MOST_GROUPS: usize = 256;

/// The key of the group that takes the rest.
const OTHERS: u16 = u16::MAX;

/// Collects groups. A sample whose backend (zone, address) is not known is in no group of that kind.
#[derive(Debug, Default)]
pub struct Groups {
    collectors: BTreeMap<(GroupBy, Phase, u16), Collector>,
    sizes: BTreeMap<(GroupBy, Phase), usize>,
}

impl Groups {
    /// Counts a sample in each group it belongs to.
    pub fn push(&mut self, sample: &Sample, phase: Phase) {
        self.add(GroupBy::Route, phase, sample.route, sample);
        if sample.policy != Policy::None {
            self.add(GroupBy::Policy, phase, sample.policy as u16, sample);
        }
        if let Some(model) = sample.names {
            self.add(GroupBy::Names, phase, model as u16, sample);
        }
        for (by, NameIndex(name)) in [(GroupBy::Backend, sample.backend), (GroupBy::Zone, sample.zone), (GroupBy::Address, sample.address)]
        {
            if name != 0 {
                self.add(by, phase, name, sample);
            }
        }
    }

    fn add(&mut self, by: GroupBy, phase: Phase, key: u16, sample: &Sample) {
        if let Some(collector) = self.collectors.get_mut(&(by, phase, key)) {
            collector.push(sample);
            return;
        }
        let size = self.sizes.entry((by, phase)).or_default();
        let key = if *size < MOST_GROUPS { key } else { OTHERS };
        *size += 1;
        self.collectors.entry((by, phase, key)).or_default().push(sample);
    }

    /// The groups. One route alone is the whole, and is left out.
    pub fn finish(self, names: &[String], routes: &[String], seed: u64) -> Vec<GroupStats> {
        let several = self.collectors.keys().filter(|(by, ..)| *by == GroupBy::Route).any(|(_, _, key)| *key != 0);
        let key_says = |by: GroupBy, key: u16| match by {
            _ if key == OTHERS => "others".to_owned(),
            GroupBy::Route => {
                key.checked_sub(1).and_then(|place| routes.get(usize::from(place))).cloned().unwrap_or_else(|| key.to_string())
            }
            GroupBy::Policy if key == Policy::New as u16 => Policy::New.name().to_owned(),
            GroupBy::Policy => Policy::KeepAlive.name().to_owned(),
            GroupBy::Names => NameModel::ALL.get(usize::from(key)).map_or_else(|| format!("model {key}"), |model| model.name().to_owned()),
            _ => names.get(usize::from(key)).cloned().unwrap_or_else(|| format!("name {key}")),
        };
        let mut groups: Vec<GroupStats> = self
            .collectors
            .into_iter()
            .filter(|((by, ..), _)| several || *by != GroupBy::Route)
            .map(|((by, phase, key), collector)| GroupStats { by, key: key_says(by, key), phase, stats: collector.stats(seed) })
            .collect();
        groups.sort_by(|a, b| (a.by, &a.key, a.phase).cmp(&(b.by, &b.key, b.phase)));
        groups
    }
}
