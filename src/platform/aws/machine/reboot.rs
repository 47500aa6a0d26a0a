//! `restart`: instances are rebooted. EC2 shows nothing of a reboot (the state stays `running`, the launch time the same): that it took the
//! order is all that can be known from it, and the probes tell the rest.

use async_trait::async_trait;
use futures_util::future::join_all;

use super::{complete, parts, progress};
use crate::{
    clock,
    model::{
        act::{Effect, EffectStatus, Prepared},
        undo::Undo,
    },
    platform::{
        PlatformError, Reverted,
        aws::{
            calls::Action,
            deed::{Deed, On},
            effect::{answered, effect},
            reach::Reach,
            undo::{Owed, of_another_fault},
        },
    },
};

/// A second order is a second reboot.
const REBOOT: Action = Action::write_once("ec2:RebootInstances");

/// `restart`.
pub(in crate::platform::aws) struct Reboot;

#[async_trait]
impl Deed for Reboot {
    async fn prepare(&self, reach: &Reach, on: On<'_>) -> Result<Undo, PlatformError> {
        reach
            .permitted(REBOOT.name, on.place, || async {
                let ask = on.place.ec2.reboot_instances().instance_ids(&on.machine.id).dry_run(true);
                on.place.calls.call(REBOOT.dry(), || ask.clone().send()).await.map(drop)
            })
            .await?;
        Ok(Undo::Nothing { why: "it starts again by itself".to_owned() })
    }

    async fn inject(&self, reach: &Reach, acts: &[&Prepared]) -> Vec<Effect> {
        let mut effects = vec![None; acts.len()];
        let mut fresh: Vec<&Prepared> = Vec::new();
        let mut places = Vec::new();
        for (at, prepared) in acts.iter().enumerate() {
            if progress::order(reach, prepared) {
                fresh.push(prepared);
                places.push(at);
            } else {
                let found = "this act has rebooted it already".to_owned();
                effects[at] = Some(effect(prepared, clock::now(), EffectStatus::Vanished { found }));
            }
        }
        let mut of_fresh = vec![None; fresh.len()];
        let parts = parts(reach, &fresh, &mut of_fresh);
        let done = join_all(parts.iter().map(|part| async move {
            let requested = clock::now();
            let ask = part.place.ec2.reboot_instances().set_instance_ids(Some(part.ids()));
            let answer = part.place.calls.call(REBOOT, || ask.clone().send()).await.map(drop);
            part.acts.iter().map(|(at, prepared)| (*at, answered(prepared, requested, &answer))).collect::<Vec<_>>()
        }))
        .await;
        for (at, effect) in done.into_iter().flatten() {
            of_fresh[at] = Some(effect);
        }
        for (at, effect) in places.into_iter().zip(complete(&fresh, of_fresh)) {
            effects[at] = Some(effect);
        }
        complete(acts, effects)
    }

    async fn verify(&self, _: &Reach, _: &[&Prepared], mut effects: Vec<Effect>) -> Vec<Effect> {
        for effect in effects.iter_mut().filter(|effect| effect.status.happened()) {
            "EC2 took the order; it shows nothing more of a reboot".clone_into(&mut effect.source);
        }
        effects
    }

    async fn revert(&self, _: &Reach, _: &Prepared, _: &Owed) -> Result<Reverted, PlatformError> {
        Err(of_another_fault())
    }
}
