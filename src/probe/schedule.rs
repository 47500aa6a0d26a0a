//! Which request is due next, of all probes together. Pure: moments in, moments out.

use std::{cmp::Reverse, collections::BinaryHeap};

use crate::model::quantity::Rate;

/// A request that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    /// Nanoseconds after the origin.
    pub at_ns: u64,
    /// Of which probe.
    pub probe: u16,
    /// Its number.
    pub number: u32,
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

/// The merged schedule of all probes.
#[derive(Debug)]
pub struct Schedule {
    slots: Vec<Slots>,
    next: BinaryHeap<Reverse<Due>>,
    due: Vec<u64>,
    end_ns: u64,
}

impl Schedule {
    /// All probes begin at the origin.
    pub fn new(slots: Vec<Slots>) -> Self {
        let next = (0..slots.len()).map(|probe| Reverse(Due { at_ns: 0, probe: probe as u16, number: 0 })).collect();
        let due = vec![0; slots.len()];
        Self { slots, next, due, end_ns: u64::MAX }
    }

    /// When the next request is due; `None` when no more will be.
    pub fn next_at(&self) -> Option<u64> {
        self.next.peek().map(|Reverse(due)| due.at_ns).filter(|&at| at <= self.end_ns)
    }

    /// The next request, if it is due by now.
    pub fn pop(&mut self, now_ns: u64) -> Option<Due> {
        let mut top = self.next.peek_mut()?;
        let Reverse(due) = *top;
        if due.at_ns > now_ns.min(self.end_ns) {
            return None;
        }
        let probe = usize::from(due.probe);
        self.due[probe] += 1;
        if let Some(number) = due.number.checked_add(1) {
            top.0 = Due { at_ns: self.slots[probe].at_ns(number), number, ..due };
        } else {
            std::collections::binary_heap::PeekMut::pop(top);
        }
        Some(due)
    }

    /// Nothing is due after this moment; what was due before it is still to be started.
    pub fn end(&mut self, at_ns: u64) {
        self.end_ns = self.end_ns.min(at_ns);
    }

    /// How many requests were due, per probe.
    pub fn due(&self) -> &[u64] {
        &self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_times_do_not_drift() {
        let third = Slots::new(Rate(1.0 / 3.0)).unwrap();
        // A billionth of a request per second is lost in rounding the rate: 10 µs in an hour.
        assert!(third.at_ns(1200).abs_diff(3600 * 1_000_000_000) < 20_000);
        let slots = Slots::new(Rate(7.0)).unwrap();
        assert_eq!(slots.at_ns(7_000_000), 1_000_000 * 1_000_000_000);
        assert_eq!(slots.at_ns(1), 142_857_142);
        assert!(Slots::new(Rate(0.0)).is_none() && Slots::new(Rate(f64::NAN)).is_none());
    }

    #[test]
    fn probes_are_merged_in_order_and_none_is_skipped_after_a_stall() {
        let mut schedule = Schedule::new(vec![Slots::new(Rate(10.0)).unwrap(), Slots::new(Rate(4.0)).unwrap()]);
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
}
