//! The prober against the truth: every due request accounted for, every failure in its class, every window at its place.

use std::{ops::Range, thread::sleep, time::Duration};

use firedrill::{
    model::{
        ids::ProbeName,
        probe::{Connections, HttpExpect, HttpProbe, NameModel, ProbeKind, ProbeSpec, ServedBy, TlsSettings},
        quantity::Rate,
        sample::{Policy, Sample, SampleOutcome},
    },
    probe::{Launch, NetworkProber, Prober, Recorded, RunningProber},
};

use crate::support::truth_server::{Behave, Change, TruthServer};

/// A machine that runs other builds beside the tests may hold a thread up for so long.
const MARGIN: Duration = Duration::from_millis(40);

pub fn http(url: String) -> HttpProbe {
    HttpProbe {
        url,
        method: "GET".to_owned(),
        headers: vec![],
        body: None,
        connections: Connections::Both,
        names: NameModel::EachConnection.into(),
        resolver: None,
        addresses: vec![],
        expect: HttpExpect::default(),
        body_limit: 65_536,
        served_by: Some(ServedBy { header: Some("x-served-by".to_owned()), zone_header: Some("x-zone".to_owned()) }),
        tls: TlsSettings::default(),
        proxy: None,
        number_header: None,
    }
}

pub fn probe(kind: ProbeKind, rate: f64, timeout_ms: u64) -> ProbeSpec {
    ProbeSpec {
        name: ProbeName::from("home"),
        kind,
        rate: Rate(rate),
        timeout: Duration::from_millis(timeout_ms),
        slow: None,
        service: None,
    }
}

pub struct Run {
    folder: tempfile::TempDir,
    pub running: Box<dyn RunningProber>,
}

pub fn launch(probes: Vec<ProbeSpec>) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let launch = Launch { probes, seed: 42, folder: folder.path().to_owned() };
    Run { running: NetworkProber::new().launch(launch).unwrap(), folder }
}

impl Run {
    /// The record; checks that each due request has its sample.
    pub fn end(self) -> (Vec<Vec<Sample>>, Recorded) {
        let recorded = self.running.stop();
        assert_eq!(recorded.doubts, Vec::<String>::new());
        let samples = (0..recorded.due.len())
            .map(|probe| {
                let samples: Vec<_> = recorded.samples.samples(probe as u16).collect();
                assert_eq!(samples.len() as u64, recorded.due[probe]);
                samples.into_iter().enumerate().map(|(k, s)| s.unwrap_or_else(|| panic!("request {k} has no sample"))).collect()
            })
            .collect();
        drop(self.folder);
        (samples, recorded)
    }
}

/// Nanoseconds after the origin in which a behaviour certainly held.
fn inside(changes: &[Change], i: usize, origin: u64) -> Range<u64> {
    let margin = MARGIN.as_nanos() as u64;
    changes[i].by.0 - origin + margin / 4..(changes[i + 1].after.0 - origin).saturating_sub(margin)
}

#[test]
fn every_failure_is_in_its_class_and_its_window() {
    use SampleOutcome as O;

    let _quiet = crate::support::quiet::quiet();
    let server = TruthServer::start();
    let rate = 100.0;
    let run = launch(vec![probe(ProbeKind::Http(Box::new(http(format!("http://{}/", server.address)))), rate, 250)]);
    let origin = run.running.origin().0;
    let script = [
        Behave::Refuse,
        Behave::Reset,
        Behave::Hang,
        Behave::Fail,
        Behave::Slow(60),
        Behave::CutBody,
        Behave::CutHead,
        Behave::Close,
        Behave::Garbage,
        Behave::TooLarge,
        Behave::Endless,
        Behave::HugeHead,
    ];
    let mut changes = vec![];
    for behave in script {
        changes.push(server.set(Behave::Well));
        sleep(Duration::from_millis(150));
        changes.push(server.set(behave));
        sleep(Duration::from_millis(250));
    }
    changes.push(server.set(Behave::Well));
    sleep(Duration::from_millis(150));
    changes.push(server.set(Behave::Well));
    let (samples, _) = run.end();
    let samples = &samples[0];
    for i in 0..changes.len() - 1 {
        let window = inside(&changes, i, origin);
        let to = changes[i].to;
        let mut seen = 0;
        for sample in samples.iter().filter(|s| window.contains(&s.due_ns) && !s.late()) {
            seen += 1;
            let fine = match (to, sample.policy) {
                // What is kept goes on; only new visitors find the door closed.
                (Behave::Refuse, Policy::KeepAlive) => matches!(sample.outcome, O::Ok | O::Refused),
                (Behave::Refuse, _) => sample.outcome == O::Refused,
                (Behave::Well, _) => sample.outcome == O::Ok,
                (Behave::Reset, _) => sample.outcome == O::Reset,
                (Behave::Hang, _) => sample.outcome == O::ResponseTimeout && sample.done_us >= 250_000,
                (Behave::Fail, _) => sample.outcome == O::Status && sample.status == 500,
                (Behave::Slow(_), _) => sample.outcome == O::Ok && sample.done_us >= 60_000,
                (Behave::CutBody | Behave::CutHead, _) => sample.outcome == O::Truncated,
                (Behave::Close, Policy::New) => sample.outcome == O::EofNew,
                (Behave::Close, _) => matches!(sample.outcome, O::EofNew | O::EofReused),
                (Behave::CloseReused, _) => true,
                (Behave::Garbage, _) => sample.outcome == O::BadHttp,
                (Behave::TooLarge | Behave::Endless | Behave::HugeHead, _) => sample.outcome == O::TooLarge,
            };
            assert!(fine, "while the server did {to:?}: {sample:?}");
        }
        assert!(seen > 0, "no sample while the server did {to:?}");
    }
    // The window of the 500s, from first to last failure, lies where it was.
    let fail = changes.iter().position(|change| change.to == Behave::Fail).unwrap();
    let failed: Vec<u64> = samples.iter().filter(|s| s.outcome == O::Status).map(|s| s.due_ns).collect();
    let bound = (1e9 / rate) as u64 + MARGIN.as_nanos() as u64;
    let (first, last) = (*failed.first().unwrap(), *failed.last().unwrap());
    assert!(first.abs_diff(changes[fail].by.0 - origin) <= bound, "{first}");
    assert!(last.abs_diff(changes[fail + 1].after.0 - origin) <= bound, "{last}");
}

#[test]
fn a_closed_reused_connection_is_its_own_class_and_a_retry_is_told_beside_it() {
    let _quiet = crate::support::quiet::quiet();
    let server = TruthServer::start();
    let mut spec = http(format!("http://{}/", server.address));
    spec.connections = Connections::KeepAlive;
    let run = launch(vec![probe(ProbeKind::Http(Box::new(spec)), 100.0, 1000)]);
    sleep(Duration::from_millis(500));
    server.set(Behave::CloseReused);
    sleep(Duration::from_millis(300));
    let (samples, recorded) = run.end();
    let closed: Vec<_> = samples[0].iter().filter(|s| s.outcome == SampleOutcome::EofReused).collect();
    assert!(!closed.is_empty());
    assert!(closed.iter().all(|s| s.retried == Some(SampleOutcome::Ok) && s.policy == Policy::KeepAlive), "{closed:?}");
    assert!(samples[0].iter().all(|s| matches!(s.outcome, SampleOutcome::Ok | SampleOutcome::EofReused)));
    let ok = samples[0].iter().find(|s| s.outcome == SampleOutcome::Ok).unwrap();
    let name = |index: firedrill::model::sample::NameIndex| recorded.names[usize::from(index.0)].as_str();
    assert_eq!((name(ok.backend), name(ok.zone), name(ok.address)), ("truth-1", "a", server.address.to_string().as_str()));
    assert_eq!((ok.status, ok.bytes), (200, 5));
}

#[test]
fn stalls_hide_no_request() {
    let _quiet = crate::support::quiet::quiet();
    // The proportions of 13 ticks at 1/s with two stalls of 3 s: no coordinated omission.
    let server = TruthServer::start();
    let run = launch(vec![probe(ProbeKind::Http(Box::new(http(format!("http://{}/", server.address)))), 10.0, 1000)]);
    let origin = run.running.origin().0;
    let mut hung = 0;
    sleep(Duration::from_millis(210));
    for _ in 0..2 {
        let from = server.set(Behave::Hang).by.0 - origin;
        sleep(Duration::from_millis(300));
        let to = server.set(Behave::Well).after.0 - origin;
        hung += (to - from) / 100_000_000;
        sleep(Duration::from_millis(200));
    }
    while firedrill::clock::now().0 - origin < 1_250_000_000 {
        sleep(Duration::from_millis(1));
    }
    let (samples, _) = run.end();
    assert!(samples[0].len() >= 13, "{}", samples[0].len());
    for (k, sample) in samples[0].iter().enumerate() {
        assert_eq!(sample.due_ns, k as u64 * 100_000_000);
    }
    let failed = samples[0].iter().filter(|s| s.outcome == SampleOutcome::ResponseTimeout).count() as u64;
    assert!(failed.abs_diff(hung) <= 2 && failed > 0, "{failed} failures, {hung} ticks in the stalls");
}

#[test]
fn a_black_hole_for_a_tenth_of_the_time_costs_a_tenth() {
    let _quiet = crate::support::quiet::quiet();
    let server = TruthServer::start();
    let run = launch(vec![probe(ProbeKind::Http(Box::new(http(format!("http://{}/", server.address)))), 100.0, 500)]);
    let origin = run.running.origin();
    let wait = |ms: u64| {
        while firedrill::clock::now().since(origin) < Duration::from_millis(ms) {
            sleep(Duration::from_micros(200));
        }
    };
    wait(996);
    let from = server.set(Behave::Hang);
    wait(1296);
    let to = server.set(Behave::Well);
    wait(2995);
    let (samples, _) = run.end();
    let truth = to.after.since(from.by).as_secs_f64() / 2.995;
    let lost = samples[0].iter().filter(|s| !s.outcome.is_ok()).count() as f64 / samples[0].len() as f64;
    // One request at either end, and a server that switches a moment late.
    assert!((lost - truth).abs() < 0.015, "{lost} lost, {truth} in truth");
}
