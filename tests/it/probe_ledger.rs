//! Ledgers and the probes of stores: what they count is what the store really did.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread::sleep,
    time::Duration,
};

use firedrill::{
    clock,
    model::{
        probe::{Connections, HttpExpect, ProbeKind, Text, TlsSettings},
        sample::{Sample, SampleOutcome},
        state::{Afterwards, StateFindings, Writes},
        store::{
            HttpLedger, LEDGER, LedgerCall, LedgerList, LedgerProbe, LedgerStore, PostgresLedger, PostgresProbe, RedisLedger, RedisProbe,
        },
        time::Mono,
    },
};

use crate::{
    probe_truth::{launch, probe},
    support::{
        failover::Failover,
        stores::{column, free_port, postgres, redis},
    },
};

/// What an application does with the values that end in a digit.
#[derive(Default)]
struct Books {
    kept: BTreeMap<String, u64>,
    hidden: Vec<(Mono, String)>,
    acknowledged: u64,
    how: How,
}

/// What it does besides.
#[derive(Default, Clone, Copy, PartialEq)]
enum How {
    /// What is said of `wrong_application`.
    #[default]
    Wrong,
    /// Nothing wrong, and a list has twenty values at most.
    Pages,
    /// Nothing wrong, and each value is to be seen after two seconds.
    Slow,
    /// Nothing wrong, but readers are told to come back later.
    Busy,
}

/// An application that is wrong on purpose: of the values whose number ends in 1 it forgets those that it acknowledged, it keeps those in 2
/// twice, answers those in 3 with an error although it keeps them, and shows those in 4 a while later.
fn wrong_application() -> (String, Arc<Mutex<Books>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let books = Arc::new(Mutex::new(Books::default()));
    let kept = books.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (Ok(stream), books) = (stream, kept.clone()) else { return };
            std::thread::spawn(move || while answer(&stream, &books).is_some() {});
        }
    });
    (address, books)
}

fn answer(mut stream: &TcpStream, books: &Mutex<Books>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while reader.read_line(&mut head).ok()? > 2 {}
    let mut words = head.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.trim().parse::<usize>().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    let mut books = books.lock().unwrap();
    let now = clock::now();
    let (ready, hidden): (Vec<_>, Vec<_>) = std::mem::take(&mut books.hidden).into_iter().partition(|(at, _)| *at <= now);
    books.hidden = hidden;
    for (_, value) in ready {
        books.kept.insert(value, 1);
    }
    let (status, text) = if method == "POST" {
        let value = serde_json::from_slice::<serde_json::Value>(&body).ok()?["id"].as_str()?.to_owned();
        let status = match value.chars().last().filter(|_| books.how == How::Wrong) {
            _ if books.how == How::Slow => {
                books.hidden.push((now.plus(Duration::from_secs(2)), value));
                201
            }
            Some('1') => 201,
            Some('2') => {
                books.kept.insert(value, 2);
                201
            }
            Some('3') => {
                books.kept.insert(value, 1);
                500
            }
            Some('4') => {
                books.hidden.push((now.plus(Duration::from_millis(300)), value));
                201
            }
            _ => {
                books.kept.insert(value, 1);
                201
            }
        };
        books.acknowledged += u64::from(status == 201);
        (status, String::new())
    } else if path == "/orders" {
        let page = if books.how == How::Pages { 20 } else { usize::MAX };
        let all: Vec<&String> = books.kept.iter().flat_map(|(value, n)| std::iter::repeat_n(value, *n as usize)).take(page).collect();
        (200, serde_json::json!({ "orders": all }).to_string())
    } else {
        let value = path.strip_prefix("/orders/")?;
        if books.how == How::Busy {
            (429, String::new())
        } else if books.kept.contains_key(value) {
            (200, format!("order {value}"))
        } else {
            (404, String::new())
        }
    };
    write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{text}", text.len()).ok()
}

fn call(method: &str, url: String) -> LedgerCall {
    LedgerCall { method: method.to_owned(), url, headers: vec![], body: None, content_type: None, expect: HttpExpect::default() }
}

fn over_http(address: &str, list: bool) -> ProbeKind {
    let write = LedgerCall {
        body: Some(r#"{"id":"${value}"}"#.to_owned()),
        content_type: Some("application/json".to_owned()),
        ..call("POST", format!("http://{address}/orders"))
    };
    let mut read = call("GET", format!("http://{address}/orders/${{value}}"));
    read.expect.body_contains = Some("order ${value}".to_owned());
    let list = list.then(|| LedgerList { url: format!("http://{address}/orders"), headers: vec![], json: Some("/orders".to_owned()) });
    let http = HttpLedger { write, read, list, connections: Connections::Both, served_by: None, tls: TlsSettings::default() };
    ProbeKind::Ledger(Box::new(LedgerProbe { store: LedgerStore::Http(Box::new(http)), settles_within: Duration::ZERO, keep: false }))
}

/// Runs a ledger for a while; what it found out, and its samples.
fn kept(kind: ProbeKind, rate: f64, meanwhile: impl FnOnce()) -> (Writes, Vec<Sample>) {
    let run = launch(vec![probe(kind, rate, 2000)]);
    meanwhile();
    let (mut samples, recorded) = run.end();
    let Some(StateFindings::Writes(writes)) = recorded.state[0].clone() else { panic!("no books") };
    (writes, samples.remove(0))
}

/// How many of the first `n` numbers end in this digit.
fn ending(n: u64, digit: u64) -> u64 {
    (0..n).filter(|number| number % 10 == digit).count() as u64
}

#[test]
fn every_fate_of_a_write_is_counted_exactly() {
    let (address, books) = wrong_application();
    let (writes, samples) = kept(over_http(&address, true), 100.0, || sleep(Duration::from_secs(3)));
    let n = writes.attempted;
    assert!(n >= 300, "{writes:?}");
    assert_eq!(writes.acknowledged, books.lock().unwrap().acknowledged);
    assert_eq!(writes.acknowledged, n - ending(n, 3), "{writes:?}");
    assert_eq!(writes.lost, ending(n, 1), "{writes:?}");
    assert_eq!(writes.duplicated, ending(n, 2), "{writes:?}");
    assert_eq!(writes.appeared, ending(n, 3), "{writes:?}");
    // The last of them may have been due so shortly before the end that no reading came in the time.
    assert!((ending(n, 4) - 1..=ending(n, 4)).contains(&writes.stale), "{writes:?}");
    assert_eq!((writes.never_read, writes.unchecked), (0, 0), "{writes:?}");
    let of = |outcome| samples.iter().filter(|sample| sample.outcome == outcome).count() as u64;
    assert_eq!(of(SampleOutcome::Status), ending(n, 3), "an error is no acknowledgement");
    assert_eq!(of(SampleOutcome::Stale), writes.stale_reads);
    assert_eq!(writes.afterwards, Some(Afterwards::NotOurs));
    let visible = writes.visible_after.expect("some were seen");
    assert!(visible.p50 < 0.1 && visible.max >= 0.2, "{visible:?}");
}

#[test]
fn without_a_list_each_acknowledged_value_is_looked_for() {
    let (address, _) = wrong_application();
    let (writes, samples) = kept(over_http(&address, false), 100.0, || sleep(Duration::from_secs(2)));
    let n = writes.attempted;
    assert_eq!(writes.lost, ending(n, 1), "{writes:?}");
    assert_eq!((writes.unchecked, writes.never_read, writes.duplicated, writes.appeared), (0, 0, 0, 0), "{writes:?}");
    let lost = samples.iter().filter(|sample| sample.outcome == SampleOutcome::StateLost).count() as u64;
    assert!(lost >= writes.lost && lost <= writes.lost * 5 + 2, "each is looked for a few times: {lost}");
}

/// An application that does nothing wrong, and what a ledger makes of it.
fn right_application(how: How, list: bool, seconds: u64) -> Writes {
    let (address, books) = wrong_application();
    books.lock().unwrap().how = how;
    let (writes, _) = kept(over_http(&address, list), 50.0, || sleep(Duration::from_secs(seconds)));
    assert!(writes.acknowledged == writes.attempted && writes.attempted >= 50 * seconds, "{writes:?}");
    writes
}

#[test]
fn a_list_that_is_only_a_page_loses_nothing() {
    let writes = right_application(How::Pages, true, 2);
    assert_eq!((writes.lost, writes.unchecked, writes.never_read, writes.stale), (0, 0, 0, 0), "{writes:?}");
}

#[test]
fn a_store_that_is_slow_loses_nothing() {
    for list in [true, false] {
        let writes = right_application(How::Slow, list, 4);
        assert_eq!((writes.lost, writes.unchecked, writes.never_read), (0, 0, 0), "{writes:?}");
        assert!(writes.stale > 50 && writes.visible_after.unwrap().p50 > 1.5, "{writes:?}");
    }
}

#[test]
fn a_reader_who_is_turned_away_does_not_know() {
    let writes = right_application(How::Busy, false, 1);
    assert_eq!((writes.lost, writes.stale, writes.never_read), (0, 0, writes.acknowledged), "{writes:?}");
}

#[test]
fn a_store_that_is_gone_at_the_end_leaves_nobody_wiser() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = stop.clone();
    let books = Arc::new(Mutex::new(Books::default()));
    let server = std::thread::spawn(move || {
        listener.set_nonblocking(true).unwrap();
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
            match listener.accept() {
                // One request a connection: nothing of it outlives the server.
                Ok((stream, _)) => {
                    stream.set_nonblocking(false).unwrap();
                    let _ = answer(&stream, &books);
                }
                Err(_) => sleep(Duration::from_millis(1)),
            }
        }
    });
    let (writes, _) = kept(over_http(&address, true), 50.0, || {
        sleep(Duration::from_secs(1));
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        server.join().unwrap();
    });
    assert_eq!(writes.lost, 0, "{writes:?}");
    assert!(writes.unchecked > 0 && writes.unchecked + writes.never_read == writes.acknowledged, "{writes:?}");
}

/// A ledger whose values stay, to be counted.
fn ledger(store: LedgerStore) -> ProbeKind {
    ProbeKind::Ledger(Box::new(LedgerProbe { store, settles_within: Duration::ZERO, keep: true }))
}

#[test]
fn what_redis_forgets_is_what_is_lost() {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let mut server = redis(folder.path(), port, &[]);
    let url = format!("redis://127.0.0.1:{port}");
    let (writes, samples) = kept(ledger(in_redis(port, None)), 100.0, || {
        sleep(Duration::from_millis(1500));
        server.kill();
        sleep(Duration::from_millis(300));
        server = redis(folder.path(), port, &[]);
        sleep(Duration::from_secs(1));
    });
    let mut client = redis::Client::open(url).unwrap().get_connection().unwrap();
    let there: u64 = redis::cmd("HLEN").arg("books").query(&mut client).unwrap();
    assert!(writes.lost >= 100, "what was written before it was killed: {writes:?}");
    assert_eq!(writes.acknowledged - writes.lost, there - writes.appeared, "{writes:?}");
    assert_eq!((writes.never_read, writes.unchecked, writes.duplicated), (0, 0, 0), "{writes:?}");
    let down = samples.iter().filter(|sample| sample.outcome == SampleOutcome::Refused).count();
    assert!(down >= 15, "{down} requests found it down");
}

fn in_redis(port: u16, read_from: Option<u16>) -> LedgerStore {
    let url = |port: u16| Text::Plain(format!("redis://127.0.0.1:{port}"));
    let (key, tls) = ("books".to_owned(), TlsSettings::default());
    LedgerStore::Redis(RedisLedger { url: url(port), read_from: read_from.map(url), key, own: None, tls })
}

#[test]
fn a_replica_that_is_behind_has_lost_nothing() {
    let (folder, primary, replica) = (tempfile::tempdir().unwrap(), free_port(), free_port());
    // It never hears of the other: as far behind as can be.
    let _servers = (redis(folder.path(), primary, &[]), redis(folder.path(), replica, &[]));
    let (writes, samples) = kept(ledger(in_redis(primary, Some(replica))), 50.0, || sleep(Duration::from_secs(1)));
    assert_eq!((writes.lost, writes.unchecked, writes.never_read), (0, 0, 0), "{writes:?}");
    assert!(writes.stale > 40 && writes.visible_after.is_none(), "{writes:?}");
    assert!(samples.iter().any(|sample| sample.outcome == SampleOutcome::Stale));
}

#[test]
fn what_was_written_is_removed_and_nothing_else() {
    let (folder, port, database) = (tempfile::tempdir().unwrap(), free_port(), free_port());
    let mut server = redis(folder.path(), port, &[]);
    let _postgres = postgres(folder.path(), database, &["--first"]);
    let mut client = redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap().get_connection().unwrap();
    let mut count = |what: &[&str]| -> u64 {
        let mut command = redis::cmd(what[0]);
        command.arg(&what[1..]).query(&mut client).unwrap()
    };
    let others = ["fd-0000000000000000-1", "mine"];
    assert_eq!(count(&["HSET", "books", others[0], "1", others[1], "1"]), 2);
    let removing = |store| ProbeKind::Ledger(Box::new(LedgerProbe { store, settles_within: Duration::ZERO, keep: false }));
    let (writes, samples) = kept(removing(in_redis(port, None)), 50.0, || sleep(Duration::from_secs(1)));
    assert_eq!(writes.afterwards, Some(Afterwards::Removed(writes.acknowledged)), "{writes:?}");
    assert_eq!((writes.lost, count(&["HLEN", "books"])), (0, 2));
    assert_eq!(samples.iter().filter(|sample| sample.route == 4 && sample.outcome.is_ok()).count(), 1);

    // In a table of somebody, of several parts.
    let rows = |sql: &str| column(database, sql).unwrap();
    rows("CREATE TABLE books (value text, n int DEFAULT 0) PARTITION BY HASH (value)");
    rows("CREATE TABLE one PARTITION OF books FOR VALUES WITH (MODULUS 2, REMAINDER 0)");
    rows("CREATE TABLE two PARTITION OF books FOR VALUES WITH (MODULUS 2, REMAINDER 1)");
    rows("INSERT INTO books SELECT 'mine-' || n FROM generate_series(1, 500) n");
    let url = Text::Plain(format!("postgres://shop@127.0.0.1:{database}/postgres"));
    let own = PostgresLedger { url, read_from: None, table: "books".to_owned(), own: None, tls: TlsSettings::default() };
    let (writes, _) = kept(removing(LedgerStore::Postgres(own.clone())), 50.0, || sleep(Duration::from_secs(1)));
    assert_eq!(writes.afterwards, Some(Afterwards::Removed(writes.acknowledged)), "{writes:?}");
    assert_eq!((writes.lost, rows("SELECT count(*) FROM books WHERE value LIKE 'mine-%'")), (0, vec!["500".to_owned()]));
    assert_eq!(rows("SELECT count(*) FROM books"), ["500"]);
    let (writes, _) = kept(ledger(LedgerStore::Postgres(own)), 50.0, || sleep(Duration::from_millis(500)));
    assert_eq!((writes.afterwards, writes.lost), (Some(Afterwards::Kept), 0));
    assert_eq!(rows(&format!("SELECT count(*) FROM books WHERE value LIKE '{}%'", writes.prefix)), [writes.acknowledged.to_string()]);

    // A store that is down at the end is no error.
    let (writes, _) = kept(removing(in_redis(port, None)), 50.0, || {
        sleep(Duration::from_millis(500));
        server.kill();
    });
    assert_eq!(writes.afterwards, Some(Afterwards::NotRemoved(SampleOutcome::Refused)), "{writes:?}");
    assert_eq!(writes.lost, 0, "{writes:?}");
}

#[test]
fn postgres_keeps_what_it_acknowledged_also_when_it_is_killed() {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let mut server = postgres(folder.path(), port, &["--first"]);
    let url = Text::Plain(format!("postgres://shop@127.0.0.1:{port}/postgres"));
    let store = LedgerStore::Postgres(PostgresLedger {
        url: url.clone(),
        read_from: None,
        table: LEDGER.to_owned(),
        own: None,
        tls: TlsSettings::default(),
    });
    let (writes, samples) = kept(ledger(store), 50.0, || {
        sleep(Duration::from_millis(1500));
        server.kill();
        sleep(Duration::from_millis(300));
        server = postgres(folder.path(), port, &["--first"]);
        sleep(Duration::from_millis(1500));
    });
    assert!(writes.acknowledged >= 75, "{writes:?}");
    assert_eq!((writes.lost, writes.never_read, writes.unchecked, writes.duplicated), (0, 0, 0, 0), "{writes:?}");
    assert!(samples.iter().any(|sample| !sample.outcome.is_ok()), "it was down for a while");
    // The probe of the same server.
    let ask = |query: &str, expect: Option<&str>| {
        let spec = PostgresProbe {
            url: url.clone(),
            query: query.to_owned(),
            expect: expect.map(str::to_owned),
            connections: Connections::Both,
            tls: TlsSettings::default(),
        };
        let run = launch(vec![probe(ProbeKind::Postgres(spec), 40.0, 2000)]);
        sleep(Duration::from_millis(700));
        run.end().0.remove(0)
    };
    let all = |samples: &[Sample], outcome: SampleOutcome| {
        assert!(
            samples.len() > 10 && samples.iter().all(|sample| sample.outcome == outcome),
            "{:?}",
            samples.iter().map(|s| s.outcome).collect::<Vec<_>>()
        );
    };
    all(&ask("SELECT 1", None), SampleOutcome::Ok);
    all(&ask("SELECT count(*) > 50 FROM firedrill_ledger", Some("t")), SampleOutcome::Ok);
    all(&ask("SELECT 2", Some("3")), SampleOutcome::Expectation);
    all(&ask("SELECT nonsense", None), SampleOutcome::Expectation);
    a_connection_that_the_server_ends_is_not_used_again(port, &url);
    server.kill();
    all(&ask("SELECT 1", None), SampleOutcome::Refused);
}

/// A server that ends a connection says so in its last message, and its client reads no further.
fn a_connection_that_the_server_ends_is_not_used_again(port: u16, url: &Text) {
    let spec = PostgresProbe {
        url: url.clone(),
        query: "SELECT 1".to_owned(),
        expect: None,
        connections: Connections::KeepAlive,
        tls: TlsSettings::default(),
    };
    let run = launch(vec![probe(ProbeKind::Postgres(spec), 40.0, 2000)]);
    sleep(Duration::from_millis(600));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ended: i64 = runtime.block_on(async {
        let (client, connection) =
            tokio_postgres::connect(&format!("host=127.0.0.1 port={port} user=shop dbname=postgres"), tokio_postgres::NoTls).await.unwrap();
        tokio_util::task::TaskTracker::new().spawn(async move { drop(connection.await) });
        let of_others = "backend_type = 'client backend' AND pid <> pg_backend_pid()";
        let end = format!("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {of_others}");
        client.query_one(&end, &[]).await.unwrap().get(0)
    });
    assert!(ended > 1, "{ended} were ended");
    sleep(Duration::from_millis(900));
    let samples = run.end().0.remove(0);
    let failed = samples.iter().filter(|sample| !sample.outcome.is_ok()).count();
    assert!(failed <= ended as usize, "{failed} requests failed on {ended} connections");
    let last: Vec<SampleOutcome> = samples.iter().rev().take(20).map(|sample| sample.outcome).collect();
    assert!(last.len() == 20 && last.iter().all(|outcome| outcome.is_ok()), "{last:?}");
}

#[test]
fn a_redis_probe_sends_its_command_and_holds_the_reply_against_what_is_expected() {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let mut server = redis(folder.path(), port, &[]);
    let ask = |command: &[&str], expect: Option<&str>| {
        let spec = RedisProbe {
            url: Text::Plain(format!("redis://127.0.0.1:{port}")),
            command: command.iter().map(ToString::to_string).collect(),
            expect: expect.map(str::to_owned),
            connections: Connections::Both,
            tls: TlsSettings::default(),
        };
        let run = launch(vec![probe(ProbeKind::Redis(spec), 40.0, 1000)]);
        sleep(Duration::from_millis(500));
        run.end().0.remove(0)
    };
    let all = |samples: &[Sample], outcome: SampleOutcome| {
        assert!(
            samples.len() > 10 && samples.iter().all(|sample| sample.outcome == outcome),
            "{:?}",
            samples.iter().map(|s| s.outcome).collect::<Vec<_>>()
        );
    };
    all(&ask(&[], Some("PONG")), SampleOutcome::Ok);
    all(&ask(&["SET", "a", "b"], Some("OK")), SampleOutcome::Ok);
    all(&ask(&["GET", "a"], Some("c")), SampleOutcome::Expectation);
    all(&ask(&["NONSENSE"], None), SampleOutcome::Expectation);
    server.kill();
    all(&ask(&[], None), SampleOutcome::Refused);
}

/// The books say what the two databases say. Twenty seeds of each: `cargo bench --bench gallery -- orders`.
fn failover(synchronous: bool, delay_ms: u64) -> Writes {
    let _quiet = crate::support::quiet::quiet();
    let compared = Failover { synchronous, delay: Duration::from_millis(delay_ms), rate: 500.0, seed: 8 }.run();
    assert!(compared.agree() && compared.after >= 100, "{compared:#?}");
    compared.ledger
}

#[test]
fn what_an_asynchronous_standby_had_not_heard_is_what_is_lost() {
    let ledger = failover(false, 100);
    assert!(ledger.lost >= 10, "the standby was 100 ms behind: {ledger:?}");
    let span = ledger.lost_within.unwrap();
    assert!(span.to_s - span.from_s < 1.0, "they were the last of the old primary: {span:?}");
}

#[test]
fn a_standby_that_confirms_loses_nothing() {
    let ledger = failover(true, 5);
    assert_eq!(ledger.lost, 0, "{ledger:?}");
}
