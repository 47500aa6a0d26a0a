//! The site of the ladder.

use std::time::Duration;

use clap::Parser;
use firedrill::{
    clock,
    sample_app::what_time::{Options, serve},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    options: Options,
}

struct Site {
    address: std::net::SocketAddr,
    stop: CancellationToken,
    ended: tokio::task::JoinHandle<()>,
}

async fn site(flags: &[&str]) -> Site {
    let options = Flags::try_parse_from([&["what-time"], flags].concat()).unwrap().options;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let stopping = stop.clone();
    let ended = TaskTracker::new().spawn(async move { serve(listener, &options, stopping).await.unwrap() });
    Site { address, stop, ended }
}

/// The whole answer on a connection that the server closes.
async fn get(address: std::net::SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut text = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut text)).await.unwrap().unwrap();
    text
}

#[tokio::test]
async fn it_tells_the_time_and_who_told_it() {
    let site = site(&["--instance", "web-b-2", "--zone", "b", "--app-version", "5"]).await;
    let answer = get(site.address, "/").await;
    for expected in ["HTTP/1.1 200 OK\r\n", "x-served-by: web-b-2\r\n", "x-zone: b\r\n", "x-version: 5\r\n", "content-type: text/html"] {
        assert!(answer.contains(expected), "{expected:?} is missing: {answer}");
    }
    let time = answer.rsplit("\r\n\r\n").next().unwrap();
    assert!(regex_lite::Regex::new(r"^It is ([01]\d|2[0-3]):[0-5]\d:[0-5]\d o'clock\n$").unwrap().is_match(time), "{time:?}");
    assert!(get(site.address, "/health").await.starts_with("HTTP/1.1 200"));
    assert!(get(site.address, "/nothing").await.starts_with("HTTP/1.1 404"));
}

#[tokio::test]
async fn too_many_requests_queue_but_health_does_not() {
    let site = site(&["--work", "150ms", "--concurrency", "1"]).await;
    let before = clock::now();
    let (a, b, c) = tokio::join!(get(site.address, "/"), get(site.address, "/"), async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let answer = get(site.address, "/health").await;
        (answer, clock::now().since(before))
    });
    assert!(a.starts_with("HTTP/1.1 200") && b.starts_with("HTTP/1.1 200"));
    let all = clock::now().since(before);
    assert!(all >= Duration::from_millis(300), "two requests of 150 ms in one slot took {all:?}");
    assert!(c.1 < all, "the health check queued");
}

#[tokio::test]
async fn bytes_come_back_after_an_upgrade() {
    let site = site(&[]).await;
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    stream.write_all(b"GET /any HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n").await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    stream.write_all(b"hello").await.unwrap();
    let mut back = [0; 5];
    timeout(PATIENCE, stream.read_exact(&mut back)).await.unwrap().unwrap();
    assert_eq!(&back, b"hello");
}

#[tokio::test]
async fn told_to_stop_it_finishes_what_it_has() {
    let site = site(&["--work", "900ms"]).await;
    let address = site.address;
    let idle = TcpStream::connect(address).await.unwrap();
    let in_flight = TaskTracker::new().spawn(async move { get(address, "/").await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    site.stop.cancel();
    assert!(timeout(PATIENCE, in_flight).await.unwrap().unwrap().contains("o'clock"), "a request in flight was cut");
    timeout(PATIENCE, site.ended).await.expect("an idle connection kept it alive").unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "it still listens");
    drop(idle);
}

#[test]
fn bad_flags_are_told() {
    let error = Flags::try_parse_from(["what-time", "--work", "5"]).err().unwrap().to_string();
    assert!(error.contains("has no unit"), "{error}");
    assert!(Flags::try_parse_from(["what-time", "--concurrency", "0"]).is_err());
}
