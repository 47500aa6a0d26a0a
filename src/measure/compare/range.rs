//! Ranges in which a number truly lies.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{
    measurement::{Estimate, Latency, ProbeMeasurement},
    state::Counted,
};

/// From the lowest to the highest that a number may truly be, and what was measured. Shares between 0 and 1, times in seconds, counts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Range {
    /// The lowest.
    pub low: f64,
    /// What was measured; of several runs the middle one.
    pub value: f64,
    /// The highest.
    pub high: f64,
}

/// Half the width of a 95 % interval in standard deviations.
const WIDE: f64 = 1.96;

impl Range {
    /// A number that was measured to the millisecond.
    pub(super) fn exact(value: f64) -> Self {
        Self { low: value, value, high: value }
    }

    /// The interval of an availability: Wilson's, or the bootstrap's over blocks of a second where that is wider.
    pub(super) fn share(estimate: &Estimate) -> Self {
        Self { low: estimate.low, value: estimate.value, high: estimate.high }
    }

    /// The 99th percentile: between the quantiles whose ranks are `n p ± 1.96 √(n p (1 − p))` (order statistics are binomial; David and
    /// Nagaraja, Order Statistics, 7.1). Of a run only a few quantiles are kept: between two of them the logarithm of the latency is taken
    /// as linear in the logarithm of the share that is slower.
    pub(super) fn p99(latency: &Latency) -> Self {
        const P: f64 = 0.99;
        let n = latency.n as f64;
        let half = WIDE * (P * (1.0 - P) / n).sqrt();
        Self { low: quantile(latency, P - half), value: latency.p99, high: quantile(latency, P + half) }
    }

    /// The longest outage with its brackets; nothing when there was none, or rather: less than could have been seen.
    pub(super) fn longest_outage(probe: &ProbeMeasurement) -> Self {
        let longest = probe.outages.iter().max_by(|a, b| a.duration_s.total_cmp(&b.duration_s));
        match longest {
            Some(outage) => Self {
                low: (outage.duration_s - outage.uncertainty_s).max(0.0),
                value: outage.duration_s,
                high: outage.duration_s + outage.uncertainty_s,
            },
            None => Self { low: 0.0, value: 0.0, high: probe.smallest_visible_outage_s.max(0.0) },
        }
    }

    /// A count of things lost, as another run of the same might have counted: `n ± 1.96 √n`, and what nobody knows besides. Nothing lost is
    /// nothing lost: there is no luck in that, as far as a system promises it.
    pub(super) fn lost(counted: Counted) -> Self {
        let known = counted.known as f64;
        let half = WIDE * known.sqrt();
        Self { low: (known - half).max(known.min(1.0)), value: known, high: known + half + counted.unknown as f64 }
    }

    /// That of several runs; none unless each has one.
    pub fn all(ranges: impl Iterator<Item = Option<Self>>) -> Option<Self> {
        let mut ranges: Vec<Self> = ranges.collect::<Option<_>>()?;
        ranges.sort_by(|a, b| a.value.total_cmp(&b.value));
        let middle = ranges.get(ranges.len() / 2)?.value;
        let low = ranges.iter().map(|range| range.low).fold(f64::INFINITY, f64::min);
        let high = ranges.iter().map(|range| range.high).fold(f64::NEG_INFINITY, f64::max);
        Some(Self { low, value: middle, high })
    }
}

/// The quantile of a share, between those that are kept.
fn quantile(latency: &Latency, share: f64) -> f64 {
    let slower = |share: f64| (1.0 - share).max(1.0 / (2.0 * latency.n.max(1) as f64)).ln();
    let known = [(0.5, latency.p50), (0.9, latency.p90), (0.99, latency.p99), (0.999, latency.p999), (1.0, latency.max)];
    for pair in known.windows(2) {
        let [(from, low), (to, high)] = [pair[0], pair[1]];
        if share <= to {
            let (from, to, at) = (slower(from), slower(to), slower(share));
            let part = if to < from { ((from - at) / (from - to)).clamp(0.0, 1.0) } else { 1.0 };
            return if low > 0.0 { low * (high / low).powf(part) } else { high };
        }
    }
    latency.max
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_those_that_are_kept() {
        let latency = Latency { n: 10_000, p50: 0.001, p90: 0.002, p99: 0.01, p999: 0.1, max: 0.5 };
        assert!((quantile(&latency, 0.9) - 0.002).abs() < 1e-9);
        assert!((quantile(&latency, 0.99) - 0.01).abs() < 1e-9);
        // Three times as rare as at 99 %: half of the way to 99.9 %, in logarithms.
        let between = quantile(&latency, 1.0 - 0.01 / 10_f64.sqrt());
        assert!((between - 0.01 * 10_f64.sqrt()).abs() < 1e-6, "{between}");
        let range = Range::p99(&latency);
        assert!(range.low < 0.01 && 0.01 < range.high && range.low > 0.008 && range.high < 0.013, "{range:?}");
        // Of few requests nearly nothing is known.
        let few = Range::p99(&Latency { n: 500, ..latency });
        assert!(few.low < range.low && few.high > range.high, "{few:?}");
    }

    #[test]
    fn of_nothing_lost_nothing_may_be_lost_again() {
        let none = Range::lost(Counted { known: 0, unknown: 0 });
        assert_eq!(none, Range { low: 0.0, value: 0.0, high: 0.0 });
        assert!(Range::lost(Counted { known: 1, unknown: 0 }).low > none.high);
        let some = Range::lost(Counted { known: 50, unknown: 2 });
        assert!(some.low > 35.0 && some.high < 70.0, "{some:?}");
    }

    #[test]
    fn several_runs_have_the_range_of_all() {
        let runs = [Range { low: 1.0, value: 2.0, high: 3.0 }, Range { low: 4.0, value: 5.0, high: 6.0 }, Range::exact(2.5)];
        assert_eq!(Range::all(runs.into_iter().map(Some)), Some(Range { low: 1.0, value: 2.5, high: 6.0 }));
        assert_eq!(Range::all([Some(Range::exact(1.0)), None].into_iter()), None);
        assert_eq!(Range::all(std::iter::empty()), None);
    }
}
