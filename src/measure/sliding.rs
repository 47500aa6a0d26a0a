//! A probe's newest samples in buckets of 100 ms of due time, so that any span of them can be summed up: for the view while the
//! run goes on and for the recovery. Bounded memory; latency to about 1.6 %.

use std::collections::{BTreeMap, VecDeque};

use crate::model::sample::{Sample, SampleOutcome};

/// The width of a bucket.
pub const BUCKET_NS: u64 = 100_000_000;

/// Requests and latencies of some span.
#[derive(Debug, Clone, Default)]
pub struct Slice {
    /// Requests that count.
    pub requests: u64,
    /// Of which ok.
    pub ok: u64,
    /// The others by class.
    pub failures: BTreeMap<SampleOutcome, u64>,
    /// Late ones, left out above.
    pub late: u64,
    /// Latencies of the ok ones by class of 1.6 %.
    latencies: BTreeMap<u16, u64>,
}

impl Slice {
    /// Counts a sample.
    pub fn push(&mut self, sample: &Sample) {
        if sample.late() {
            self.late += 1;
            return;
        }
        self.requests += 1;
        if sample.outcome.is_ok() {
            self.ok += 1;
            *self.latencies.entry(class(sample.done_us)).or_default() += 1;
        } else {
            *self.failures.entry(sample.outcome).or_default() += 1;
        }
    }

    /// Adds another slice.
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.ok += other.ok;
        self.late += other.late;
        for (outcome, n) in &other.failures {
            *self.failures.entry(*outcome).or_default() += n;
        }
        for (class, n) in &other.latencies {
            *self.latencies.entry(*class).or_default() += n;
        }
    }

    /// A quantile of the ok ones' latency in seconds; 1 is the largest.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let rank = ((self.ok as f64 * q).ceil() as u64).max(1);
        let mut seen = 0;
        self.latencies.iter().find_map(|(class, n)| {
            seen += n;
            (seen >= rank).then(|| f64::from(largest_of(*class)) / 1e6)
        })
    }
}

/// 64 classes to each doubling.
fn class(micros: u32) -> u16 {
    if micros < 128 {
        return micros as u16;
    }
    let shift = 25 - micros.leading_zeros();
    (shift * 64 + (micros >> shift)) as u16
}

/// The largest value of a class.
fn largest_of(class: u16) -> u32 {
    if class < 128 {
        return u32::from(class);
    }
    let shift = u32::from(class) / 64 - 1;
    let lead = u64::from(u32::from(class) - shift * 64);
    u32::try_from(((lead + 1) << shift) - 1).unwrap_or(u32::MAX)
}

/// The newest buckets of one probe.
#[derive(Debug, Clone, Default)]
pub struct Sliding {
    first: u64,
    buckets: VecDeque<Slice>,
    keep: usize,
}

impl Sliding {
    /// Keeps the buckets of the newest `keep_ns`.
    pub fn new(keep_ns: u64) -> Self {
        Self { first: 0, buckets: VecDeque::new(), keep: (keep_ns / BUCKET_NS).max(1) as usize }
    }

    /// Counts a sample; one older than what is kept is left out.
    pub fn push(&mut self, sample: &Sample) {
        let bucket = sample.due_ns / BUCKET_NS;
        if self.buckets.is_empty() {
            self.first = bucket.saturating_sub(self.keep as u64 / 2);
        }
        let Some(place) = bucket.checked_sub(self.first) else { return };
        // A lone wrong time far ahead must not allocate: what is older than the new span goes first.
        let drop = (place + 1).saturating_sub(self.keep as u64);
        if drop > 0 {
            self.buckets.drain(..self.buckets.len().min(drop as usize));
            self.first += drop;
        }
        let place = (bucket - self.first) as usize;
        if self.buckets.len() <= place {
            self.buckets.resize_with(place + 1, Slice::default);
        }
        self.buckets[place].push(sample);
    }

    /// Requests recorded in a bucket, late ones included.
    pub fn recorded(&self, bucket: u64) -> u64 {
        let place = bucket.checked_sub(self.first).and_then(|place| self.buckets.get(place as usize));
        place.map_or(0, |slice| slice.requests + slice.late)
    }

    /// Buckets `from..to` summed up.
    pub fn slice(&self, from: u64, to: u64) -> Slice {
        let mut sum = Slice::default();
        let begin = from.saturating_sub(self.first) as usize;
        let end = to.saturating_sub(self.first) as usize;
        for slice in self.buckets.iter().take(end).skip(begin) {
            sum.add(slice);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::support::sample;

    #[test]
    fn classes_are_fine_and_in_order() {
        let mut last = 0;
        for micros in (0..200_000).chain([1 << 24, u32::MAX]) {
            let class = class(micros);
            assert!(class >= last, "{micros}");
            last = class;
            let top = largest_of(class);
            assert!(top >= micros && f64::from(top) <= f64::from(micros) * 1.0161 + 1.0, "{micros} is in a class up to {top}");
        }
    }

    #[test]
    fn only_the_newest_are_kept() {
        let mut sliding = Sliding::new(1_000_000_000);
        for k in 0..1_000_u32 {
            sliding.push(&sample(k, u64::from(k) * 10_000_000, k % 4 != 0));
        }
        assert_eq!(sliding.slice(0, 1_000).requests, 100);
        let slice = sliding.slice(95, 97);
        assert_eq!((slice.requests, slice.ok), (20, 15));
        assert!((slice.quantile(0.5).unwrap() - 0.001).abs() < 2e-5);
        sliding.push(&sample(0, u64::MAX / 4, true));
        assert_eq!(sliding.slice(0, u64::MAX).requests, 1, "a time far ahead costs nothing");
    }
}
