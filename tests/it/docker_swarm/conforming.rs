//! The contract of `trait Platform` where Swarm replaces what ends.

use firedrill::{
    model::{
        act::{Act, Group, Target},
        fault::{Fault, PartitionMode},
        ids::ActId,
        undo::Undo,
    },
    platform::{Platform, PlatformError, Reverted},
};

use super::rig::{Swarm, done, eventually, prepared};
use crate::{conformance::conforms, support::engine::Engine};

/// One engine for all that fits on one node: an engine takes seconds to start.
#[tokio::test]
async fn one_node_keeps_the_contract() {
    let swarm = Swarm::of(vec![Engine::start()]);
    swarm.update(0, &["--label-add", "firedrill.zone=a", "--label-add", "disk=ssd"]);
    swarm.service("web", &["--replicas", "3"]);
    swarm.settled("web", 3);
    let platform = swarm.platform(&[0]).await;
    instances(&swarm, &platform).await;
    a_killed_task_is_replaced_and_never_started_again(&swarm, &platform).await;
    a_task_is_not_taken_off_its_networks(&platform).await;
    conforms(&platform, 11, &Fault::SuspendReplacement).await;
    conforms(&platform, 21, &Fault::ZONE_OUTAGE).await;
    conforms(&platform, 31, &Fault::REGION_OUTAGE).await;
    assert_eq!(swarm.state(0), "active map[disk:ssd firedrill.zone:a]");
    what_is_on_its_way_is_waited_for(&swarm, &platform).await;
    what_somebody_else_set_is_not_overwritten(&swarm, &platform).await;
}

async fn instances(swarm: &Swarm, platform: &dyn Platform) {
    let found = platform.inventory().await.expect("an inventory");
    let told: Vec<(&str, &str)> = found.instances.iter().map(|i| (i.service.as_str(), i.zone.as_str())).collect();
    assert_eq!(told, [("web", "a"); 3], "the zone is the node's");
    assert_eq!(found.desired.get(&"web".into()), Some(&3));
    // A container's own label comes first.
    swarm.manager().docker(&["service", "update", "--detach", "--container-label-add", "firedrill.zone=b", "shop_web"]);
    eventually("the label is on all", || {
        let filters = ["--filter", "label=firedrill.zone=b", "--filter", "status=running"];
        swarm.manager().docker(&[&["ps", "-q"], &filters[..]].concat()).lines().count() == 3
    });
    let found = platform.inventory().await.expect("an inventory").instances;
    assert!(found.len() == 3 && found.iter().all(|i| i.zone.as_str() == "b"), "{found:?}");
    swarm.manager().docker(&["service", "update", "--detach", "--container-label-rm", "firedrill.zone", "shop_web"]);
    eventually("the label is gone", || {
        updated(swarm)
            && swarm.manager().docker(&["ps", "-q", "--filter", "label=firedrill.zone=b", "--filter", "status=running"]).is_empty()
    });
    swarm.settled("web", 3);
}

async fn a_task_is_not_taken_off_its_networks(platform: &dyn Platform) {
    let victim = platform.inventory().await.expect("an inventory").instances.remove(0);
    let fault = Fault::Partition { mode: PartitionMode::Disconnect };
    let act = Act { id: ActId { step: 1, act: 1 }, fault, target: Target::Instance(victim) };
    let refused = platform.prepare(&act).await;
    assert!(matches!(&refused, Err(PlatformError::Refused(why)) if why.contains("is a task of Swarm")), "{refused:?}");
}

async fn a_killed_task_is_replaced_and_never_started_again(swarm: &Swarm, platform: &firedrill::platform::docker::DockerPlatform) {
    let victim = platform.inventory().await.expect("an inventory").instances.remove(0);
    let acts = prepared(platform, &Fault::Kill { signal: None }, std::slice::from_ref(&victim), &Group::default()).await;
    assert!(acts[0].undo.says().starts_with("Swarm replaces shop_web."), "{}", acts[0].undo.says());
    let never = platform.revert(&acts[0]).await.expect("nothing happened");
    assert!(matches!(&never, Reverted::NothingToUndo { why } if why.ends_with("runs, as before")), "{never:?}");
    done(platform, &acts).await;
    let looked = platform.revert(&acts[0]).await.expect("it is replaced");
    assert!(matches!(&looked, Reverted::NothingToUndo { why } if why.contains("shop_web runs 3 of 3 tasks")), "{looked:?}");
    let running = swarm.running(0);
    assert!(running.len() == 3 && !running.contains(&victim.id.0), "{running:?}");
    let found = platform.inventory().await.expect("an inventory").instances;
    assert!(found.len() == 3 && found.iter().all(|i| i.id != victim.id), "what ended is no instance any more: {found:?}");
    let act = firedrill::model::act::Act { fault: Fault::Restart { grace: std::time::Duration::ZERO }, ..acts[0].act.clone() };
    let target = firedrill::model::act::Target::Instance(found[0].clone());
    let refused = platform.prepare(&firedrill::model::act::Act { target, ..act }).await.expect_err("it would be a stray");
    assert!(refused.to_string().contains("is a task of Swarm"), "{refused}");
}

/// A task that Swarm has given to the node already would start in the middle of an outage.
async fn what_is_on_its_way_is_waited_for(swarm: &Swarm, platform: &firedrill::platform::docker::DockerPlatform) {
    swarm.manager().docker(&["service", "update", "--detach", "--restart-delay", "4s", "shop_web"]);
    eventually("the update is done", || updated(swarm));
    swarm.settled("web", 3);
    let victim = swarm.running(0).remove(0);
    swarm.manager().docker(&["kill", &victim]);
    eventually("Swarm knows", || swarm.manager().docker(&["service", "ps", "--format", "{{.CurrentState}}", "shop_web"]).contains("Ready"));
    let group = Group { zone: Some("a".into()), ..Group::default() };
    let (fault, target) = platform.acts(&Fault::SuspendReplacement, &[], &group).remove(0);
    let act = firedrill::model::act::Act { id: firedrill::model::ids::ActId { step: 41, act: 1 }, fault, target };
    let refused = platform.prepare(&act).await.expect_err("one is on its way");
    assert!(refused.to_string().contains("on its way to one of the nodes"), "{refused}");
    swarm.settled("web", 3);
    let undo = platform.prepare(&act).await.expect("it runs now");
    assert!(matches!(undo, Undo::Restore { .. }));
}

fn updated(swarm: &Swarm) -> bool {
    swarm.manager().docker(&["service", "inspect", "--format", "{{.UpdateStatus.State}}", "shop_web"]) == "completed"
}

async fn what_somebody_else_set_is_not_overwritten(swarm: &Swarm, platform: &firedrill::platform::docker::DockerPlatform) {
    let group = Group { zone: Some("a".into()), ..Group::default() };
    let acts = prepared(platform, &Fault::SuspendReplacement, &[], &group).await;
    // A change of something else in between does not matter.
    swarm.update(0, &["--label-add", "rack=7"]);
    done(platform, &acts).await;
    assert!(swarm.state(0).starts_with("pause map[disk:ssd firedrill.held:-/"), "{}", swarm.state(0));
    swarm.update(0, &["--availability", "drain"]);
    let refused = platform.revert(&acts[0]).await.expect_err("somebody changed it");
    assert!(matches!(&refused, PlatformError::Refused(why) if why.contains("`drain`") && why.contains("`active`")), "{refused:?}");
    assert_eq!(swarm.state(0), "drain map[disk:ssd firedrill.zone:a rack:7]", "the mark went, the rest stays");
    swarm.update(0, &["--availability", "active"]);
    swarm.settled("web", 3);
    // And between plan and act.
    let acts = prepared(platform, &Fault::SuspendReplacement, &[], &group).await;
    swarm.update(0, &["--availability", "pause"]);
    let effects = platform.inject(&acts).await;
    assert!(effects[0].status.why().is_some_and(|why| why.contains("`pause` now, and was `active`")), "{effects:?}");
    let left = platform.revert(&acts[0]).await.expect_err("it is somebody else's");
    assert!(left.to_string().contains("somebody else"), "{left}");
    assert!(swarm.state(0).starts_with("pause "));
}
