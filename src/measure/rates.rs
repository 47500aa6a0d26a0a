//! Availability with its 95 % interval: the wider of Wilson's score interval and a bootstrap over blocks of one second, because
//! failures in an outage are not independent. Without any failure, the failure share's upper bound is `3 / n`.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

use crate::model::measurement::Estimate;

/// The quantile of the normal distribution that leaves 2.5 % on each side.
const Z: f64 = 1.959_963_984_540_054;

/// A block of the bootstrap, in nanoseconds.
const BLOCK_NS: u64 = 1_000_000_000;

/// Draws of the bootstrap: the 2.5 % points of 1,000 draws are steady to about a tenth of the interval's width.
const DRAWS: usize = 1_000;

/// More blocks than this are joined pairwise first: an hour of seconds must not cost an hour of draws.
const MOST_BLOCKS: usize = 1_024;

/// Wilson's 95 % score interval of `ok` of `n`; without a failure (or without a success) the rule of three on that side.
/// `(0, 1)` without requests.
pub fn wilson(ok: u64, n: u64) -> (f64, f64) {
    if n == 0 {
        return (0.0, 1.0);
    }
    let count = n as f64;
    if ok == n {
        return ((1.0 - 3.0 / count).max(0.0), 1.0);
    }
    if ok == 0 {
        return (0.0, (3.0 / count).min(1.0));
    }
    let share = ok as f64 / count;
    let middle = (share + Z * Z / (2.0 * count)) / (1.0 + Z * Z / count);
    let half = Z / (1.0 + Z * Z / count) * (share * (1.0 - share) / count + Z * Z / (4.0 * count * count)).sqrt();
    ((middle - half).max(0.0), (middle + half).min(1.0))
}

/// How many requests without any failure it takes to show an availability of at least `bound`.
pub fn needed_without_failures(bound: f64) -> u64 {
    // A hair less, so that 3 / 0.005 is 600 and not 601 by the noise of the division.
    (3.0 / (1.0 - bound) - 1e-6).ceil() as u64
}

/// About how many requests at the share `value` it takes until Wilson's interval lies wholly on one side of `bound`.
pub fn needed_at(value: f64, bound: f64) -> u64 {
    let distance = (value - bound).abs();
    // The score interval reaches `bound` when the distance is z standard errors *of the bound*.
    if distance <= 0.0 { u64::MAX } else { (Z * Z * bound * (1.0 - bound) / (distance * distance)).ceil() as u64 }
}

/// Requests and successes per second of due time.
#[derive(Debug, Clone, Default)]
pub struct Blocks {
    blocks: Vec<(u32, u32)>,
    current: u64,
}

impl Blocks {
    /// Counts a request. A block with no request of the set is not kept: it could not be drawn.
    pub fn push(&mut self, due_ns: u64, ok: bool) {
        let block = due_ns / BLOCK_NS;
        if self.blocks.is_empty() || block != self.current {
            self.blocks.push((0, 0));
            self.current = block;
        }
        if let Some((n, good)) = self.blocks.last_mut() {
            *n += 1;
            *good += u32::from(ok);
        }
    }

    /// The estimate of availability; none without requests.
    pub fn estimate(&self, seed: u64) -> Option<Estimate> {
        let n: u64 = self.blocks.iter().map(|(n, _)| u64::from(*n)).sum();
        let ok: u64 = self.blocks.iter().map(|(_, ok)| u64::from(*ok)).sum();
        if n == 0 {
            return None;
        }
        let value = ok as f64 / n as f64;
        let (mut low, mut high) = wilson(ok, n);
        if ok > 0
            && ok < n
            && let Some((blocks_low, blocks_high)) = bootstrap(&self.blocks, seed)
            && blocks_high - blocks_low > high - low
        {
            // A skewed bootstrap may end at the value itself, never beyond it.
            (low, high) = (blocks_low.min(value), blocks_high.max(value));
        }
        Some(Estimate { value, low, high, n })
    }
}

/// The 2.5 % and 97.5 % points of the availability of as many blocks drawn with replacement; none below two blocks.
fn bootstrap(blocks: &[(u32, u32)], seed: u64) -> Option<(f64, f64)> {
    let mut joined = blocks.to_vec();
    while joined.len() > MOST_BLOCKS {
        joined = joined.chunks(2).map(|pair| pair.iter().fold((0, 0), |sum, block| (sum.0 + block.0, sum.1 + block.1))).collect();
    }
    if joined.len() < 2 {
        return None;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut shares: Vec<f64> = (0..DRAWS)
        .map(|_| {
            let (mut n, mut ok) = (0_u64, 0_u64);
            for _ in 0..joined.len() {
                let (block_n, block_ok) = joined[((u64::from(rng.next_u32()) * joined.len() as u64) >> 32) as usize];
                n += u64::from(block_n);
                ok += u64::from(block_ok);
            }
            ok as f64 / n as f64
        })
        .collect();
    shares.sort_unstable_by(f64::total_cmp);
    Some((shares[DRAWS * 25 / 1000], shares[DRAWS * 975 / 1000 - 1]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::measure::support::draws;

    fn near(found: (f64, f64), low: f64, high: f64) {
        assert!((found.0 - low).abs() < 5e-5 && (found.1 - high).abs() < 5e-5, "{found:?} is not ({low}, {high})");
    }

    #[test]
    fn wilson_agrees_with_published_values() {
        // Newcombe 1998, table I, method 3.
        near(wilson(81, 263), 0.2553, 0.3662);
        near(wilson(15, 148), 0.0624, 0.1605);
        near(wilson(1, 29), 0.0061, 0.1718);
        near(wilson(50, 100), 0.4038, 0.5962);
    }

    #[test]
    fn no_failure_is_the_rule_of_three() {
        assert_eq!(wilson(600, 600), (0.995, 1.0));
        assert_eq!(wilson(2, 2), (0.0, 1.0));
        assert_eq!(wilson(0, 0), (0.0, 1.0));
        assert_eq!(needed_without_failures(0.995), 600);
        assert_eq!(needed_without_failures(0.999), 3_000);
    }

    #[test]
    fn the_needed_number_is_where_wilson_clears_the_bound() {
        let n = needed_at(0.997, 0.995);
        assert!((4_000..5_000).contains(&n), "{n}");
        assert!(wilson(4_985, 5_000).0 >= 0.995 && wilson(3_988, 4_000).0 < 0.995);
    }

    #[test]
    fn clustered_failures_widen_the_interval() {
        let (mut clustered, mut spread) = (Blocks::default(), Blocks::default());
        for i in 0..6_000_u64 {
            clustered.push(i * 5_000_000, !(3_000..3_060).contains(&i));
            spread.push(i * 5_000_000, i % 100 != 0);
        }
        let (clustered, spread) = (clustered.estimate(7).unwrap(), spread.estimate(7).unwrap());
        assert!((clustered.value - spread.value).abs() < 1e-12);
        assert!(clustered.high - clustered.low > 2.0 * (spread.high - spread.low));
        let (low, high) = wilson(5_940, 6_000);
        assert_eq!((spread.low, spread.high), (low, high), "evenly spread failures: Wilson's is the wider");
    }

    #[test]
    fn the_interval_covers_the_truth_of_clustered_failures() {
        // Each second is bad with 20 %, and then half of its requests fail: true availability 90 %.
        let (mut covered, mut wilson_covered) = (0, 0);
        for seed in 0..100 {
            let mut draw = draws(seed);
            let mut blocks = Blocks::default();
            let (mut n, mut ok) = (0, 0);
            for second in 0..60_u64 {
                let bad = draw() < 0.2;
                for k in 0..50 {
                    let good = !(bad && draw() < 0.5);
                    blocks.push(second * BLOCK_NS + k * 20_000_000, good);
                    n += 1;
                    ok += u64::from(good);
                }
            }
            let estimate = blocks.estimate(seed).unwrap();
            covered += u32::from(estimate.low <= 0.9 && 0.9 <= estimate.high);
            let (low, high) = wilson(ok, n);
            wilson_covered += u32::from(low <= 0.9 && 0.9 <= high);
        }
        assert!(covered >= 88, "covers {covered} of 100");
        assert!(wilson_covered < 80, "Wilson alone covers {wilson_covered} of 100: the test would not see a missing bootstrap");
    }

    proptest! {
        #[test]
        fn the_interval_holds_the_value(oks in prop::collection::vec(any::<bool>(), 1..400), seed: u64) {
            let mut blocks = Blocks::default();
            for (i, ok) in oks.iter().enumerate() {
                blocks.push(i as u64 * 50_000_000, *ok);
            }
            let estimate = blocks.estimate(seed).unwrap();
            let good = oks.iter().filter(|ok| **ok).count();
            prop_assert!((estimate.value - good as f64 / oks.len() as f64).abs() < 1e-12);
            prop_assert!(0.0 <= estimate.low && estimate.low <= estimate.value && estimate.value <= estimate.high && estimate.high <= 1.0);
            prop_assert_eq!(estimate, blocks.estimate(seed).unwrap());
        }
    }
}
