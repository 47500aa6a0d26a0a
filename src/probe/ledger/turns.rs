//! When a ledger reads: at once after an acknowledgement, again with growing gaps while the value is missing, and in the last round
//! everything; when that is over, what it wrote is removed.
//!
//! The last round asks for a list of everything where the store gives one, and for what no list has value by value: an application may give
//! only a page of it. Before something is called lost it is looked for as long as values took to be seen in this run, and for three seconds
//! at least: a store that is slow is not one that loses.

use std::time::Duration;

use super::LedgerKind;
use crate::{
    clock,
    model::time::Mono,
    probe::{
        pacer::Shared,
        schedule::{Due, Turn},
    },
};

/// The turn that reads everything. No write has this number.
pub const EVERYTHING: u32 = u32::MAX;
/// The turn that removes everything.
pub const PUT_AWAY: u32 = u32::MAX - 1;

/// After a reading that missed a value, or failed: the next one, in milliseconds,
const GAPS_MS: [u64; 6] = [20, 50, 100, 200, 500, 1_000];
/// and then always so long.
const LONGEST_GAP: Duration = Duration::from_secs(2);
/// A value that was read in vain so often, in about twenty seconds, waits for the last round.
const MOST_TRIES: u16 = 15;

/// In the last round a value is looked for so often, and everything listed so often while something is missing. Each gap is twice the one
/// before, so all of them are fifteen times the first.
const LAST_TRIES: u16 = 5;
/// The first of them: three seconds together,
const LEAST_GAP: Duration = Duration::from_millis(200);
/// or twenty.
const MOST_GAP: Duration = Duration::from_millis(1_333);
/// Before a list that failed is asked for again.
const AFTER_FAILURE: Duration = Duration::from_millis(400);
/// Readings of the last round take so long,
const LAST_WITHIN_NS: u64 = 15_000_000_000;
/// unless they are fewer than so many a second,
const LEAST_RATE: u64 = 200;
/// or more: those that do not fit are not known.
const MOST_RATE: u64 = 2_000;
/// Of what no list has, so many are read by themselves; the others are lost by the word of the lists, unless these show it to be wrong.
const MOST_READ: usize = 2_000;
/// A reading or a removal of everything may take so long.
const OF_ALL: Duration = Duration::from_secs(20);
/// So often the removal is tried.
const REMOVALS: u16 = 3;

/// A reading that has not found what it looked for yet; dropped like that, by its deadline or a failure, it plans the next.
pub struct Reading<'a> {
    ledger: &'a LedgerKind,
    shared: &'a Shared,
    due: Due,
    /// Nothing is left to be found.
    pub done: bool,
    /// It came through, and something is missing.
    pub missed: bool,
    /// It came through, and something may still come.
    pub settling: bool,
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.ledger.in_vain(self);
        }
    }
}

impl LedgerKind {
    /// A reading begins.
    pub(super) fn reading<'a>(&'a self, shared: &'a Shared, due: Due) -> Reading<'a> {
        Reading { ledger: self, shared, due, done: false, missed: false, settling: false }
    }

    /// A write was acknowledged: it is read at once, unless too many are waited for already. While nothing can be read, those that are add
    /// up to about as many readings a second as there are writes.
    pub(super) fn follow(&self, shared: &Shared, probe: u16, number: u32, now: Mono) {
        if self.followed.get() < self.most_followed {
            self.followed.set(self.followed.get() + 1);
            self.book.borrow_mut().followed(number);
            shared.again(probe, now, number);
        }
    }

    /// A value needs no further reading before the last round.
    pub(super) fn unfollow(&self) {
        if !self.book.borrow().is_last_round() {
            self.followed.set(self.followed.get().saturating_sub(1));
        }
    }

    /// Plans the reading after one that failed or missed its value; none when enough was tried.
    fn in_vain(&self, reading: &Reading<'_>) {
        let Reading { shared, due, missed, settling, .. } = *reading;
        let Turn::Again(what) = due.turn else { return };
        let gap = match what {
            EVERYTHING if missed => self.last_gap(self.lists.get().saturating_sub(1)),
            EVERYTHING => AFTER_FAILURE,
            PUT_AWAY => {
                self.removals.set(self.removals.get() + 1);
                if self.removals.get() >= REMOVALS {
                    return;
                }
                AFTER_FAILURE
            }
            // What may still come is waited for, and no try is lost.
            _ if settling && self.book.borrow().is_last_round() => AFTER_FAILURE,
            number => {
                let tries = self.book.borrow().tries(number);
                self.book.borrow_mut().tried(number);
                if self.book.borrow().is_last_round() {
                    // That lists do not have it was looked at for long enough.
                    if tries + 1 >= LAST_TRIES || (missed && self.store.lists()) {
                        return;
                    }
                    self.last_gap(tries)
                } else {
                    if tries + 1 >= MOST_TRIES && !settling {
                        self.unfollow();
                        return;
                    }
                    self.gap(tries)
                }
            }
        };
        shared.again(due.probe, clock::now().plus(gap), what);
    }

    /// From one reading of a value to the next, before the last round. Where values take long to come, the last gap is longer: each is
    /// read about twenty times at most.
    fn gap(&self, tries: u16) -> Duration {
        GAPS_MS.get(usize::from(tries)).map_or((self.settles / 10).max(LONGEST_GAP), |gap| Duration::from_millis(*gap))
    }

    /// From one try of the last round to the next.
    fn last_gap(&self, tries: u16) -> Duration {
        let first = (self.book.borrow().slowest() * 2 / 15).clamp(LEAST_GAP, MOST_GAP);
        first * 2_u32.pow(u32::from(tries.min(LAST_TRIES)))
    }

    /// Everything is read once more: in one list where the store has one, else value by value.
    pub fn last_turns(&self, now_ns: u64) -> Vec<(u64, u32)> {
        let mut book = self.book.borrow_mut();
        book.begin_last_round(now_ns, self.store.reads_elsewhere());
        if self.store.lists() {
            return if book.all_sent().is_empty() { Vec::new() } else { vec![(now_ns, EVERYTHING)] };
        }
        let all = book.all_acknowledged();
        let step = step_ns(all.len());
        (0..).zip(all).map(|(place, number)| (now_ns + place * step, number)).collect()
    }

    /// A list came through, and lacks these. Says whether everything is to be listed again.
    pub(super) fn lists_lack(&self, shared: &Shared, probe: u16, missing: &[u32]) -> bool {
        self.lists.set(self.lists.get() + 1);
        if missing.is_empty() || self.lists.get() < LAST_TRIES {
            return !missing.is_empty();
        }
        let every = missing.len().div_ceil(MOST_READ);
        let (read, others): (Vec<_>, Vec<_>) = missing.iter().enumerate().partition(|(place, _)| place % every == 0);
        let others: Vec<u32> = others.into_iter().map(|(_, number)| *number).collect();
        self.book.borrow_mut().lost_by_lists(&others);
        let (now, step) = (clock::now(), step_ns(read.len()));
        for ((_, number), place) in read.into_iter().zip(0_u64..) {
            shared.again(probe, now.plus(Duration::from_nanos(place * step)), *number);
        }
        false
    }

    /// When everything is read: what was written is removed, where that may be.
    pub fn closing_turns(&self, now_ns: u64) -> Vec<(u64, u32)> {
        let any = !self.book.borrow().all_sent().is_empty();
        if any && self.removes() { vec![(now_ns, PUT_AWAY)] } else { Vec::new() }
    }
}

/// A reading that was due was not sent: it is due again, and counts as no try.
pub fn skipped(shared: &Shared, due: Due) {
    let Turn::Again(what) = due.turn else { return };
    shared.again(due.probe, clock::now().plus(AFTER_FAILURE), what);
}

/// From one of so many readings of the last round to the next.
fn step_ns(readings: usize) -> u64 {
    let rate = (readings as u64 * 1_000_000_000 / LAST_WITHIN_NS).clamp(LEAST_RATE, MOST_RATE);
    1_000_000_000 / rate
}

/// How long a reading or a removal of everything may take; none for those of one value, which have the probe's own deadline.
pub fn limit(due: Due) -> Option<Duration> {
    matches!(due.turn, Turn::Again(EVERYTHING | PUT_AWAY)).then_some(OF_ALL)
}

/// How many writes are waited for at once: those of two seconds more than they may take.
pub fn most_followed(rate: f64, settles: Duration) -> u32 {
    (rate * (2.0 + settles.as_secs_f64())).ceil() as u32 + 64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{
            probe::{Text, TlsSettings},
            store::{LedgerProbe, LedgerStore, RedisLedger},
            time::nanos,
        },
        probe::ledger::PreparedLedger,
    };

    /// A ledger that speaks to nobody.
    fn ledger(rate: f64) -> LedgerKind {
        settling(rate, Duration::ZERO)
    }

    /// One of a system that takes so long.
    fn settling(rate: f64, settles_within: Duration) -> LedgerKind {
        let (url, key) = (Text::Plain("redis://127.0.0.1:9".to_owned()), "books".to_owned());
        let redis = RedisLedger { url, read_from: None, key, own: None, tls: TlsSettings::default() };
        let spec = LedgerProbe { store: LedgerStore::Redis(redis), settles_within, keep: false };
        PreparedLedger::new(&spec, rate, Duration::from_secs(1)).unwrap().into_kind(rate)
    }

    fn due(what: u32) -> Due {
        Due { at_ns: 0, probe: 0, number: 0, turn: Turn::Again(what) }
    }

    #[test]
    fn while_nothing_can_be_read_there_is_about_a_reading_for_each_write() {
        let (shared, ledger) = (Shared::still(), ledger(100.0));
        for number in 0..1000 {
            ledger.book.borrow_mut().sent(number);
            ledger.book.borrow_mut().acknowledged(number, 1);
            ledger.follow(&shared, 0, number, clock::now());
        }
        assert_eq!(shared.asked().len(), 264, "two seconds of writes are waited for");
        // Each comes back later and later, and is given up for the last round; others have their place then.
        for _ in 1..MOST_TRIES {
            drop(ledger.reading(&shared, due(0)));
        }
        assert_eq!(shared.asked().len(), usize::from(MOST_TRIES) - 1);
        drop(ledger.reading(&shared, due(0)));
        assert_eq!((shared.asked().len(), ledger.followed.get()), (0, 263));
        // What we did not send ourselves is no try.
        for _ in 0..100 {
            skipped(&shared, due(1));
        }
        assert_eq!((shared.asked().len(), ledger.book.borrow().tries(1)), (100, 0));
    }

    #[test]
    fn what_lists_lack_is_read_by_itself_as_far_as_that_goes() {
        let (shared, ledger) = (Shared::still(), ledger(100.0));
        for number in 0..5000 {
            ledger.book.borrow_mut().sent(number);
            ledger.book.borrow_mut().acknowledged(number, 1);
        }
        assert_eq!(ledger.last_turns(7), [(7, EVERYTHING)]);
        let missing: Vec<u32> = (0..5000).collect();
        for _ in 1..LAST_TRIES {
            assert!(ledger.lists_lack(&shared, 0, &missing), "it is listed again");
        }
        assert!(!ledger.lists_lack(&shared, 0, &missing));
        let asked: Vec<u32> = shared.asked().into_iter().map(|(number, _)| number).collect();
        assert_eq!((asked.len(), asked[1]), (1667, 3), "every third");
        let writes = ledger.book.borrow().writes();
        assert_eq!((writes.lost, writes.never_read), (3333, 1667));
        assert_eq!(ledger.closing_turns(9), [(9, PUT_AWAY)]);
    }

    #[test]
    fn what_may_still_come_is_not_given_up() {
        let (shared, ledger) = (Shared::still(), settling(100.0, Duration::from_mins(1)));
        ledger.book.borrow_mut().sent(0);
        ledger.book.borrow_mut().acknowledged(0, 1);
        let wait = || {
            let mut reading = ledger.reading(&shared, due(0));
            reading.settling = true;
            drop(reading);
            let asked = shared.asked();
            assert_eq!(asked.len(), 1);
            asked[0].1.saturating_sub(nanos(clock::now().since(shared.origin)))
        };
        for _ in 0..50 {
            wait();
        }
        assert!(wait() > 5_000_000_000, "a tenth of what it may take");
        ledger.last_turns(7);
        for _ in 0..50 {
            assert!(wait() < 1_000_000_000);
        }
        assert_eq!(ledger.book.borrow().tries(0), 0, "no try of the last round is lost by it");
    }

    #[test]
    fn many_readings_of_the_last_round_are_spread_and_bounded() {
        assert_eq!([step_ns(0), step_ns(100), step_ns(15_000), step_ns(300_000)], [5_000_000, 5_000_000, 1_000_000, 500_000]);
    }
}
