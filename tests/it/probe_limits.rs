//! What is the prober's own doing is told apart from what the system did: no descriptors, a stopped process, an address that is
//! never probed; and the failures before a connection is there.

use std::{
    net::TcpStream,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Duration,
};

use firedrill::model::{
    probe::{Connections, ProbeKind},
    sample::{Sample, SampleOutcome},
};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, setrlimit};

use crate::{
    probe_truth::{http, launch, probe},
    support::truth_server::{Behave, TruthServer},
};

fn ended(
    url: &str,
    change: impl FnOnce(&mut firedrill::model::probe::HttpProbe),
    rate: f64,
    timeout_ms: u64,
) -> (Vec<Sample>, Vec<String>) {
    let mut spec = http(url.to_owned());
    change(&mut spec);
    let run = launch(vec![probe(ProbeKind::Http(Box::new(spec)), rate, timeout_ms)]);
    sleep(Duration::from_millis(300));
    let recorded = run.running.stop();
    let samples: Vec<Sample> = recorded.samples.samples(0).map(|s| s.expect("each request has its sample")).collect();
    assert!(!samples.is_empty());
    (samples, recorded.doubts)
}

fn all(samples: &[Sample], outcome: SampleOutcome) {
    let found: Vec<_> = samples.iter().map(|s| s.outcome).collect();
    assert!(found.iter().all(|o| *o == outcome), "not all {outcome:?}: {found:?}");
}

#[test]
fn a_name_that_does_not_resolve_is_a_class_of_its_own() {
    let _quiet = crate::support::quiet::quiet();
    // A label that is too long is refused by the resolver itself: no server is asked.
    let (samples, doubts) = ended(&format!("http://{}.invalid/", "a".repeat(70)), |_| (), 20.0, 5000);
    all(&samples, SampleOutcome::DnsFailed);
    assert!(doubts.is_empty());
}

#[test]
fn a_name_that_resolves_to_a_metadata_service_is_not_followed() {
    let _quiet = crate::support::quiet::quiet();
    // Not an address as written, but the resolver makes it 169.254.169.254.
    let (samples, doubts) = ended("http://0xa9fea9fe/latest", |_| (), 20.0, 1000);
    all(&samples, SampleOutcome::NotSent);
    assert_eq!(
        doubts,
        [
            "probe `home`: the name resolved to an address that is refused: 169.254.169.254 is a link-local or metadata address, which is never probed"
        ]
    );
}

#[test]
fn a_host_that_does_not_answer_a_connection_is_a_connect_timeout() {
    use rustix::net::{AddressFamily, SocketType, bind, getsockname, listen, socket};

    let _quiet = crate::support::quiet::quiet();
    let silent = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&silent, &"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap()).unwrap();
    listen(&silent, 0).unwrap();
    let address = std::net::SocketAddr::try_from(getsockname(&silent).unwrap()).unwrap();
    // The backlog is one: whoever comes next hears nothing.
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        waiting.push(stream);
        assert!(waiting.len() < 100, "the backlog has no end");
    }
    let (samples, _) = ended(&format!("http://{address}/"), |_| (), 20.0, 200);
    all(&samples, SampleOutcome::ConnectTimeout);
    assert!(samples.iter().all(|s| s.done_us >= 200_000));
}

/// What the child is told by, and the line that its findings begin with.
const CHILD: &str = "FIREDRILL_TEST_PROBER_CHILD";
const FOUND: &str = "found:";

/// Runs `in_a_child` in a process of its own: what is done to it must not happen to the other tests.
fn child(server: &TruthServer, task: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "probe_limits::in_a_child", "--ignored", "--nocapture"])
        .env(CHILD, format!("{task} {}", server.address))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Per request: outcome, whether it counts as late.
fn found(child: Child) -> Vec<(String, bool)> {
    let out = child.wait_with_output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(out.status.success(), "{text}");
    let line = text.split_once(FOUND).map_or("", |(_, rest)| rest.lines().next().unwrap_or(""));
    line.split_whitespace()
        .map(|word| match word.split_once('+') {
            Some((outcome, _)) => (outcome.to_owned(), true),
            None => (word.to_owned(), false),
        })
        .collect()
}

#[test]
#[ignore = "run by the other tests here, in a process of its own"]
fn in_a_child() {
    let Ok(told) = std::env::var(CHILD) else { return };
    let (task, address) = told.split_once(' ').unwrap();
    let mut spec = http(format!("http://{address}/"));
    let (rate, timeout_ms, run_ms) = match task {
        "few-descriptors" => {
            spec.connections = Connections::New;
            setrlimit(Resource::Nofile, Rlimit { current: Some(64), maximum: Some(64) }).unwrap();
            (200.0, 2000, 600)
        }
        "stopped" => (20.0, 300, 2500),
        other => panic!("{other}"),
    };
    let run = launch(vec![probe(ProbeKind::Http(Box::new(spec)), rate, timeout_ms)]);
    sleep(Duration::from_millis(run_ms));
    let recorded = run.running.stop();
    let words: Vec<String> = recorded
        .samples
        .samples(0)
        .map(|sample| sample.map_or("hole".to_owned(), |s| format!("{}{}", s.outcome.name(), if s.late() { "+late" } else { "" })))
        .collect();
    println!("{FOUND} {}", words.join(" "));
}

#[test]
fn without_descriptors_requests_are_not_sent_and_nobody_else_is_blamed() {
    let _quiet = crate::support::quiet::quiet();
    let server = TruthServer::start();
    server.set(Behave::Hang);
    let found = found(child(&server, "few-descriptors"));
    assert!(found.len() >= 100, "{found:?}");
    // Half of the 64 are left to the rest of the process; the others wait for an answer that does not come.
    let of = |outcome: &str| found.iter().filter(|(o, _)| o == outcome).count();
    assert_eq!(of("response-timeout"), 32, "{found:?}");
    assert_eq!(of("not-sent"), found.len() - 32, "{found:?}");
}

#[test]
fn a_stopped_prober_blames_itself_also_for_what_was_in_flight() {
    let _quiet = crate::support::quiet::quiet();
    let server = TruthServer::start();
    // Each answer takes most of the deadline: those in flight miss it only because nobody reads.
    server.set(Behave::Slow(200));
    let child = child(&server, "stopped");
    let pid = Pid::from_child(&child);
    sleep(Duration::from_millis(1200));
    kill_process(pid, Signal::STOP).unwrap();
    sleep(Duration::from_millis(600));
    kill_process(pid, Signal::CONT).unwrap();
    let found = found(child);
    let late = found.iter().filter(|(_, late)| *late).count();
    let (blamed, ok) = (
        found.iter().filter(|(outcome, late)| outcome != "ok" && !late).count(),
        found.iter().filter(|(outcome, late)| outcome == "ok" && !late).count(),
    );
    // 12 were due while it was stopped, 4 were in flight.
    assert!((13..=20).contains(&late), "{late} late: {found:?}");
    assert_eq!(blamed, 0, "{found:?}");
    assert!(ok >= 20, "{found:?}");
}
