//! The `redis` and `postgres` probes, against real servers and such as do wrong: each failure in its class, TLS verified, passwords by
//! reference; and ledgers with words of their own.

use std::{
    io::{Read, Write},
    net::TcpListener,
    path::Path,
    thread::sleep,
    time::Duration,
};

use firedrill::{
    file::{LoadOptions, Source, load_source},
    model::{
        probe::ProbeSpec,
        sample::{Sample, SampleOutcome as O},
        state::{Afterwards, StateFindings, Writes},
    },
    probe::{Launch, NetworkProber, Prober},
};

use crate::{
    probe_truth::launch,
    support::stores::{column, free_port, guarded_postgres, postgres, redis, tls_file},
};

/// A probe as a file has it.
fn written(yaml: &str) -> ProbeSpec {
    let text =
        format!("title: t\nprobes:\n  it: {yaml}\nsteady-state:\n  - {{ probe: it, availability: \">= 1%\" }}\nmethod:\n  - wait: 1s\n");
    let loaded = load_source(&Source::new("t.yaml", text), None, &LoadOptions::default()).unwrap_or_else(|errors| panic!("{errors}"));
    loaded.experiment.probes.into_iter().next().unwrap()
}

fn samples(yaml: &str) -> Vec<Sample> {
    let run = launch(vec![written(yaml)]);
    sleep(Duration::from_millis(400));
    run.end().0.remove(0)
}

fn all(samples: &[Sample], outcome: O) {
    let found: Vec<O> = samples.iter().map(|sample| sample.outcome).collect();
    assert!(found.len() > 5 && found.iter().all(|found| *found == outcome), "not all {outcome:?}: {found:?}");
}

/// Why a probe cannot be started.
fn refused(yaml: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let launch = Launch { probes: vec![written(yaml)], seed: 1, folder: folder.path().to_owned() };
    NetworkProber::new().launch(launch).err().expect("it is refused").to_string()
}

/// A secret in a file of this folder, as a file of ours names it.
fn secret(folder: &Path, name: &str, text: &str) -> String {
    let file = folder.join(name);
    std::fs::write(&file, text).unwrap();
    format!("{{ file: \"{}\" }}", file.display())
}

/// Does something with each connection.
fn server(doing: impl Fn(std::net::TcpStream) + Send + Sync + Clone + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let doing = doing.clone();
            std::thread::spawn(move || doing(stream));
        }
    });
    port
}

fn reads(mut stream: &std::net::TcpStream) {
    let mut bytes = [0; 4096];
    let _ = stream.read(&mut bytes);
}

#[test]
fn each_way_in_which_a_redis_fails_has_its_class() {
    let at = |port: u16| samples(&format!("{{ redis: \"redis://127.0.0.1:{port}\", rate: 50/s, timeout: 300ms, connections: new }}"));
    all(&at(free_port()), O::Refused);
    all(&at(server(|stream| reads(&stream))), O::EofNew);
    all(&at(server(|_stream| sleep(Duration::from_secs(5)))), O::ResponseTimeout);
    let garbage = server(|mut stream| {
        reads(&stream);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        sleep(Duration::from_millis(100));
    });
    all(&at(garbage), O::Expectation);
    // Announced sizes take no memory, and sent ones end it: 16 MiB without an answer.
    let endless = server(|mut stream| {
        reads(&stream);
        let _ = stream.write_all(b"$999999999\r\n");
        let junk = vec![b'x'; 65536];
        while stream.write_all(&junk).is_ok() {}
    });
    let run = launch(vec![written(&format!("{{ redis: \"redis://127.0.0.1:{endless}\", rate: 5/s, timeout: 5s, connections: new }}"))]);
    sleep(Duration::from_millis(900));
    let found: Vec<O> = run.end().0[0].iter().map(|sample| sample.outcome).collect();
    assert!(found.iter().all(|outcome| *outcome == O::TooLarge), "{found:?}");
}

#[test]
fn redis_over_tls_is_verified_and_its_password_comes_by_reference() {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let (pem, key, ca) = (tls_file("local.pem"), tls_file("local.key"), tls_file("local-ca.pem"));
    let clear = free_port();
    let tls = ["--tls-port", &port.to_string(), "--tls-cert-file", &pem, "--tls-key-file", &key, "--tls-ca-cert-file", &ca];
    let settings = [&tls[..], &["--tls-auth-clients", "no", "--requirepass", "canary-4711"]].concat();
    let _server = redis(folder.path(), clear, &settings);
    let right = secret(folder.path(), "right", &format!("rediss://:canary-4711@127.0.0.1:{port}/1\n"));
    let at = |url: &str, more: &str| samples(&format!("{{ redis: {url}, rate: 40/s{more} }}"));
    all(&at(&right, &format!(", tls: {{ ca: \"{ca}\" }}, expect: PONG")), O::Ok);
    all(&at(&right, ", tls: { insecure: true }, command: [SET, a, b], expect: OK"), O::Ok);
    all(&at(&right, &format!(", tls: {{ ca: \"{}\" }}", tls_file("ca.pem"))), O::Tls);
    // What is wrong with the password is an answer.
    let wrong = secret(folder.path(), "wrong", &format!("rediss://:guessed@127.0.0.1:{port}"));
    all(&at(&wrong, &format!(", tls: {{ ca: \"{ca}\" }}, connections: new")), O::Expectation);
    all(&at(&format!("\"redis://127.0.0.1:{clear}\""), ""), O::Expectation);
    // TLS to who does not speak it.
    all(&at(&format!("\"rediss://127.0.0.1:{clear}\""), &format!(", tls: {{ ca: \"{ca}\" }}, timeout: 500ms")), O::Tls);
    // What only the secret says is found out before anything is sent, and never repeated.
    let plain = secret(folder.path(), "plain", &format!("redis://:canary-4711@127.0.0.1:{clear}"));
    let said = refused(&format!("{{ redis: {plain}, tls: {{ insecure: true }} }}"));
    assert!(said.contains("not a `rediss://` one") && !said.contains("canary"), "{said}");
}

#[test]
fn postgres_over_tls_is_verified_and_its_password_comes_by_reference() {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let _server = guarded_postgres(folder.path(), port);
    let ca = format!("tls: {{ ca: \"{}\" }}", tls_file("local-ca.pem"));
    let url = |name: &str, password: &str, more: &str| {
        secret(folder.path(), name, &format!("postgres://app:{password}@127.0.0.1:{port}/postgres{more}"))
    };
    // In a test's own build a password takes its time.
    let at = |url: &str, more: &str| samples(&format!("{{ postgres: {url}, rate: 20/s, timeout: 5s, connections: keep-alive{more} }}"));
    let right = url("right", "canary-4711", "?sslmode=verify-full");
    let seen = "query: \"select ssl from pg_stat_ssl where pid = pg_backend_pid()\", expect: \"t\"";
    all(&at(&right, &format!(", {ca}, {seen}")), O::Ok);
    all(&at(&right, &format!(", tls: {{ insecure: true }}, {seen}")), O::Ok);
    all(&at(&right, &format!(", tls: {{ ca: \"{}\" }}", tls_file("ca.pem"))), O::Tls);
    // Its name is another one: the address alone does not make it right.
    let named =
        |host: &str| format!("host={host} hostaddr=127.0.0.1 port={port} user=app password=canary-4711 dbname=postgres sslmode=require");
    all(&at(&secret(folder.path(), "local", &named("localhost")), &format!(", {ca}")), O::Ok);
    all(&at(&secret(folder.path(), "other", &named("other.example")), &format!(", {ca}")), O::Tls);
    all(&at(&url("wrong", "guessed", "?sslmode=require"), &format!(", {ca}")), O::Expectation);
    all(&at(&url("clear", "canary-4711", ""), ""), O::Expectation);
    assert!(refused(&format!("{{ postgres: {}, {ca} }}", url("clear", "canary-4711", ""))).contains("sslmode=require"));
    assert!(refused(&format!("{{ postgres: {} }}", url("asks", "canary-4711", "?sslmode=prefer"))).contains("cannot be used"));
    // A ledger makes its table over the same kind of connection.
    let found = ledger(&format!("{{ postgres: {right}, table: books, {ca} }}"));
    assert!(found.acknowledged > 5, "{found:?}");
    assert_eq!((found.lost, found.unchecked, found.never_read), (0, 0, 0), "{found:?}");
    assert_eq!(found.afterwards, Some(Afterwards::Removed(found.acknowledged + found.appeared)), "{found:?}");
    let said = refused(&format!("{{ ledger: {{ postgres: {}, {ca} }} }}", url("wrong", "guessed", "?sslmode=require")));
    assert!(said.contains("password authentication failed") && !said.contains("guessed"), "{said}");
}

/// What a ledger of this kind finds out in a while.
fn ledger(yaml: &str) -> Writes {
    let run = launch(vec![written(&format!("{{ ledger: {yaml}, rate: 60/s, timeout: 2s }}"))]);
    sleep(Duration::from_millis(900));
    match run.end().1.state.remove(0) {
        Some(StateFindings::Writes(writes)) if writes.attempted > 20 => writes,
        other => panic!("no books: {other:?}"),
    }
}

#[test]
fn a_ledger_may_speak_to_a_store_in_words_of_its_own() {
    let (folder, port, cache) = (tempfile::tempdir().unwrap(), free_port(), free_port());
    let _database = postgres(folder.path(), port, &["--first"]);
    let _redis = redis(folder.path(), cache, &[]);
    column(port, "CREATE TABLE orders (id text, total int NOT NULL); CREATE TABLE sink (id text)").unwrap();
    let url = format!("postgres: \"postgres://shop@127.0.0.1:{port}/postgres\"");
    let all_there = |found: &Writes| {
        let counts = (found.acknowledged, found.lost, found.never_read, found.unchecked, found.duplicated);
        assert_eq!(counts, (found.attempted, 0, 0, 0, 0), "{found:?}");
        assert_eq!(found.afterwards, Some(Afterwards::NotOurs));
    };
    let write = "write: \"INSERT INTO orders VALUES ($1, 1)\"";
    // A row, or a count that is not zero.
    for read in ["SELECT id FROM orders WHERE id = $1", "SELECT count(*) FROM orders WHERE id = $1"] {
        all_there(&ledger(&format!("{{ {url}, {write}, read: \"{read}\" }}")));
    }
    let list = "list: \"SELECT id FROM orders WHERE starts_with(id, $1)\"";
    all_there(&ledger(&format!("{{ {url}, {write}, read: \"SELECT id FROM orders WHERE id = $1\", {list} }}")));
    // A table that loses everything: its count is zero, and that is an answer.
    let lost =
        ledger(&format!("{{ {url}, write: \"INSERT INTO sink VALUES ($1)\", read: \"SELECT count(*) FROM orders WHERE id = $1\" }}"));
    assert_eq!((lost.lost, lost.stale), (lost.acknowledged, 0), "{lost:?}");
    // A statement that does nothing acknowledges nothing.
    let none =
        ledger(&format!("{{ {url}, write: \"INSERT INTO sink SELECT $1 WHERE false\", read: \"SELECT id FROM sink WHERE id = $1\" }}"));
    assert_eq!(none.acknowledged, 0, "{none:?}");
    let words = "write: [SADD, orders, \"${value}\"], read: [SISMEMBER, orders, \"${value}\"]";
    all_there(&ledger(&format!("{{ redis: \"redis://127.0.0.1:{cache}\", {words} }}")));
    all_there(&ledger(&format!("{{ redis: \"redis://127.0.0.1:{cache}\", {words}, list: [SMEMBERS, orders] }}")));
}
