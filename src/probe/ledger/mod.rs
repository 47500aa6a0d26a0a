//! The `ledger` probe: writes of values that nobody else writes, each read back once it is acknowledged, until it is seen, and all of them
//! once more when the run has ended. What it wrote into a store of its own it removes then.
//!
//! A write is a request at the probe's rate; each reading is a request of its own. Nothing is written twice in silence: a write whose
//! answer failed or was late is not acknowledged, and whether it was done is found out by the last reading. That one looks where the values
//! were written, also where readers look at another server: a replica that is behind has lost nothing.

mod book;
mod http;
mod listed;
mod postgres;
mod redis;
mod stores;
mod table;
mod turns;
mod values;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    time::Duration,
};

use crate::{
    clock,
    model::{
        sample::SampleOutcome,
        state::{Afterwards, StateFindings, Writes},
        store::LedgerProbe,
        time::nanos,
    },
    probe::{pacer::Shared, schedule::Turn, stage::Trace},
};
use book::{Book, Missing};
use stores::{PreparedStore, Store};
use turns::{EVERYTHING, PUT_AWAY};
use values::Values;

pub use turns::{limit, skipped};

/// Routes, in the order of `ProbeKind::routes`.
const WRITE: u16 = 1;
const READ: u16 = 2;
const LIST: u16 = 3;
const REMOVE: u16 = 4;

/// A `ledger` probe, ready to move to the pacing thread.
pub struct PreparedLedger {
    store: PreparedStore,
    values: Values,
    settles: Duration,
    keep: bool,
}

impl PreparedLedger {
    /// Words for the user when its store cannot be used. A table that is not there is made.
    pub fn new(spec: &LedgerProbe, rate: f64, timeout: Duration) -> Result<Self, String> {
        Ok(Self { store: PreparedStore::new(spec, rate, timeout)?, values: Values::new()?, settles: spec.settles_within, keep: spec.keep })
    }

    /// On the pacing thread.
    pub fn into_kind(self, rate: f64) -> LedgerKind {
        LedgerKind {
            store: self.store.into_store(rate),
            values: self.values,
            settles: self.settles,
            keep: self.keep,
            book: RefCell::new(Book::new(self.settles)),
            followed: Cell::new(0),
            most_followed: turns::most_followed(rate, self.settles),
            lists: Cell::new(0),
            removals: Cell::new(0),
            removed: Cell::new(0),
            afterwards: Cell::new(None),
        }
    }
}

/// A `ledger` probe on the pacing thread.
pub struct LedgerKind {
    store: Store,
    values: Values,
    /// How long an acknowledged write may take to be seen.
    settles: Duration,
    /// The values are to stay.
    keep: bool,
    book: RefCell<Book>,
    /// Values that are waited for.
    followed: Cell<u32>,
    most_followed: u32,
    /// Lists that came through.
    lists: Cell<u16>,
    /// Removals that failed.
    removals: Cell<u16>,
    /// Values that were removed.
    removed: Cell<u64>,
    afterwards: Cell<Option<Afterwards>>,
}

impl LedgerKind {
    /// How many connections it keeps.
    pub fn kept(&self) -> u64 {
        self.store.kept()
    }

    /// How long an acknowledged write may take to be seen.
    pub fn settles_within(&self) -> Duration {
        self.settles
    }

    /// One request: a write, a reading, or the removal of everything.
    pub async fn attempt(&self, shared: &Rc<Shared>, trace: &mut Trace) -> SampleOutcome {
        match trace.due.turn {
            Turn::Regular(number) => self.write(shared, trace, number).await,
            Turn::Again(EVERYTHING) => self.list(shared, trace).await,
            Turn::Again(PUT_AWAY) => self.put_away(shared, trace).await,
            Turn::Again(number) => self.read(shared, trace, number).await,
        }
    }

    async fn write(&self, shared: &Rc<Shared>, trace: &mut Trace, number: u32) -> SampleOutcome {
        trace.route = WRITE;
        self.book.borrow_mut().sent(number);
        let outcome = self.store.write(shared, trace, &self.values.value(number)).await;
        if outcome.is_ok() {
            let now = clock::now();
            self.book.borrow_mut().acknowledged(number, nanos(now.since(shared.origin)));
            self.follow(shared, trace.due.probe, number, now);
        } else if outcome == SampleOutcome::NotSent {
            self.book.borrow_mut().not_sent(number);
        }
        outcome
    }

    async fn read(&self, shared: &Rc<Shared>, trace: &mut Trace, number: u32) -> SampleOutcome {
        trace.route = READ;
        let last = self.book.borrow().is_last_round();
        let begun = nanos(clock::now().since(shared.origin));
        let mut reading = self.reading(shared, trace.due);
        match self.store.read(shared, trace, &self.values.value(number), last).await {
            Ok(true) => {
                reading.done = true;
                let mut book = self.book.borrow_mut();
                if last && self.store.lists() {
                    book.lists_are_cut();
                }
                book.found(number, begun, 1);
                drop(book);
                self.unfollow();
                SampleOutcome::Ok
            }
            Ok(false) if self.book.borrow_mut().settling(number, begun) => {
                reading.settling = true;
                SampleOutcome::Ok
            }
            Ok(false) => {
                reading.missed = true;
                self.book.borrow_mut().missing(number);
                if last { SampleOutcome::StateLost } else { SampleOutcome::Stale }
            }
            Err(failed) => failed,
        }
    }

    async fn list(&self, shared: &Rc<Shared>, trace: &mut Trace) -> SampleOutcome {
        trace.route = LIST;
        let begun = nanos(clock::now().since(shared.origin));
        let mut reading = self.reading(shared, trace.due);
        let mut counted = BTreeMap::<u32, u64>::new();
        let mut note = |value: &str, times: u64| {
            if let Some(number) = self.values.number(value) {
                let sum = counted.entry(number).or_default();
                *sum = sum.saturating_add(times);
            }
        };
        let listed = self.store.list(shared, trace, self.values.prefix(), &mut note).await;
        // What was seen was seen, also in a list that broke off.
        for (number, times) in counted {
            self.book.borrow_mut().found(number, begun, times);
        }
        if let Err(failed) = listed {
            return failed;
        }
        let Missing { missing, settling } = self.book.borrow().missing_in_lists(begun);
        reading.settling = settling > 0;
        reading.missed = !reading.settling && self.lists_lack(shared, trace.due.probe, &missing);
        reading.done = !reading.settling && !reading.missed;
        if missing.is_empty() { SampleOutcome::Ok } else { SampleOutcome::StateLost }
    }

    /// Whether it removes its values.
    fn removes(&self) -> bool {
        !self.keep && self.store.removes()
    }

    async fn put_away(&self, shared: &Rc<Shared>, trace: &mut Trace) -> SampleOutcome {
        trace.route = REMOVE;
        let mut reading = self.reading(shared, trace.due);
        self.afterwards.set(Some(Afterwards::NotRemoved(SampleOutcome::ResponseTimeout)));
        let sent = self.book.borrow().all_sent();
        match self.store.remove(shared, trace, &self.values, &sent, &self.removed).await {
            Ok(()) => {
                reading.done = true;
                self.afterwards.set(Some(Afterwards::Removed(self.removed.get())));
                SampleOutcome::Ok
            }
            Err(failed) => {
                self.afterwards.set(Some(Afterwards::NotRemoved(failed)));
                failed
            }
        }
    }

    /// The books.
    pub fn state(&self) -> StateFindings {
        let writes = self.book.borrow().writes();
        let afterwards = match self.afterwards.get() {
            _ if writes.attempted == 0 => None,
            None if self.keep => Some(Afterwards::Kept),
            None if !self.store.removes() => Some(Afterwards::NotOurs),
            // Its turn did not come.
            None => Some(Afterwards::NotRemoved(SampleOutcome::NotSent)),
            some => some,
        };
        StateFindings::Writes(Writes { prefix: self.values.prefix().to_owned(), afterwards, ..writes })
    }
}
