//! `zone-outage` with `mechanism: shift`: users are moved away from a zone, by zonal shifts of the load balancers that lead them there, and
//! nothing is taken down. It asks whether the rest of the zones carries everybody.
//!
//! A shift ends by itself: should this process, its helper and the machine all be lost, AWS brings the users back (`arc`). Whose it is stands
//! in its comment (`comment`), which is all that another machine needs to undo it. One of somebody else, or one of AWS's own, is never touched.

mod arc;
mod comment;
mod which;

pub(super) use comment::{left_behind, of_others};

use std::{collections::BTreeSet, time::Duration};

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};

use self::{
    arc::Resource,
    which::{Moved, balancer_name, zone_ids},
};
use super::{
    connection::Place,
    effect::{answered, effect, seen, unseen},
    reach::Reach,
    trouble::Trouble,
    undo::{Before, Owed, of_another_fault},
};
use crate::{
    clock,
    model::{
        act::{Act, Effect, EffectStatus, Group, Prepared, Target},
        fault::{Fault, Mechanism},
        ids::Region,
        undo::Undo,
    },
    platform::{PlatformError, Reverted},
};

/// What was just started or canceled may not be visible for so long.
const VISIBLE_WITHIN: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// A load balancer that sends nobody into a zone while the act lasts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Away {
    /// Its ARN.
    pub(super) balancer: String,
    /// The zone's id, which is the same in every account.
    pub(super) zone: String,
    /// The mark in the shift's comment.
    pub(super) mark: String,
}

impl Away {
    fn name(&self) -> &str {
        balancer_name(&self.balancer)
    }
}

fn says(balancers: &[Away], zone: &str) -> String {
    let names: Vec<&str> = balancers.iter().map(Away::name).collect();
    format!("cancel the zonal shift of {}: users are sent to {zone} again", names.join(", "))
}

/// The zone that an act moves users away from.
pub(super) fn moved(act: &Act) -> Option<&Group> {
    match (&act.fault, &act.target) {
        (Fault::ZoneOutage { mechanism: Mechanism::Shift }, Target::Group(group)) => Some(group),
        _ => None,
    }
}

/// What is told before it begins.
///
/// # Errors
/// When two acts would shift the same load balancer: AWS allows one shift at a time.
pub(super) async fn notes(reach: &Reach, acts: &[Act]) -> Result<Vec<String>, PlatformError> {
    let mut notes = Vec::new();
    let mut taken: BTreeSet<String> = BTreeSet::new();
    for group in acts.iter().filter_map(moved) {
        let moved = Moved::of(reach, group).await?;
        if let Some(twice) = moved.balancers.iter().find(|arn| !taken.insert((*arn).clone())) {
            let name = balancer_name(twice);
            return Err(PlatformError::Refused(format!("the load balancer {name} can be shifted away from one zone at a time")));
        }
        notes.push(note(&moved));
        if moved.alone > 0 {
            notes.push(format!("{} in {} are behind no load balancer: whoever uses them goes on to do so", moved.alone, moved.zone));
        }
    }
    if !notes.is_empty() {
        notes.push(format!(
            "a zonal shift takes nothing down: what runs in the zone runs on, and connections that are open may last some minutes. AWS ends it \
             by itself {} after the last word of this run",
            arc::ENDS_AFTER
        ));
    }
    Ok(notes)
}

fn note(moved: &Moved<'_>) -> String {
    let names: Vec<&str> = moved.balancers.iter().map(|arn| balancer_name(arn)).collect();
    let stay: Vec<String> = moved.stay.iter().map(|(zone, n)| format!("{n} in {zone}")).collect();
    let stay = if stay.is_empty() { "none".to_owned() } else { stay.join(", ") };
    let (many, send) = if names.len() == 1 { ("", "sends") } else { ("s", "send") };
    format!(
        "the load balancer{many} {} {send} nobody to {}, whose instances ({}) lose their users: {stay} remain to carry everybody",
        names.join(", "),
        moved.zone,
        moved.lose
    )
}

/// Reads whether users can be moved away from the act's zone.
pub(super) async fn prepare(reach: &Reach, act: &Act, group: &Group) -> Result<Undo, PlatformError> {
    let moved = Moved::of(reach, group).await?;
    let ids = zone_ids(moved.place).await?;
    let zone = ids.get(&moved.zone).ok_or_else(|| PlatformError::Refused(format!("EC2 does not list the zone {}", moved.zone)))?;
    let mark = reach.mark(act.id.step)?;
    let mut balancers = Vec::new();
    for arn in &moved.balancers {
        let away = Away { balancer: arn.clone(), zone: zone.clone(), mark: mark.clone() };
        let now = match arc::get(moved.place, arn).await {
            Ok(now) => now,
            Err(Trouble::Gone(_)) => {
                return Err(PlatformError::Refused(format!(
                    "the load balancer {} is no managed resource of zonal shift: its attribute zonal_shift.config.enabled must be true",
                    away.name()
                )));
            }
            Err(trouble) => return Err(trouble.into()),
        };
        if let Some(why) = untouchable(&now, &away) {
            return Err(PlatformError::Refused(format!("the load balancer {} {why}", away.name())));
        }
        balancers.push(away);
    }
    let says = says(&balancers, moved.zone.as_str());
    Ok(Before::Sent { balancers }.into_undo(&reach.connection.account, &moved.place.region, says))
}

/// Why a balancer may not be shifted, in words that follow its name.
fn untouchable(now: &Resource, away: &Away) -> Option<String> {
    if let Some(other) = now.shifts.iter().find(|shift| !shift.is_of(&away.mark)) {
        return Some(format!("is shifted already, by a zonal shift {}", other.says()));
    }
    if let Some(zone) = now.automatic.first() {
        return Some(format!("is shifted away from {zone} by AWS itself (autoshift): a zone may be ill"));
    }
    if !now.weights.contains_key(&away.zone) {
        return Some(format!("is not in the zone {}: nobody is sent there", away.zone));
    }
    let others = now.weights.iter().any(|(zone, sent)| *zone != away.zone && *sent);
    (!others).then(|| "has no other zone to send users to".to_owned())
}

fn away(undo: &Undo) -> Result<(Region, Vec<Away>), PlatformError> {
    match Owed::read(undo)? {
        Owed { region, before: Before::Sent { balancers }, .. } => Ok((region, balancers)),
        _ => Err(of_another_fault()),
    }
}

/// Moves the users away. All balancers are looked at before one is shifted.
pub(super) async fn inject(reach: &Reach, prepared: &Prepared) -> Effect {
    let requested = clock::now();
    let refused = |why: String| effect(prepared, requested, EffectStatus::Refused { why });
    let (region, balancers) = match away(&prepared.undo) {
        Ok(found) => found,
        Err(error) => return refused(error.to_string()),
    };
    let place = match reach.connection.place(&region) {
        Ok(place) => place,
        Err(error) => return refused(error.to_string()),
    };
    let mut to_do = Vec::new();
    for away in &balancers {
        match arc::get(place, &away.balancer).await {
            Ok(now) if now.shifts.iter().any(|shift| shift.is_of(&away.mark)) => {}
            Ok(now) => match untouchable(&now, away) {
                Some(why) => return refused(format!("the load balancer {} {why}", away.name())),
                None => to_do.push(away),
            },
            Err(trouble) => return answered(prepared, requested, &Err(trouble)),
        }
    }
    let run = reach.run();
    let done = join_all(to_do.iter().map(|away| {
        let run = run.as_str();
        async move {
            reach.keeper.keep_shift(&place.region, &away.balancer, &away.mark, run).await;
            arc::start(place, &away.balancer, &away.zone, &away.mark, run).await
        }
    }))
    .await;
    let (some, one) = (done.iter().any(Result::is_ok), to_do.len() == 1);
    let answer: Result<(), Trouble> = done.into_iter().collect();
    let mut effect = answered(prepared, requested, &answer);
    // Not a refusal of the whole: others may be shifted by now.
    if (some || !one)
        && let EffectStatus::Refused { why } | EffectStatus::Vanished { found: why } = &effect.status
    {
        effect.status = EffectStatus::Failed { why: why.clone() };
    }
    effect
}

/// Looks whether nobody is sent there.
pub(super) async fn verify(reach: &Reach, prepared: &Prepared, mut effect: Effect) -> Effect {
    let looked = match away(&prepared.undo) {
        Ok((region, balancers)) => match reach.connection.place(&region) {
            Ok(place) => join_all(balancers.iter().map(|away| is_away(place, away))).await.into_iter().collect::<Result<(), String>>(),
            Err(error) => Err(error.to_string()),
        },
        Err(error) => Err(error.to_string()),
    };
    match looked {
        Ok(()) => seen(&mut effect, "GetManagedResource: the zone has no weight"),
        Err(why) => unseen(&mut effect, &why),
    }
    effect
}

async fn is_away(place: &Place, away: &Away) -> Result<(), String> {
    let give_up = clock::now().plus(VISIBLE_WITHIN);
    loop {
        let now = arc::get(place, &away.balancer).await.map_err(|trouble| trouble.to_string())?;
        if now.is_away(&away.zone, &away.mark) {
            return Ok(());
        }
        if clock::now() >= give_up {
            return Err(format!("the load balancer {} is not shifted away from {}", away.name(), away.zone));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Has users sent to the zone again. What somebody else shifted meanwhile is left so, and said.
pub(super) async fn revert(reach: &Reach, balancers: &[Away], region: &Region) -> Result<Reverted, PlatformError> {
    let place = reach.connection.place(region)?;
    let all = join_all(balancers.iter().map(|away| back(reach, place, away))).await;
    let (mut done, mut nothing, mut trouble) = (Vec::new(), Vec::new(), None::<PlatformError>);
    for (away, back) in balancers.iter().zip(all) {
        match back {
            Ok(None) => done.push(away.name()),
            Ok(Some(why)) => nothing.push(why),
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
        None if done.is_empty() => Ok(Reverted::NothingToUndo { why: nothing.join("; ") }),
        None => Ok(Reverted::Restored { says: format!("canceled the zonal shift of {}", done.join(", ")) }),
    }
}

/// Why nothing had to be done for one balancer; none when it was.
async fn back(reach: &Reach, place: &Place, away: &Away) -> Result<Option<String>, PlatformError> {
    reach.keeper.let_go(&place.region, &away.balancer).await;
    let name = away.name();
    let now = arc::active(place, Some(&away.balancer)).await?;
    let Some(ours) = now.iter().find(|shift| shift.is_of(&away.mark)) else {
        return match now.first() {
            Some(other) if other.away_from == away.zone && comment::run(&other.comment).is_none() => Err(PlatformError::Refused(format!(
                "the load balancer {name} is shifted away from {} by a zonal shift {}, and not by this one any more: it is left so",
                away.zone,
                other.says()
            ))),
            Some(other) => Ok(Some(format!("the load balancer {name} has a zonal shift {}, and not this one any more", other.says()))),
            None => Ok(Some(format!("the load balancer {name} has no zonal shift"))),
        };
    };
    arc::cancel(place, &ours.id).await?;
    let give_up = clock::now().plus(VISIBLE_WITHIN);
    while arc::active(place, Some(&away.balancer)).await?.iter().any(|shift| shift.is_of(&away.mark)) {
        if clock::now() >= give_up {
            return Err(PlatformError::Failed(format!("the zonal shift {} of {name} is still active", ours.id)));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(None)
}

/// Says anew until when the run lives, and has the shift last as long again: if it is still this run's.
pub(super) async fn renew(place: &Place, balancer: &str, mark: &str, run: &str) -> Result<(), Trouble> {
    let now = arc::active(place, Some(balancer)).await?;
    match now.iter().find(|shift| shift.is_of(mark)) {
        Some(ours) => arc::prolong(place, &ours.id, mark, run).await,
        None => Ok(()),
    }
}
