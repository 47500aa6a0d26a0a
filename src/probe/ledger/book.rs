//! The books: of each write whether it was acknowledged, and of each acknowledged one whether it was ever missing, and is there in the
//! end. After the set checker of Jepsen ("set-full"): what counts is the acknowledgement, and readings that began after it.
//!
//! Writes are kept by their number, a few bytes each: 500 a second for ten minutes are 300,000.

use std::time::Duration;

use crate::{
    measure::Latencies,
    model::{
        state::{Span, Writes},
        time::nanos,
    },
};

/// A moment that never came.
const NEVER: u32 = u32::MAX;

/// One write.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// When it was acknowledged, in units of 100 µs since the origin.
    acked: u32,
    /// How often it was read in vain, after a failure or while it was missing.
    tries: u16,
    /// How many of it were found, at most. In the last round counted anew.
    found: u16,
    sent: bool,
    /// It was looked for from its acknowledgement on.
    followed: bool,
    /// A reading that began after the acknowledgement did not have it.
    missed: bool,
    /// Some reading had it, or came through and did not.
    read: bool,
    /// It has been seen.
    seen: bool,
    /// A reading of the last round came through.
    checked: bool,
    /// That it is missing is the word of lists alone.
    by_lists: bool,
}

const NEW: Entry = Entry {
    acked: NEVER,
    tries: 0,
    found: 0,
    sent: false,
    followed: false,
    missed: false,
    read: false,
    seen: false,
    checked: false,
    by_lists: false,
};

impl Entry {
    fn may_come(&self, settles: u32, begun_ns: u64) -> bool {
        self.acked != NEVER && tick(begun_ns) < self.acked.saturating_add(settles)
    }
}

/// What no list of the last round had, of what was acknowledged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Missing {
    /// And should.
    pub missing: Vec<u32>,
    /// And may still come: how many.
    pub settling: usize,
}

/// All writes of a ledger.
#[derive(Debug, Default)]
pub struct Book {
    /// How long an acknowledged write may take to be seen, in units of 100 µs.
    settles: u32,
    entries: Vec<Entry>,
    visible: Latencies,
    /// The longest time until a value was seen, in units of 100 µs.
    slowest: u32,
    stale_reads: u64,
    /// The last round, once it has begun: what is read now is the last word.
    last: Option<LastRound>,
    /// A value was there by its own reading, and in no list: lists do not hold everything.
    lists_are_cut: bool,
}

/// The last round.
#[derive(Debug, Clone, Copy)]
struct LastRound {
    /// When it began, nanoseconds after the origin.
    at_ns: u64,
    /// Values are looked for at another place than before: it does not say when a reader could see them.
    elsewhere: bool,
}

/// Moments in 100 µs: 119 hours fit.
fn tick(ns: u64) -> u32 {
    u32::try_from(ns / 100_000).unwrap_or(NEVER - 1)
}

fn seconds(tick: u32) -> f64 {
    f64::from(tick) / 1e4
}

impl Book {
    /// Of a system in which an acknowledged write may take so long to be seen.
    pub fn new(settles: Duration) -> Self {
        Self { settles: tick(nanos(settles)), ..Self::default() }
    }

    fn entry(&mut self, number: u32) -> &mut Entry {
        let place = number as usize;
        if place >= self.entries.len() {
            self.entries.resize(place + 1, NEW);
        }
        &mut self.entries[place]
    }

    /// A write is sent.
    pub fn sent(&mut self, number: u32) {
        self.entry(number).sent = true;
    }

    /// It did not leave after all, for a reason of ours.
    pub fn not_sent(&mut self, number: u32) {
        self.entry(number).sent = false;
    }

    /// The system said that a write is done.
    pub fn acknowledged(&mut self, number: u32, at_ns: u64) {
        self.entry(number).acked = tick(at_ns);
    }

    /// It is looked for from now on.
    pub fn followed(&mut self, number: u32) {
        self.entry(number).followed = true;
    }

    /// A reading that began at this moment had it.
    pub fn found(&mut self, number: u32, begun_ns: u64, times: u64) {
        let last = self.last;
        if number as usize >= self.entries.len() {
            // Never written: a store that makes up values takes no memory with them.
            return;
        }
        let entry = self.entry(number);
        let first = !std::mem::replace(&mut entry.seen, true);
        entry.read = true;
        entry.found = entry.found.max(u16::try_from(times).unwrap_or(u16::MAX));
        entry.checked |= last.is_some();
        // Where nobody looked before, this is not when it could be seen.
        if first && entry.followed && !last.is_some_and(|last| last.elsewhere) {
            let after = tick(begun_ns).saturating_sub(entry.acked);
            self.visible.record(after.saturating_mul(100));
            self.slowest = self.slowest.max(after);
        }
    }

    /// A reading that began at this moment came through and did not have it: whether it may still come, which is noted.
    pub fn settling(&mut self, number: u32, begun_ns: u64) -> bool {
        let settles = self.settles;
        let entry = self.entry(number);
        let may_come = entry.may_come(settles, begun_ns);
        entry.read |= may_come;
        may_come
    }

    /// A reading came through and did not have it, and should.
    pub fn missing(&mut self, number: u32) {
        let last = self.last.is_some();
        let entry = self.entry(number);
        (entry.missed, entry.read) = (true, true);
        if last {
            (entry.checked, entry.found) = (true, 0);
        } else {
            // Those of the last round say how long it waited, and not what users read.
            self.stale_reads += 1;
        }
    }

    /// How often it has been tried before.
    pub fn tries(&self, number: u32) -> u16 {
        self.entries.get(number as usize).map_or(0, |entry| entry.tries)
    }

    /// It was tried once more, in vain.
    pub fn tried(&mut self, number: u32) {
        let entry = self.entry(number);
        entry.tries = entry.tries.saturating_add(1);
    }

    /// How long it took at most until a value was seen.
    pub fn slowest(&self) -> Duration {
        Duration::from_micros(u64::from(self.slowest) * 100)
    }

    /// The last round begins: every acknowledged write is to be read once more.
    pub fn begin_last_round(&mut self, at_ns: u64, elsewhere: bool) {
        self.last = Some(LastRound { at_ns, elsewhere });
        for entry in &mut self.entries {
            (entry.tries, entry.found, entry.checked) = (0, 0, false);
        }
    }

    /// Whether the last round has begun.
    pub fn is_last_round(&self) -> bool {
        self.last.is_some()
    }

    /// The writes that were sent.
    pub fn all_sent(&self) -> Vec<u32> {
        self.numbers(|entry| entry.sent)
    }

    /// Those of which the system said that they are done.
    pub fn all_acknowledged(&self) -> Vec<u32> {
        self.numbers(|entry| entry.acked != NEVER)
    }

    fn numbers(&self, wanted: impl Fn(&Entry) -> bool) -> Vec<u32> {
        (0..).zip(&self.entries).filter(|(_, entry)| wanted(entry)).map(|(number, _)| number).collect()
    }

    /// A list of everything was read from this moment on, and what it had is noted: the acknowledged ones that no list of the last round
    /// had.
    pub fn missing_in_lists(&self, begun_ns: u64) -> Missing {
        let lacking = |entry: &Entry| entry.acked != NEVER && entry.found == 0;
        let may_come = |entry: &Entry| entry.may_come(self.settles, begun_ns);
        Missing {
            missing: self.numbers(|entry| lacking(entry) && !may_come(entry)),
            settling: self.entries.iter().filter(|entry| lacking(entry) && may_come(entry)).count(),
        }
    }

    /// These are not read one by one: that the lists do not have them is the last word, as long as lists hold everything.
    pub fn lost_by_lists(&mut self, numbers: &[u32]) {
        for number in numbers {
            let entry = self.entry(*number);
            (entry.by_lists, entry.checked, entry.read) = (true, true, true);
        }
    }

    /// A value that no list had is there.
    pub fn lists_are_cut(&mut self) {
        self.lists_are_cut = true;
    }

    /// What it all comes to.
    pub fn writes(&self) -> Writes {
        let mut out = Writes {
            stale_reads: self.stale_reads,
            visible_after: self.visible.latency(),
            last_round_s: self.last.map(|last| last.at_ns as f64 / 1e9),
            ..Writes::default()
        };
        for entry in self.entries.iter().filter(|entry| entry.sent) {
            out.attempted += 1;
            if entry.acked == NEVER {
                out.appeared += u64::from(entry.seen || entry.found > 0);
                continue;
            }
            out.acknowledged += 1;
            out.duplicated += u64::from(entry.found > 1);
            if !entry.read {
                out.never_read += 1;
            } else if !entry.checked || (entry.by_lists && self.lists_are_cut) {
                out.unchecked += 1;
            } else if entry.found == 0 {
                out.lost += 1;
                Span::with(&mut out.lost_within, seconds(entry.acked));
            } else if entry.missed {
                out.stale += 1;
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn acked(book: &mut Book, numbers: std::ops::Range<u32>) {
        for number in numbers {
            book.sent(number);
            book.acknowledged(number, u64::from(number) * 10 * MS + MS);
            book.followed(number);
        }
    }

    #[test]
    fn each_fate_is_counted_once() {
        let mut book = Book::default();
        acked(&mut book, 0..5);
        book.sent(5); // Not acknowledged, and there.
        book.sent(6); // Not acknowledged, and not there.
        book.sent(7); // Did not leave.
        book.not_sent(7);
        book.sent(8); // Not acknowledged, and there twice.
        book.found(0, 3 * MS, 1);
        book.missing(1);
        book.found(1, 60 * MS, 1);
        book.found(2, 30 * MS, 1); // Seen, and gone later.
        book.missing(3); // Never seen.
        book.begin_last_round(800 * MS, false);
        assert_eq!((book.all_acknowledged(), book.all_sent()), (vec![0, 1, 2, 3, 4], vec![0, 1, 2, 3, 4, 5, 6, 8]));
        book.found(0, 900 * MS, 1);
        book.found(1, 900 * MS, 1);
        book.found(4, 900 * MS, 2);
        book.found(5, 900 * MS, 1);
        book.found(8, 900 * MS, 2);
        book.found(4_000_000_000, 900 * MS, 1); // Nobody wrote it.
        assert_eq!(book.missing_in_lists(900 * MS), Missing { missing: vec![2, 3], settling: 0 });
        assert_eq!(book.writes().unchecked, 2, "each is looked for before it is called lost");
        book.missing(2);
        book.missing(3);
        let writes = book.writes();
        assert_eq!((writes.attempted, writes.acknowledged, writes.lost, writes.appeared), (8, 5, 2, 2));
        assert_eq!((writes.stale, writes.stale_reads, writes.duplicated, writes.never_read, writes.unchecked), (1, 2, 1, 0, 0));
        assert_eq!(writes.lost_within.map(|span| (span.from_s, span.to_s)), Some((0.021, 0.031)));
        assert_eq!(writes.last_round_s, Some(0.8));
        let visible = writes.visible_after.unwrap();
        assert_eq!(visible.n, 4);
        assert!((visible.p50 - 0.009).abs() < 0.003, "{visible:?}");
    }

    #[test]
    fn what_may_still_come_is_neither_stale_nor_lost_until_its_time_is_over() {
        let mut book = Book::new(Duration::from_secs(1));
        acked(&mut book, 0..3); // At 1, 11 and 21 ms.
        assert!(book.settling(0, 500 * MS) && !book.settling(0, 1001 * MS));
        book.begin_last_round(550 * MS, false);
        book.found(0, 600 * MS, 1);
        assert_eq!(book.missing_in_lists(1005 * MS), Missing { missing: vec![], settling: 2 });
        book.found(1, 1015 * MS, 1);
        assert_eq!(book.missing_in_lists(1030 * MS), Missing { missing: vec![2], settling: 0 });
        book.missing(2);
        let writes = book.writes();
        assert_eq!((writes.lost, writes.stale, writes.stale_reads, writes.never_read, writes.unchecked), (1, 0, 0, 0, 0));
    }

    #[test]
    fn what_nobody_looked_for_is_not_seen_late() {
        let mut book = Book::default();
        acked(&mut book, 0..1);
        book.sent(1);
        book.acknowledged(1, 2 * MS);
        book.begin_last_round(60_000 * MS, false);
        book.found(0, 60_000 * MS, 1);
        book.found(1, 60_000 * MS, 1);
        assert_eq!(book.writes().visible_after.map(|visible| visible.n), Some(1));
    }

    #[test]
    fn without_a_last_reading_nobody_knows() {
        let mut book = Book::default();
        acked(&mut book, 0..3);
        book.found(0, 3 * MS, 1);
        book.begin_last_round(900 * MS, false);
        let writes = book.writes();
        assert_eq!((writes.lost, writes.unchecked, writes.never_read), (0, 1, 2));
    }

    #[test]
    fn a_list_that_does_not_hold_everything_loses_nothing() {
        let mut book = Book::default();
        acked(&mut book, 0..10);
        book.begin_last_round(900 * MS, false);
        book.found(9, 900 * MS, 1);
        let missing = book.missing_in_lists(900 * MS).missing;
        book.lost_by_lists(&missing[1..]);
        assert_eq!((book.writes().lost, book.writes().never_read), (8, 1));
        // The one that is read by itself is there.
        book.found(0, 950 * MS, 1);
        book.lists_are_cut();
        let writes = book.writes();
        assert_eq!((writes.lost, writes.unchecked, writes.stale), (0, 8, 0));
    }

    #[test]
    fn what_is_only_found_where_it_was_written_was_visible_to_no_reader() {
        let mut book = Book::default();
        acked(&mut book, 0..1);
        book.missing(0);
        book.begin_last_round(900 * MS, true);
        book.found(0, 900 * MS, 1);
        let writes = book.writes();
        assert_eq!((writes.lost, writes.stale, writes.visible_after), (0, 1, None));
        assert_eq!(book.slowest(), Duration::ZERO);
    }
}
