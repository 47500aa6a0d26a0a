//! Latency quantiles: an HDR histogram of microseconds, 3 significant digits, up to one hour.

use hdrhistogram::Histogram;

use crate::model::measurement::Latency;

/// The largest latency that is told apart: one hour.
const LARGEST_US: u64 = 3_600_000_000;

/// Collects latencies. Grows with the largest value seen: about 50 KB for values below a second.
#[derive(Debug, Clone)]
pub struct Latencies {
    histogram: Histogram<u32>,
}

impl Default for Latencies {
    fn default() -> Self {
        Self { histogram: Histogram::new(3).expect("3 significant digits are a valid precision") }
    }
}

impl Latencies {
    /// Counts one latency.
    pub fn record(&mut self, micros: u32) {
        // A resizing histogram takes every value that fits 64 bits.
        let _ = self.histogram.record(u64::from(micros).min(LARGEST_US));
    }

    /// The quantiles; none without values.
    pub fn latency(&self) -> Option<Latency> {
        if self.histogram.is_empty() {
            return None;
        }
        let seconds = |q: f64| self.histogram.value_at_quantile(q) as f64 / 1e6;
        Some(Latency {
            n: self.histogram.len(),
            p50: seconds(0.5),
            p90: seconds(0.9),
            p99: seconds(0.99),
            p999: seconds(0.999),
            max: self.histogram.max() as f64 / 1e6,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_have_three_digits() {
        let mut latencies = Latencies::default();
        for micros in 1..=10_000 {
            latencies.record(micros);
        }
        let latency = latencies.latency().unwrap();
        assert_eq!(latency.n, 10_000);
        for (found, wanted) in
            [(latency.p50, 0.005), (latency.p90, 0.009), (latency.p99, 0.0099), (latency.p999, 0.00999), (latency.max, 0.01)]
        {
            assert!((found - wanted).abs() / wanted < 0.001, "{found} is not {wanted}");
        }
    }

    #[test]
    fn longer_than_an_hour_is_an_hour() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.latency(), None);
        latencies.record(u32::MAX);
        assert!((latencies.latency().unwrap().max - 3600.0).abs() < 3.6);
    }
}
