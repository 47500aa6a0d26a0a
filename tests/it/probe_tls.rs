//! TLS of the `http` probe: verified against the probe's own authority and the URL's name, or not at all when it says so.

use std::{net::TcpListener, path::Path, sync::Arc, thread::sleep, time::Duration};

use firedrill::model::{
    probe::{Connections, HttpProbe, ProbeKind},
    sample::{Policy, Sample, SampleOutcome},
};
use rustls::{
    ServerConfig, ServerConnection, Stream,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::probe_truth::{http, launch, probe};

fn file(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/tls").join(name).display().to_string()
}

/// A TLS server that answers any number of requests on a connection.
fn server(certificate: &str) -> String {
    use std::io::{Read, Write};
    let chain = CertificateDer::pem_file_iter(file(certificate)).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let (Ok(mut socket), config) = (socket, config.clone()) else { return };
            std::thread::spawn(move || {
                let mut tls = ServerConnection::new(config).unwrap();
                let mut stream = Stream::new(&mut tls, &mut socket);
                let mut head = Vec::new();
                let mut some = [0; 1024];
                while let Ok(n @ 1..) = stream.read(&mut some) {
                    head.extend_from_slice(&some[..n]);
                    if head.ends_with(b"\r\n\r\n") {
                        head.clear();
                        if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    address
}

fn samples(certificate: &str, change: impl FnOnce(&mut HttpProbe)) -> Vec<Sample> {
    let mut spec = http("https://shop.example/".to_owned());
    spec.addresses = vec![server(certificate)];
    spec.connections = Connections::Both;
    change(&mut spec);
    let run = launch(vec![probe(ProbeKind::Http(Box::new(spec)), 40.0, 2000)]);
    sleep(Duration::from_millis(500));
    let samples = run.end().0.remove(0);
    assert!(samples.len() >= 15);
    samples
}

fn all(samples: &[Sample], outcome: SampleOutcome) {
    assert!(
        samples.iter().all(|s| s.outcome == outcome),
        "not all {outcome:?}: {:?}",
        samples.iter().map(|s| s.outcome).collect::<Vec<_>>()
    );
}

#[test]
fn a_trusted_server_is_reached_on_new_and_on_kept_connections() {
    let samples = samples("server.pem", |spec| spec.tls.ca = Some(file("ca.pem")));
    all(&samples, SampleOutcome::Ok);
    for policy in [Policy::New, Policy::KeepAlive] {
        assert!(samples.iter().any(|s| s.policy == policy && s.bytes == 5));
    }
}

#[test]
fn a_certificate_that_does_not_fit_is_a_tls_failure_unless_nobody_looks() {
    all(&samples("server.pem", |_| {}), SampleOutcome::Tls);
    all(&samples("expired.pem", |spec| spec.tls.ca = Some(file("ca.pem"))), SampleOutcome::Tls);
    let wrong_name = |spec: &mut HttpProbe| {
        spec.tls.ca = Some(file("ca.pem"));
        spec.url = "https://other.example/".to_owned();
    };
    all(&samples("server.pem", wrong_name), SampleOutcome::Tls);
    all(&samples("expired.pem", |spec| spec.tls.insecure = true), SampleOutcome::Ok);
}
