//! What passes through the balancer, and how.

use std::{collections::BTreeMap, sync::atomic::Ordering::SeqCst, time::Duration};

use bytes::Bytes;
use firedrill::balancer::protocol::Action;
use futures_util::stream;
use http::{Request, header};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_util::task::TaskTracker;

use super::rig::{PATIENCE, Rig, Server, blind, megabyte, until};

#[tokio::test]
async fn round_robin_is_even() {
    let (a, b, c) = (Server::start("a").await, Server::start("b").await, Server::start("c").await);
    let rig = Rig::start(&[&a, &b, &c], blind).await;
    let mut client = rig.client().await;
    let mut served = BTreeMap::<String, usize>::new();
    for _ in 0..30 {
        let response = client.get("/").await;
        *served.entry(response.headers()["x-served-by"].to_str().unwrap().to_owned()).or_default() += 1;
    }
    assert_eq!(served, BTreeMap::from([("a".into(), 10), ("b".into(), 10), ("c".into(), 10)]));
    assert_eq!([a.requests(), b.requests(), c.requests()], [10, 10, 10]);
}

#[tokio::test]
async fn connections_stay_open_on_both_sides() {
    let a = Server::start("a").await;
    let rig = Rig::start(&[&a], blind).await;
    let mut client = rig.client().await;
    for path in ["/", "/big", "/sized", "/empty", "/"] {
        client.get(path).await;
    }
    assert_eq!(a.requests(), 5);
    assert_eq!(a.state.connections.load(SeqCst), 1, "each request took a new connection to the backend");
}

#[tokio::test]
async fn a_connection_that_the_backend_closes_is_not_used_again() {
    let a = Server::start("a").await;
    let rig = Rig::start(&[&a], blind).await;
    let mut client = rig.client().await;
    for _ in 0..20 {
        let response = client.get("/close").await;
        assert_eq!(response.status(), 200);
        assert!(!response.headers().contains_key(header::CONNECTION), "the backend's `close` is not the client's");
    }
    assert_eq!(a.state.connections.load(SeqCst), 20);
}

#[tokio::test]
async fn a_request_is_never_sent_twice() {
    // Answers the first request of each connection, and closes when the second has come.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tasks = TaskTracker::new();
    let spawner = tasks.clone();
    tasks.spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            spawner.spawn(async move {
                let mut piece = [0; 4096];
                if stream.read(&mut piece).await.is_ok_and(|n| n > 0) {
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
                    let _ = stream.read(&mut piece).await;
                }
            });
        }
    });
    let good = Server::start("good").await; // A retry would go there.
    let mut rig = Rig::start(&[], |c| {
        blind(c);
        c.check.kind = firedrill::balancer::protocol::CheckKind::Tcp;
    })
    .await;
    rig.apply(Action::Add {
        backend: firedrill::balancer::protocol::Backend { id: "bad".into(), service: "web".into(), zone: "z".into(), address },
    });
    rig.admitted("bad").await;
    let mut client = rig.client().await;
    assert_eq!(client.get("/").await.status(), 200);
    rig.apply(Action::Add { backend: good.backend() });
    rig.admitted("good").await;
    // Round robin: the second of all goes to good, the third to the connection that will close on it.
    let statuses: Vec<u16> =
        [client.get("/1").await, client.get("/2").await, client.get("/3").await].iter().map(|r| r.status().as_u16()).collect();
    let (bad, good_ones) = (statuses.iter().filter(|s| **s == 502).count(), statuses.iter().filter(|s| **s == 200).count());
    assert_eq!((bad, good_ones), (1, 2), "{statuses:?}");
    assert!(good.requests() <= 2, "the failed request was sent to another backend");
}

#[tokio::test]
async fn an_upgrade_echoes_both_ways() {
    let a = Server::start("a").await;
    let rig = Rig::start(&[&a], blind).await;
    let mut client = rig.client().await;
    let ask = Request::get("/any").header(header::CONNECTION, "Upgrade").header(header::UPGRADE, "echo");
    let response = client.send_raw(ask, Empty::new().boxed_unsync()).await;
    assert_eq!(response.status(), 101);
    assert_eq!(response.headers()[header::UPGRADE], "echo");
    let mut io = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    let mut heard = [0; 7];
    timeout(PATIENCE, io.read_exact(&mut heard)).await.unwrap().unwrap();
    assert_eq!(&heard, b"welcome", "the backend speaks first");
    for word in [b"one", b"two"] {
        let mut heard = [0; 3];
        io.write_all(word).await.unwrap();
        timeout(PATIENCE, io.read_exact(&mut heard)).await.unwrap().unwrap();
        assert_eq!(&heard, word);
    }
    // The backend dies: the client must see its connection end.
    drop(a);
    io.shutdown().await.unwrap();
    assert_eq!(timeout(PATIENCE, io.read(&mut heard)).await.expect("the tunnel stayed open").unwrap_or(0), 0);
}

#[tokio::test]
async fn bodies_of_a_megabyte_arrive_whole() {
    let a = Server::start("a").await;
    let rig = Rig::start(&[&a], blind).await;
    let mut client = rig.client().await;
    let chunked = client.get("/big").await;
    assert_eq!(chunked.headers()[header::TRANSFER_ENCODING], "chunked");
    assert!(chunked.body() == &megabyte(), "the chunked body was changed: {} bytes", chunked.body().len());
    let sized = client.get("/sized").await;
    assert_eq!(sized.headers()[header::CONTENT_LENGTH], "1048576");
    assert!(sized.body() == &megabyte(), "the sized body was changed: {} bytes", sized.body().len());
}

#[tokio::test]
async fn an_old_client_gets_the_bytes_without_chunks() {
    let a = Server::start("a").await;
    let rig = Rig::start(&[&a], blind).await;
    let mut stream = TcpStream::connect(rig.balancer.address()).await.unwrap();
    stream.write_all(b"GET /big HTTP/1.0\r\n\r\n").await.unwrap();
    let mut got = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut got)).await.expect("the connection stayed open").unwrap();
    let head = got.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
    assert!(!String::from_utf8_lossy(&got[..head]).contains("chunked"), "{}", String::from_utf8_lossy(&got[..head]));
    assert!(got[head..] == megabyte(), "{} bytes", got.len() - head);
}

#[tokio::test]
async fn request_bodies_keep_their_framing() {
    let a = Server::start("a").await;
    let rig = Rig::start(&[&a], blind).await;
    let mut client = rig.client().await;
    let sized = client.send_body(Request::post("/body"), Full::new(Bytes::from(megabyte())).boxed_unsync()).await;
    assert_eq!(sized.headers()["x-framing"], r#"length=Some("1048576") coding=None"#);
    assert!(sized.body() == &megabyte());

    let pieces: Vec<_> = megabyte().chunks(10_000).map(|c| Ok(Frame::data(Bytes::copy_from_slice(c)))).collect();
    let chunked = client.send_body(Request::put("/body"), BodyExt::boxed_unsync(StreamBody::new(stream::iter(pieces)))).await;
    assert_eq!(chunked.headers()["x-framing"], r#"length=None coding=Some("chunked")"#);
    assert!(chunked.body() == &megabyte());

    let none = client.send_body(Request::get("/body"), Empty::new().boxed_unsync()).await;
    assert_eq!(none.headers()["x-framing"], "length=None coding=None");
}

#[tokio::test]
async fn answers_without_a_body_have_none() {
    let a = Server::start("a").await;
    let rig = Rig::start(&[&a], blind).await;
    // On raw bytes: a client library would hide a body too many.
    let mut stream = TcpStream::connect(rig.balancer.address()).await.unwrap();
    for (ask, status, length) in [
        ("HEAD /sized", "200 OK", Some("content-length: 1048576")),
        ("GET /empty", "204 No Content", None),
        ("GET /same", "304 Not Modified", None),
        ("GET /", "200 OK", Some("content-length: 1")),
    ] {
        stream.write_all(format!("{ask} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
        let mut got = Vec::new();
        let end = if ask == "GET /" { "\r\n\r\na" } else { "\r\n\r\n" };
        while !got.ends_with(end.as_bytes()) {
            let mut piece = [0; 1024];
            let n = timeout(PATIENCE, stream.read(&mut piece)).await.expect("the answer did not end").unwrap();
            assert!(n > 0, "closed after {:?}", String::from_utf8_lossy(&got));
            got.extend_from_slice(&piece[..n]);
        }
        let got = String::from_utf8(got).unwrap();
        assert!(got.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{ask}: {got}");
        assert!(length.is_none_or(|l| got.contains(l)), "{ask}: {got}");
        assert!(!got.contains("transfer-encoding"), "{ask}: {got}");
    }
}

#[tokio::test]
async fn headers_say_who_asked_and_who_served() {
    let a = Server::start("a").await;
    let rig = Rig::start(&[&a], blind).await;
    let mut client = rig.client().await;
    let response = client
        .send(Request::get("/headers").header("x-forwarded-for", "10.1.2.3").header(header::CONNECTION, "x-hop").header("x-hop", "1"))
        .await;
    let seen = String::from_utf8(response.body().to_vec()).unwrap();
    assert!(seen.contains(r#""x-forwarded-for": "10.1.2.3, 127.0.0.1""#), "{seen}");
    assert!(seen.contains(r#""host": "site.test""#), "{seen}");
    assert!(!seen.contains("x-hop"), "{seen}");
    assert_eq!(response.headers()["x-served-by"], "a");
    assert_eq!(response.headers()["x-zone"], "zone-of-a");
    let named = client.get("/named").await;
    assert_eq!(named.headers()["x-served-by"], "own-name");
    assert_eq!(named.headers()["x-zone"], "zone-of-a");
}

#[tokio::test]
async fn a_client_that_leaves_cancels_its_request() {
    let a = Server::start("a").await;
    let rig = Rig::start(&[&a], blind).await;
    let mut stream = TcpStream::connect(rig.balancer.address()).await.unwrap();
    stream.write_all(b"GET /hang HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    until("the request is with the backend", || a.requests() == 1).await;
    assert_eq!(a.state.cancelled.load(SeqCst), 0);
    drop(stream);
    until("the backend's request is cancelled", || a.state.cancelled.load(SeqCst) == 1).await;
}

#[tokio::test]
async fn a_removed_backend_finishes_what_it_has() {
    let (a, b) = (Server::start("a").await, Server::start("b").await);
    let mut rig = Rig::start(&[&a], |_| {}).await;
    let mut early = rig.client().await;
    let waiting = TaskTracker::new().spawn(async move { early.get("/wait").await });
    until("the request is with the backend", || a.requests() == 1).await;
    rig.apply(Action::Remove { id: "a".into() });
    assert_eq!(rig.get("/").await.0, 503);
    rig.apply(Action::Add { backend: b.backend() });
    rig.admitted("b").await;
    for _ in 0..4 {
        assert_eq!(rig.get("/").await, (200, "b".into()));
    }
    assert_eq!(a.requests(), 1);
    assert!(!waiting.is_finished());
    a.state.gate.add_permits(1);
    let answered = timeout(PATIENCE, waiting).await.unwrap().unwrap();
    assert_eq!((answered.status().as_u16(), &answered.body()[..]), (200, &b"waited"[..]));
    let checks = a.state.checks.load(SeqCst);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(a.state.checks.load(SeqCst), checks, "a removed backend is still checked");
    assert!(rig.balancer.apply(Action::Remove { id: "a".into() }).unwrap_err().0.contains("has no backend `a`"));
}

#[tokio::test]
async fn a_draining_backend_finishes_what_it_has_and_gets_nothing_new() {
    let (a, b) = (Server::start("a").await, Server::start("b").await);
    let mut rig = Rig::start(&[&a, &b], |config| config.sticky = Some("AT".to_owned())).await;
    let mut early = rig.client().await;
    // Round robin: the first request of a new client goes to one of them, the second to the other.
    let waiting = TaskTracker::new().spawn(async move { early.get("/wait").await });
    until("a backend has the request", || a.requests() + b.requests() == 1).await;
    let (busy, other) = if a.requests() == 1 { ("a", "b") } else { ("b", "a") };
    rig.apply(Action::Drain { id: busy.into(), draining: true });
    for _ in 0..4 {
        assert_eq!(rig.get("/").await, (200, other.into()));
    }
    assert!(!waiting.is_finished());
    a.state.gate.add_permits(1);
    b.state.gate.add_permits(1);
    let answered = timeout(PATIENCE, waiting).await.unwrap().unwrap();
    assert_eq!((answered.status().as_u16(), &answered.body()[..]), (200, &b"waited"[..]));
    rig.no_report();
    rig.apply(Action::Drain { id: busy.into(), draining: false });
    let served = [rig.get("/").await.1, rig.get("/").await.1];
    assert!(served.contains(&"a".to_owned()) && served.contains(&"b".to_owned()), "{served:?}");
    let unknown = rig.balancer.apply(Action::Drain { id: "c".into(), draining: true }).unwrap_err();
    assert!(unknown.0.contains("has no backend `c`"));
}

#[tokio::test]
async fn a_sticky_client_stays_and_moves_when_its_backend_dies() {
    let (a, b) = (Server::start("a").await, Server::start("b").await);
    let mut rig = Rig::start(&[&a, &b], |c| c.sticky = Some("SERVERID".into())).await;
    let mut client = rig.client().await;
    let first = client.get("/").await;
    let home = String::from_utf8(first.body().to_vec()).unwrap();
    assert_eq!(first.headers()[header::SET_COOKIE], format!("SERVERID={home}; Path=/; HttpOnly"));
    let cookie = format!("theme=dark; SERVERID={home}");
    for _ in 0..5 {
        let response = client.send(Request::get("/").header(header::COOKIE, &cookie)).await;
        assert_eq!(&response.body()[..], home.as_bytes());
        assert!(!response.headers().contains_key(header::SET_COOKIE), "the cookie is set again");
    }
    let (dying, other) = if home == "a" { (a, b) } else { (b, a) };
    dying.die().await;
    rig.ejected(&home).await;
    let moved = client.send(Request::get("/").header(header::COOKIE, &cookie)).await;
    assert_eq!(&moved.body()[..], other.state.id.as_bytes());
    assert_eq!(moved.headers()[header::SET_COOKIE], format!("SERVERID={}; Path=/; HttpOnly", other.state.id));
}
