//! How users look names up, against a name server of the test's own: each kind of user goes where it must, exactly.

use std::{net::SocketAddr, thread::sleep, time::Duration};

use firedrill::{
    file::{LoadOptions, Source, load_source},
    measure::{Input, measure},
    model::{
        finding::FindingKind,
        measurement::{GroupBy, PhaseSpan},
        probe::{Connections, HttpProbe, NameModel, NameModels, ProbeKind, TcpProbe},
        sample::{Sample, SampleOutcome},
        steady_state::Phase,
    },
    probe::{Launch, NetworkProber, Prober, Recorded},
};
use hickory_net::proto::{op::ResponseCode, rr::RecordType};

use crate::{
    probe_truth::{http, launch, probe},
    support::{
        name_server::{NameServer, Says},
        truth_server::{Behave, TruthServer},
    },
};

/// A machine that runs other builds beside the tests may hold a thread up for so long.
const MARGIN: u64 = 60_000_000;

fn user(server: &NameServer, host: &str, port: u16, models: impl Into<NameModels>, connections: Connections) -> ProbeKind {
    let spec = HttpProbe { names: models.into(), resolver: Some(server.address), connections, ..http(format!("http://{host}:{port}/")) };
    ProbeKind::Http(Box::new(spec))
}

/// Two servers on one port of two addresses.
fn two() -> (TruthServer, TruthServer, u16) {
    (0..50)
        .find_map(|_| {
            let one = TruthServer::start_at("127.0.0.2:0".parse().unwrap());
            let port = one.address.port();
            let address: SocketAddr = format!("127.0.0.3:{port}").parse().unwrap();
            std::net::TcpListener::bind(address).ok()?;
            Some((one, TruthServer::start_at(address), port))
        })
        .unwrap()
}

fn ip(recorded: &Recorded, sample: &Sample) -> String {
    let address: SocketAddr = recorded.names[usize::from(sample.address.0)].parse().unwrap();
    address.ip().to_string()
}

#[test]
fn each_kind_of_user_goes_where_its_memory_says() {
    let _quiet = crate::support::quiet::quiet();
    let server = NameServer::start();
    let (_one, _other, port) = two();
    for host in ["each.example", "ttl.example", "pinned.example"] {
        server.addresses(host, 1, &["127.0.0.2"]);
    }
    let of = |host, model: NameModel| probe(user(&server, host, port, model, Connections::New), 50.0, 1000);
    let run = launch(vec![
        of("each.example", NameModel::EachConnection),
        of("ttl.example", NameModel::Ttl),
        of("pinned.example", NameModel::Pinned),
    ]);
    let origin = run.running.origin().0;
    sleep(Duration::from_millis(1500));
    for host in ["ttl.example", "pinned.example"] {
        server.addresses(host, 1, &["127.0.0.3"]);
    }
    let changed = server.addresses("each.example", 1, &["127.0.0.3"]).0 - origin;
    sleep(Duration::from_secs(2));
    let (samples, recorded) = run.end();
    assert!(samples.iter().flatten().all(|s| s.outcome == SampleOutcome::Ok && s.names.is_none()));

    for sample in &samples[0] {
        let at = ip(&recorded, sample);
        assert!(at == "127.0.0.2" || sample.due_ns + MARGIN > changed, "{sample:?}");
        assert!(at == "127.0.0.3" || sample.due_ns < changed, "{sample:?}");
    }
    assert_eq!(server.asked("each.example", RecordType::A).len(), samples[0].len(), "each connection asks, once");
    assert_eq!(server.asked("each.example", RecordType::AAAA).len(), samples[0].len());

    // The answer is asked for once its time is over, by the first who needs it, and everybody uses it until then.
    let asked: Vec<u64> = server.asked("ttl.example", RecordType::A).iter().map(|asked| asked.at.0 - origin).collect();
    assert_eq!(asked.len(), 4, "at 0, 1, 2 and 3 s: {asked:?}");
    for pair in asked.windows(2) {
        assert!((1_000_000_000..1_000_000_000 + 2 * MARGIN).contains(&(pair[1] - pair[0])), "{asked:?}");
    }
    let switch = *asked.iter().find(|at| **at > changed).unwrap();
    assert!(switch > changed + 400_000_000, "the old address was kept for the rest of its second");
    for sample in &samples[1] {
        let at = ip(&recorded, sample);
        assert!(at == "127.0.0.2" || sample.due_ns + MARGIN > switch, "{sample:?}");
        assert!(at == "127.0.0.3" || sample.due_ns < switch, "{sample:?}");
    }

    assert!(samples[2].iter().all(|sample| ip(&recorded, sample) == "127.0.0.2"), "for ever");
    assert_eq!(server.asked("pinned.example", RecordType::A).len(), 1);
}

#[test]
fn each_address_has_its_own_numbers_and_goes_when_the_name_drops_it() {
    let _quiet = crate::support::quiet::quiet();
    let server = NameServer::start();
    let (one, other, port) = two();
    other.set(Behave::Refuse);
    server.addresses("shop.example", 3600, &["127.0.0.2", "127.0.0.3"]);
    let run = launch(vec![probe(user(&server, "shop.example", port, NameModel::EachAddress, Connections::Both), 100.0, 1000)]);
    let origin = run.running.origin().0;
    sleep(Duration::from_secs(1));
    let dropped = server.addresses("shop.example", 3600, &["127.0.0.2"]).0 - origin;
    sleep(Duration::from_millis(3500));
    let (samples, recorded) = run.end();
    let at = |wanted: &str| samples[0].iter().filter(|s| ip(&recorded, s) == wanted).collect::<Vec<_>>();
    let (good, bad) = (at(&one.address.ip().to_string()), at("127.0.0.3"));
    assert_eq!(good.len() + bad.len(), samples[0].len());
    assert!(good.iter().all(|s| s.outcome == SampleOutcome::Ok));
    assert!(bad.iter().all(|s| s.outcome == SampleOutcome::Refused));
    let early = samples[0].iter().filter(|s| s.due_ns < dropped).count();
    let early_bad = bad.iter().filter(|s| s.due_ns < dropped).count();
    assert!((early / 4..early * 3 / 4).contains(&early_bad), "{early_bad} of {early}");
    // Looked up again every two seconds.
    assert!(bad.iter().all(|s| s.due_ns < dropped + 2_000_000_000 + 2 * MARGIN));
    let asked = server.asked("shop.example", RecordType::A);
    assert!((2..=3).contains(&asked.len()), "{asked:?}");
}

#[test]
fn a_name_that_cannot_be_looked_up_fails_in_its_class_and_is_asked_for_once() {
    let _quiet = crate::support::quiet::quiet();
    let server = NameServer::start();
    let web = TruthServer::start_at("127.0.0.2:0".parse().unwrap());
    let port = web.address.port();
    let code = |code| Says::Code(code);
    for record in [RecordType::A, RecordType::AAAA] {
        server.set("gone.example", record, code(ResponseCode::NXDomain));
        server.set("sick.example", record, code(ResponseCode::ServFail));
        server.set("mute.example", record, Says::Silence);
        server.set("noise.example", record, Says::Garbage(vec![0xc0; 300]));
        server.set("empty.example", record, Says::Records(60, vec![]));
    }
    server.addresses("bad.example", 60, &["169.254.169.254"]);
    server.addresses("half.example", 60, &["127.0.0.2"]);
    server.set("half.example", RecordType::AAAA, code(ResponseCode::ServFail));
    let hosts = [
        ("gone.example", SampleOutcome::DnsFailed),
        ("sick.example", SampleOutcome::DnsFailed),
        ("mute.example", SampleOutcome::DnsTimeout),
        ("noise.example", SampleOutcome::DnsFailed),
        ("empty.example", SampleOutcome::DnsFailed),
        ("bad.example", SampleOutcome::NotSent),
        ("half.example", SampleOutcome::Ok),
    ];
    for model in [NameModel::EachConnection, NameModel::Ttl, NameModel::EachAddress] {
        let before: Vec<usize> = hosts.iter().map(|(host, _)| server.asked(host, RecordType::A).len()).collect();
        let tcp = |host: &str| {
            ProbeKind::Tcp(TcpProbe {
                address: format!("{host}:{port}"),
                names: model.into(),
                resolver: Some(server.address),
                ..TcpProbe::default()
            })
        };
        let folder = tempfile::tempdir().unwrap();
        let probes = hosts.iter().map(|(host, _)| probe(tcp(host), 10.0, 300)).collect();
        let run = NetworkProber::new().launch(Launch { probes, seed: 7, folder: folder.path().to_owned() }).unwrap();
        sleep(Duration::from_millis(550));
        let recorded = run.stop();
        assert_eq!(recorded.doubts.len(), 1, "{:?}", recorded.doubts);
        assert!(recorded.doubts[0].contains("169.254.169.254"), "{:?}", recorded.doubts);
        for ((place, (host, outcome)), before) in hosts.iter().enumerate().zip(before) {
            let samples: Vec<Sample> = recorded.samples.samples(place as u16).flatten().collect();
            assert!(samples.len() >= 5 && samples.iter().all(|s| s.outcome == *outcome), "{model:?} {host} {samples:?}");
            if *outcome == SampleOutcome::DnsTimeout {
                assert!(samples.iter().all(|s| (295_000..400_000).contains(&s.done_us)), "{samples:?}");
            }
            let asked = server.asked(host, RecordType::A).len() - before;
            assert!(asked <= samples.len(), "{host} was asked for {asked} times by {} requests", samples.len());
            assert!(model != NameModel::EachConnection || asked == samples.len(), "{host} {asked}");
        }
    }
}

#[test]
fn pinned_names_that_do_not_resolve_stop_the_launch_with_words() {
    let server = NameServer::start();
    let folder = tempfile::tempdir().unwrap();
    let probes = vec![probe(user(&server, "gone.example", 80, NameModel::Pinned, Connections::New), 1.0, 300)];
    let Err(error) = NetworkProber::new().launch(Launch { probes, seed: 7, folder: folder.path().to_owned() }) else {
        panic!("it was launched")
    };
    let text = error.to_string();
    assert!(text.contains("`gone.example` does not resolve") && text.contains(&server.address.to_string()), "{text}");
}

/// From the file to the finding: a server fails, the name is moved, and who kept the old address feels it longest.
#[test]
fn a_report_says_where_the_models_disagree() {
    let _quiet = crate::support::quiet::quiet();
    let server = NameServer::start();
    let (one, _other, port) = two();
    server.addresses("shop.example", 1, &["127.0.0.2"]);
    let text = format!(
        "title: names\nprobes:\n  home:\n    http: http://shop.example:{port}/\n    rate: 150/s\n    connections: new\n    \
         names: [each-connection, ttl, pinned]\n    resolver: {}\nsteady-state:\n  - {{ probe: home, availability: \">= 99%\" }}\n\
         method:\n  - kill: {{ service: web }}\n",
        server.address
    );
    let experiment = load_source(&Source::new("t.yaml", text), None, &LoadOptions::default()).unwrap_or_else(|e| panic!("{e}")).experiment;
    let run = launch(experiment.probes.clone());
    let origin = run.running.origin();
    sleep(Duration::from_millis(1500));
    let failed_s = one.set(Behave::Refuse).after.seconds_from(origin);
    server.addresses("shop.example", 1, &["127.0.0.3"]);
    sleep(Duration::from_secs(5));
    let (samples, recorded) = run.end();
    let phases =
        [PhaseSpan { phase: Phase::Baseline, from_s: 0.0, to_s: failed_s }, PhaseSpan { phase: Phase::Fault, from_s: failed_s, to_s: 6.5 }];
    let input = Input {
        experiment: &experiment,
        origin,
        phases: &phases,
        first_effect: None,
        last_undo: None,
        acts: &[],
        observations: &[],
        names: &recorded.names,
        due: &recorded.due,
        state: &recorded.state,
        course: &firedrill::measure::Course::default(),
        doubts: &recorded.doubts,
        seed: 1,
    };
    // The folder is gone with the run; the samples are not.
    let source = firedrill::measure::source::InMemory { probes: vec![samples[0].iter().copied().map(Some).collect()] };
    let measured = measure(&input, &source);
    let group = |key: &str, phase: Phase| {
        let groups = &measured.probes[0].groups;
        groups.iter().find(|g| g.by == GroupBy::Names && g.key == key && g.phase == phase).unwrap().stats.clone()
    };
    for key in ["each-connection", "ttl", "pinned"] {
        let stats = group(key, Phase::Baseline);
        // One that was just in flight when the server began to refuse may have been cut.
        assert!(stats.requests > 40 && stats.failed() <= 2, "{key}: {stats:?}");
    }
    let failed = |key: &str| group(key, Phase::Fault).failed();
    let pinned = group("pinned", Phase::Fault);
    assert_eq!(pinned.ok, 0, "{pinned:?}");
    assert!(failed("each-connection") <= 5, "{}", failed("each-connection"));
    // A share of a second, at 50 requests a second.
    assert!((5..=60).contains(&failed("ttl")), "{}", failed("ttl"));
    let says: Vec<&str> = measured.findings.iter().filter(|f| f.kind == FindingKind::NamesDisagree).map(|f| f.says.as_str()).collect();
    assert!(
        says.iter().any(|s| s.starts_with("home: a new visitor (each-connection) lost ")
            && s.ends_with("in the fault phase, one who kept a looked-up address (pinned) 100 %")),
        "{says:?}"
    );
}

#[test]
fn without_a_named_server_the_systems_own_is_asked() {
    let _quiet = crate::support::quiet::quiet();
    let web = TruthServer::start();
    let of = |model: NameModel| {
        let spec = HttpProbe { names: model.into(), ..http(format!("http://localhost:{}/", web.address.port())) };
        probe(ProbeKind::Http(Box::new(spec)), 50.0, 1000)
    };
    let run = launch(NameModel::ALL.map(of).to_vec());
    sleep(Duration::from_millis(400));
    let (samples, recorded) = run.end();
    for (samples, model) in samples.iter().zip(NameModel::ALL) {
        assert!(samples.iter().all(|s| s.outcome == SampleOutcome::Ok && ip(&recorded, s) == "127.0.0.1"), "{model:?} {samples:?}");
    }
}
