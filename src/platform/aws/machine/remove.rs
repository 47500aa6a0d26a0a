//! `remove`: an instance ends through its Auto Scaling group. With its place (`decrement`, the usual way), so that nothing replaces it and
//! afterwards the group has its size back; or without, so that the group launches another one itself.

use async_trait::async_trait;
use futures_util::future::join_all;

use super::{complete, phase};
use crate::{
    clock,
    model::{
        act::{Effect, EffectStatus, Prepared},
        fault::Fault,
        undo::Undo,
    },
    platform::{
        PlatformError, Reverted,
        aws::{
            deed::{Deed, On},
            effect::{answered, effect},
            group::{self, Held, Way, shrink},
            reach::Reach,
            undo::{Before, Owed},
            world::{AutoGroup, Phase},
        },
    },
};

/// `remove`.
pub(in crate::platform::aws) struct Remove;

#[async_trait]
impl Deed for Remove {
    async fn prepare(&self, reach: &Reach, on: On<'_>) -> Result<Undo, PlatformError> {
        let Some((group, _)) = on.world.group_of(on.machine) else {
            return Err(PlatformError::Refused(format!("{} is in no Auto Scaling group; `kill` ends it", on.name())));
        };
        group::may_be_held(reach, group).await?;
        if !decrements(&on.act.fault) {
            return Ok(replaced(group));
        }
        if group.desired <= group.min {
            return Err(PlatformError::Refused(format!(
                "the Auto Scaling group {} wants {} and must have at least {}: it has no place to lose",
                group.name, group.desired, group.min
            )));
        }
        let held = Held {
            region: group.region.clone(),
            name: group.name.clone(),
            mark: reach.mark(on.act.id.step)?,
            way: Way::Shrunk { desired: group.desired },
        };
        let says = format!("have {} want {} instances again, which then launches new ones", group.name, group.desired);
        Ok(Before::Launching { groups: vec![held] }.into_undo(&reach.connection.account, &group.region, says))
    }

    async fn inject(&self, reach: &Reach, acts: &[&Prepared]) -> Vec<Effect> {
        let (shrink, replace): (Vec<usize>, Vec<usize>) = (0..acts.len()).partition(|at| decrements(&acts[*at].act.fault));
        let of = |all: &[usize]| all.iter().map(|at| acts[*at]).collect::<Vec<_>>();
        let mut effects = vec![None; acts.len()];
        for (at, effect) in shrink.iter().zip(shrink::inject(reach, &of(&shrink)).await) {
            effects[*at] = Some(effect);
        }
        for (at, effect) in replace.iter().zip(join_all(of(&replace).into_iter().map(|act| end(reach, act))).await) {
            effects[*at] = Some(effect);
        }
        complete(acts, effects)
    }

    async fn verify(&self, reach: &Reach, acts: &[&Prepared], effects: Vec<Effect>) -> Vec<Effect> {
        phase::seen(reach, acts, effects, Phase::ended).await
    }

    async fn revert(&self, reach: &Reach, prepared: &Prepared, _: &Owed) -> Result<Reverted, PlatformError> {
        group::revert(reach, prepared).await
    }
}

/// Whether the group loses the place, too.
fn decrements(fault: &Fault) -> bool {
    !matches!(fault, Fault::Remove { decrement: false })
}

/// What brings the capacity back when the group keeps the place.
fn replaced(group: &AutoGroup) -> Undo {
    if group.suspended.contains("Launch") {
        return Undo::Impossible { why: format!("its Auto Scaling group {} does not replace it while `Launch` is suspended", group.name) };
    }
    Undo::Nothing { why: format!("its Auto Scaling group {} wants as many as before, and replaces it", group.name) }
}

/// Ends one instance whose group keeps the place.
async fn end(reach: &Reach, prepared: &Prepared) -> Effect {
    let requested = clock::now();
    let Some(instance) = prepared.act.target.instance() else {
        return effect(prepared, requested, EffectStatus::Refused { why: "`remove` needs an instance".to_owned() });
    };
    match reach.connection.place(&instance.region) {
        Ok(place) => answered(prepared, requested, &group::end(place, instance.id.as_str(), false).await),
        Err(error) => effect(prepared, requested, EffectStatus::Refused { why: error.to_string() }),
    }
}
