//! TLS of the `http` probe: verified against the probe's own authority and the URL's name, or not at all when it says so.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex},
    thread::sleep,
    time::Duration,
};

use firedrill::model::{
    probe::{Connections, HttpProbe, ProbeKind},
    sample::{Policy, Sample, SampleOutcome},
};
use rustls::{
    RootCertStore, ServerConfig, ServerConnection, Stream,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};

use crate::probe_truth::{http, launch, probe};

fn file(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/tls").join(name).display().to_string()
}

/// Whether the server asks its visitors who they are.
#[derive(Clone, Copy, PartialEq)]
enum Visitors {
    Anyone,
    Known,
}

/// A TLS server that answers any number of requests on a connection.
fn server(certificate: &str, visitors: Visitors) -> String {
    let chain = CertificateDer::pem_file_iter(file(certificate)).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
    let config = if visitors == Visitors::Known {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(file("ca.pem")).unwrap()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        config.with_client_cert_verifier(verifier)
    } else {
        config.with_no_client_auth()
    };
    let config = Arc::new(config.with_single_cert(chain, key).unwrap());
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
    samples_from(server(certificate, Visitors::Anyone), change)
}

fn samples_from(address: String, change: impl FnOnce(&mut HttpProbe)) -> Vec<Sample> {
    let mut spec = http("https://shop.example/".to_owned());
    spec.addresses = vec![address];
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
    let _quiet = crate::support::quiet::quiet();
    let samples = samples("server.pem", |spec| spec.tls.ca = Some(file("ca.pem")));
    all(&samples, SampleOutcome::Ok);
    for policy in [Policy::New, Policy::KeepAlive] {
        assert!(samples.iter().any(|s| s.policy == policy && s.bytes == 5));
    }
}

#[test]
fn a_certificate_that_does_not_fit_is_a_tls_failure_unless_nobody_looks() {
    let _quiet = crate::support::quiet::quiet();
    all(&samples("server.pem", |_| {}), SampleOutcome::Tls);
    all(&samples("expired.pem", |spec| spec.tls.ca = Some(file("ca.pem"))), SampleOutcome::Tls);
    let wrong_name = |spec: &mut HttpProbe| {
        spec.tls.ca = Some(file("ca.pem"));
        spec.url = "https://other.example/".to_owned();
    };
    all(&samples("server.pem", wrong_name), SampleOutcome::Tls);
    all(&samples("expired.pem", |spec| spec.tls.insecure = true), SampleOutcome::Ok);
}

#[test]
fn a_client_certificate_opens_a_door_that_is_closed_to_others() {
    let _quiet = crate::support::quiet::quiet();
    let ours = |spec: &mut HttpProbe| {
        spec.tls.ca = Some(file("ca.pem"));
        spec.tls.certificate = Some(file("server.pem"));
        spec.tls.key = Some(file("server.key"));
    };
    all(&samples_from(server("server.pem", Visitors::Known), ours), SampleOutcome::Ok);
    let nobody = samples_from(server("server.pem", Visitors::Known), |spec| spec.tls.ca = Some(file("ca.pem")));
    // In TLS 1.3 the client is done before the server has looked at it: the refusal comes in the place of the answer.
    assert!(nobody.iter().all(|s| !s.outcome.is_ok() && s.outcome != SampleOutcome::ResponseTimeout), "{nobody:?}");
}

/// A proxy that opens a tunnel to one server, whatever it is asked for, and keeps what it was asked for.
fn tunnel_to(server: String) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let kept = asked.clone();
    std::thread::spawn(move || {
        for visitor in listener.incoming() {
            let (Ok(mut visitor), Ok(mut host)) = (visitor, TcpStream::connect(&server)) else { return };
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && matches!(visitor.read(&mut byte), Ok(1)) {
                head.push(byte[0]);
            }
            kept.lock().unwrap().push(String::from_utf8(head).unwrap());
            visitor.write_all(b"HTTP/1.1 200 Connection established\r\nvia: test\r\n\r\n").unwrap();
            let (mut from_host, mut to_visitor) = (host.try_clone().unwrap(), visitor.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from_host, &mut to_visitor));
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut visitor, &mut host);
                let _ = host.shutdown(std::net::Shutdown::Both);
            });
        }
    });
    (address, asked)
}

#[test]
fn a_tunnel_through_a_proxy_ends_at_the_host_with_its_certificate() {
    let _quiet = crate::support::quiet::quiet();
    let (proxy, asked) = tunnel_to(server("server.pem", Visitors::Anyone));
    let through = |url: &str| {
        let (url, proxy) = (url.to_owned(), proxy.clone());
        move |spec: &mut HttpProbe| {
            spec.url = url;
            spec.addresses = vec![];
            spec.proxy = Some(format!("http://{proxy}"));
            spec.tls.ca = Some(file("ca.pem"));
        }
    };
    let samples = samples_from(String::new(), through("https://shop.example/"));
    all(&samples, SampleOutcome::Ok);
    assert!(samples.iter().all(|s| s.bytes == 5 && s.status == 200));
    assert!(asked.lock().unwrap().iter().all(|head| head.starts_with("CONNECT shop.example:443 HTTP/1.1\r\nHost: shop.example:443\r\n")));
    assert!(asked.lock().unwrap().len() < samples.len(), "kept connections keep their tunnel");
    all(&samples_from(String::new(), through("https://other.example/")), SampleOutcome::Tls);
}
