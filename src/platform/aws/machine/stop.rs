//! `stop`: instances are stopped, and started again afterwards. A group that finds a member stopped ends it and launches another one, unless
//! its replacement is suspended; then there is nothing to start.

use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;

use super::{MOST_IDS, complete, parts, phase};
use crate::{
    clock,
    model::{
        act::{Effect, Prepared},
        undo::Undo,
    },
    platform::{
        PlatformError, Reverted,
        aws::{
            calls::Action,
            connection::Place,
            deed::{Deed, On},
            effect::answered,
            reach::Reach,
            undo::{Before, Owed, of_another_fault},
            world::Phase,
        },
    },
};

const STOP: Action = Action::write("ec2:StopInstances");
const START: Action = Action::write("ec2:StartInstances");
/// How long an instance may take to be stopped, and to run again.
const LIMIT: Duration = Duration::from_mins(5);
/// So long it may take to boot.
const SERVES_WITHIN: Duration = Duration::from_secs(40);
const LOOK_EVERY: Duration = Duration::from_millis(1100);

/// `stop`.
pub(in crate::platform::aws) struct Stop;

#[async_trait]
impl Deed for Stop {
    async fn prepare(&self, reach: &Reach, on: On<'_>) -> Result<Undo, PlatformError> {
        let (place, id) = (on.place, on.machine.id.as_str());
        reach
            .permitted(STOP.name, place, || async {
                let ask = place.ec2.stop_instances().instance_ids(id).dry_run(true);
                place.calls.call(STOP.dry(), || ask.clone().send()).await.map(drop)
            })
            .await?;
        // Who may stop and not start would leave the drill behind.
        reach
            .permitted(START.name, place, || async {
                let ask = place.ec2.start_instances().instance_ids(id).dry_run(true);
                place.calls.call(START.dry(), || ask.clone().send()).await.map(drop)
            })
            .await?;
        let unless = on.world.group_of(on.machine).map(|(group, _)| format!(" unless its Auto Scaling group {} replaced it", group.name));
        let before = Before::Ran { instance: id.to_owned(), launched: on.machine.launched.to_string() };
        Ok(before.into_undo(&reach.connection.account, &place.region, format!("start {} again{}", on.name(), unless.unwrap_or_default())))
    }

    async fn inject(&self, reach: &Reach, acts: &[&Prepared]) -> Vec<Effect> {
        let mut effects = vec![None; acts.len()];
        let parts = parts(reach, acts, &mut effects);
        let done = join_all(parts.iter().map(|part| async move {
            let requested = clock::now();
            let ask = part.place.ec2.stop_instances().set_instance_ids(Some(part.ids()));
            let answer = part.place.calls.call(STOP, || ask.clone().send()).await.map(drop);
            part.acts.iter().map(|(at, prepared)| (*at, answered(prepared, requested, &answer))).collect::<Vec<_>>()
        }))
        .await;
        for (at, effect) in done.into_iter().flatten() {
            effects[at] = Some(effect);
        }
        complete(acts, effects)
    }

    async fn verify(&self, reach: &Reach, acts: &[&Prepared], effects: Vec<Effect>) -> Vec<Effect> {
        phase::seen(reach, acts, effects, |phase| !matches!(phase, Phase::Running | Phase::Pending)).await
    }

    async fn revert(&self, reach: &Reach, prepared: &Prepared, owed: &Owed) -> Result<Reverted, PlatformError> {
        let Before::Ran { instance, launched } = &owed.before else { return Err(of_another_fault()) };
        let place = reach.connection.place(&owed.region)?;
        let name = prepared.act.target.instance().map_or(instance.as_str(), |instance| instance.name.as_str());
        again(reach, place, instance, name, launched).await
    }
}

/// Starts an instance again, and waits until it runs.
async fn again(reach: &Reach, place: &Place, id: &str, name: &str, launched: &str) -> Result<Reverted, PlatformError> {
    let give_up = clock::now().plus(LIMIT);
    let nothing = |why: String| Ok(Reverted::NothingToUndo { why });
    let mut started = false;
    loop {
        let machine = reach.machine(place, id).await?;
        let Some(machine) = machine else { return nothing(format!("{name} is gone: its group replaced it")) };
        match machine.state {
            Phase::ShuttingDown | Phase::Terminated => {
                return nothing(format!("{name} is {}: its group replaced it", machine.state.word()));
            }
            Phase::Running if started => {
                serves_again(reach, place, id).await?;
                return Ok(Reverted::Restored { says: format!("started {name} again") });
            }
            Phase::Running if machine.launched.to_string() == launched => return nothing(format!("{name} runs, and was never stopped")),
            Phase::Running => return nothing(format!("{name} runs: somebody started it again")),
            Phase::Stopped if !started => {
                place
                    .starts
                    .join(id, MOST_IDS, |ids| async move {
                        let ask = place.ec2.start_instances().set_instance_ids(Some(ids));
                        place.calls.call(START, || ask.clone().send()).await.map(drop)
                    })
                    .await?;
                started = true;
                reach.sight.forget();
            }
            Phase::Pending => started = true,
            Phase::Stopped | Phase::Stopping => {}
        }
        if clock::now() >= give_up {
            return Err(PlatformError::Timeout(LIMIT));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Waits until its group and its balancers hold it for healthy, or not for longer than an undo may take: what is undone next may be that its
/// group replaces what is ill.
async fn serves_again(reach: &Reach, place: &Place, id: &str) -> Result<(), PlatformError> {
    let give_up = clock::now().plus(SERVES_WITHIN);
    while clock::now() < give_up {
        let listed = reach.all().await?;
        let found = listed.instances.iter().find(|i| i.region == place.region && i.id.as_str() == id);
        if found.is_none_or(|instance| instance.serving()) {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}
