//! The `dns` probe against a name server of the test's own, honest and hostile.

use std::{thread::sleep, time::Duration};

use firedrill::model::{
    probe::ProbeKind,
    protocol::{DnsExpect, DnsProbe, DnsRecord},
    sample::{Policy, Sample, SampleOutcome},
};
use hickory_net::proto::{
    op::ResponseCode,
    rr::{
        RData, RecordType,
        rdata::{A, TXT},
    },
};

use crate::{
    probe_truth::{launch, probe},
    support::name_server::{NameServer, Says},
};

fn question(server: &NameServer, name: &str, record: DnsRecord, expect: DnsExpect) -> ProbeKind {
    ProbeKind::Dns(DnsProbe { name: name.to_owned(), record, server: Some(server.address), expect })
}

fn ask(kinds: Vec<ProbeKind>) -> Vec<Vec<Sample>> {
    let run = launch(kinds.into_iter().map(|kind| probe(kind, 20.0, 400)).collect());
    sleep(Duration::from_millis(520));
    run.end().0
}

#[test]
fn a_question_is_asked_once_and_its_answer_judged() {
    use DnsRecord::{A as Four, Aaaa, Txt};
    use SampleOutcome as O;

    let _quiet = crate::support::quiet::quiet();
    let server = NameServer::start();
    server.addresses("www.example", 3600, &["10.0.0.1", "10.0.0.2", "2001:db8::1"]);
    server.set("sick.example", RecordType::A, Says::Code(ResponseCode::ServFail));
    server.set("no.example", RecordType::A, Says::Code(ResponseCode::Refused));
    server.set("mute.example", RecordType::A, Says::Silence);
    server.set("text.example", RecordType::TXT, Says::Records(1, vec![RData::TXT(TXT::new(vec!["colour=blue".to_owned()]))]));
    let large = (0..=255).map(|n| RData::A(A::new(10, 1, 0, n))).collect();
    server.set("large.example", RecordType::A, Says::Cut(large));
    let any = DnsExpect::default;
    let ips = |list: &[&str]| list.iter().map(|ip| ip.parse().unwrap()).collect::<Vec<_>>();
    let cases = [
        ("www.example", Four, any(), O::Ok),
        ("www.example", Aaaa, DnsExpect { addresses: ips(&["2001:db8::1"]), ..any() }, O::Ok),
        ("www.example", Four, DnsExpect { addresses: ips(&["10.0.0.1"]), ..any() }, O::Expectation),
        ("www.example", Four, DnsExpect { at_least: Some(2), ..any() }, O::Ok),
        ("gone.example", Four, any(), O::DnsFailed),
        ("gone.example", Four, DnsExpect { none: true, ..any() }, O::Ok),
        ("www.example", Four, DnsExpect { none: true, ..any() }, O::Expectation),
        ("sick.example", Four, any(), O::DnsFailed),
        ("no.example", Four, any(), O::DnsFailed),
        ("mute.example", Four, any(), O::DnsTimeout),
        ("text.example", Txt, DnsExpect { contains: Some("=blue".to_owned()), ..any() }, O::Ok),
        ("large.example", Four, DnsExpect { at_least: Some(256), ..any() }, O::Ok),
    ];
    let samples = ask(cases.iter().map(|(name, record, expect, _)| question(&server, name, *record, expect.clone())).collect());
    for (samples, (name, _, expect, outcome)) in samples.iter().zip(&cases) {
        assert!(samples.len() >= 10 && samples.iter().all(|s| s.outcome == *outcome), "{name} {expect:?}: {samples:?}");
        assert!(samples.iter().all(|s| s.policy == Policy::None));
    }
    for name in ["mute.example", "sick.example"] {
        let place = cases.iter().position(|case| case.0 == name).unwrap();
        assert_eq!(server.asked(name, RecordType::A).len(), samples[place].len(), "{name}: one datagram a request");
    }
    let mute = cases.iter().position(|case| case.0 == "mute.example").unwrap();
    assert!(samples[mute].iter().all(|s| (395_000..500_000).contains(&s.done_us)), "{:?}", samples[mute]);
    let large = server.asked("large.example", RecordType::A);
    assert_eq!(large.iter().filter(|asked| asked.tcp).count() * 2, large.len(), "over UDP, then over TCP");
    assert!(samples[11].iter().all(|s| s.bytes > 4000));
}

#[test]
fn a_hostile_server_stays_in_bounds() {
    let _quiet = crate::support::quiet::quiet();
    let server = NameServer::start();
    // A pointer to itself, counts that are not there, nothing at all, noise.
    let header = |counts: [u8; 8]| [&[0x81, 0x80][..], &counts].concat();
    let loops = [header([0, 1, 0, 1, 0, 0, 0, 0]), vec![0xc0, 12, 0, 1, 0, 1, 0xc0, 12, 0, 1, 0, 1]].concat();
    let counts = header([0xff; 8]);
    for (name, bytes) in [("loops.example", loops), ("counts.example", counts), ("short.example", vec![]), ("noise.example", vec![7; 480])]
    {
        server.set(name, RecordType::A, Says::Garbage(bytes));
    }
    let names = ["loops.example", "counts.example", "short.example", "noise.example"];
    let samples = ask(names.iter().map(|name| question(&server, name, DnsRecord::A, DnsExpect::default())).collect());
    for (samples, name) in samples.iter().zip(names) {
        let failed = |s: &Sample| matches!(s.outcome, SampleOutcome::DnsFailed | SampleOutcome::DnsTimeout) && s.done_us < 500_000;
        assert!(samples.iter().all(failed), "{name}: {samples:?}");
    }
}

#[test]
fn a_server_that_is_not_there_is_late() {
    let _quiet = crate::support::quiet::quiet();
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let spec = DnsProbe { name: "www.example".to_owned(), record: DnsRecord::A, server: Some(nobody), expect: DnsExpect::default() };
    let samples = ask(vec![ProbeKind::Dns(spec)]);
    assert!(samples[0].iter().all(|s| s.outcome == SampleOutcome::DnsTimeout), "{:?}", samples[0]);
}
