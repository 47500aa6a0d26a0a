//! The worst availability of any window of one length: the exact minimum over every position, at least one request in it.
//!
//! A window `[t, t + w)` holds the same requests until `t` passes a request's due time (it leaves) or `t + w` does (it enters).
//! So it is enough to look at every `t` that is a due time, or a due time minus `w`, and at the last position that fits.

use std::collections::VecDeque;

use crate::model::measurement::WorstWindow;

/// The lengths, in nanoseconds.
pub const LENGTHS_NS: [u64; 4] = [100_000_000, 1_000_000_000, 10_000_000_000, 60_000_000_000];

/// Finds the worst window of one length in samples that come in due order.
#[derive(Debug, Clone)]
pub struct Worst {
    length: u64,
    from: u64,
    to: u64,
    /// `due << 1 | ok`: a minute at a high rate is many requests.
    inside: VecDeque<u64>,
    ok: u64,
    last_due: Option<u64>,
    lowest: Option<(f64, u64, u64)>,
}

impl Worst {
    /// Windows of `length` nanoseconds that fit into `from..to`.
    pub fn new(length: u64, from: u64, to: u64) -> Self {
        Self { length, from, to, inside: VecDeque::new(), ok: 0, last_due: None, lowest: None }
    }

    /// The next sample.
    pub fn push(&mut self, due: u64, ok: bool) {
        if due >= self.to {
            return;
        }
        if self.last_due != Some(due) {
            self.advance(due);
            self.last_due = Some(due);
        }
        self.inside.push_back(due << 1 | u64::from(ok));
        self.ok += u64::from(ok);
    }

    /// Looks at every window that ends by `end` and was not looked at yet.
    fn advance(&mut self, end: u64) {
        let mut at_end = false;
        while let Some(begin) = self.inside.front().map(|entry| entry >> 1).filter(|begin| begin + self.length <= end) {
            self.look(begin);
            at_end = begin + self.length == end;
            while let Some(entry) = self.inside.front().copied().filter(|entry| entry >> 1 == begin) {
                self.inside.pop_front();
                self.ok -= entry & 1;
            }
        }
        if !at_end && end >= self.length {
            self.look(end - self.length);
        }
    }

    /// Looks at the window that begins at `begin` and holds what is inside.
    fn look(&mut self, begin: u64) {
        let n = self.inside.len() as u64;
        if n == 0 || begin < self.from {
            return;
        }
        let availability = self.ok as f64 / n as f64;
        if self.lowest.is_none_or(|(lowest, ..)| availability < lowest) {
            self.lowest = Some((availability, begin, n));
        }
    }

    /// The worst window; none when none fits.
    pub fn finish(mut self) -> Option<WorstWindow> {
        self.advance(self.to);
        let (availability, begin, requests) = self.lowest?;
        Some(WorstWindow { window_s: self.length as f64 / 1e9, availability, from_s: begin as f64 / 1e9, requests })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every position, one by one.
    fn brute_force(samples: &[(u64, bool)], length: u64, from: u64, to: u64) -> Option<f64> {
        (from..=to.checked_sub(length)?)
            .filter_map(|begin| {
                let inside: Vec<bool> =
                    samples.iter().filter(|(due, _)| (begin..begin + length).contains(due)).map(|(_, ok)| *ok).collect();
                let ok = inside.iter().filter(|ok| **ok).count();
                (!inside.is_empty()).then(|| ok as f64 / inside.len() as f64)
            })
            .min_by(f64::total_cmp)
    }

    proptest! {
        #[test]
        fn it_is_the_minimum_over_every_position(
            gaps in prop::collection::vec((0_u64..7, prop::bool::weighted(0.7)), 0..60),
            length in 1_u64..30,
            start in 0_u64..10,
            rest in 0_u64..10,
        ) {
            let mut due = start;
            let samples: Vec<(u64, bool)> = gaps.into_iter().map(|(gap, ok)| { due += gap; (due, ok) }).collect();
            let to = due + rest;
            let mut worst = Worst::new(length, start, to);
            for (due, ok) in &samples {
                worst.push(*due, *ok);
            }
            let found = worst.finish();
            prop_assert_eq!(found.map(|w| w.availability), brute_force(&samples, length, start, to));
        }
    }

    #[test]
    fn a_span_shorter_than_the_window_has_none() {
        let mut worst = Worst::new(LENGTHS_NS[1], 0, 999_999_999);
        worst.push(0, false);
        assert_eq!(worst.finish(), None);
    }
}
