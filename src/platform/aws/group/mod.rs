//! `suspend-replacement`, alone or as a part of an outage: what an Auto Scaling group would launch while it lasts.
//!
//! * In a zone: the zone's subnets leave the group, which then launches elsewhere, and come back afterwards (`leave`).
//! * Everywhere, or where nothing would be left of the group: its launching is suspended, and resumed afterwards (`suspend`).
//!
//! How it was is in the journal **and** on the group itself, as tags (`tags`): whoever finds them can put it back.

mod end;
mod leave;
pub(super) mod shrink;
mod suspend;
mod tags;
mod which;

pub(super) use end::end;
pub(super) use tags::{left_behind, renew};

use std::collections::BTreeMap;

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};

use super::{
    calls::Action,
    connection::Place,
    effect::{answered, effect, seen, unseen},
    reach::Reach,
    read::{self, filter},
    trouble::Trouble,
    undo::{Before, Owed, of_another_fault},
    world::AutoGroup,
};
use crate::{
    clock,
    model::{
        act::{Act, Effect, EffectStatus, Group, Prepared},
        ids::Region,
        instance::Instance,
        undo::Undo,
    },
    platform::{PlatformError, Reverted},
};

const DESCRIBE_SUBNETS: Action = Action::read("ec2:DescribeSubnets");

/// A group that is held back, and how it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Held {
    pub(super) region: Region,
    pub(super) name: String,
    /// The mark that its tags carry.
    pub(super) mark: String,
    #[serde(flatten)]
    pub(super) way: Way,
}

/// How it is held back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "held", rename_all = "kebab-case")]
pub(super) enum Way {
    /// These of its places leave it.
    Left {
        zone: String,
        /// Whether the places are subnets; a group may name zones only.
        subnets: bool,
        /// Those that leave.
        leave: Vec<String>,
        /// All of them, in their order.
        order: Vec<String>,
    },
    /// These of its processes are suspended; they were not before.
    Suspended { processes: Vec<String> },
    /// It wanted so many, and lost some of its places.
    Shrunk { desired: u32 },
}

impl Held {
    fn says(&self) -> String {
        match &self.way {
            Way::Left { leave, subnets, .. } => {
                format!("{} of {}", if *subnets { leave.join(", ") } else { format!("zone {}", leave.join(", ")) }, self.name)
            }
            Way::Suspended { processes } => format!("{} of {}", processes.join(" and "), self.name),
            Way::Shrunk { desired } => format!("the {desired} instances that {} wants", self.name),
        }
    }
}

/// Reads how the groups are that an act holds back.
pub(super) async fn prepare(reach: &Reach, act: &Act, group: &Group) -> Result<Undo, PlatformError> {
    let listed = reach.all().await?;
    let mark = reach.mark(act.id.step)?;
    let affected = which::affected(reach, &listed, group)?;
    let mut held = Vec::new();
    for found in affected {
        let place = reach.connection.place(&found.region)?;
        let way = match &group.zone {
            Some(zone) => leave::prepare(place, found, zone.as_str()).await?,
            None => suspend::prepare(found),
        };
        if let Some(way) = way {
            held.push(Held { region: found.region.clone(), name: found.name.clone(), mark: mark.clone(), way });
        }
    }
    let Some(first) = held.first() else {
        return Ok(Undo::Nothing { why: format!("no Auto Scaling group launches anything for {group}") });
    };
    let region = first.region.clone();
    let says = format!("put back: {}", held.iter().map(Held::says).collect::<Vec<_>>().join("; "));
    Ok(Before::Launching { groups: held }.into_undo(&reach.connection.account, &region, says))
}

/// Whether a group may be changed at all.
///
/// # Errors
/// Why not.
pub(super) async fn may_be_held(reach: &Reach, group: &AutoGroup) -> Result<(), PlatformError> {
    let listed = reach.all().await?;
    let members: Vec<&Instance> =
        listed.targets().filter(|i| i.region == group.region && group.members.contains_key(i.id.as_str())).collect();
    which::may_touch(reach, group, &members)
}

fn held(undo: &Undo) -> Result<Vec<Held>, PlatformError> {
    match undo {
        Undo::Restore { .. } => match Owed::read(undo)?.before {
            Before::Launching { groups } => Ok(groups),
            _ => Err(of_another_fault()),
        },
        Undo::Nothing { .. } | Undo::Impossible { .. } => Ok(Vec::new()),
    }
}

/// Holds the groups back. All are looked at before one is touched.
pub(super) async fn inject(reach: &Reach, prepared: &Prepared) -> Effect {
    let requested = clock::now();
    let refused = |why: String| effect(prepared, requested, EffectStatus::Refused { why });
    let held = match held(&prepared.undo) {
        Ok(held) => held,
        Err(error) => return refused(error.to_string()),
    };
    let looked = join_all(held.iter().map(|held| async move {
        let place = reach.connection.place(&held.region).map_err(|error| error.to_string())?;
        let now = now(place, &held.name).await.map_err(|trouble| trouble.to_string())?;
        if let Some(run) = tags::held_by_another(&now, &held.mark) {
            return Err(format!(
                "the Auto Scaling group {} is held by another drill ({run}); `firedrill recover` undoes one that is dead",
                held.name
            ));
        }
        match &held.way {
            Way::Left { .. } => leave::ready(held, &now),
            Way::Suspended { processes } => suspend::ready(held, processes, &now),
            Way::Shrunk { .. } => Ok(false),
        }
        .map(|needed| needed.then_some((place, held)))
    }))
    .await;
    let mut on = Vec::new();
    for looked in looked {
        match looked {
            Ok(needed) => on.extend(needed),
            Err(why) => return refused(why),
        }
    }
    let run = reach.run();
    let done = join_all(on.into_iter().map(|(place, held)| {
        let run = run.as_str();
        async move {
            reach.keeper.keep_group(&held.region, &held.name).await;
            // The tags come first: from here on, whoever finds the group knows how it was.
            tags::put(place, held, run).await?;
            match &held.way {
                Way::Left { subnets, leave, order, .. } => Box::pin(leave::inject(place, &held.name, *subnets, leave, order)).await,
                Way::Suspended { processes } => suspend::inject(place, &held.name, processes).await,
                Way::Shrunk { .. } => Ok(()),
            }
        }
    }))
    .await;
    let answer: Result<(), Trouble> = done.into_iter().collect();
    let mut effect = answered(prepared, requested, &answer);
    // Not a refusal of the whole: others may be held back by now, and tags be written.
    if let EffectStatus::Refused { why } | EffectStatus::Vanished { found: why } = &effect.status {
        effect.status = EffectStatus::Failed { why: why.clone() };
    }
    effect
}

/// Looks whether they are held back.
pub(super) async fn verify(reach: &Reach, prepared: &Prepared, mut effect: Effect) -> Effect {
    let looked = match held(&prepared.undo) {
        Ok(held) => join_all(held.iter().map(|held| async move {
            let place = reach.connection.place(&held.region).map_err(|error| error.to_string())?;
            let now = now(place, &held.name).await.map_err(|trouble| trouble.to_string())?;
            match &held.way {
                Way::Left { leave, subnets, .. } => leave::holds(&held.name, leave, *subnets, &now),
                Way::Suspended { processes } => suspend::holds(&held.name, processes, &now),
                Way::Shrunk { .. } => Ok(()),
            }
        }))
        .await
        .into_iter()
        .collect::<Result<(), String>>(),
        Err(error) => Err(error.to_string()),
    };
    match looked {
        Ok(()) => seen(&mut effect, "DescribeAutoScalingGroups"),
        Err(why) => unseen(&mut effect, &why),
    }
    effect
}

/// One at a time: several acts may have been on one group.
static BACK: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Puts the groups back as they were. What somebody else set meanwhile is not overwritten, and said.
pub(super) async fn revert(reach: &Reach, prepared: &Prepared) -> Result<Reverted, PlatformError> {
    let _one = BACK.lock().await;
    let held = held(&prepared.undo)?;
    let all = join_all(held.iter().map(|held| back(reach, held))).await;
    let (mut done, mut trouble) = (Vec::new(), None::<PlatformError>);
    for (held, back) in held.iter().zip(all) {
        match back {
            Ok(true) => done.push(held.says()),
            Ok(false) => {}
            // A refusal is final; anything else is worth another try first.
            Err(error) => {
                if matches!(trouble, None | Some(PlatformError::Refused(_))) {
                    trouble = Some(error);
                }
            }
        }
    }
    match trouble {
        Some(error) => Err(error),
        None if done.is_empty() => {
            Ok(Reverted::NothingToUndo { why: format!("the groups of {} are as they were", prepared.act.target.says()) })
        }
        None => Ok(Reverted::Restored { says: format!("put back: {}", done.join("; ")) }),
    }
}

/// Whether something had to be done for one group.
async fn back(reach: &Reach, held: &Held) -> Result<bool, PlatformError> {
    let place = reach.connection.place(&held.region)?;
    let now = match now(place, &held.name).await {
        Ok(now) => now,
        Err(Trouble::Gone(_)) => return Ok(false),
        Err(trouble) => return Err(trouble.into()),
    };
    reach.keeper.let_go(&held.region, &held.name).await;
    let changed = match &held.way {
        Way::Left { leave, order, subnets, .. } => Box::pin(leave::back(place, held, leave, order, *subnets, &now)).await?,
        Way::Suspended { processes } => suspend::back(place, &held.name, processes, &now).await?,
        Way::Shrunk { desired } => shrink::back(place, held, *desired, &now).await?,
    };
    let cleaned = tags::clear(place, held, &now).await?;
    Ok(changed || cleaned)
}

/// A group as it is now.
async fn now(place: &Place, name: &str) -> Result<AutoGroup, Trouble> {
    let mut found = read::groups(place, &[name.to_owned()]).await?;
    found.remove(name).ok_or_else(|| Trouble::Gone(format!("the Auto Scaling group {name} is gone")))
}

/// The zones of subnets.
async fn zones_of(place: &Place, subnets: &[String]) -> Result<BTreeMap<String, String>, Trouble> {
    let ask = place.ec2.describe_subnets().filters(filter("subnet-id", subnets));
    let answer = place.calls.call(DESCRIBE_SUBNETS, || ask.clone().send()).await?;
    let found = answer.subnets.unwrap_or_default().into_iter();
    Ok(found.filter_map(|subnet| Some((subnet.subnet_id?, subnet.availability_zone?))).collect())
}
