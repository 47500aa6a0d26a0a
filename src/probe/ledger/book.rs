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
    /// How many of it the last reading found; a later reading's word replaces an earlier one's only by more.
    found: u16,
    sent: bool,
    /// A reading that began after the acknowledgement did not have it.
    missed: bool,
    /// Some reading had it, or came through and did not.
    read: bool,
    /// It has been seen.
    seen: bool,
    /// A reading of the last round came through.
    checked: bool,
}

const NEW: Entry = Entry { acked: NEVER, tries: 0, found: 0, sent: false, missed: false, read: false, seen: false, checked: false };

impl Entry {
    fn may_come(&self, settles: u32, begun_ns: u64) -> bool {
        self.acked != NEVER && tick(begun_ns) < self.acked.saturating_add(settles)
    }
}

/// What a list does not have, of what was acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    /// And should.
    pub missing: usize,
    /// And may still come.
    pub settling: usize,
}

/// All writes of a ledger.
#[derive(Debug, Default)]
pub struct Book {
    /// How long an acknowledged write may take to be seen, in units of 100 µs.
    settles: u32,
    entries: Vec<Entry>,
    visible: Latencies,
    stale_reads: u64,
    /// Whether the last round has begun: what is read now is the last word.
    last: bool,
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

    /// The system said that a write is done.
    pub fn acknowledged(&mut self, number: u32, at_ns: u64) {
        self.entry(number).acked = tick(at_ns);
    }

    /// A reading that began at this moment had it. A number that was never sent is the store's own invention.
    pub fn found(&mut self, number: u32, begun_ns: u64, times: u64) {
        let last = self.last;
        let Some(entry) = self.entries.get_mut(number as usize).filter(|entry| entry.sent) else { return };
        let first = !std::mem::replace(&mut entry.seen, true);
        entry.read = true;
        entry.found = entry.found.max(u16::try_from(times).unwrap_or(u16::MAX));
        entry.checked |= last;
        if first && entry.acked != NEVER {
            let after = tick(begun_ns).saturating_sub(entry.acked);
            self.visible.record(after.saturating_mul(100));
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
        let last = self.last;
        let entry = self.entry(number);
        entry.missed = true;
        entry.read = true;
        if last {
            entry.checked = true;
            entry.found = 0;
        }
        self.stale_reads += 1;
    }

    /// How often it has been tried before; one more now.
    pub fn tried(&mut self, number: u32) -> u16 {
        let entry = self.entry(number);
        let before = entry.tries;
        entry.tries = before.saturating_add(1);
        before
    }

    /// The last round begins: every acknowledged write is to be read once more. Those that are.
    pub fn begin_last_round(&mut self) -> Vec<u32> {
        self.last = true;
        for entry in &mut self.entries {
            (entry.tries, entry.found, entry.checked) = (0, 0, false);
        }
        (0_u32..).zip(&self.entries).filter(|(_, entry)| entry.acked != NEVER).map(|(number, _)| number).collect()
    }

    /// Whether the last round has begun.
    pub fn is_last_round(&self) -> bool {
        self.last
    }

    /// A whole list was read in the last round, from this moment on: whatever it did not have is not there so far.
    pub fn listed(&mut self, begun_ns: u64) -> Missing {
        let mut out = Missing { missing: 0, settling: 0 };
        for entry in self.entries.iter_mut().filter(|entry| entry.acked != NEVER) {
            entry.checked = true;
            entry.read = true;
            if entry.found == 0 {
                let may_come = entry.may_come(self.settles, begun_ns);
                *(if may_come { &mut out.settling } else { &mut out.missing }) += 1;
            }
        }
        out
    }

    /// What it all comes to.
    pub fn writes(&self) -> Writes {
        let mut out = Writes { stale_reads: self.stale_reads, visible_after: self.visible.latency(), ..Writes::default() };
        for entry in &self.entries {
            out.attempted += u64::from(entry.sent);
            out.duplicated += u64::from(entry.found > 1);
            if entry.acked == NEVER {
                out.appeared += u64::from(entry.seen || entry.found > 0);
                continue;
            }
            out.acknowledged += 1;
            if !entry.read {
                out.never_read += 1;
            } else if !entry.checked {
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
        }
    }

    #[test]
    fn each_fate_is_counted_once() {
        let mut book = Book::default();
        acked(&mut book, 0..5);
        book.sent(5); // Not acknowledged, and there.
        book.sent(6); // Not acknowledged, and not there.
        book.found(0, 3 * MS, 1);
        book.missing(1);
        book.found(1, 60 * MS, 1);
        book.found(2, 30 * MS, 1); // Seen, and gone later.
        book.missing(3); // Never seen.
        assert_eq!(book.begin_last_round(), [0, 1, 2, 3, 4]);
        book.found(0, 900 * MS, 1);
        book.found(1, 900 * MS, 1);
        book.found(4, 900 * MS, 2);
        book.found(5, 900 * MS, 1);
        assert_eq!(book.listed(900 * MS), Missing { missing: 2, settling: 0 });
        let writes = book.writes();
        assert_eq!((writes.attempted, writes.acknowledged, writes.lost, writes.appeared), (7, 5, 2, 1));
        assert_eq!((writes.stale, writes.stale_reads, writes.duplicated, writes.never_read, writes.unchecked), (1, 2, 1, 0, 0));
        assert_eq!(writes.lost_within.map(|span| (span.from_s, span.to_s)), Some((0.021, 0.031)));
        let visible = writes.visible_after.unwrap();
        assert_eq!(visible.n, 4);
        assert!((visible.p50 - 0.009).abs() < 0.003, "{visible:?}");
    }

    #[test]
    fn a_store_that_makes_values_up_fills_no_memory() {
        let mut book = Book::default();
        acked(&mut book, 0..2);
        for number in [2, 1 << 20, u32::MAX] {
            book.found(number, 3 * MS, 1);
        }
        assert_eq!(book.entries.len(), 2);
        assert_eq!(book.writes().appeared, 0);
    }

    #[test]
    fn what_may_still_come_is_neither_stale_nor_lost_until_its_time_is_over() {
        let mut book = Book::new(Duration::from_secs(1));
        acked(&mut book, 0..3); // At 1, 11 and 21 ms.
        assert!(book.settling(0, 500 * MS) && !book.settling(0, 1001 * MS));
        book.begin_last_round();
        book.found(0, 600 * MS, 1);
        assert_eq!(book.listed(1005 * MS), Missing { missing: 0, settling: 2 });
        book.found(1, 1015 * MS, 1);
        assert_eq!(book.listed(1030 * MS), Missing { missing: 1, settling: 0 });
        let writes = book.writes();
        assert_eq!((writes.lost, writes.stale, writes.stale_reads, writes.never_read, writes.unchecked), (1, 0, 0, 0, 0));
    }

    #[test]
    fn without_a_last_reading_nobody_knows() {
        let mut book = Book::default();
        acked(&mut book, 0..3);
        book.found(0, 3 * MS, 1);
        book.begin_last_round();
        let writes = book.writes();
        assert_eq!((writes.lost, writes.unchecked, writes.never_read), (0, 1, 2));
    }
}
