//! Which request is due next, of all probes together. Pure: moments in, moments out.
//!
//! Most requests come at their probe's rate. A kind whose users come back (a shopper who reads the page, a value that is read again) asks
//! for further turns by [`Schedule::again`]. Either way a request gets its number when it is due, so a probe's numbers have no gap and
//! rise with their due times.

use std::{cmp::Reverse, collections::BinaryHeap};

use crate::model::quantity::Rate;

/// A request that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    /// Nanoseconds after the origin.
    pub at_ns: u64,
    /// Of which probe.
    pub probe: u16,
    /// Its number: how many of the probe were due before it.
    pub number: u32,
    /// Why it is due.
    pub turn: Turn,
}

/// Why a request is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Turn {
    /// By the probe's rate, for the k-th time.
    Regular(u32),
    /// Asked for by the probe's kind, which knows what the number means: a user, a value.
    Again(u32),
}

/// The due times of one rate: request `k` at `k / rate`, rounded down to a nanosecond, never summed up, so it cannot drift.
#[derive(Debug, Clone, Copy)]
pub struct Slots {
    nano_rate: u128,
}

impl Slots {
    /// `None` for a rate that is not above zero (to a billionth of a request per second).
    pub fn new(rate: Rate) -> Option<Self> {
        let nano_rate = (rate.0 * 1e9).round();
        (nano_rate.is_finite() && nano_rate >= 1.0).then_some(Self { nano_rate: nano_rate as u128 })
    }

    /// When request `k` is due, nanoseconds after the origin.
    pub fn at_ns(self, k: u32) -> u64 {
        u64::try_from(u128::from(k) * 1_000_000_000_000_000_000 / self.nano_rate).unwrap_or(u64::MAX)
    }
}

/// What is due, and when. Of several at one moment, those of the first probe come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Planned {
    at_ns: u64,
    probe: u16,
    turn: Turn,
}

/// The merged schedule of all probes.
#[derive(Debug)]
pub struct Schedule {
    /// The rate of each probe; `None` for one that is due only when its kind asks for it.
    slots: Vec<Option<Slots>>,
    next: BinaryHeap<Reverse<Planned>>,
    due: Vec<u64>,
    /// Due times given out so far never lie after this: what is asked for late is due now, not in the past.
    passed_ns: u64,
    end_ns: u64,
}

impl Schedule {
    /// All probes begin at the origin.
    pub fn new(slots: Vec<Option<Slots>>) -> Self {
        let regular = slots.iter().zip(0_u16..).filter(|(slots, _)| slots.is_some());
        let next = regular.map(|(_, probe)| Reverse(Planned { at_ns: 0, probe, turn: Turn::Regular(0) })).collect();
        let due = vec![0; slots.len()];
        Self { slots, next, due, passed_ns: 0, end_ns: u64::MAX }
    }

    /// When the next request is due; `None` when no more will be.
    pub fn next_at(&self) -> Option<u64> {
        self.next.peek().map(|Reverse(planned)| planned.at_ns).filter(|&at| at <= self.end_ns)
    }

    /// The next request, if it is due by now.
    pub fn pop(&mut self, now_ns: u64) -> Option<Due> {
        let mut top = self.next.peek_mut()?;
        let Reverse(planned) = *top;
        if planned.at_ns > now_ns.min(self.end_ns) {
            return None;
        }
        let probe = usize::from(planned.probe);
        let after = match (planned.turn, self.slots[probe]) {
            (Turn::Regular(k), Some(slots)) => k.checked_add(1).map(|k| (k, slots)),
            _ => None,
        };
        if let Some((k, slots)) = after {
            top.0 = Planned { at_ns: slots.at_ns(k), turn: Turn::Regular(k), ..planned };
        } else {
            std::collections::binary_heap::PeekMut::pop(top);
        }
        // Four thousand million requests of one probe: its numbers end, and so does the probe.
        let number = u32::try_from(self.due[probe]).ok()?;
        self.due[probe] += 1;
        self.passed_ns = self.passed_ns.max(planned.at_ns);
        Some(Due { at_ns: planned.at_ns, probe: planned.probe, number, turn: planned.turn })
    }

    /// A further turn of a probe, at this moment or, when later ones were already due, with the last of them.
    pub fn again(&mut self, probe: u16, at_ns: u64, what: u32) {
        self.next.push(Reverse(Planned { at_ns: at_ns.max(self.passed_ns), probe, turn: Turn::Again(what) }));
    }

    /// Nothing is due after this moment; what was due before it is still to be started.
    pub fn end(&mut self, at_ns: u64) {
        self.end_ns = self.end_ns.min(at_ns);
    }

    /// After the end, or now where all was over before it, what is asked for by [`Schedule::again`] is due after all: everything else is
    /// forgotten.
    pub fn next_round(&mut self, now_ns: u64) {
        self.next.retain(|Reverse(planned)| planned.at_ns <= self.end_ns);
        self.slots.fill(None);
        self.passed_ns = self.passed_ns.max(self.end_ns.min(now_ns));
        self.end_ns = u64::MAX;
    }

    /// How many requests were due, per probe.
    pub fn due(&self) -> &[u64] {
        &self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(rate: f64) -> Option<Slots> {
        Slots::new(Rate(rate))
    }

    #[test]
    fn due_times_do_not_drift() {
        let third = slots(1.0 / 3.0).unwrap();
        // A billionth of a request per second is lost in rounding the rate: 10 µs in an hour.
        assert!(third.at_ns(1200).abs_diff(3600 * 1_000_000_000) < 20_000);
        let seventh = slots(7.0).unwrap();
        assert_eq!(seventh.at_ns(7_000_000), 1_000_000 * 1_000_000_000);
        assert_eq!(seventh.at_ns(1), 142_857_142);
        assert!(slots(0.0).is_none() && slots(f64::NAN).is_none());
    }

    #[test]
    fn probes_are_merged_in_order_and_none_is_skipped_after_a_stall() {
        let mut schedule = Schedule::new(vec![slots(10.0), slots(4.0)]);
        let mut all = Vec::new();
        while let Some(due) = schedule.pop(1_000_000_000) {
            all.push(due);
        }
        assert!(all.is_sorted());
        assert_eq!(schedule.due(), [11, 5]);
        let mine: Vec<u32> = all.iter().filter(|due| due.probe == 1).map(|due| due.number).collect();
        assert_eq!(mine, [0, 1, 2, 3, 4]);
        assert_eq!(schedule.next_at(), Some(1_100_000_000));
        schedule.end(1_150_000_000);
        assert_eq!(schedule.pop(u64::MAX).map(|due| due.at_ns), Some(1_100_000_000));
        assert_eq!(schedule.next_at(), None);
        assert_eq!(schedule.pop(u64::MAX), None);
    }

    #[test]
    fn further_turns_are_numbered_with_the_others_and_never_due_in_the_past() {
        let mut schedule = Schedule::new(vec![slots(10.0), None]);
        schedule.again(1, 50_000_000, 7);
        schedule.again(0, 150_000_000, 9);
        let mut all = Vec::new();
        while let Some(due) = schedule.pop(250_000_000) {
            all.push((due.at_ns / 1_000_000, due.probe, due.number, due.turn));
        }
        assert_eq!(
            all,
            [
                (0, 0, 0, Turn::Regular(0)),
                (50, 1, 0, Turn::Again(7)),
                (100, 0, 1, Turn::Regular(1)),
                (150, 0, 2, Turn::Again(9)),
                (200, 0, 3, Turn::Regular(2)),
            ]
        );
        schedule.again(1, 20_000_000, 8);
        assert_eq!(schedule.pop(250_000_000).map(|due| (due.at_ns, due.number)), Some((200_000_000, 1)));
        assert_eq!(schedule.due(), [4, 2]);
    }

    #[test]
    fn the_last_round_comes_after_the_end() {
        let mut schedule = Schedule::new(vec![slots(10.0)]);
        schedule.again(0, 900_000_000, 1);
        schedule.end(50_000_000);
        schedule.next_round(60_000_000);
        schedule.again(0, 10_000_000, 2);
        schedule.again(0, 70_000_000, 3);
        let all: Vec<_> = std::iter::from_fn(|| schedule.pop(1_000_000_000)).map(|due| (due.at_ns, due.turn)).collect();
        assert_eq!(all, [(0, Turn::Regular(0)), (50_000_000, Turn::Again(2)), (70_000_000, Turn::Again(3))]);
        assert_eq!(schedule.next_at(), None);
        // One that is bounded, and over before.
        schedule.end(30_000_000_000);
        schedule.next_round(80_000_000);
        schedule.again(0, 80_000_000, 4);
        assert_eq!(schedule.next_at(), Some(80_000_000));
    }
}
