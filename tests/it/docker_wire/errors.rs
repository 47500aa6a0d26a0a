//! Engines that are not there, too old, or stop answering: in words, and within a deadline.

use std::time::Duration;

use firedrill::{
    model::environment::{DockerHost, DockerSpec},
    platform::{
        PlatformError,
        docker::{
            DockerPlatform,
            endpoint::{Address, Endpoint},
            engine::{Engine, Trouble},
        },
    },
};
use serde_json::json;

use super::fake_engine::{FakeEngine, Reply, dead_socket};

fn endpoint(address: Address) -> Endpoint {
    Endpoint { zone: None, region: None, address, tls: None, named_by: "the test".to_owned() }
}

async fn why_not(address: Address) -> String {
    match Engine::connect(endpoint(address)).await {
        Err(PlatformError::Unavailable(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn no_engine() {
    let folder = tempfile::tempdir().unwrap();
    let why = why_not(Address::Unix(folder.path().join("none.sock"))).await;
    assert!(why.contains("none.sock does not exist; start the engine, or say where it is with DOCKER_HOST or `hosts:`"), "{why}");
    let why = why_not(Address::Unix(dead_socket(folder.path()))).await;
    assert!(why.contains("dead.sock is there, but nobody listens on it"), "{why}");
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let why = why_not(Address::Tcp { host: "127.0.0.1".to_owned(), port: free.port() }).await;
    assert!(why.contains("connection refused"), "{why}");
}

#[tokio::test]
async fn too_old() {
    let old = FakeEngine::start("old", |line| {
        (line == "GET /version").then(|| Reply::Json(200, json!({ "Version": "18.09.1", "ApiVersion": "1.39" })))
    });
    let why = why_not(Address::Unix(old.socket())).await;
    assert!(why.contains("too old: it speaks API 1.39 (engine 18.09.1); needed is API 1.41 or newer (engine 20.10)"), "{why}");
}

#[tokio::test]
async fn newer_is_fine() {
    let new = FakeEngine::start("new", |line| {
        (line == "GET /version").then(|| Reply::Json(200, json!({ "Version": "99.0", "ApiVersion": "1.100" })))
    });
    assert_eq!(Engine::connect(endpoint(Address::Unix(new.socket()))).await.unwrap().id, "new");
}

#[tokio::test]
async fn no_docker_engine_at_all() {
    for (status, text) in [(404, "<html>Not Found</html>"), (200, "hello"), (502, "bad gateway")] {
        let site = FakeEngine::start("x", move |_| Some(Reply::Text(status, text)));
        let why = why_not(Address::Unix(site.socket())).await;
        assert!(why.starts_with("what answers at unix://") && why.contains("is no Docker engine"), "{why}");
    }
}

#[tokio::test]
async fn a_silent_engine_is_given_up() {
    let engine = FakeEngine::start("mute", |line| line.contains("/containers/").then_some(Reply::Silence));
    let connected = Engine::connect(endpoint(Address::Unix(engine.socket()))).await.unwrap();
    tokio::time::pause();
    let trouble = connected.inspect("web").await.unwrap_err();
    assert!(trouble.to_string().contains("did not answer within 10s"), "{trouble}");
    assert_eq!(PlatformError::from(trouble), PlatformError::Timeout(Duration::from_secs(10)));
}

#[tokio::test]
async fn an_engine_that_goes_away_may_have_done_it() {
    let engine = FakeEngine::start("leaves", |line| line.contains("/containers/").then_some(Reply::Gone));
    let connected = Engine::connect(endpoint(Address::Unix(engine.socket()))).await.unwrap();
    let trouble = connected.inspect("web").await.unwrap_err();
    assert!(matches!(&trouble, Trouble::Lost(why) if why.contains("went away when it was asked for")), "{trouble:?}");
    drop(engine);
    let trouble = connected.inspect("web").await.unwrap_err();
    assert!(matches!(&trouble, Trouble::Unreachable(_)), "never asked: {trouble:?}");
}

#[tokio::test]
async fn of_several_the_missing_one_is_named() {
    let host = |address: String| DockerHost { host: Some(address), ..DockerHost::default() };
    let connect = async |hosts: Vec<DockerHost>| DockerPlatform::connect(DockerSpec { hosts, ..DockerSpec::default() }).await;
    let (a, b) = (FakeEngine::start("a", |_| None), FakeEngine::start("b", |_| None));
    connect(vec![host(a.address()), host(b.address())]).await.unwrap();
    let why = connect(vec![host(a.address()), host("unix:///nowhere.sock".to_owned())]).await.unwrap_err().to_string();
    assert!(why.contains("/nowhere.sock does not exist"), "{why}");
    let other_way = format!("{}/../engine.sock", a.socket().parent().unwrap().join("x").display());
    std::fs::create_dir(a.socket().parent().unwrap().join("x")).unwrap();
    let why = connect(vec![host(a.address()), host(format!("unix://{other_way}"))]).await.unwrap_err().to_string();
    assert!(why.contains("are the same engine (a)"), "{why}");
}
