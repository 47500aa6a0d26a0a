//! What the daemon tells its server, and what the server asks of it. The server reads the newest [`Snapshot`], and sends an [`Order`] that
//! it waits for: so it can neither block the loop that fires, nor change anything behind its back.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use jiff::Timestamp;
use tokio::sync::oneshot;

use super::running::Unfinished;
use crate::{
    model::{ids::RunId, verdict::Verdict},
    schedule::{Reason, Roster},
};

/// How things are.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The folder that is watched, as it was named.
    pub folder: String,
    /// Since when.
    pub since: Timestamp,
    /// Whether the folder was read once.
    pub begun: bool,
    /// What fires.
    pub roster: Arc<Roster>,
    /// When each source last fired, by its key.
    pub last: Arc<BTreeMap<String, Timestamp>>,
    /// When something is due next.
    pub next: Option<Timestamp>,
    /// What is wrong with files of the folder, in words.
    pub findings: Arc<str>,
    /// What runs.
    pub running: Vec<Active>,
    /// What waits for its place.
    pub waiting: Vec<Waiting>,
    /// What was counted since the start.
    pub counts: Counts,
}

/// A run of the daemon.
#[derive(Debug, Clone)]
pub struct Active {
    /// The experiment.
    pub name: String,
    /// Its file.
    pub file: PathBuf,
    /// When it was started.
    pub since: Timestamp,
    /// Its run.
    pub run: RunId,
    /// Its process, by which it can be told to stop before it has a journal.
    pub process: Option<Unfinished>,
}

/// A firing that waits for another run in the same place.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// The experiment.
    pub name: String,
    /// When it was due.
    pub at: Timestamp,
    /// When it is too late for it.
    pub latest: Timestamp,
}

/// What was counted since the start.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// Firings, by the schedule and by hand.
    pub firings: u64,
    /// Of which by hand.
    pub by_hand: u64,
    /// Firings that were missed.
    pub missed: u64,
    /// Runs that ended, by verdict; those whose process was killed have none.
    pub ended: BTreeMap<u8, u64>,
    /// Runs whose process was killed.
    pub killed: u64,
    /// How each experiment last ended, by its name, and when.
    pub last: BTreeMap<String, (Verdict, Timestamp)>,
    /// How late firings were noticed, in seconds: all together, the last one and the latest one.
    pub lag: Lag,
}

/// How late firings were noticed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lag {
    /// How many.
    pub count: u64,
    /// Seconds, all together.
    pub sum_s: f64,
    /// Seconds, the most.
    pub most_s: f64,
}

impl Counts {
    /// Takes the end of a run.
    pub fn ended(&mut self, name: &str, verdict: Option<Verdict>, at: Timestamp) {
        let Some(verdict) = verdict else {
            self.killed += 1;
            return;
        };
        *self.ended.entry(verdict.exit_code()).or_default() += 1;
        self.last.insert(name.to_owned(), (verdict, at));
    }
}

impl Lag {
    /// Takes how late one was.
    pub fn take(&mut self, seconds: f64) {
        self.count += 1;
        self.sum_s += seconds.max(0.0);
        self.most_s = self.most_s.max(seconds);
    }
}

/// What the server asks for.
#[derive(Debug)]
pub enum Order {
    /// Fire an experiment now, by the rules that hold for every firing.
    Run {
        /// Its name.
        name: String,
        /// Told what came of it.
        answer: oneshot::Sender<Asked>,
    },
}

/// What came of asking for a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Asked {
    /// It is started.
    Started,
    /// It waits for the run in its place, until this moment at most.
    Waits {
        /// The last moment for its beginning.
        latest: Timestamp,
    },
    /// There is no experiment of this name.
    Unknown,
    /// Something keeps it from firing.
    Suppressed(Vec<Reason>),
    /// Its run of before has not ended.
    AlreadyThere,
    /// It could not be done.
    Failed(String),
}
