//! Every kind of probe, its refusals at launch, and its failures.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread::sleep,
    time::Duration,
};

use firedrill::{
    model::{
        probe::{CommandProbe, Connections, HttpProbe, NameModel, ProbeKind, TcpProbe, Text},
        sample::{Policy, Sample, SampleOutcome},
    },
    probe::{Launch, NetworkProber, Prober},
};

use crate::{
    probe_truth::{http, launch, probe},
    support::truth_server::{Behave, TruthServer},
};

fn samples_of(kind: ProbeKind, rate: f64, timeout_ms: u64, run_ms: u64) -> Vec<Sample> {
    let run = launch(vec![probe(kind, rate, timeout_ms)]);
    sleep(Duration::from_millis(run_ms));
    run.end().0.remove(0)
}

fn all(samples: &[Sample], outcome: SampleOutcome) {
    assert!(!samples.is_empty());
    assert!(
        samples.iter().all(|s| s.outcome == outcome),
        "not all {outcome:?}: {:?}",
        samples.iter().map(|s| s.outcome).collect::<Vec<_>>()
    );
}

fn closed_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

fn problem(kind: ProbeKind) -> String {
    let folder = tempfile::tempdir().unwrap();
    let launch = Launch { probes: vec![probe(kind, 1.0, 1000)], seed: 1, folder: folder.path().to_owned() };
    match NetworkProber::new().launch(launch) {
        Ok(_) => panic!("it was launched"),
        Err(error) => error.to_string(),
    }
}

fn of(change: impl FnOnce(&mut HttpProbe)) -> ProbeKind {
    let mut spec = http("http://127.0.0.1:9/".to_owned());
    change(&mut spec);
    ProbeKind::Http(Box::new(spec))
}

/// Answers one canned text per connection and keeps the requests it read.
fn canned(answer: &'static [u8]) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = seen.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let head = read_head(&stream);
            kept.lock().unwrap().push(head);
            let _ = stream.write_all(answer);
        }
    });
    (address, seen)
}

fn read_head(stream: &TcpStream) -> String {
    let mut head = String::new();
    let mut reader = BufReader::new(stream);
    while reader.read_line(&mut head).is_ok_and(|n| n > 2) {}
    head
}

#[test]
fn tcp_connects_speaks_and_finds_closed_doors() {
    let _quiet = crate::support::quiet::quiet();
    let spec = |address: String, send: Option<&str>, receive: Option<&str>, unreachable| {
        ProbeKind::Tcp(TcpProbe {
            address,
            send: send.map(str::to_owned),
            receive: receive.map(str::to_owned),
            unreachable,
            ..TcpProbe::default()
        })
    };
    let server = TruthServer::start();
    let open = server.address.to_string();
    let samples = samples_of(spec(open.clone(), None, None, false), 50.0, 500, 200);
    all(&samples, SampleOutcome::Ok);
    assert!(samples.iter().all(|s| s.policy == Policy::None));
    let ask = "GET / HTTP/1.1\r\n\r\n";
    all(&samples_of(spec(open.clone(), Some(ask), Some("200 OK"), false), 50.0, 500, 200), SampleOutcome::Ok);
    all(&samples_of(spec(open.clone(), Some(ask), Some("PONG"), false), 50.0, 200, 200), SampleOutcome::Expectation);
    all(&samples_of(spec(open.clone(), None, Some("hello"), false), 50.0, 200, 200), SampleOutcome::ResponseTimeout);
    all(&samples_of(spec(open, None, None, true), 50.0, 500, 200), SampleOutcome::Expectation);
    all(&samples_of(spec(closed_port(), None, None, false), 50.0, 500, 200), SampleOutcome::Refused);
    all(&samples_of(spec(closed_port(), None, None, true), 50.0, 500, 200), SampleOutcome::Ok);
}

#[test]
fn commands_are_judged_by_their_status_and_killed_whole_at_the_deadline() {
    let _quiet = crate::support::quiet::quiet();
    let folder = tempfile::tempdir().unwrap();
    let spec = |script: String, status: Vec<i32>| {
        ProbeKind::Command(CommandProbe { command: vec!["sh".to_owned(), "-c".to_owned(), script], status })
    };
    all(&samples_of(spec("exit 0".to_owned(), vec![]), 10.0, 3000, 200), SampleOutcome::Ok);
    let samples = samples_of(spec("exit 3".to_owned(), vec![]), 10.0, 3000, 200);
    all(&samples, SampleOutcome::Expectation);
    assert!(samples.iter().all(|s| s.status == 3));
    all(&samples_of(spec("exit 3".to_owned(), vec![0, 3]), 10.0, 3000, 200), SampleOutcome::Ok);
    let pids = folder.path().join("pids");
    let script = format!("sleep 60 & echo $! >> {}; wait", pids.display());
    all(&samples_of(spec(script, vec![]), 5.0, 1500, 250), SampleOutcome::ResponseTimeout);
    let started = std::fs::read_to_string(&pids).unwrap();
    assert!(started.lines().count() >= 1);
    for pid in started.lines() {
        let gone = || std::fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "));
        let limit = 200;
        assert!(
            (0..limit).any(|_| {
                sleep(Duration::from_millis(10));
                gone()
            }),
            "{pid} lives on"
        );
    }
}

#[test]
fn a_closed_door_is_expected_over_http_too() {
    let _quiet = crate::support::quiet::quiet();
    let closed = of(|spec| {
        spec.url = format!("http://{}/", closed_port());
        spec.expect.unreachable = true;
    });
    all(&samples_of(closed, 50.0, 500, 200), SampleOutcome::Ok);
    let server = TruthServer::start();
    let open = of(|spec| {
        spec.url = format!("http://{}/", server.address);
        spec.expect.unreachable = true;
    });
    all(&samples_of(open, 50.0, 500, 200), SampleOutcome::Expectation);
}

#[test]
fn expectations_and_slowness_are_classes_of_their_own() {
    let _quiet = crate::support::quiet::quiet();
    let server = TruthServer::start();
    let url = format!("http://{}/", server.address);
    all(
        &samples_of(
            of(|spec| {
                spec.url.clone_from(&url);
                spec.expect.body_contains = Some("hello".to_owned());
            }),
            50.0,
            500,
            200,
        ),
        SampleOutcome::Ok,
    );
    all(
        &samples_of(
            of(|spec| {
                spec.url.clone_from(&url);
                spec.expect.body_contains = Some("bye".to_owned());
            }),
            50.0,
            500,
            200,
        ),
        SampleOutcome::Expectation,
    );
    let wrong = of(|spec| {
        spec.url.clone_from(&url);
        spec.expect.headers.insert("x-zone".to_owned(), "b".to_owned());
    });
    all(&samples_of(wrong, 50.0, 500, 200), SampleOutcome::Expectation);
    server.set(Behave::Slow(50));
    let mut slow = probe(of(|spec| spec.url.clone_from(&url)), 50.0, 2000);
    slow.slow = Some(Duration::from_millis(20));
    let run = launch(vec![slow]);
    sleep(Duration::from_millis(200));
    all(&run.end().0[0], SampleOutcome::OkSlow);
}

#[test]
fn listed_addresses_are_each_drawn_and_told_apart() {
    let _quiet = crate::support::quiet::quiet();
    let (up, down) = (TruthServer::start(), closed_port());
    for (names, connections) in [(NameModel::EachConnection, Connections::New), (NameModel::Pinned, Connections::Both)] {
        let spec = of(|spec| {
            spec.url = "http://shop.example/".to_owned();
            spec.addresses = vec![up.address.to_string(), down.clone()];
            spec.names = names.into();
            spec.connections = connections;
        });
        let run = launch(vec![probe(spec, 200.0, 500)]);
        sleep(Duration::from_millis(500));
        let (samples, recorded) = run.end();
        let at = |address: &str| samples[0].iter().filter(|s| recorded.names[usize::from(s.address.0)] == address).collect::<Vec<_>>();
        let (good, bad) = (at(&up.address.to_string()), at(&down));
        assert!(good.len() > 20 && bad.len() > 20 && good.len() + bad.len() == samples[0].len());
        assert!(good.iter().all(|s| s.outcome == SampleOutcome::Ok), "{names:?}");
        assert!(bad.iter().all(|s| s.outcome == SampleOutcome::Refused), "{names:?}");
    }
}

#[test]
fn a_request_says_who_it_is_for_and_a_proxy_gets_the_whole_url() {
    let _quiet = crate::support::quiet::quiet();
    let (address, seen) = canned(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n");
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "canary-4711\n").unwrap();
    let plain = of(|spec| {
        spec.url = "http://[::1]:81/a?b=c".to_owned();
        spec.addresses = vec![address.clone()];
        spec.headers = vec![("authorization".to_owned(), Text::File(secret.path().display().to_string()))];
    });
    all(&samples_of(plain, 20.0, 500, 100), SampleOutcome::Ok);
    let head = seen.lock().unwrap().remove(0);
    assert!(head.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{head}");
    for line in
        ["host: [::1]:81\r\n", concat!("user-agent: firedrill/", env!("CARGO_PKG_VERSION"), "\r\n"), "authorization: canary-4711\r\n"]
    {
        assert!(head.contains(line), "{head}");
    }
    seen.lock().unwrap().clear();
    let proxied = of(|spec| {
        spec.url = "http://shop.example/a".to_owned();
        spec.proxy = Some(format!("http://{address}"));
    });
    all(&samples_of(proxied, 20.0, 500, 100), SampleOutcome::Ok);
    let head = seen.lock().unwrap().remove(0);
    assert!(head.starts_with("GET http://shop.example/a HTTP/1.1\r\n") && head.contains("host: shop.example\r\n"), "{head}");
    let (refusing, seen) = canned(b"HTTP/1.1 502 Bad Gateway\r\n\r\n");
    let tunnelled = of(|spec| {
        spec.url = "https://shop.example/a".to_owned();
        spec.tls.insecure = true;
        spec.proxy = Some(format!("http://{refusing}"));
    });
    let samples = samples_of(tunnelled, 20.0, 500, 100);
    all(&samples, SampleOutcome::Status);
    assert!(samples.iter().all(|s| s.status == 502));
    assert!(seen.lock().unwrap()[0].starts_with("CONNECT shop.example:443 HTTP/1.1\r\n"));
}

#[test]
fn a_server_without_tls_is_a_tls_failure() {
    let _quiet = crate::support::quiet::quiet();
    let (address, _) = canned(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    let spec = of(|spec| {
        spec.url = format!("https://{address}/");
        spec.tls.insecure = true;
    });
    all(&samples_of(spec, 20.0, 300, 200), SampleOutcome::Tls);
}

#[test]
fn what_cannot_be_sent_is_refused_at_launch_and_no_secret_is_told() {
    let _quiet = crate::support::quiet::quiet();
    for (kind, words) in [
        (of(|s| s.url = "ftp://x/".to_owned()), "must begin with `http://` or `https://`"),
        (of(|s| s.url = "http://me:canary-4711@x/".to_owned()), "has a user name in it"),
        (of(|s| s.url = "http://169.254.169.254/latest".to_owned()), "never probed"),
        (of(|s| s.url = "http://x:99999/".to_owned()), "port"),
        (of(|s| s.headers = vec![("x".to_owned(), Text::Env("FIREDRILL_NOT_SET".to_owned()))]), "`FIREDRILL_NOT_SET` is not set"),
        (of(|s| s.headers = vec![("x".to_owned(), Text::Plain("canary-4711\n".to_owned()))]), "its value has characters"),
        (of(|s| s.headers = vec![("connection".to_owned(), Text::Plain("x".to_owned()))]), "the probe's own business"),
        (
            of(|s| {
                s.url = "https://x/".to_owned();
                s.tls.ca = Some("/no/such.pem".to_owned());
            }),
            "`/no/such.pem`",
        ),
        (of(|s| s.addresses = vec!["nonsense".to_owned()]), "`nonsense` in `addresses`"),
        (of(|s| s.method = "G E T".to_owned()), "is not an HTTP method"),
        (ProbeKind::Command(CommandProbe { command: vec!["no-such-program-here".to_owned()], status: vec![] }), "is not a program"),
    ] {
        let problem = problem(kind);
        assert!(problem.starts_with("probe `home`: ") && problem.contains(words), "{problem}");
        assert!(!problem.contains("canary-4711"), "{problem}");
    }
}

#[test]
fn a_fin_that_has_arrived_is_seen_before_the_connection_is_used_again() {
    let _quiet = crate::support::quiet::quiet();
    // Closes each connection a moment after its answer, without announcing it: a browser that knows opens another.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = read_head(&stream);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        }
    });
    let spec = of(|spec| {
        spec.url = format!("http://{address}/");
        spec.connections = Connections::KeepAlive;
    });
    all(&samples_of(spec, 10.0, 500, 1000), SampleOutcome::Ok);
    // And the check itself reads nothing away from a connection that is fine.
    let mut probe = TcpStream::connect(address).unwrap();
    probe.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut answer = String::new();
    probe.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"));
}
