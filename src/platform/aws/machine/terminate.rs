//! `kill`: instances are terminated, a thousand with one call. What replaces them is their group's business; nothing brings them back.

use async_trait::async_trait;
use futures_util::future::join_all;

use super::{Part, complete, parts, phase};
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
            connection::Place,
            deed::{Deed, On},
            effect::{answered, effect},
            reach::Reach,
            read,
            trouble::Trouble,
            undo::{Owed, of_another_fault},
            world::Phase,
        },
    },
};

const TERMINATE: Action = Action::write("ec2:TerminateInstances");
const ATTRIBUTE: Action = Action::read("ec2:DescribeInstanceAttribute");
/// How many instances are asked one by one whether they are protected from termination: there is no call for many.
const MOST_ASKED: usize = 20;
/// How many where more than that are to end: whoever protects a fleet protects all of it, and of the others AWS's own refusal has to do
/// (it ends none of a protected instance's zone).
const SAMPLE: usize = 3;

/// `kill`.
pub(in crate::platform::aws) struct Terminate;

#[async_trait]
impl Deed for Terminate {
    async fn prepare(&self, reach: &Reach, on: On<'_>) -> Result<Undo, PlatformError> {
        let id = on.machine.id.as_str();
        reach
            .permitted(TERMINATE.name, on.place, || async {
                let ask = on.place.ec2.terminate_instances().instance_ids(id).dry_run(true);
                on.place.calls.call(TERMINATE.dry(), || ask.clone().send()).await.map(drop)
            })
            .await?;
        if protected(reach, on.place, id).await? {
            return Err(PlatformError::Refused(format!("{} is protected from termination (disableApiTermination)", on.name())));
        }
        Ok(match on.world.group_of(on.machine) {
            Some((group, _)) if group.suspended.contains("Launch") => {
                Undo::Impossible { why: format!("its Auto Scaling group {} does not replace it while `Launch` is suspended", group.name) }
            }
            Some((group, _)) => Undo::Nothing { why: format!("its Auto Scaling group {} replaces it", group.name) },
            None => Undo::Impossible { why: "a terminated instance does not come back, and no Auto Scaling group replaces it".to_owned() },
        })
    }

    async fn inject(&self, reach: &Reach, acts: &[&Prepared]) -> Vec<Effect> {
        let mut effects = vec![None; acts.len()];
        let done = join_all(parts(reach, acts, &mut effects).into_iter().map(part)).await;
        for (at, effect) in done.into_iter().flatten() {
            effects[at] = Some(effect);
        }
        complete(acts, effects)
    }

    async fn verify(&self, reach: &Reach, acts: &[&Prepared], effects: Vec<Effect>) -> Vec<Effect> {
        phase::seen(reach, acts, effects, Phase::ended).await
    }

    async fn revert(&self, _: &Reach, _: &Prepared, _: &Owed) -> Result<Reverted, PlatformError> {
        Err(of_another_fault())
    }
}

async fn part(part: Part<'_>) -> Vec<(usize, Effect)> {
    let requested = clock::now();
    let ask = part.place.ec2.terminate_instances().set_instance_ids(Some(part.ids()));
    let answer = part.place.calls.call(TERMINATE, || ask.clone().send()).await.map(drop);
    // A refusal may be one of some: AWS ends none of a protected instance's zone, and all of the others.
    let ended = match &answer {
        Err(Trouble::Refused(_) | Trouble::Denied { .. }) if part.acts.len() > 1 => {
            let ids = part.ids();
            read::machines_by_id(part.place, ids.iter().map(String::as_str)).await.ok()
        }
        _ => None,
    };
    let each = part.acts.iter().map(|(at, prepared)| {
        let id = prepared.act.target.instance().map_or("", |i| i.id.as_str());
        let was_ended = ended.as_ref().is_some_and(|ended| ended.get(id).is_some_and(|m| m.state.ended()));
        let effect = if was_ended {
            effect(prepared, requested, EffectStatus::Unknown { why: "AWS refused some of the call".to_owned() })
        } else {
            answered(prepared, requested, &answer)
        };
        (*at, effect)
    });
    each.collect()
}

/// How many are asked of so many that are to end.
pub(in crate::platform::aws) fn asked_of(kills: usize) -> usize {
    if kills > MOST_ASKED { SAMPLE } else { MOST_ASKED }
}

/// Whether an instance is protected from termination. Asked once in a run for each of the first few: see [`asked_of`].
async fn protected(reach: &Reach, place: &Place, id: &str) -> Result<bool, PlatformError> {
    {
        let mut known = reach.protections();
        match known.get(id) {
            Some(Some(known)) => return Ok(*known),
            None if known.len() >= reach.protections_asked() => return Ok(false),
            Some(None) | None => known.insert(id.to_owned(), None),
        };
    }
    let name = aws_sdk_ec2::types::InstanceAttributeName::DisableApiTermination;
    let ask = place.ec2.describe_instance_attribute().instance_id(id).attribute(name);
    let protected = match place.calls.call(ATTRIBUTE, || ask.clone().send()).await {
        Ok(answer) => answer.disable_api_termination.and_then(|value| value.value).unwrap_or_default(),
        // Without the right to ask, AWS's own refusal has to do.
        Err(Trouble::Denied { .. } | Trouble::Gone(_)) => false,
        Err(trouble) => return Err(trouble.into()),
    };
    reach.protections().insert(id.to_owned(), Some(protected));
    Ok(protected)
}
