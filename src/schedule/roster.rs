//! All scheduled experiments of a folder, those of one group together.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    path::PathBuf,
    time::Duration,
};

use jiff::{Timestamp, tz::TimeZone};

use super::{
    closed::Closed,
    rule::{Gap, Rule, Working},
    walk::{Firing, Member, Source, Walk},
};
use crate::model::hours::Hours;

/// What is done about a firing whose time passed while nobody was there to run it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Missed {
    /// Nothing; it is told.
    #[default]
    Skip,
    /// It is run once, if it is not too late for that.
    RunOnce,
}

/// A scheduled experiment: what its file and its project file say together.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its name, which no other one of its roster has.
    pub name: String,
    /// By what name its draws are made: the path of its file below its project's folder, without the ending.
    pub draws: String,
    /// Its file.
    pub path: PathBuf,
    /// Its project file, if it has one.
    pub project: Option<PathBuf>,
    /// The group it belongs to, if any: then the rule, the gap and the seed are the group's.
    pub group: Option<String>,
    /// The seed of the draws.
    pub seed: u64,
    /// When.
    pub rule: Rule,
    /// The zone of all its times.
    pub zone: TimeZone,
    /// The days on which people work.
    pub working: Working,
    /// How far apart two firings are at least.
    pub gap: Option<Gap>,
    /// The hours of its environment: the environment's name, the hours as written, and as read.
    pub hours: Option<(String, String, Hours)>,
    /// When it does not fire.
    pub closed: Closed,
    /// What becomes of a firing that was missed.
    pub missed: Missed,
    /// How late it may begin at most. A random time is never later than the end of the hours that it was drawn from, either.
    pub within: Duration,
    /// Whether it may fire at all.
    pub enabled: bool,
}

impl Entry {
    /// By what its last firing is remembered: its file, or its group and where that is defined.
    pub fn key(&self) -> String {
        let whole = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone()).display().to_string();
        match (&self.group, &self.project) {
            (Some(group), Some(project)) => format!("group {group} of {}", whole(project)),
            _ => whole(&self.path),
        }
    }

    /// The last moment at which a firing may begin that was due at `at`.
    pub fn latest(&self, firing: &Firing) -> Timestamp {
        let late = firing.at.timestamp().saturating_add(self.within).unwrap_or(Timestamp::MAX);
        firing.until.map_or(late, |until| late.min(until))
    }
}

/// All of them.
#[derive(Debug, Clone, Default)]
pub struct Roster {
    entries: Vec<Entry>,
    sources: Vec<Source>,
    // The entry of each member of each source.
    places: Vec<Vec<usize>>,
}

/// Tells when a source last fired, by its key.
pub type Last<'l> = &'l dyn Fn(&str) -> Option<Timestamp>;

impl Roster {
    /// Of these experiments. Where two have the same name, both are called by their files.
    pub fn new(mut entries: Vec<Entry>) -> Self {
        let mut names: BTreeMap<String, usize> = BTreeMap::new();
        for entry in &entries {
            *names.entry(entry.name.clone()).or_default() += 1;
        }
        for entry in entries.iter_mut().filter(|entry| names[&entry.name] > 1) {
            entry.name = entry.path.display().to_string();
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        let mut out = Self { entries, ..Self::default() };
        let mut groups = BTreeMap::new();
        for (at, entry) in out.entries.iter().enumerate() {
            let member =
                Member { draws: entry.draws.clone(), enabled: entry.enabled, hours: entry.hours.clone(), closed: entry.closed.clone() };
            let new = out.sources.len();
            let key = entry.key();
            let source = if entry.group.is_some() { *groups.entry(key.clone()).or_insert(new) } else { new };
            if source == new {
                out.sources.push(Source {
                    key,
                    draws: entry.group.as_ref().map_or_else(|| entry.draws.clone(), |group| format!("group {group}")),
                    seed: entry.seed,
                    rule: entry.rule.clone(),
                    zone: entry.zone.clone(),
                    working: entry.working.clone(),
                    gap: entry.gap,
                    members: Vec::new(),
                });
                out.places.push(Vec::new());
            }
            out.sources[source].members.push(member);
            out.places[source].push(at);
        }
        out
    }

    /// The experiments, by name.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What fires; a group is one.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// The source of an experiment, and which of its members it is.
    pub fn source_of(&self, entry: usize) -> Option<(usize, usize)> {
        self.places.iter().enumerate().find_map(|(source, members)| Some((source, members.iter().position(|at| *at == entry)?)))
    }

    /// The experiment of a firing of a source.
    pub fn entry(&self, source: usize, member: usize) -> &Entry {
        &self.entries[self.places[source][member]]
    }

    /// All times of all sources after a moment, in their order.
    pub fn walk<'r>(&'r self, after: Timestamp, last: Last<'_>) -> Along<'r> {
        let mut walks: Vec<Walk<'r>> = self.sources.iter().map(|source| Walk::new(source, after, last(&source.key))).collect();
        let firsts = walks.iter_mut().enumerate().filter_map(|(at, walk)| Some(Reverse(Next::new(at, walk.next()?))));
        let heap = firsts.collect();
        Along { walks, heap }
    }
}

/// The times of several sources in order. Of the same moment, the source that comes first.
#[derive(Debug)]
pub struct Along<'r> {
    walks: Vec<Walk<'r>>,
    heap: BinaryHeap<Reverse<Next>>,
}

#[derive(Debug)]
struct Next {
    order: (Timestamp, usize),
    firing: Firing,
}

impl Next {
    fn new(source: usize, firing: Firing) -> Self {
        Self { order: (firing.at.timestamp(), source), firing }
    }
}

impl PartialEq for Next {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Next {}

impl PartialOrd for Next {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Next {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order.cmp(&other.order)
    }
}

impl Iterator for Along<'_> {
    /// The number of the source, and the time.
    type Item = (usize, Firing);

    fn next(&mut self) -> Option<Self::Item> {
        let Reverse(Next { order: (_, source), firing }) = self.heap.pop()?;
        if let Some(next) = self.walks[source].next() {
            self.heap.push(Reverse(Next::new(source, next)));
        }
        Some((source, firing))
    }
}
