//! Samples made by hand, for the tests of this layer.

use crate::model::{
    measurement::PhaseSpan,
    sample::{NameIndex, Policy, Sample, SampleOutcome},
    steady_state::Phase,
};

/// A sample of probe 0, 1 ms long, ok or with a status 503.
pub fn sample(number: u32, due_ns: u64, ok: bool) -> Sample {
    Sample {
        probe: 0,
        route: 0,
        number,
        due_ns,
        sent_us: 20,
        connected_us: 100,
        first_byte_us: 900,
        done_us: 1_000,
        bytes: 10,
        status: if ok { 200 } else { 503 },
        outcome: if ok { SampleOutcome::Ok } else { SampleOutcome::Status },
        retried: None,
        policy: Policy::New,
        backend: NameIndex(0),
        zone: NameIndex(0),
        address: NameIndex(0),
    }
}

/// Phase spans.
pub fn phases(spans: &[(Phase, f64, f64)]) -> Vec<PhaseSpan> {
    spans.iter().map(|&(phase, from_s, to_s)| PhaseSpan { phase, from_s, to_s }).collect()
}

/// A small repeatable generator for tests: one call, one draw in `0..1`.
pub fn draws(seed: u64) -> impl FnMut() -> f64 {
    use rand_chacha::rand_core::{Rng, SeedableRng};
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    move || f64::from(rng.next_u32()) / f64::from(u32::MAX)
}
