//! The `ledger` probe: writes of values that nobody else writes, each read back once it is acknowledged, until it is seen, and all of them
//! once more when the run has ended.
//!
//! A write is a request at the probe's rate; each reading is a request of its own. Nothing is written twice in silence: a write whose
//! answer failed or was late is not acknowledged, and whether it was done is found out by the last reading.

mod book;
mod http;
mod listed;
mod stores;

use std::{cell::RefCell, rc::Rc, time::Duration};

pub use stores::PreparedStore;

use crate::{
    clock,
    model::{
        sample::SampleOutcome,
        state::{StateFindings, Writes},
        time::{Mono, nanos},
    },
    probe::{
        pacer::Shared,
        schedule::{Due, Turn},
        stage::Trace,
    },
};
use book::{Book, Missing};
use stores::Store;

/// Routes, in the order of `ProbeKind::routes`.
const WRITE: u16 = 1;
const READ: u16 = 2;
const LIST: u16 = 3;

/// The turn that reads everything.
const EVERYTHING: u32 = u32::MAX;
/// After a reading that missed a value, or failed: the next one, in milliseconds. The last one goes on.
const GAPS_MS: [u64; 7] = [20, 50, 100, 200, 500, 1_000, 2_000];
/// In the last round a value that is missing is read so often: behind a balancer each server may answer for itself.
const LAST_TRIES: u16 = 5;
/// From one of them to the next.
const LAST_GAP: Duration = Duration::from_millis(200);
/// Readings of the last round, a second; more when there are more values than fit into [`LAST_WITHIN`].
const LAST_RATE: u64 = 200;
const LAST_WITHIN: Duration = Duration::from_secs(15);
/// How long a list of everything may take.
const LIST_LIMIT: Duration = Duration::from_secs(20);
/// How often everything is listed, while something is missing or the list fails.
const LISTS: u32 = 3;

/// A `ledger` probe on the pacing thread.
pub struct LedgerKind {
    store: Store,
    /// What all values of this run begin with.
    prefix: String,
    /// How long an acknowledged write may take to be seen.
    settles: Duration,
    book: RefCell<Book>,
    /// Lists that came through.
    lists: std::cell::Cell<u32>,
}

impl LedgerKind {
    /// With a store that is there.
    pub fn new(store: Store, prefix: String, settles: Duration) -> Self {
        Self { store, prefix, settles, book: RefCell::new(Book::new(settles)), lists: std::cell::Cell::new(0) }
    }

    /// How many connections it keeps.
    pub fn kept(&self) -> u64 {
        self.store.kept()
    }

    /// How long an acknowledged write may take to be seen.
    pub fn settles_within(&self) -> Duration {
        self.settles
    }

    /// How long a request may take, where that is not the probe's own deadline.
    pub fn limit(due: Due) -> Option<Duration> {
        (due.turn == Turn::Again(EVERYTHING)).then_some(LIST_LIMIT)
    }

    /// One request: a write, or a reading.
    pub async fn attempt(&self, shared: &Rc<Shared>, trace: &mut Trace) -> SampleOutcome {
        match trace.due.turn {
            Turn::Regular(number) => self.write(shared, trace, number).await,
            Turn::Again(EVERYTHING) => self.list(shared, trace).await,
            Turn::Again(number) => self.read(shared, trace, number).await,
        }
    }

    async fn write(&self, shared: &Rc<Shared>, trace: &mut Trace, number: u32) -> SampleOutcome {
        trace.route = WRITE;
        self.book.borrow_mut().sent(number);
        let outcome = self.store.write(shared, trace, &self.value(number)).await;
        if outcome.is_ok() {
            let now = clock::now();
            self.book.borrow_mut().acknowledged(number, nanos(now.since(shared.origin)));
            shared.again(trace.due.probe, now, number);
        }
        outcome
    }

    async fn read(&self, shared: &Rc<Shared>, trace: &mut Trace, number: u32) -> SampleOutcome {
        trace.route = READ;
        let begun = nanos(clock::now().since(shared.origin));
        let mut reading = Reading { ledger: self, shared, due: trace.due, done: false, settling: false };
        match self.store.read(shared, trace, &self.value(number)).await {
            Ok(true) => {
                reading.done = true;
                self.book.borrow_mut().found(number, begun, 1);
                SampleOutcome::Ok
            }
            Ok(false) if self.book.borrow_mut().settling(number, begun) => {
                reading.settling = true;
                SampleOutcome::Ok
            }
            Ok(false) => {
                self.book.borrow_mut().missing(number);
                if self.book.borrow().is_last_round() { SampleOutcome::StateLost } else { SampleOutcome::Stale }
            }
            Err(failed) => failed,
        }
    }

    async fn list(&self, shared: &Rc<Shared>, trace: &mut Trace) -> SampleOutcome {
        trace.route = LIST;
        let begun = nanos(clock::now().since(shared.origin));
        let mut reading = Reading { ledger: self, shared, due: trace.due, done: false, settling: false };
        let mut note = |value: &str, times: u64| {
            if let Some(number) = value.strip_prefix(&self.prefix).and_then(|rest| rest.parse().ok()) {
                self.book.borrow_mut().found(number, begun, times);
            }
        };
        if let Err(failed) = self.store.list(shared, trace, &self.prefix, &mut note).await {
            return failed;
        }
        let Missing { missing, settling } = self.book.borrow_mut().listed(begun);
        if settling == 0 {
            self.lists.set(self.lists.get() + 1);
            reading.done = missing == 0 || self.lists.get() >= LISTS;
        }
        if missing == 0 { SampleOutcome::Ok } else { SampleOutcome::StateLost }
    }

    /// The value of a write: a word that no other run writes.
    fn value(&self, number: u32) -> String {
        format!("{}{number}", self.prefix)
    }

    /// Plans the reading after one that failed or missed its value; none when enough was tried.
    fn read_again(&self, shared: &Shared, due: Due, settling: bool) {
        let Turn::Again(what) = due.turn else { return };
        let gap = if what == EVERYTHING || settling && self.book.borrow().is_last_round() {
            LAST_GAP * 2
        } else {
            let before = self.book.borrow_mut().tried(what);
            if self.book.borrow().is_last_round() {
                if before + 1 >= LAST_TRIES {
                    return;
                }
                LAST_GAP
            } else {
                Duration::from_millis(GAPS_MS[usize::from(before).min(GAPS_MS.len() - 1)])
            }
        };
        shared.again(due.probe, clock::now().plus(gap), what);
    }

    /// A reading that was due and not sent is due again.
    pub fn skipped(&self, shared: &Shared, due: Due) {
        self.read_again(shared, due, false);
    }

    /// Everything is read once more: in one list where the store has one, else value by value.
    pub fn last_turns(&self, now_ns: u64) -> Vec<(u64, u32)> {
        let all = self.book.borrow_mut().begin_last_round();
        if all.is_empty() {
            return Vec::new();
        }
        if self.store.lists() {
            return vec![(now_ns, EVERYTHING)];
        }
        let step = (1_000_000_000 / LAST_RATE).min(nanos(LAST_WITHIN) / all.len() as u64);
        (0..).zip(all).map(|(place, number)| (now_ns + place * step, number)).collect()
    }

    /// The books.
    pub fn state(&self) -> StateFindings {
        let writes: Writes = self.book.borrow().writes();
        StateFindings::Writes(writes)
    }
}

/// A reading that has not found what it looked for yet; dropped like that, by its deadline or a failure, it plans the next.
struct Reading<'a> {
    ledger: &'a LedgerKind,
    shared: &'a Shared,
    due: Due,
    done: bool,
    /// What it missed may still come.
    settling: bool,
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.ledger.read_again(self.shared, self.due, self.settling);
        }
    }
}

/// What the values of a run begin with: unlike those of any other run, also of one with the same seed.
pub fn prefix(seed: u64, at: Mono) -> String {
    let wall = clock::wall().0;
    format!("fd{:x}{:x}-", wall / 1_000_000, (seed ^ at.0) & 0xffff)
}
