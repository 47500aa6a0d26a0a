//! Samples made by hand, for the tests of this layer.

use std::sync::Arc;

use crate::model::{
    act::{Act, Effect, EffectStatus, Target},
    fault::Fault,
    ids::ActId,
    instance::{Instance, InstanceState},
    measurement::PhaseSpan,
    sample::{NameIndex, Policy, Sample, SampleOutcome},
    steady_state::Phase,
    time::{Bracket, Mono},
};

/// Where the clock of made-up runs stands at the first request.
pub const ORIGIN: Mono = Mono(7_000_000_000);

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
        names: None,
        backend: NameIndex(0),
        zone: NameIndex(0),
        address: NameIndex(0),
    }
}

/// Phase spans.
pub fn phases(spans: &[(Phase, f64, f64)]) -> Vec<PhaseSpan> {
    spans.iter().map(|&(phase, from_s, to_s)| PhaseSpan { phase, from_s, to_s }).collect()
}

/// The first act of a step, which killed the first instance of a service in zone a.
pub fn act_on(step: u32, service: &str, took: Bracket) -> (Act, Effect) {
    let name = format!("{service}-a-1");
    let instance = Instance {
        id: name.as_str().into(),
        name: name.clone(),
        service: service.into(),
        zone: "a".into(),
        region: "local".into(),
        state: InstanceState::Running,
        healthy: Some(true),
        labels: Arc::default(),
        address: None,
        identity: "1".into(),
        fingerprint: "f".into(),
        managed: true,
        kept_out: None,
    };
    let id = ActId { step, act: 1 };
    let effect = Effect {
        act: id,
        instance: Some(name.as_str().into()),
        status: EffectStatus::Happened,
        requested: took.after,
        answered: None,
        took_effect: Some(took),
        source: "pidfd".into(),
    };
    (Act { id, fault: Fault::Kill { signal: None }, target: Target::Instance(Arc::new(instance)) }, effect)
}

/// A small repeatable generator for tests: one call, one draw in `0..1`.
pub fn draws(seed: u64) -> impl FnMut() -> f64 {
    use rand_chacha::rand_core::{Rng, SeedableRng};
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    move || f64::from(rng.next_u32()) / f64::from(u32::MAX)
}
