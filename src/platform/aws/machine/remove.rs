//! `remove`: an instance goes with its place in its Auto Scaling group, so that nothing replaces it; afterwards the group has its size back.

use async_trait::async_trait;

use super::phase;
use crate::{
    model::{
        act::{Effect, Prepared},
        undo::Undo,
    },
    platform::{
        PlatformError, Reverted,
        aws::{
            deed::{Deed, On},
            group::{self, Held, Way, shrink},
            reach::Reach,
            undo::{Before, Owed},
            world::Phase,
        },
    },
};

/// `remove`.
pub(in crate::platform::aws) struct Remove;

#[async_trait]
impl Deed for Remove {
    async fn prepare(&self, reach: &Reach, on: On<'_>) -> Result<Undo, PlatformError> {
        let Some((group, _)) = on.world.group_of(&on.machine.id) else {
            return Err(PlatformError::Refused(format!("{} is in no Auto Scaling group; `kill` ends it", on.name())));
        };
        if group.desired <= group.min {
            return Err(PlatformError::Refused(format!(
                "the Auto Scaling group {} wants {} and must have at least {}: it has no place to lose",
                group.name, group.desired, group.min
            )));
        }
        group::may_be_held(reach, group).await?;
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
        shrink::inject(reach, acts).await
    }

    async fn verify(&self, reach: &Reach, acts: &[&Prepared], effects: Vec<Effect>) -> Vec<Effect> {
        phase::seen(reach, acts, effects, Phase::ended).await
    }

    async fn revert(&self, reach: &Reach, prepared: &Prepared, _: &Owed) -> Result<Reverted, PlatformError> {
        group::revert(reach, prepared).await
    }
}
