//! Ground truth: what the prober and the measurement report, against what the server is known to have done.

use std::{collections::BTreeMap, thread::sleep, time::Duration};

use firedrill::{
    clock,
    measure::{Course, Input, measure},
    model::{
        blast_radius::Caps,
        experiment::{Bind, Experiment, Recovery},
        measurement::{Measurement, PhaseSpan},
        probe::ProbeSpec,
        sample::{Sample, SampleOutcome},
        steady_state::Phase,
    },
    probe::{Launch, NetworkProber, Prober, Recorded},
};

use crate::{
    backend::pin,
    faulty::{Failing, Faulty, Window},
    measured::spec,
};

/// What came of a run.
struct Run {
    recorded: Recorded,
    measurement: Measurement,
    samples: Vec<Option<Sample>>,
    _folder: tempfile::TempDir,
}

/// One run against a server with these windows, in seconds after the origin.
fn run(rate: f64, timeout: Duration, seconds: f64, windows: &[(Failing, f64, f64)]) -> Run {
    pin(0);
    let mut server = Faulty::start();
    let folder = tempfile::tempdir().expect("a folder");
    let probe = ProbeSpec { timeout, ..spec(&server.address, rate, "both") };
    let launch = Launch { probes: vec![probe.clone()], seed: 7, folder: folder.path().to_owned() };
    let mut running = NetworkProber::new().launch(launch).expect("a prober");
    let origin = running.origin();
    for &(failing, from, to) in windows {
        let at = |s: f64| origin.plus(Duration::from_secs_f64(s));
        server.set(Window { failing, from: at(from), to: at(to) });
    }
    while clock::now() < origin.plus(Duration::from_secs_f64(seconds)) {
        let left = origin.plus(Duration::from_secs_f64(seconds)).since(clock::now());
        sleep(left.clamp(Duration::from_micros(100), Duration::from_millis(100)));
        drop(running.take());
    }
    let recorded = running.stop();
    server.end();
    let input = Input {
        experiment: &experiment(probe),
        origin,
        phases: &[PhaseSpan { phase: Phase::Baseline, from_s: 0.0, to_s: seconds }],
        first_effect: None,
        last_undo: None,
        acts: &[],
        observations: &[],
        course: &Course::default(),
        names: &recorded.names,
        due: &recorded.due,
        state: &recorded.state,
        doubts: &recorded.doubts,
        seed: 1,
    };
    let measurement = measure(&input, &*recorded.samples);
    let samples = recorded.samples.samples(0).collect();
    Run { recorded, measurement, samples, _folder: folder }
}

fn experiment(probe: ProbeSpec) -> Experiment {
    Experiment {
        title: "bench".into(),
        description: None,
        owner: None,
        labels: BTreeMap::new(),
        environment: None,
        seed: None,
        probes: vec![probe],
        steady_state: vec![],
        objective: None,
        warm_up: Duration::ZERO,
        baseline: Duration::from_secs(1),
        recovery: Recovery { hold: Duration::from_secs(1), limit: Duration::from_secs(1) },
        watch: Duration::from_secs(1),
        bind: Bind::AtStart,
        method: vec![],
        caps: Caps::default(),
        abort_when: vec![],
        versions: BTreeMap::new(),
    }
}

/// Windows of every failure at one rate: how far the reported windows are off, and how many samples are in the wrong class.
pub fn windows(rate: &str, length: &str) {
    let (rate, length): (f64, f64) = (rate.parse().expect("a rate"), length.parse().expect("a length"));
    let script = [Failing::Refuse, Failing::Reset, Failing::Hang, Failing::Fail, Failing::Slow, Failing::CutBody];
    // Off the slots, so that no edge falls on a due time.
    let from = |i: usize| 0.5073 + i as f64 * 2.0 * length;
    let windows: Vec<_> = script.iter().enumerate().map(|(i, failing)| (*failing, from(i), from(i) + length)).collect();
    let run = run(rate, Duration::from_millis(250), from(script.len()), &windows);
    let probe = &run.measurement.probes[0];
    let expected: Vec<_> = windows.iter().filter(|(failing, ..)| *failing != Failing::Slow).collect();
    let mut worst = 0.0_f64;
    if probe.outages.len() == expected.len() {
        for (outage, (_, from, to)) in probe.outages.iter().zip(&expected) {
            worst = worst.max((outage.first_failure_s - from).abs()).max((outage.last_failure_s - to).abs());
            worst = worst.max((outage.until_s.unwrap_or(f64::INFINITY) - to).abs());
        }
    } else {
        worst = f64::INFINITY;
    }
    let bound = 1.0 / rate + 0.010;
    let mut wrong = BTreeMap::<String, u64>::new();
    let (mut slow, mut late) = (0, 0);
    for sample in run.samples.iter().flatten() {
        late += u64::from(sample.late());
        let at = sample.due_ns as f64 / 1e9;
        // Within the bound of an edge, either side's answer is right.
        let edge = windows.iter().any(|(_, from, to)| (at - from).abs() <= bound || (at - to).abs() <= bound);
        if edge || sample.late() {
            continue;
        }
        let failing = windows.iter().find(|(_, from, to)| *from < at && at < *to).map(|(failing, ..)| *failing);
        let right = match failing {
            None => sample.outcome == SampleOutcome::Ok,
            Some(Failing::Refuse) => sample.outcome == SampleOutcome::Refused,
            Some(Failing::Reset) => sample.outcome == SampleOutcome::Reset,
            Some(Failing::Hang) => sample.outcome == SampleOutcome::ResponseTimeout && sample.done_us >= 250_000,
            Some(Failing::Fail) => sample.outcome == SampleOutcome::Status && sample.status == 500,
            Some(Failing::Slow) => {
                slow += 1;
                sample.outcome == SampleOutcome::Ok && sample.done_us >= 60_000
            }
            Some(Failing::CutBody) => sample.outcome == SampleOutcome::Truncated,
            Some(Failing::Stall) => false,
        };
        if !right {
            *wrong.entry(format!("{} while {}", sample.outcome.name(), failing.map_or("well", Failing::name))).or_default() += 1;
        }
    }
    for (what, n) in &wrong {
        eprintln!("wrong class at {rate}/s: {n} x {what}");
    }
    if worst.is_infinite() {
        eprintln!(
            "windows at {rate}/s: {:?}",
            probe.outages.iter().map(|o| (o.first_failure_s, o.until_s, &o.classes)).collect::<Vec<_>>()
        );
    }
    let accounted = run.samples.iter().flatten().count() as u64 == run.recorded.due[0];
    println!("windows={}\nworst_ms={}\nwrong={}", probe.outages.len(), worst * 1e3, wrong.values().sum::<u64>());
    println!("slow={slow}\nlate={late}\naccounted={}\nrequests={}", u8::from(accounted), run.samples.len());
}

/// Thirteen ticks with two stalls of three: how many are accounted for, and whether each waited as long as it had to.
pub fn ticks(tick: &str) {
    let tick: f64 = tick.parse().expect("a tick's length");
    let stalls = [(2.5 * tick, 5.5 * tick), (7.5 * tick, 10.5 * tick)];
    let windows = stalls.map(|(from, to)| (Failing::Stall, from, to));
    let run = run(1.0 / tick, Duration::from_secs_f64(6.0 * tick), 12.5 * tick, &windows);
    let (mut waited, mut accounted) = (0, 0);
    for (k, sample) in run.samples.iter().enumerate() {
        let due = k as f64 * tick;
        let wait = stalls.iter().find(|(from, to)| *from < due && due < *to).map_or(0.0, |(_, to)| to - due);
        if let Some(sample) = sample.filter(|s| s.due_ns.abs_diff((due * 1e9) as u64) < 1000 && s.outcome.is_ok()) {
            accounted += 1;
            waited += u8::from((f64::from(sample.done_us) / 1e6 - wait).abs() < 0.020);
        }
    }
    println!("due={}\naccounted={accounted}\nwaited={waited}", run.samples.len());
}

/// A tenth of the time in a black hole.
pub fn black_hole(rate: &str, seconds: &str) {
    let (rate, seconds): (f64, f64) = (rate.parse().expect("a rate"), seconds.parse().expect("seconds"));
    let half = 0.5 / rate;
    let from = (seconds * 0.4 * rate).round() / rate - half;
    let run = run(rate, Duration::from_secs(1), seconds - half, &[(Failing::Hang, from, from + seconds / 10.0)]);
    let probe = &run.measurement.probes[0];
    let availability = probe.whole.availability.as_ref().map_or(0.0, |estimate| estimate.value);
    let longest = probe.outages.iter().map(|o| o.duration_s).fold(0.0, f64::max);
    println!("availability={}\nrequests={}\nwindows={}\nlongest_s={longest}", availability * 100.0, run.samples.len(), probe.outages.len());
}
