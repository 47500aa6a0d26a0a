//! Seeded draws: a request's policy, connection and address are functions of the seed, the probe and the request's number, so
//! that a run repeats, and nothing has a period that could lock onto a balancer's round robin.

/// What a draw decides: one request makes several draws that must not depend on each other.
#[derive(Debug, Clone, Copy)]
pub enum Purpose {
    /// New connection or kept one.
    Policy = 1,
    /// Which of the kept connections.
    Connection = 2,
    /// Which of the host's addresses.
    Address = 3,
    /// Which address a retry goes to.
    RetryAddress = 4,
    /// How the request's user looks names up.
    Names = 5,
    /// How long a user thinks before the next step.
    Think = 6,
}

/// 64 well mixed bits (the finaliser of `SplitMix64`, applied per ingredient).
pub fn draw(seed: u64, probe: u16, number: u32, purpose: Purpose) -> u64 {
    let ingredients = (u64::from(probe) << 40) | ((purpose as u64) << 32) | u64::from(number);
    mix(mix(seed).wrapping_add(mix(ingredients ^ 0x5851_F42D_4C95_7F2D)))
}

/// A place in a list of `len`, which must not be empty.
pub fn pick(bits: u64, len: usize) -> usize {
    ((u128::from(bits) * len as u128) >> 64) as usize
}

fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bit(number: u32) -> bool {
        draw(42, 0, number, Purpose::Policy) & 1 == 1
    }

    #[test]
    fn draws_repeat_and_differ_by_each_ingredient() {
        let one = draw(1, 2, 3, Purpose::Policy);
        assert_eq!(one, draw(1, 2, 3, Purpose::Policy));
        for other in [
            draw(2, 2, 3, Purpose::Policy),
            draw(1, 3, 3, Purpose::Policy),
            draw(1, 2, 4, Purpose::Policy),
            draw(1, 2, 3, Purpose::Address),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn no_small_period_aliases_with_a_round_robin() {
        let n = 60_000_u32;
        for period in 1..=64_u32 {
            for phase in 0..period.min(4) {
                let (mut hits, mut all) = (0.0, 0.0);
                for number in (phase..n).step_by(period as usize) {
                    all += 1.0;
                    hits += f64::from(u8::from(bit(number)));
                }
                // Five standard deviations of a fair coin.
                let bound = 5.0 * 0.5 / f64::sqrt(all);
                assert!((hits / all - 0.5_f64).abs() < bound, "period {period}, phase {phase}: {hits} of {all}");
            }
        }
    }

    #[test]
    fn picks_reach_every_place() {
        let mut seen = [0_u32; 3];
        for number in 0..3000 {
            seen[pick(draw(7, 1, number, Purpose::Address), 3)] += 1;
        }
        assert!(seen.iter().all(|&n| (850..1150).contains(&n)), "{seen:?}");
    }
}
