//! How long it takes to measure ten minutes at 1,000 requests/s. Prints the figure beside its bar; run with
//! `cargo bench --bench measure`.

use std::{collections::BTreeMap, time::Duration};

use firedrill::{
    clock,
    measure::{Course, Input, measure, source::InMemory},
    model::{
        blast_radius::Caps,
        experiment::{Bind, Experiment, Recovery},
        measurement::PhaseSpan,
        probe::{CommandProbe, ProbeKind, ProbeSpec},
        quantity::Rate,
        sample::{NameIndex, Policy, Sample, SampleOutcome},
        steady_state::{Comparison, Condition, Expect, Metric, Op, Phase},
        time::Mono,
    },
};

const REQUESTS: u32 = 600_000;

fn main() {
    let comparison = Comparison { op: Op::AtLeast, bound: 0.995, unit: Metric::Availability.unit() };
    let experiment = Experiment {
        title: "bench".into(),
        description: None,
        owner: None,
        labels: BTreeMap::new(),
        environment: None,
        seed: None,
        probes: vec![ProbeSpec {
            name: "home".into(),
            kind: ProbeKind::Command(CommandProbe { command: vec![], status: vec![] }),
            rate: Rate(1_000.0),
            timeout: Duration::from_secs(1),
            slow: None,
            service: None,
        }],
        steady_state: vec![Condition {
            expect: Expect::Probe { probe: "home".into(), metric: Metric::Availability, comparison },
            phases: vec![],
        }],
        objective: None,
        warm_up: Duration::ZERO,
        baseline: Duration::from_secs(10),
        recovery: Recovery { hold: Duration::from_secs(5), limit: Duration::from_mins(1) },
        watch: Duration::from_secs(30),
        bind: Bind::AtStart,
        method: vec![],
        caps: Caps::default(),
        abort_when: vec![],
        versions: std::collections::BTreeMap::new(),
    };
    let phases = [(Phase::Baseline, 0.0, 60.0), (Phase::Fault, 60.0, 500.0), (Phase::Recovery, 500.0, 600.0)]
        .map(|(phase, from_s, to_s)| PhaseSpan { phase, from_s, to_s });
    let samples = (0..REQUESTS).map(|k| {
        // One of six backends gone for two minutes: many failures in one window.
        let failed = (100_000..220_000).contains(&k) && k.wrapping_mul(2_654_435_761) % 6 == 0;
        Some(Sample {
            probe: 0,
            route: 0,
            number: k,
            due_ns: u64::from(k) * 1_000_000,
            sent_us: 20,
            connected_us: 100,
            first_byte_us: 500,
            done_us: 800 + k.wrapping_mul(2_246_822_519) % 4_000,
            bytes: 10,
            status: 200,
            outcome: if failed { SampleOutcome::Reset } else { SampleOutcome::Ok },
            retried: None,
            policy: if k % 3 == 0 { Policy::New } else { Policy::KeepAlive },
            names: None,
            backend: NameIndex((k % 6) as u16 + 1),
            zone: NameIndex((k % 3) as u16 + 7),
            address: NameIndex(10),
        })
    });
    let source = InMemory { probes: vec![samples.collect()] };
    let names: Vec<String> = (0..11).map(|n| format!("name-{n}")).collect();
    let input = Input {
        experiment: &experiment,
        origin: Mono(0),
        phases: &phases,
        first_effect: Some(Mono(60_000_000_000)),
        last_undo: Some(Mono(500_000_000_000)),
        acts: &[],
        observations: &[],
        course: &Course::default(),
        names: &names,
        due: &[u64::from(REQUESTS)],
        state: &[],
        doubts: &[],
        seed: 1,
    };
    let begun = clock::now();
    let measurement = measure(&input, &source);
    let took = clock::now().since(begun);
    let probe = &measurement.probes[0];
    println!("measured {} requests, {} outage windows, in {took:?} (bar: under 1 s)", probe.whole.requests, probe.outages.len());
}
