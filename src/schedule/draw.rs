//! What chance decides, drawn from a seed: the same seed, name and day give the same draw on every machine and in every version, and what is
//! drawn for one day says nothing about another one.

use sha2::{Digest, Sha256};

/// Draws of one thing (an experiment or a group) on one day or in one week.
#[derive(Debug, Clone)]
pub struct Draw(Sha256);

impl Draw {
    /// The draws of `key` (its name) for `when` (such as a date).
    pub fn new(seed: u64, key: &str, when: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"firedrill schedule 1\0");
        hash.update(seed.to_le_bytes());
        for part in [key, when] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        Self(hash)
    }

    /// 64 uniform bits for `what`, the `n`th of them.
    pub fn bits(&self, what: &str, n: u32) -> u64 {
        let mut hash = self.0.clone();
        hash.update(n.to_le_bytes());
        hash.update(what);
        let mut first = [0; 8];
        first.copy_from_slice(&hash.finalize()[..8]);
        u64::from_le_bytes(first)
    }

    /// A uniform number from 0 to below 1.
    pub fn fraction(&self, what: &str, n: u32) -> f64 {
        // 53 bits are what a float holds exactly.
        (self.bits(what, n) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A uniform number below `bound`; 0 when that is 0. Its bias is below `bound` in 2⁶⁴.
    pub fn below(&self, what: &str, n: u32, bound: u64) -> u64 {
        ((u128::from(self.bits(what, n)) * u128::from(bound)) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_uniform_and_stay_what_they_are() {
        let draw = |n: u32| Draw::new(7, "web", "2026-11-19").fraction("chance", n);
        let mean = (0..2000).map(draw).sum::<f64>() / 2000.0;
        assert!((mean - 0.5).abs() < 0.03, "{mean}");
        let mut seen = [0; 5];
        for n in 0..5000 {
            seen[Draw::new(7, "web", "d").below("time", n, 5) as usize] += 1;
        }
        assert!(seen.iter().all(|count| (850..1150).contains(count)), "{seen:?}");
        // A number that a version gave, every later one gives: what was explained happens.
        assert_eq!(Draw::new(7, "web", "2026-11-19").bits("chance", 0), 7_887_472_347_084_691_999);
        assert_ne!(Draw::new(7, "we", "b2026-11-19").bits("chance", 0), Draw::new(7, "web", "2026-11-19").bits("chance", 0));
    }
}
