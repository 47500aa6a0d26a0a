//! Draws for loss and jitter: seeded by the backend's id, so that a run can be repeated, and without a period that could lock
//! onto the round robin.

use std::sync::atomic::{AtomicU64, Ordering};

/// A stream of even draws.
pub(super) struct Draws {
    state: AtomicU64,
}

impl Draws {
    /// The stream of this name.
    pub(super) fn seeded(name: &str) -> Self {
        // FNV-1a: any spreading of the name will do.
        let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3));
        Self { state: AtomicU64::new(seed) }
    }

    /// The next draw, from 0 up to but without 1.
    pub(super) fn next(&self) -> f64 {
        // SplitMix64: a counter with a good mixer, so one atomic addition is all the state.
        let mut z = self.state.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        (z >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_even_and_repeat() {
        let draws = Draws::seeded("web-a-1");
        let drawn: Vec<f64> = (0..10_000).map(|_| draws.next()).collect();
        for bound in [0.1, 0.3, 0.5, 0.9] {
            let share = drawn.iter().filter(|d| **d < bound).count() as f64 / drawn.len() as f64;
            assert!((share - bound).abs() < 0.02, "{share} of the draws are below {bound}");
        }
        let again = Draws::seeded("web-a-1");
        assert!(drawn.iter().all(|d| d.to_bits() == again.next().to_bits()));
        assert!(Draws::seeded("web-a-2").next().to_bits() != drawn[0].to_bits());
    }
}
