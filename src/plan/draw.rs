//! Seeded draws. Each draw has a stream of its own, made from the seed and the draw's place in the file: what one step draws does
//! not change what another one draws. The arithmetic is written out here, so that no dependency's update changes the victims.

use rand_chacha::{
    ChaCha12Rng,
    rand_core::{Rng, SeedableRng},
};
use sha2::{Digest, Sha256};

use crate::model::{quantity::Share, selector::Take};

/// The random stream of one draw.
pub struct Stream(ChaCha12Rng);

impl Stream {
    /// The stream for `what` (`victims`, `zone`, `region`) of a fault of a step.
    pub fn new(seed: u64, step: u32, fault: u32, what: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"firedrill draw 1\0");
        hash.update(seed.to_le_bytes());
        hash.update(step.to_le_bytes());
        hash.update(fault.to_le_bytes());
        hash.update(what.as_bytes());
        Self(ChaCha12Rng::from_seed(hash.finalize().into()))
    }

    /// A uniform number below `n` (which is not zero), without the bias of a plain remainder.
    pub fn below(&mut self, n: usize) -> usize {
        let n = n.max(1) as u64;
        let zone = u64::MAX - u64::MAX % n;
        loop {
            let x = self.0.next_u64();
            if x < zone {
                return (x % n) as usize;
            }
        }
    }

    /// A uniform permutation: the first k of it are a uniform draw of k.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

/// How many of `matched` are taken: a share is rounded down, but to at least one of what there is. `rounded_up` says that the
/// plain share would have been none.
pub fn take(take: Take, matched: usize) -> Taken {
    match take {
        Take::All => Taken { count: matched, rounded_up: false },
        Take::Count(n) => Taken { count: n as usize, rounded_up: false },
        Take::Percent(share) => {
            let floor = floor_share(share, matched);
            Taken { count: floor.max(1).min(matched), rounded_up: floor == 0 && matched > 0 }
        }
    }
}

/// What `take` came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// So many.
    pub count: usize,
    /// Whether a share that came to none was rounded up to one.
    pub rounded_up: bool,
}

/// A share of a number, rounded down; the margin hides that 0.29 × 100 is 28.999….
pub fn floor_share(share: Share, of: usize) -> usize {
    (share.0 * of as f64 + 1e-9).floor().max(0.0) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_share_never_rounds_to_zero_nor_above_the_matches(share in 0.000_001_f64..=1.0, n in 1_usize..5000) {
            let taken = take(Take::Percent(Share(share)), n);
            prop_assert!(taken.count >= 1 && taken.count <= n);
            prop_assert!(taken.count as f64 <= (share * n as f64).max(1.0) + 1e-6);
        }

        #[test]
        fn a_shuffle_repeats_and_keeps_its_items(seed: u64, step in 1_u32..9, n in 0_usize..200) {
            let draw = || { let mut v: Vec<usize> = (0..n).collect(); Stream::new(seed, step, 0, "victims").shuffle(&mut v); v };
            let mut first = draw();
            prop_assert_eq!(&first, &draw());
            first.sort_unstable();
            prop_assert_eq!(first, (0..n).collect::<Vec<_>>());
        }
    }

    #[test]
    fn each_instance_is_drawn_equally_often() {
        const N: usize = 10;
        const DRAWS: u64 = 20_000;
        let mut hits = [0_u32; N];
        for seed in 0..DRAWS {
            let mut v: Vec<usize> = (0..N).collect();
            Stream::new(seed, 1, 0, "victims").shuffle(&mut v);
            hits[v[0]] += 1;
        }
        let expected = DRAWS as f64 / N as f64;
        let chi2: f64 = hits.iter().map(|&h| (f64::from(h) - expected).powi(2) / expected).sum();
        // 9 degrees of freedom: above 27.9 once in a thousand. The seeds are fixed, so this cannot flicker.
        assert!(chi2 < 27.9, "chi² {chi2}, hits {hits:?}");
    }

    #[test]
    fn steps_and_purposes_have_streams_of_their_own() {
        let first = |step, fault, what: &str| Stream::new(7, step, fault, what).below(1 << 40);
        assert_ne!(first(1, 0, "victims"), first(2, 0, "victims"));
        assert_ne!(first(1, 0, "victims"), first(1, 1, "victims"));
        assert_ne!(first(1, 0, "victims"), first(1, 0, "zone"));
    }

    #[test]
    fn shares_are_not_lost_to_binary_fractions() {
        assert_eq!(floor_share(Share(0.29), 100), 29);
        assert_eq!(floor_share(Share(0.5), 3), 1);
        assert!(take(Take::Percent(Share(0.1)), 3).rounded_up);
    }
}
