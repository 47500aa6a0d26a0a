//! When an instance of a local system counts as in service: users reach it through balancers.

use std::time::Duration;

use firedrill::{
    model::{
        fault::{Fault, PartitionMode},
        observation::{Observation, Observed},
        time::Mono,
    },
    platform::{Platform, Reverted, local::LocalPlatform},
};
use tokio::sync::mpsc::Receiver;

use super::local_rig::{Rig, find, hit};

/// One balancer that is quick to admit, and one that takes at least 800 ms longer than the instance's own health check.
const TWO: &str = r#"
name: two
services:
  web:
    command: ["${firedrill}", what-time, --listen, "${instance.address}", --instance, "${instance.id}", --zone, "${instance.zone}"]
    zones: { a: 1, b: 1 }
    health: { http: /health, every: 50ms, timeout: 1s, starts-within: 20s }
balancers:
  quick:
    listen: "${edge}"
    service: web
    check: { http: /health, every: 50ms, timeout: 1s, rise: 1, fall: 1 }
  slow:
    listen: "${other}"
    service: web
    check: { http: /health, every: 800ms, timeout: 1s, rise: 2, fall: 1 }
"#;

async fn two() -> (Rig, LocalPlatform, Receiver<Observation>) {
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (rig, platform) = Rig::up(&TWO.replace("${other}", &other.to_string())).await;
    let observed = platform.observe().await.unwrap();
    (rig, platform, observed)
}

/// What is observed until `last` is among it.
async fn until(observed: &mut Receiver<Observation>, what: &str, mut last: impl FnMut(&Observed) -> bool) -> Vec<Observation> {
    let mut heard = Vec::new();
    let listen = async {
        while let Some(observation) = observed.recv().await {
            let found = last(&observation.what);
            heard.push(observation);
            if found {
                return true;
            }
        }
        false
    };
    let found = tokio::time::timeout(Duration::from_secs(20), listen).await.unwrap_or(false);
    assert!(found, "never: {what}; heard: {heard:#?}");
    heard
}

fn in_service(id: &str) -> impl FnMut(&Observed) -> bool {
    move |what| matches!(what, Observed::InService { instance, .. } if instance.as_str() == id)
}

fn out_of_service(id: &str) -> impl FnMut(&Observed) -> bool {
    move |what| matches!(what, Observed::OutOfService { instance, .. } if instance.as_str() == id)
}

/// When each balancer said that it sends to an instance.
fn admitted(heard: &[Observation], id: &str) -> Vec<(String, Mono)> {
    let words = heard.iter().filter_map(|o| match &o.what {
        Observed::Admitted { balancer, instance } if instance.as_str() == id => Some((balancer.clone(), o.at)),
        _ => None,
    });
    words.collect()
}

/// Kills an instance, waits until these balancers have noticed, and starts it again.
async fn kill_and_bring_back(platform: &LocalPlatform, observed: &mut Receiver<Observation>, id: &str, balancers: usize) {
    let (act, effect) = hit(platform, Fault::Kill { signal: None }, id).await;
    assert!(effect.status.happened(), "{effect:?}");
    for _ in 0..balancers {
        until(observed, "ejected", |what| matches!(what, Observed::Ejected { instance, .. } if instance.as_str() == id)).await;
    }
    assert!(matches!(platform.revert(&act).await.unwrap(), Reverted::Restored { .. }));
}

#[tokio::test]
async fn one_that_came_back_serves_when_the_last_balancer_sends_to_it() {
    let (_rig, platform, mut observed) = two().await;
    kill_and_bring_back(&platform, &mut observed, "web-a-1", 2).await;
    let known = find(&platform, "web-a-1").await.unwrap();
    assert!(!known.serving(), "it passes its own check, but one balancer does not send to it yet: {known:?}");
    let heard = until(&mut observed, "in service", in_service("web-a-1")).await;
    let admitted = admitted(&heard, "web-a-1");
    assert_eq!(admitted.len(), 2, "{heard:#?}");
    assert_eq!(heard.last().unwrap().at, admitted.iter().map(|(_, at)| *at).max().unwrap());
    assert!(find(&platform, "web-a-1").await.unwrap().serving());
    let full = |what: &Observed| matches!(what, Observed::Capacity { serving: 2, desired: 2, .. });
    let after = until(&mut observed, "the capacity is back", full).await;
    assert_eq!(after.last().unwrap().at, heard.last().unwrap().at, "at the same moment, not before");
}

#[tokio::test]
async fn a_dead_or_stopped_balancer_is_not_waited_for() {
    let (_rig, platform, mut observed) = two().await;
    let (slow, _) = hit(&platform, Fault::Kill { signal: None }, "slow").await;
    assert!(!find(&platform, "slow").await.unwrap().serving());
    kill_and_bring_back(&platform, &mut observed, "web-a-1", 1).await;
    let heard = until(&mut observed, "in service without the dead one", in_service("web-a-1")).await;
    let by: Vec<String> = admitted(&heard, "web-a-1").into_iter().map(|(balancer, _)| balancer).collect();
    assert_eq!(by, ["quick"]);

    // The balancer itself serves when it sends to somebody; that it has not said anything yet takes nobody out.
    assert!(matches!(platform.revert(&slow).await.unwrap(), Reverted::Restored { .. }));
    let heard = until(&mut observed, "the balancer is in service", in_service("slow")).await;
    let said: Vec<Mono> = ["web-a-1", "web-b-1"].iter().flat_map(|id| admitted(&heard, id)).map(|(_, at)| at).collect();
    assert_eq!(said.iter().min(), Some(&heard.last().unwrap().at), "{heard:#?}");
    assert!(!heard.iter().any(|o| matches!(o.what, Observed::OutOfService { .. })), "{heard:#?}");
    assert!(find(&platform, "slow").await.unwrap().serving());

    // Once both have come to rest, with the quick one stopped.
    let mut waits = admitted(&heard, "web-a-1").is_empty();
    while waits {
        waits = !until(&mut observed, "admitted", |what| matches!(what, Observed::Admitted { .. }))
            .await
            .iter()
            .any(|o| matches!(&o.what, Observed::Admitted { balancer, instance } if balancer == "slow" && instance.as_str() == "web-a-1"));
    }
    let (quick, effect) = hit(&platform, Fault::Pause, "quick").await;
    assert!(effect.status.happened(), "{effect:?}");
    kill_and_bring_back(&platform, &mut observed, "web-a-1", 1).await;
    until(&mut observed, "in service without the stopped one", in_service("web-a-1")).await;
    platform.revert(&quick).await.unwrap();
}

#[tokio::test]
async fn one_that_balancers_are_cut_off_from_is_out_of_service_and_its_start_is_no_hostage_of_that() {
    let (_rig, platform, mut observed) = two().await;
    let (cut, effect) = hit(&platform, Fault::Partition { mode: PartitionMode::Refuse }, "web-a-1").await;
    assert!(effect.status.happened(), "{effect:?}");
    until(&mut observed, "out of service", out_of_service("web-a-1")).await;
    assert!(!find(&platform, "web-a-1").await.unwrap().serving(), "though its own check passes");
    // Undos come in reverse: the kill is undone while the partition lasts.
    let (kill, _) = hit(&platform, Fault::Kill { signal: None }, "web-a-1").await;
    assert!(matches!(platform.revert(&kill).await.unwrap(), Reverted::Restored { .. }));
    assert!(!find(&platform, "web-a-1").await.unwrap().serving());
    assert!(matches!(platform.revert(&cut).await.unwrap(), Reverted::Restored { .. }));
    until(&mut observed, "in service again", in_service("web-a-1")).await;
}
