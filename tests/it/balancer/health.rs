//! Admission and ejection.

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use firedrill::balancer::protocol::{CheckKind, Report};
use http::header;

use super::rig::{Rig, Server, blind, until};

#[tokio::test]
async fn a_dead_backend_is_ejected_and_admitted_again() {
    let (a, b) = (Server::start("a").await, Server::start("b").await);
    let mut rig = Rig::start(&[&a, &b], |_| {}).await;
    let address = a.die().await;
    let why = rig.ejected("a").await;
    assert!(why.starts_with("2 bad checks in a row, the last: no connection: Connection refused"), "{why}");
    for _ in 0..6 {
        assert_eq!(rig.get("/").await, (200, "b".into()));
    }
    let again = Server::start_at("a", address).await;
    rig.admitted("a").await;
    for _ in 0..4 {
        rig.get("/").await;
    }
    assert_eq!(again.requests(), 2);
    rig.no_report();
}

#[tokio::test]
async fn thresholds_count_checks_in_a_row() {
    let a = Server::start("a").await;
    let mut rig = Rig::start_cold(&[&a], |c| (c.check.rise, c.check.fall) = (3, 4)).await;
    assert_eq!(rig.get("/").await.0, 503, "a backend is served before its first checks");
    let Report::Admitted { at: admitted, .. } = rig.report().await else { panic!() };
    assert_eq!(a.state.checks.load(SeqCst), 3);
    a.state.checks.store(0, SeqCst);
    a.state.healthy.store(false, SeqCst);
    let Report::Ejected { at: ejected, why, .. } = rig.report().await else { panic!() };
    // A check that was on its way when the server turned may count on either side.
    assert!((4..=5).contains(&a.state.checks.load(SeqCst)), "{} checks", a.state.checks.load(SeqCst));
    assert!(why.contains("status 500"), "{why}");
    assert!(ejected.since(admitted) >= Duration::from_millis(60), "four checks 20 ms apart");
    assert!(firedrill::clock::now() >= ejected);
}

#[tokio::test]
async fn bad_checks_that_are_not_in_a_row_do_not_eject() {
    let a = Server::start("a").await;
    let mut rig = Rig::start(&[&a], |_| {}).await;
    a.state.flapping.store(true, SeqCst);
    until("twelve checks, half of them bad", || a.state.checks.load(SeqCst) >= 12).await;
    rig.no_report();
}

#[tokio::test]
async fn a_failing_status_does_not_eject_when_only_the_connection_is_checked() {
    let a = Server::start("a").await;
    a.state.healthy.store(false, SeqCst);
    let rig = Rig::start(&[&a], |c| c.check.kind = CheckKind::Tcp).await;
    assert_eq!(rig.get("/").await, (200, "a".into()));
    assert_eq!(a.state.checks.load(SeqCst), 0);
}

#[tokio::test]
async fn no_backend_is_a_503_with_words() {
    let rig = Rig::start(&[], |_| {}).await;
    assert_eq!(rig.get("/").await, (503, "edge: none of 0 backends is healthy\n".into()));
}

#[tokio::test]
async fn a_backend_that_is_gone_but_not_ejected_yet_is_a_502_with_its_name() {
    let a = Server::start("a").await;
    let rig = Rig::start(&[&a], blind).await;
    a.die().await;
    let response = rig.client().await.get("/").await;
    assert_eq!(response.status(), 502);
    assert_eq!(response.headers()["x-served-by"], "a");
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/plain; charset=utf-8");
    let text = String::from_utf8(response.body().to_vec()).unwrap();
    assert!(text.starts_with("edge: a: no connection: Connection refused"), "{text}");
}

#[tokio::test]
async fn a_backend_that_does_not_answer_is_a_504() {
    let a = Server::start("a").await;
    let rig = Rig::start(&[&a], |c| {
        blind(c);
        c.response_timeout = Duration::from_millis(100);
    })
    .await;
    assert_eq!(rig.get("/hang").await, (504, "edge: a: no answer within 100ms\n".into()));
}
