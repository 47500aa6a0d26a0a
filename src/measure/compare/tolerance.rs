//! How much worse is borne.

use super::{Aspect, Change, Range};

/// How much worse than the earlier runs a run may be before that counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    /// Of availability: a share, taken off.
    pub availability: f64,
    /// Of the 99th percentile: a share of it, and never less than [`Tolerance::LEAST`] seconds.
    pub p99: f64,
    /// Of the longest outage, seconds.
    pub longest_outage: f64,
    /// Of what may be lost, a number.
    pub lost: f64,
    /// Of the recovery, seconds.
    pub recovery: f64,
    /// Of the time until capacity is back, seconds.
    pub capacity: f64,
}

impl Default for Tolerance {
    /// What two runs of the same on the same machine differ by, with some room.
    fn default() -> Self {
        Self { availability: 0.01, p99: 0.5, longest_outage: 1.0, lost: 0.0, recovery: 3.0, capacity: 5.0 }
    }
}

impl Tolerance {
    /// A quantile may be worse by so much, however small it is: seconds.
    pub const LEAST: f64 = 0.005;
    /// Nothing beyond what the ranges leave open; of a quantile not even a share.
    pub const NONE: Self = Self { availability: 0.0, p99: 0.0, longest_outage: 0.0, lost: 0.0, recovery: 0.0, capacity: 0.0 };

    /// What came of it. Worse lies wholly beyond the range and the tolerance.
    pub(super) fn change(&self, aspect: Aspect, before: Option<Range>, now: Option<Range>) -> Change {
        let (Some(before), Some(now)) = (before, now) else { return Change::Untold };
        let room = match aspect {
            // More is better there, and worse everywhere else.
            Aspect::Availability => {
                return if now.high < before.low - self.availability {
                    Change::Worse
                } else if now.low > before.high + self.availability {
                    Change::Better
                } else {
                    Change::Same
                };
            }
            Aspect::P99 => (before.high * self.p99).max(Self::LEAST),
            Aspect::LongestOutage => self.longest_outage,
            Aspect::Lost => self.lost,
            Aspect::Recovery => self.recovery,
            Aspect::Capacity => self.capacity,
        };
        if now.low > before.high + room {
            Change::Worse
        } else if now.high < before.low - room {
            Change::Better
        } else {
            Change::Same
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worse_lies_wholly_beyond_range_and_tolerance() {
        let tolerance = Tolerance::default();
        let range = |low: f64, high: f64| Some(Range { low, value: f64::midpoint(low, high), high });
        let of = |aspect, before, now| tolerance.change(aspect, before, now);
        assert_eq!(of(Aspect::Availability, range(0.98, 0.99), range(0.96, 0.969)), Change::Worse);
        assert_eq!(of(Aspect::Availability, range(0.98, 0.99), range(0.95, 0.971)), Change::Same);
        assert_eq!(of(Aspect::Availability, range(0.90, 0.91), range(0.93, 0.95)), Change::Better);
        assert_eq!(of(Aspect::LongestOutage, range(0.5, 0.7), range(1.6, 1.9)), Change::Same);
        assert_eq!(of(Aspect::LongestOutage, range(0.5, 0.7), range(1.8, 2.0)), Change::Worse);
        // A tenth of a millisecond more is no regression, though it is twice as much.
        assert_eq!(of(Aspect::P99, range(0.0001, 0.0001), range(0.0002, 0.0003)), Change::Same);
        assert_eq!(of(Aspect::P99, range(0.1, 0.1), range(0.16, 0.17)), Change::Worse);
        assert_eq!(of(Aspect::Lost, range(0.0, 0.0), range(1.0, 3.0)), Change::Worse);
        assert_eq!(of(Aspect::Lost, None, range(1.0, 3.0)), Change::Untold);
    }
}
