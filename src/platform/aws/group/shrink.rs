//! `remove`: an instance is ended through its group, which then wants one fewer: nothing takes its place. Afterwards the group wants as many
//! as before, and launches new ones.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use super::{Held, Way, end::end, now, tags};
use crate::{
    clock,
    model::act::{Effect, EffectStatus, Prepared},
    platform::{
        PlatformError,
        aws::{
            calls::Action,
            connection::Place,
            effect::{answered, effect},
            reach::Reach,
            trouble::Trouble,
            undo::{Before, Owed},
            world::AutoGroup,
        },
    },
};

const WANT: Action = Action::write("autoscaling:SetDesiredCapacity");

fn key(held: &Held) -> String {
    format!("{} {} {}", held.mark, held.region, held.name)
}

/// What an act takes from which group.
fn shrunk(prepared: &Prepared) -> Option<(Held, u32)> {
    let Ok(Owed { before: Before::Launching { groups }, .. }) = Owed::read(&prepared.undo) else { return None };
    groups.into_iter().find_map(|held| match held.way {
        Way::Shrunk { desired } => Some((held, desired)),
        _ => None,
    })
}

/// Ends the instances of these acts through their groups. The groups' tags come first.
pub(in crate::platform::aws) async fn inject(reach: &Reach, acts: &[&Prepared]) -> Vec<Effect> {
    let looked = clock::now();
    let mut groups: BTreeMap<String, (Held, u32, u32)> = BTreeMap::new();
    for (held, desired) in acts.iter().filter_map(|prepared| shrunk(prepared)) {
        groups.entry(key(&held)).or_insert((held, desired, 0)).2 += 1;
    }
    let run = reach.run();
    let ready = join_all(groups.values().map(|(held, desired, number)| {
        let run = run.as_str();
        async move { (key(held), make_ready(reach, held, *desired, *number, run).await) }
    }));
    let ready: BTreeMap<String, Result<(), Trouble>> = ready.await.into_iter().collect();
    join_all(acts.iter().map(|prepared| {
        let ready = &ready;
        async move {
            let instance = prepared.act.target.instance();
            let (Some((held, _)), Some(instance)) = (shrunk(prepared), instance) else {
                return effect(prepared, looked, EffectStatus::Refused { why: "it was prepared without a way back".to_owned() });
            };
            if let Some(Err(trouble)) = ready.get(&key(&held)) {
                return answered(prepared, looked, &Err(trouble.clone()));
            }
            let requested = clock::now();
            let answer = match reach.connection.place(&held.region) {
                Ok(place) => end(place, instance.id.as_str(), true).await,
                Err(error) => Err(Trouble::Refused(error.to_string())),
            };
            answered(prepared, requested, &answer)
        }
    }))
    .await
}

/// The group is what it was, and carries its tags from now on.
async fn make_ready(reach: &Reach, held: &Held, desired: u32, number: u32, run: &str) -> Result<(), Trouble> {
    let place = reach.connection.place(&held.region).map_err(|error| Trouble::Refused(error.to_string()))?;
    let now = now(place, &held.name).await?;
    if let Some(run) = tags::held_by_another(&now, &held.mark) {
        return Err(Trouble::Refused(format!("the Auto Scaling group {} is held by another drill ({run})", held.name)));
    }
    if now.desired != desired {
        return Err(Trouble::Refused(format!(
            "the Auto Scaling group {} wants {} now, and wanted {desired} when this was prepared",
            held.name, now.desired
        )));
    }
    if now.desired.saturating_sub(number) < now.min {
        return Err(Trouble::Refused(format!(
            "the Auto Scaling group {} wants {} and must have at least {}: it cannot lose {number} for good",
            held.name, now.desired, now.min
        )));
    }
    reach.keeper.keep_group(&held.region, &held.name).await;
    tags::put_shrunk(place, held, desired, number, run).await
}

/// Whether the group had to be told how many it wants again.
pub(super) async fn back(place: &Place, held: &Held, desired: u32, current: &AutoGroup) -> Result<bool, PlatformError> {
    let Some((before, number)) = tags::shrunk(current, &held.mark) else { return Ok(false) };
    if current.desired == before {
        return Ok(false);
    }
    if current.desired > before || current.desired < before.saturating_sub(number) {
        return Err(PlatformError::Refused(format!(
            "the Auto Scaling group {} wanted {desired}, and somebody else made it {} meanwhile: it is left so",
            held.name, current.desired
        )));
    }
    let wanted = i32::try_from(before).unwrap_or(i32::MAX);
    let ask = place.scaling.set_desired_capacity().auto_scaling_group_name(&held.name).desired_capacity(wanted).honor_cooldown(false);
    place.calls.call(WANT, || ask.clone().send()).await?;
    let seen = now(place, &held.name).await?;
    if seen.desired != before {
        return Err(PlatformError::Failed(format!("the Auto Scaling group {} wants {}, not {before}", held.name, seen.desired)));
    }
    Ok(true)
}
