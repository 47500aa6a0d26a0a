//! Drift: a replacement that is not like its siblings, and siblings that were not alike before anything was done (snowflakes).
//!
//! What came is held against the instances of its service that were there before the first act and are there still; when none is, as at
//! the end of a phoenix drill, against those it came in place of. It is alike when it is like one of them: that they differ among
//! themselves is a finding of its own.

use std::collections::{BTreeMap, BTreeSet};

use super::words;
use crate::{
    measure::course::Course,
    model::{
        built::{Built, Version},
        finding::{Finding, FindingKind},
        ids::{InstanceId, Service},
        measurement::{Likeness, Replacement},
        observation::{Observation, Observed},
    },
};

/// What came during the run, each instance held against its siblings. Empty unless instances were listed before and after.
pub fn replacements(course: &Course, observations: &[Observation]) -> Vec<Replacement> {
    let (before, later) = (&course.before, &course.later);
    if before.is_empty() {
        return Vec::new();
    }
    let (were, are) = (incarnations(before), incarnations(later.iter().flatten()));
    let mut came: BTreeMap<(&Service, &str), Built> = BTreeMap::new();
    for built in later.iter().flatten().filter(|built| !were.contains(&built.incarnation())) {
        let known = came.entry((&built.service, built.instance.as_str())).or_insert_with(|| built.clone());
        // An instance that could not answer once may have answered another time.
        let said = matches!(built.version, Some(Version::Said(_))) || !known.is(built);
        let version = if said { built.version.clone() } else { known.version.take() };
        *known = Built { version, ..built.clone() };
    }
    let predecessors = Predecessors::new(before, observations);
    // Once a service: many may have come.
    let services: BTreeSet<&Service> = came.keys().map(|(service, _)| *service).collect();
    let siblings: BTreeMap<&Service, Siblings<'_>> =
        services.into_iter().map(|service| (service, Siblings::of(service, before, &are))).collect();
    came.values()
        .map(|built| {
            let siblings = siblings.get(&built.service);
            Replacement {
                service: built.service.clone(),
                instance: built.instance.clone(),
                name: built.name.clone(),
                replaces: predecessors.of(built),
                fingerprint: likeness(Ok(&built.fingerprint), siblings.map(|s| &s.fingerprints), words::NO_FINGERPRINT),
                version: built.version.as_ref().map(|version| {
                    let own = match version {
                        Version::Said(text) => Ok(text.as_str()),
                        Version::Unknown { why } => Err(why.as_str()),
                    };
                    likeness(own, siblings.map(|s| &s.versions), words::NO_VERSION)
                }),
            }
        })
        .collect()
}

fn incarnations<'a>(all: impl IntoIterator<Item = &'a Built>) -> BTreeSet<(&'a InstanceId, &'a str)> {
    all.into_iter().map(Built::incarnation).collect()
}

/// How many of a service's instances say what, of those that new ones are held against.
#[derive(Default)]
struct Siblings<'a> {
    fingerprints: BTreeMap<&'a str, u32>,
    versions: BTreeMap<&'a str, u32>,
}

impl<'a> Siblings<'a> {
    fn of(service: &Service, before: &'a [Built], are: &BTreeSet<(&InstanceId, &str)>) -> Self {
        let of_service = || before.iter().filter(|old| old.service == *service);
        let mut members: Vec<&Built> = of_service().filter(|old| are.contains(&old.incarnation())).collect();
        if members.is_empty() {
            members = of_service().collect();
        }
        let mut all = Self::default();
        for member in members {
            if let Some(text) = fingerprint(member) {
                *all.fingerprints.entry(text).or_default() += 1;
            }
            if let Some(text) = version_of(member).filter(|text| !text.is_empty()) {
                *all.versions.entry(text).or_default() += 1;
            }
        }
        all
    }
}

/// Whose place a new instance took.
struct Predecessors<'a> {
    before: BTreeMap<&'a InstanceId, &'a Built>,
    told: BTreeMap<&'a InstanceId, &'a InstanceId>,
}

impl<'a> Predecessors<'a> {
    fn new(before: &'a [Built], observations: &'a [Observation]) -> Self {
        let mut told = BTreeMap::new();
        for observation in observations {
            if let Observed::Launched { instance, replaces: Some(old), .. } = &observation.what {
                told.entry(instance).or_insert(old);
            }
        }
        // The first of a name counts, as it does for a reader of the list.
        let before = before.iter().rev().map(|built| (&built.instance, built)).collect();
        Self { before, told }
    }

    fn of(&self, built: &Built) -> Option<String> {
        let old = self.told.get(&built.instance).copied().unwrap_or(&built.instance);
        let known = self.before.get(old)?;
        // Containers are made anew under the name of the old one.
        let namesake = known.instance != built.instance && known.name == built.name;
        Some(if namesake { words::namesake(known) } else { known.name.clone() })
    }
}

fn likeness(own: Result<&str, &str>, siblings: Option<&BTreeMap<&str, u32>>, none: &str) -> Likeness {
    let own = match own {
        Ok(own) => own,
        Err(why) => return Likeness::Untold { why: why.to_owned() },
    };
    let Some(siblings) = siblings.filter(|siblings| !siblings.is_empty() && !own.is_empty()) else {
        return Likeness::Untold { why: none.to_owned() };
    };
    if siblings.contains_key(own) {
        return Likeness::Alike;
    }
    let mut siblings: Vec<(String, u32)> = siblings.iter().map(|(text, n)| ((*text).to_owned(), *n)).collect();
    siblings.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    Likeness::Differs { own: own.to_owned(), siblings }
}

/// The replacements that are not like their siblings; those that differ in the same way together.
pub fn of(replacements: &[Replacement]) -> Vec<Finding> {
    type Way<'a> = (&'a Service, &'static str, &'a str, &'a [(String, u32)]);
    let mut ways: Vec<(Way<'_>, Vec<&Replacement>)> = Vec::new();
    for new in replacements {
        let aspects = [(words::BUILT_FROM, Some(&new.fingerprint)), (words::SAYS_VERSION, new.version.as_ref())];
        for (aspect, likeness) in aspects {
            let Some(Likeness::Differs { own, siblings }) = likeness else { continue };
            let way: Way<'_> = (&new.service, aspect, own, siblings);
            match ways.iter_mut().find(|(known, _)| *known == way) {
                Some((_, all)) => all.push(new),
                None => ways.push((way, vec![new])),
            }
        }
    }
    ways.iter()
        .map(|((_, aspect, own, siblings), all)| Finding { kind: FindingKind::Drift, says: words::drift(all, aspect, own, siblings) })
        .collect()
}

/// Services whose instances were not alike before anything was done.
pub fn snowflakes(course: &Course) -> Vec<Finding> {
    let mut services: BTreeMap<&Service, Vec<&Built>> = BTreeMap::new();
    for built in &course.before {
        services.entry(&built.service).or_default().push(built);
    }
    let mut all = Vec::new();
    for (service, siblings) in services {
        let kinds = [(words::BUILT_FROM, kinds(&siblings, fingerprint)), (words::SAYS_VERSION, kinds(&siblings, version_of))];
        for (aspect, kinds) in kinds.into_iter().filter(|(_, kinds)| kinds.len() > 1) {
            all.push(Finding { kind: FindingKind::Drift, says: words::snowflakes(service, aspect, &kinds) });
        }
    }
    all
}

fn fingerprint(built: &Built) -> Option<&str> {
    Some(built.fingerprint.as_str()).filter(|text| !text.is_empty())
}

fn version_of(built: &Built) -> Option<&str> {
    match &built.version {
        Some(Version::Said(text)) => Some(text),
        _ => None,
    }
}

/// The names of the instances by what `of` says of them, the most frequent first.
fn kinds<'a>(siblings: &[&'a Built], of: impl Fn(&'a Built) -> Option<&'a str>) -> Vec<(&'a str, Vec<&'a str>)> {
    let mut kinds: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for built in siblings {
        if let Some(text) = of(built) {
            kinds.entry(text).or_default().push(&built.name);
        }
    }
    let mut kinds: Vec<(&str, Vec<&str>)> = kinds.into_iter().collect();
    kinds.sort_by_key(|(_, names)| std::cmp::Reverse(names.len()));
    kinds
}
