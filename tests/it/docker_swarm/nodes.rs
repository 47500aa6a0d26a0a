//! Two nodes, each a zone by its label.

use std::sync::Arc;

use firedrill::{
    model::{act::Group, fault::Fault, instance::Instance},
    platform::Platform,
};

use super::rig::{Swarm, done, prepared};
use crate::support::{engine::Engine, residue};

#[tokio::test]
async fn an_outage_takes_one_node_and_swarm_goes_on_on_the_other() {
    let swarm = Swarm::of(vec![Engine::start(), Engine::start()]);
    for (place, zone) in ["a", "b"].iter().enumerate() {
        swarm.update(place, &["--label-add", &format!("firedrill.zone={zone}")]);
    }
    swarm.service("web", &["--replicas", "4"]);
    swarm.service("each", &["--mode", "global"]);
    swarm.settled("web", 4);
    swarm.settled("each", 2);
    let (untouched, before) = (swarm.running(0), swarm.state(1));
    let platform = swarm.platform(&[0, 1]).await;
    let found = platform.inventory().await.expect("an inventory");
    assert_eq!((found.desired.get(&"web".into()), found.desired.get(&"each".into())), (Some(&4), Some(&2)));
    let victims: Vec<Arc<Instance>> = found.instances.into_iter().filter(|i| i.zone.as_str() == "b").collect();
    assert_eq!(victims.len(), 3);
    let group = Group { zone: Some("b".into()), ..Group::default() };
    let acts = prepared(&platform, &Fault::ZONE_OUTAGE, &victims, &group).await;
    assert_eq!(acts.len(), 4);
    done(&platform, &acts).await;
    // Swarm starts two of them in the zone that is left; the global service has no node for its other task.
    swarm.runs(0, 5);
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!((swarm.running(1).len(), swarm.running(0).len()), (0, 5));
    residue::none(untouched.iter().all(|id| swarm.running(0).contains(id)), "only the zone was hit");
    for act in acts.iter().rev() {
        platform.revert(act).await.expect("it is undone");
    }
    residue::same(&swarm.state(1), &before, "undone");
    // The global one is back; what Swarm moved stays where it is.
    assert_eq!((swarm.running(1).len(), swarm.running(0).len()), (1, 5));

    // A worker alone cannot hold a node back, nor say how many are wanted or what zone it is.
    let worker = swarm.platform(&[1]).await;
    let found = worker.inventory().await.expect("an inventory");
    assert!(found.desired.is_empty() && found.instances.len() == 1);
    let zone = Some(found.instances[0].zone.clone());
    let (fault, target) = worker.acts(&Fault::SuspendReplacement, &[], &Group { zone, ..Group::default() }).remove(0);
    let act = firedrill::model::act::Act { id: firedrill::model::ids::ActId { step: 1, act: 1 }, fault, target };
    let refused = worker.prepare(&act).await.expect_err("no manager");
    assert!(refused.to_string().contains("add a manager to `hosts:`"), "{refused}");
    let kill = firedrill::model::act::Act {
        fault: Fault::Kill { signal: None },
        target: firedrill::model::act::Target::Instance(found.instances[0].clone()),
        ..act
    };
    let undo = worker.prepare(&kill).await.expect("a kill needs no manager");
    assert!(undo.says().contains("is not looked at"), "{}", undo.says());
}
