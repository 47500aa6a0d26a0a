//! Equal buckets over the whole run, for pictures: at most about 1,200, at least 100 ms wide.

use crate::model::{
    measurement::{Bucket, Timeline},
    sample::{NameIndex, Sample},
};

/// The most buckets a picture needs.
const MOST_BUCKETS: u64 = 1_200;
/// Widths that a reader can name, in nanoseconds; beyond them, whole minutes.
const WIDTHS_NS: [u64; 9] =
    [100_000_000, 200_000_000, 500_000_000, 1_000_000_000, 2_000_000_000, 5_000_000_000, 10_000_000_000, 20_000_000_000, 60_000_000_000];
/// Names beyond so many have no share of their own in the picture.
const MOST_NAMES: usize = 64;

/// Fills the buckets from samples in due order.
#[derive(Debug)]
pub struct Builder {
    width: u64,
    buckets: Vec<Bucket>,
    backends: Vec<NameIndex>,
    zones: Vec<NameIndex>,
    /// Latencies of the ok samples of the bucket that is being filled.
    latencies: Vec<u32>,
    filling: usize,
}

impl Builder {
    /// Buckets from the origin to `end_ns`.
    pub fn new(end_ns: u64) -> Self {
        let minutes = (end_ns / MOST_BUCKETS).div_ceil(60_000_000_000) * 60_000_000_000;
        let width = WIDTHS_NS.into_iter().find(|width| end_ns.div_ceil(*width) <= MOST_BUCKETS).unwrap_or(minutes);
        let buckets = vec![Bucket::default(); end_ns.div_ceil(width).max(1) as usize];
        Self { width, buckets, backends: Vec::new(), zones: Vec::new(), latencies: Vec::new(), filling: 0 }
    }

    /// Counts a sample. One due after the end is in the last bucket.
    pub fn push(&mut self, sample: &Sample) {
        let place = ((sample.due_ns / self.width) as usize).min(self.buckets.len() - 1);
        if place != self.filling {
            self.close_bucket();
            self.filling = place;
        }
        let bucket = &mut self.buckets[place];
        if sample.late() {
            bucket.late += 1;
            return;
        }
        bucket.requests += 1;
        if sample.outcome.is_ok() {
            bucket.ok += 1;
            self.latencies.push(sample.done_us);
        }
        count(&mut self.backends, &mut bucket.backends, sample.backend);
        count(&mut self.zones, &mut bucket.zones, sample.zone);
    }

    fn close_bucket(&mut self) {
        self.latencies.sort_unstable();
        let at = |q: f64| {
            let rank = (self.latencies.len() as f64 * q).ceil() as usize;
            self.latencies.get(rank.saturating_sub(1)).map(|micros| (f64::from(*micros) / 1e6) as f32)
        };
        let (p50, p99) = (at(0.5), at(0.99));
        let bucket = &mut self.buckets[self.filling];
        (bucket.p50_s, bucket.p99_s) = (p50, p99);
        self.latencies.clear();
    }

    /// The timeline.
    pub fn finish(mut self, names: &[String]) -> Timeline {
        self.close_bucket();
        for bucket in &mut self.buckets {
            bucket.backends.resize(self.backends.len(), 0);
            bucket.zones.resize(self.zones.len(), 0);
        }
        let says = |known: &[NameIndex]| known.iter().map(|index| names.get(usize::from(index.0)).cloned().unwrap_or_default()).collect();
        Timeline { bucket_s: self.width as f64 / 1e9, backends: says(&self.backends), zones: says(&self.zones), buckets: self.buckets }
    }
}

fn count(known: &mut Vec<NameIndex>, counts: &mut Vec<u32>, name: NameIndex) {
    if name == NameIndex(0) {
        return;
    }
    let place = known.iter().position(|k| *k == name).or_else(|| {
        (known.len() < MOST_NAMES).then(|| {
            known.push(name);
            known.len() - 1
        })
    });
    if let Some(place) = place {
        if counts.len() <= place {
            counts.resize(place + 1, 0);
        }
        counts[place] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::support::sample;

    #[test]
    fn buckets_are_few_and_count_everything() {
        let mut builder = Builder::new(600_000_000_000);
        for k in 0..6_000_u32 {
            let backend = NameIndex(1 + (k % 2) as u16);
            builder.push(&Sample { backend, done_us: k % 100 + 1, ..sample(k, u64::from(k) * 100_000_000, k % 10 != 0) });
        }
        let timeline = builder.finish(&[String::new(), "one".into(), "two".into()]);
        assert_eq!((timeline.bucket_s, timeline.buckets.len()), (0.5, 1_200));
        assert_eq!(timeline.backends, ["one", "two"]);
        assert_eq!(timeline.buckets.iter().map(|b| b.requests).sum::<u32>(), 6_000);
        assert_eq!(timeline.buckets.iter().map(|b| b.ok).sum::<u32>(), 5_400);
        assert_eq!(timeline.buckets[1].backends.iter().sum::<u32>(), 5);
        assert_eq!(timeline.buckets[1].p50_s, Some(8e-6), "of 7, 8, 9, 10 µs (the request with 6 µs failed is not among them)");
        assert_eq!(Builder::new(7 * 24 * 3_600_000_000_000).buckets.len() as u64, 7 * 24 * 60 / 9);
    }
}
