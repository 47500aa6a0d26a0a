//! Faults at the balancer: what they do, and that they heal.

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use firedrill::{
    balancer::protocol::{Action, Healed},
    clock,
    model::{fault::Cut, quantity::Share},
};
use http::{Request, header};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use tokio_util::task::TaskTracker;

use super::rig::{PATIENCE, Rig, Server, blind, until};

fn partition(mode: Cut) -> Action {
    Action::Partition { id: "a".into(), mode }
}

fn heal(what: Healed) -> Action {
    Action::Heal { id: "a".into(), what }
}

#[tokio::test]
async fn a_hanging_partition_is_ejected_by_its_checks_and_heals() {
    let (a, b) = (Server::start("a").await, Server::start("b").await);
    let mut rig = Rig::start(&[&a, &b], |c| c.check.timeout = Duration::from_millis(400)).await;
    rig.apply(partition(Cut::Hang));
    let why = rig.ejected("a").await;
    assert!(why.ends_with("no answer within 400ms"), "{why}");
    for _ in 0..4 {
        assert_eq!(rig.get("/").await, (200, "b".into()));
    }
    rig.apply(heal(Healed::Partition));
    rig.admitted("a").await;
}

#[tokio::test]
async fn a_hanging_partition_times_out_new_connections_and_open_ones() {
    let a = Server::start("a").await;
    let rig = Rig::start(&[&a], |c| {
        blind(c);
        c.connect_timeout = Duration::from_millis(200);
        c.response_timeout = Duration::from_millis(450);
    })
    .await;
    rig.apply(partition(Cut::Hang));
    assert_eq!(rig.get("/").await, (504, "edge: a: no connection within 200ms\n".into()));
    rig.apply(heal(Healed::Partition));
    assert_eq!(rig.get("/").await.0, 200);
    rig.apply(partition(Cut::Hang));
    // Now there is an idle connection: the request goes there and waits for an answer.
    assert_eq!(rig.get("/").await, (504, "edge: a: no answer within 450ms\n".into()));
    assert_eq!(a.requests(), 1, "requests reached the backend through the partition");
}

#[tokio::test]
async fn an_answer_is_held_while_the_partition_hangs_and_then_comes() {
    let a = Server::start("a").await;
    let rig = Rig::start(&[&a], blind).await;
    let mut client = rig.client().await;
    let waiting = TaskTracker::new().spawn(async move { client.send_raw(Request::get("/wait"), Empty::new().boxed_unsync()).await });
    until("the request is with the backend", || a.requests() == 1).await;
    rig.apply(partition(Cut::Hang));
    a.state.gate.add_permits(1);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!waiting.is_finished(), "an answer came through the partition");
    rig.apply(heal(Healed::Partition));
    assert_eq!(timeout(PATIENCE, waiting).await.unwrap().unwrap().status(), 200);
}

#[tokio::test]
async fn a_body_is_held_or_cut_by_a_partition() {
    let a = Server::start("a").await;
    let rig = Rig::start(&[&a], blind).await;
    let mut held = rig.client().await.send_raw(Request::get("/halves"), Empty::new().boxed_unsync()).await;
    let first = timeout(PATIENCE, held.frame()).await.unwrap().unwrap().unwrap();
    assert_eq!(&first.into_data().unwrap()[..], b"half");
    rig.apply(partition(Cut::Hang));
    a.state.gate.add_permits(1);
    let rest = held.frame();
    tokio::pin!(rest);
    assert!(timeout(Duration::from_millis(150), &mut rest).await.is_err(), "the second half came through the partition");
    rig.apply(heal(Healed::Partition));
    let second = timeout(PATIENCE, rest).await.unwrap().unwrap().unwrap();
    assert_eq!(&second.into_data().unwrap()[..], b"half");

    let mut cut = rig.client().await.send_raw(Request::get("/halves"), Empty::new().boxed_unsync()).await;
    timeout(PATIENCE, cut.frame()).await.unwrap().unwrap().unwrap();
    rig.apply(partition(Cut::Refuse));
    let broken = timeout(PATIENCE, cut.frame()).await.expect("the backend is silent, and the cut was not noticed");
    assert!(broken.unwrap().is_err(), "the body ended as if it were whole");
}

#[tokio::test]
async fn a_refusing_partition_fails_at_once_and_heals() {
    let a = Server::start("a").await;
    let mut rig = Rig::start(&[&a], |c| c.check.fall = 3).await;
    let mut client = rig.client().await;
    let in_flight = TaskTracker::new().spawn(async move { client.get("/hang").await });
    until("the request is with the backend", || a.requests() == 1).await;
    rig.apply(partition(Cut::Refuse));
    let broken = timeout(PATIENCE, in_flight).await.unwrap().unwrap();
    assert_eq!(broken.status(), 502);
    let text = "edge: a: connection refused (partition)\n";
    assert_eq!(&broken.body()[..], text.as_bytes());
    assert_eq!(rig.get("/").await, (502, text.into()));
    let why = rig.ejected("a").await;
    assert_eq!(why, "3 bad checks in a row, the last: connection refused (partition)");
    assert_eq!(rig.get("/").await.0, 503);
    assert_eq!(a.requests(), 1);
    rig.apply(heal(Healed::Partition));
    rig.admitted("a").await;
    assert_eq!(rig.get("/").await.0, 200);
}

#[tokio::test]
async fn slow_delays_answers_and_heals() {
    let a = Server::start("a").await;
    let rig = Rig::start(&[&a], blind).await;
    let mut client = rig.client().await;
    let mut took = async |path: &str| {
        let before = clock::now();
        assert_eq!(client.get(path).await.status(), 200);
        clock::now().since(before)
    };
    rig.apply(Action::Slow { id: "a".into(), latency: Duration::from_millis(300), jitter: Duration::from_millis(200) });
    let mut slow = Vec::new();
    for _ in 0..3 {
        slow.push(took("/").await);
    }
    assert!(slow.iter().all(|t| *t >= Duration::from_millis(300)), "{slow:?}");
    assert!(slow.iter().max().unwrap().abs_diff(*slow.iter().min().unwrap()) > Duration::from_millis(2), "no jitter: {slow:?}");
    rig.apply(heal(Healed::Slow));
    // The best of several: one request may be slow on a busy machine.
    let mut healed = Vec::new();
    for _ in 0..5 {
        healed.push(took("/").await);
    }
    assert!(healed.iter().any(|t| *t < Duration::from_millis(300)), "{healed:?}");
}

#[tokio::test]
async fn loss_takes_its_share_of_requests_and_heals() {
    let a = Server::start("a").await;
    let rig = Rig::start(&[&a], |c| {
        blind(c);
        c.response_timeout = Duration::from_secs(1);
    })
    .await;
    let ask_all = async || {
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..200 {
            let mut client = rig.client().await;
            all.spawn(async move { client.get("/").await.status().as_u16() });
        }
        let statuses = all.join_all().await;
        (statuses.iter().filter(|s| **s == 504).count(), statuses.iter().filter(|s| **s == 200).count())
    };
    rig.apply(Action::Loss { id: "a".into(), share: Share(0.3) });
    let (lost, answered) = ask_all().await;
    assert_eq!(lost + answered, 200);
    assert!((30..=90).contains(&lost), "{lost} of 200 lost at 30%");
    assert_eq!(a.requests(), answered, "lost requests reached the backend");
    rig.apply(heal(Healed::Loss));
    assert_eq!(ask_all().await, (0, 200));
    let refused = rig.balancer.apply(Action::Loss { id: "a".into(), share: Share(1.5) }).unwrap_err();
    assert!(refused.0.contains("0% to 100%"), "{refused}");
}

#[tokio::test]
async fn a_tunnel_hangs_goes_on_and_is_cut() {
    let a = Server::start("a").await;
    let rig = Rig::start(&[&a], blind).await;
    let mut client = rig.client().await;
    let ask = Request::get("/").header(header::CONNECTION, "upgrade").header(header::UPGRADE, "echo");
    let response = client.send_raw(ask, Empty::new().boxed_unsync()).await;
    let mut io = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    let mut heard = [0; 7];
    io.read_exact(&mut heard).await.unwrap();
    rig.apply(partition(Cut::Hang));
    io.write_all(b"through").await.unwrap();
    let early = timeout(Duration::from_millis(100), io.read_exact(&mut heard)).await;
    assert!(early.is_err(), "bytes came through the partition");
    rig.apply(heal(Healed::Partition));
    timeout(PATIENCE, io.read_exact(&mut heard)).await.unwrap().unwrap();
    assert_eq!(&heard, b"through");
    rig.apply(partition(Cut::Refuse));
    let ended = timeout(PATIENCE, io.read(&mut heard)).await.expect("the tunnel stayed open");
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
}

#[tokio::test]
async fn only_the_backend_with_the_fault_has_it() {
    let (a, b) = (Server::start("a").await, Server::start("b").await);
    let rig = Rig::start(&[&a, &b], blind).await;
    rig.apply(partition(Cut::Refuse));
    let mut statuses = Vec::new();
    for _ in 0..10 {
        statuses.push(rig.get("/").await.0);
    }
    assert_eq!(statuses.iter().filter(|s| **s == 502).count(), 5, "{statuses:?}");
    assert_eq!((a.requests(), b.state.requests.load(SeqCst)), (0, 5));
}
