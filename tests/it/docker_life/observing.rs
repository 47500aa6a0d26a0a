//! What happens by itself is seen, with the time at which it happened.

use std::time::Duration;

use firedrill::{
    clock,
    model::observation::{Observation, Observed},
    platform::Platform,
};
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::mpsc;

use super::rig::platform;
use crate::support::engine::Engine;

/// Waits for an observation.
async fn sees(seen: &mut mpsc::Receiver<Observation>, what: &str, is: impl Fn(&Observed) -> bool) -> Observation {
    let mut all = Vec::new();
    let wait = async {
        loop {
            let next = seen.recv().await.expect("a stream");
            if is(&next.what) {
                return next;
            }
            all.push(next);
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait).await.unwrap_or_else(|_| panic!("no {what} was seen"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_death_and_a_restart_by_policy() {
    let engine = Engine::shared();
    let project = engine.project("observing");
    let web = project.container("web").zone("a").restart("always").start();
    let platform = platform(&project).await;
    let mut seen = platform.observe().await.expect("a stream");
    tokio::time::sleep(Duration::from_millis(300)).await;
    let asked = clock::now();
    kill_process(Pid::from_raw(web.pid()).expect("one"), Signal::KILL).expect("killed");
    let died = sees(&mut seen, "death", |what| matches!(what, Observed::Died { instance, .. } if instance.as_str() == web.id)).await;
    assert!(matches!(&died.what, Observed::Died { how, zone, .. } if how.contains("137") && zone.as_str() == "a"), "{died:?}");
    assert!(died.at.plus(Duration::from_millis(200)) >= asked && died.at <= clock::now(), "{died:?} of {asked:?}");
    sees(&mut seen, "capacity lost", |what| matches!(what, Observed::Capacity { serving: 0, desired: 1, .. })).await;
    let again = sees(&mut seen, "restart", |what| matches!(what, Observed::Launched { .. })).await;
    assert!(matches!(&again.what, Observed::Launched { replaces: Some(old), .. } if old.as_str() == web.id), "{again:?}");
    sees(&mut seen, "the policy", |what| matches!(what, Observed::Note { text } if text.contains("restart policy"))).await;
    sees(&mut seen, "service", |what| matches!(what, Observed::InService { .. })).await;
    sees(&mut seen, "capacity back", |what| matches!(what, Observed::Capacity { serving: 1, desired: 1, .. })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replacement_by_somebody_a_pause_and_a_network() {
    let engine = Engine::shared();
    let project = engine.project("observing");
    let back = project.network("back");
    let web = project.container("web").network("back").start();
    let platform = platform(&project).await;
    let mut seen = platform.observe().await.expect("a stream");
    tokio::time::sleep(Duration::from_millis(300)).await;
    engine.docker(&["network", "disconnect", &back, &web.id]);
    sees(&mut seen, "cut", |what| matches!(what, Observed::Note { text } if text.contains("disconnected") && text.contains(&back))).await;
    engine.docker(&["pause", &web.id]);
    sees(&mut seen, "pause", |what| matches!(what, Observed::OutOfService { why, .. } if why == "paused")).await;
    engine.docker(&["unpause", &web.id]);
    sees(&mut seen, "its end", |what| matches!(what, Observed::InService { .. })).await;
    engine.docker(&["rm", "-f", &web.id]);
    sees(&mut seen, "death", |what| matches!(what, Observed::Died { .. })).await;
    let other = project.container("web").start();
    let new = sees(&mut seen, "replacement", |what| matches!(what, Observed::Launched { .. })).await;
    let Observed::Launched { instance, replaces, .. } = &new.what else { unreachable!() };
    assert_eq!(
        (instance.as_str(), replaces.as_ref().map(firedrill::model::ids::InstanceId::as_str)),
        (other.id.as_str(), Some(web.id.as_str()))
    );
}
