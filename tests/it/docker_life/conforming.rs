//! The contract of `trait Platform`, on a real engine.

use std::time::Duration;

use firedrill::model::fault::Fault;

use super::rig::{four, platform, world};
use crate::{conformance::conforms, support::engine::Engine};

async fn conforming(faults: &[Fault]) {
    let engine = Engine::shared();
    let project = engine.project("conforming");
    let _all = four(&project);
    let platform = platform(&project).await;
    let before = world(&project);
    for (step, fault) in (1..).step_by(2).zip(faults) {
        conforms(&platform, step, fault).await;
        world(&project).is(&before, &format!("after {fault:?}"));
    }
}

#[tokio::test]
async fn ends_and_their_ways_back_conform() {
    let grace = Duration::from_secs(1);
    conforming(&[Fault::Kill { signal: None }, Fault::Stop { grace }, Fault::Pause, Fault::Restart { grace }]).await;
}

#[tokio::test]
async fn removal_conforms() {
    conforming(&[Fault::REMOVE]).await;
}

#[tokio::test]
async fn suspension_and_outages_conform() {
    conforming(&[Fault::SuspendReplacement, Fault::ZONE_OUTAGE, Fault::REGION_OUTAGE]).await;
}
