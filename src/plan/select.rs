//! Selector × inventory → matches, and who was left out although the selector named it.

use std::{collections::BTreeSet, sync::Arc};

use globset::{Glob, GlobMatcher};

use crate::model::{
    ids::{InstanceId, Region, Service, Zone},
    instance::{Instance, InstanceState, Inventory},
    selector::{Pick, Selector},
};

/// The label that says what a part of the system does for the others: `balancer` or `store`.
pub const ROLE: &str = "firedrill.role";
/// The role of a managed store, which a platform makes fail over.
pub const STORE: &str = "store";
/// The label by which a platform says which `process:` selectors mean a process that the tool did not start: one a line, as they are displayed.
/// Not what is in its arguments: there are secrets in command lines.
pub const PROCESS: &str = "firedrill.process";

/// What a selector found. All lists are sorted by id, whatever the order of the inventory.
#[derive(Debug, Default)]
pub struct Matches<'a> {
    /// May be chosen.
    pub eligible: Vec<&'a Arc<Instance>>,
    /// Named by the selector, but protected.
    pub protected: Vec<&'a Arc<Instance>>,
    /// Named by the selector, but the platform keeps them out: see `Instance::kept_out`.
    pub kept_out: Vec<&'a Arc<Instance>>,
    /// Named by the selector, but not running.
    pub not_running: Vec<&'a Arc<Instance>>,
    /// Would match, but the tool did not start it and the selector does not ask for processes.
    pub foreign: Vec<&'a Arc<Instance>>,
}

/// A selector whose patterns are compiled.
pub struct Compiled<'a> {
    selector: &'a Selector,
    services: BTreeSet<&'a Service>,
    ids: BTreeSet<&'a InstanceId>,
    name: Option<GlobMatcher>,
}

impl<'a> Compiled<'a> {
    /// Compiles the patterns.
    ///
    /// # Errors
    /// What is wrong with a pattern, in words.
    pub fn new(selector: &'a Selector) -> Result<Self, String> {
        let glob =
            |text: &str| Glob::new(text).map(|g| g.compile_matcher()).map_err(|e| format!("`{text}` is not a name pattern: {}", e.kind()));
        Ok(Self {
            services: selector.services.iter().collect(),
            ids: selector.ids.iter().collect(),
            name: selector.name.as_deref().map(glob).transpose()?,
            selector,
        })
    }

    /// Whether the criteria hold, leaving aside protection, state, origin, and random zones and regions.
    fn fits(&self, i: &Instance) -> bool {
        let s = self.selector;
        (self.services.is_empty() || self.services.contains(&i.service))
            && (self.ids.is_empty() || self.ids.contains(&i.id) || self.ids.iter().any(|id| i.id.is_meant_by(id.as_str())))
            && self.name.as_ref().is_none_or(|g| g.is_match(&i.name))
            && s.labels.iter().all(|(k, v)| i.labels.get(k) == Some(v))
            && named(s.zone.as_ref(), &i.zone)
            && named(s.region.as_ref(), &i.region)
            && self.fits_process(i)
            && (self.reaches_aside() || !is_aside(i))
    }

    fn fits_process(&self, i: &Instance) -> bool {
        let Some(wanted) = &self.selector.process else { return true };
        let wanted = wanted.to_string();
        !i.managed && i.labels.get(PROCESS).is_some_and(|meant| meant.lines().any(|line| line == wanted))
    }

    /// A balancer is only ever meant when it is named in some way: a zone alone does not mean the thing that watches the zones, nor the
    /// store that outlives it.
    fn reaches_aside(&self) -> bool {
        let s = self.selector;
        !s.services.is_empty() || !s.ids.is_empty() || s.name.is_some() || !s.labels.is_empty() || s.all
    }
}

/// Whether this is a load balancer or a managed store: no member of a place like others, and meant only when it is named.
pub fn is_aside(i: &Instance) -> bool {
    i.labels.get(ROLE).is_some_and(|role| role == "balancer" || role == STORE)
}

fn named<T: PartialEq>(pick: Option<&Pick<T>>, here: &T) -> bool {
    match pick {
        Some(Pick::Named(names)) => names.contains(here),
        Some(Pick::Random) | None => true,
    }
}

/// Finds the matches of a selector; a random zone or region is not drawn here.
pub fn select<'a>(selector: &Compiled<'_>, inventory: &'a Inventory) -> Matches<'a> {
    let mut found = Matches::default();
    if selector.selector.unbounded() && !selector.selector.all {
        return found;
    }
    for i in inventory.instances.iter().filter(|i| i.state != InstanceState::Gone && selector.fits(i)) {
        let list = if i.protected() {
            &mut found.protected
        } else if i.kept_out.is_some() {
            &mut found.kept_out
        } else if !i.managed && selector.selector.process.is_none() {
            &mut found.foreign
        } else if i.state != InstanceState::Running {
            &mut found.not_running
        } else {
            &mut found.eligible
        };
        list.push(i);
    }
    for list in found.lists() {
        list.sort_by(|a, b| a.id.cmp(&b.id));
    }
    found
}

impl<'a> Matches<'a> {
    fn lists(&mut self) -> [&mut Vec<&'a Arc<Instance>>; 5] {
        [&mut self.eligible, &mut self.protected, &mut self.kept_out, &mut self.not_running, &mut self.foreign]
    }

    /// Keeps one zone.
    pub fn only_zone(&mut self, zone: &Zone) {
        self.retain(|i| i.zone == *zone);
    }

    /// Keeps one region.
    pub fn only_region(&mut self, region: &Region) {
        self.retain(|i| i.region == *region);
    }

    fn retain(&mut self, keep: impl Fn(&Instance) -> bool) {
        for list in self.lists() {
            list.retain(|i| keep(i));
        }
    }

    /// Sentences about those left out.
    pub fn left_out(&self) -> Vec<String> {
        let mut reasons: Vec<&str> = self.kept_out.iter().filter_map(|i| i.kept_out.as_deref()).collect();
        reasons.sort_unstable();
        reasons.dedup();
        let kept_out = reasons.into_iter().map(|reason| {
            let these: Vec<&Arc<Instance>> = self.kept_out.iter().copied().filter(|i| i.kept_out.as_deref() == Some(reason)).collect();
            format!("left out, {reason}: {}", names(&these))
        });
        let others = [
            (&self.protected, "protected (label firedrill.protected=true)"),
            (&self.not_running, "not running"),
            (&self.foreign, "not started by this system (a `process:` selector is needed to choose it)"),
        ]
        .into_iter()
        .filter(|(list, _)| !list.is_empty())
        .map(|(list, why)| format!("left out, {why}: {}", names(list)));
        kept_out.chain(others).collect()
    }
}

/// The first few names, and how many more.
pub fn names(list: &[&Arc<Instance>]) -> String {
    const SHOWN: usize = 8;
    let mut text = list.iter().take(SHOWN).map(|i| i.name.as_str()).collect::<Vec<_>>().join(", ");
    if list.len() > SHOWN {
        text = format!("{text} and {} more", list.len() - SHOWN);
    }
    text
}
