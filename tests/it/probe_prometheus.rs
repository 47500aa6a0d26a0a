//! The `prometheus` probe against answers in the documented form.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    sync::{Arc, Mutex},
    thread::sleep,
    time::Duration,
};

use firedrill::model::{
    probe::{ProbeKind, Text, TlsSettings},
    protocol::PrometheusProbe,
    sample::{Policy, Sample, SampleOutcome},
    steady_state::Op,
};

use crate::probe_truth::{launch, probe};

/// A server that gives this answer to everybody, and keeps what it was asked.
fn server(status: &'static str, body: String) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let kept = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut head = String::new();
            let mut reader = BufReader::new(&stream);
            while reader.read_line(&mut head).is_ok_and(|n| n > 2) {}
            kept.lock().unwrap().push(head);
            let length = body.len();
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
        }
    });
    (address, asked)
}

fn ask(url: String, query: &str, bound: f64) -> Vec<Sample> {
    let spec = PrometheusProbe {
        url,
        query: query.to_owned(),
        op: Op::Below,
        bound,
        empty_passes: false,
        headers: vec![("x-scope-orgid".to_owned(), Text::Plain("shop".to_owned()))],
        tls: TlsSettings::default(),
    };
    let run = launch(vec![probe(ProbeKind::Prometheus(Box::new(spec)), 20.0, 500)]);
    sleep(Duration::from_millis(220));
    run.end().0.remove(0)
}

fn all(samples: &[Sample], outcome: SampleOutcome) {
    assert!(samples.len() >= 4 && samples.iter().all(|s| s.outcome == outcome && s.policy == Policy::None), "{outcome:?}: {samples:?}");
}

#[test]
fn values_are_held_against_the_threshold() {
    let _quiet = crate::support::quiet::quiet();
    let answer = |value: &str| {
        let series = |job: &str, value: &str| format!(r#"{{"metric":{{"job":"{job}"}},"value":[1700000000.1,"{value}"]}}"#);
        let both = [series("web", "0.01"), series("api", value)].join(",");
        format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{both}]}},"warnings":["slow"]}}"#)
    };
    let (address, asked) = server("200 OK", answer("0.04"));
    all(&ask(format!("http://{address}/prom/"), "rate(errors[1m]) > 0", 0.05), SampleOutcome::Ok);
    let head = asked.lock().unwrap()[0].clone();
    assert!(head.starts_with("GET /prom/api/v1/query?query=rate%28errors%5B1m%5D%29%20%3E%200 HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("x-scope-orgid: shop\r\n"), "{head}");
    all(&ask(format!("http://{address}"), "up", 0.04), SampleOutcome::Expectation);
}

#[test]
fn an_answer_that_is_none_is_an_expectation_that_was_not_met() {
    let _quiet = crate::support::quiet::quiet();
    let error = r#"{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": parse error"}"#;
    for (status, body, outcome) in [
        ("400 Bad Request", error.to_owned(), SampleOutcome::Expectation),
        ("422 Unprocessable Entity", error.to_owned(), SampleOutcome::Expectation),
        ("503 Service Unavailable", error.to_owned(), SampleOutcome::Status),
        ("200 OK", r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#.to_owned(), SampleOutcome::Expectation),
        ("200 OK", "[".repeat(200_000), SampleOutcome::Expectation),
        ("200 OK", "x".repeat(300_000), SampleOutcome::TooLarge),
    ] {
        let (address, _) = server(status, body);
        all(&ask(format!("http://{address}"), "up", 1.0), outcome);
    }
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    all(&ask(format!("http://{nobody}"), "up", 1.0), SampleOutcome::Refused);
}
