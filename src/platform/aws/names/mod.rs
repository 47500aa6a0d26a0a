//! A part of `region-outage`, where the environment names the region's health check: while the region is lost, the check of Route 53 fails,
//! so that names lead users elsewhere at once and stay there, whatever is left of the region.
//!
//! It is **disabled and inverted**: AWS counts a disabled check as healthy and no longer looks, and an inverted one the other way round. How
//! it was is in the journal **and** on the check itself, as tags (`tags`). Its version tells whether somebody else changed it meanwhile: then
//! it is left as it is, and that is said.

mod check;
mod tags;

pub(super) use check::Names;
pub(super) use tags::{left_behind, renew};

use serde::{Deserialize, Serialize};

use self::{
    check::{Check, FAILS, Setting},
    tags::Tags,
};
use super::{
    effect::{answered, effect, seen, unseen},
    inventory::protected,
    reach::Reach,
    trouble::Trouble,
    undo::{Before, Owed, of_another_fault},
};
use crate::{
    clock,
    model::{
        act::{Act, Effect, EffectStatus, Group, Prepared, Target},
        fault::Fault,
        ids::Region,
        instance::PROTECTED_TAG,
        undo::Undo,
    },
    platform::{PlatformError, Reverted},
};

/// A health check that fails while its region is lost, and how it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failing {
    pub(super) id: String,
    /// The mark that its tags carry.
    pub(super) mark: String,
    pub(super) disabled: bool,
    pub(super) inverted: bool,
    /// The version that it had.
    pub(super) version: i64,
}

impl Failing {
    fn was(&self) -> Setting {
        Setting { disabled: self.disabled, inverted: self.inverted }
    }

    fn says(&self) -> String {
        format!("have the Route 53 health check {}, which fails meanwhile, {} as before", self.id, self.was())
    }
}

/// The region whose health check an act makes fail.
pub(super) fn failed(act: &Act) -> Option<&Region> {
    match (&act.fault, &act.target) {
        (Fault::RegionOutage { .. }, Target::Group(Group { region: Some(region), .. })) => Some(region),
        _ => None,
    }
}

/// What is told before it begins.
pub(super) fn note(reach: &Reach, act: &Act) -> Option<String> {
    let region = failed(act)?;
    let id = reach.spec.health_checks.get(region)?;
    Some(format!("the Route 53 health check {id} fails while {region} is lost: names that go by it lead users elsewhere"))
}

/// Reads how the health check of the act's region is.
pub(super) async fn prepare(reach: &Reach, act: &Act, region: &Region) -> Result<Undo, PlatformError> {
    let Some(id) = reach.spec.health_checks.get(region) else {
        return Err(PlatformError::Refused(format!("the environment names no health check for {region}")));
    };
    let names = &reach.connection.names;
    let now = check::get(names, id).await?;
    let tags = check::tags(names, id).await?;
    let mark = reach.mark(act.id.step)?;
    if let Some(why) = untouchable(reach, &now, &tags, &mark) {
        return Err(PlatformError::Refused(format!("the Route 53 health check {id} of {region} {why}")));
    }
    let Setting { disabled, inverted } = now.setting;
    let failing = Failing { id: id.clone(), mark, disabled, inverted, version: now.version };
    let says = failing.says();
    Ok(Before::Checked(failing).into_undo(&reach.connection.account, region, says))
}

/// Why it may not be made to fail, in words that follow its name.
fn untouchable(reach: &Reach, now: &Check, tags: &Tags, mark: &str) -> Option<String> {
    if let Some(run) = tags::held_by_another(tags, mark) {
        return Some(format!("is held by another drill ({run}); `firedrill recover` undoes one that is dead"));
    }
    if protected(tags) {
        return Some(format!("carries the tag {PROTECTED_TAG}=true"));
    }
    if let Some(tag) = reach.spec.opt_in.as_ref().filter(|tag| tags.get(&tag.key) != Some(&tag.value)) {
        return Some(format!("does not carry the tag {tag}, which this environment asks for"));
    }
    if let Some(keeper) = &now.keeper {
        return Some(format!("is kept by {keeper}: nobody else may change it"));
    }
    if now.controlled {
        return Some("follows a routing control (RECOVERY_CONTROL): that decides, and not the check".to_owned());
    }
    if now.setting.disabled {
        let counts = if now.setting.inverted { "fails" } else { "counts as healthy" };
        return Some(format!("is disabled already, by somebody else: it {counts} whatever happens"));
    }
    tags::full(tags).then(|| "carries so many tags that there is no room for those that tell how it was (AWS allows ten)".to_owned())
}

fn failing(undo: &Undo) -> Result<Failing, PlatformError> {
    match Owed::read(undo)?.before {
        Before::Checked(failing) => Ok(failing),
        _ => Err(of_another_fault()),
    }
}

/// Makes it fail.
pub(super) async fn inject(reach: &Reach, prepared: &Prepared) -> Effect {
    let requested = clock::now();
    let refused = |why: String| effect(prepared, requested, EffectStatus::Refused { why });
    let (failing, region) = match (failing(&prepared.undo), failed(&prepared.act)) {
        (Ok(failing), Some(region)) => (failing, region),
        (Err(error), _) => return refused(error.to_string()),
        (_, None) => return refused("it is about no region".to_owned()),
    };
    let version = match ready(reach, &failing).await {
        Ok(Some(version)) => version,
        Ok(None) => return answered(prepared, requested, &Ok(())),
        Err(trouble) => return answered(prepared, requested, &Err(trouble)),
    };
    reach.keeper.keep_check(region, &failing.id).await;
    let names = &reach.connection.names;
    // The tags come first: from here on, whoever finds the check knows how it was.
    let answer = match tags::put(names, &failing, version, &reach.run()).await {
        Ok(()) => check::set(names, &failing.id, version, FAILS).await,
        Err(trouble) => Err(trouble),
    };
    let mut effect = answered(prepared, requested, &answer);
    // Not a refusal of the whole: tags may be written by now.
    if let EffectStatus::Refused { why } | EffectStatus::Vanished { found: why } = &effect.status {
        effect.status = EffectStatus::Failed { why: why.clone() };
    }
    effect
}

/// The version to go on from; none when it fails by this act already.
async fn ready(reach: &Reach, failing: &Failing) -> Result<Option<i64>, Trouble> {
    let names = &reach.connection.names;
    let now = check::get(names, &failing.id).await?;
    let tags = check::tags(names, &failing.id).await?;
    if let Some(run) = tags::held_by_another(&tags, &failing.mark) {
        return Err(Trouble::Refused(format!("the Route 53 health check {} is held by another drill ({run})", failing.id)));
    }
    if now.setting == FAILS && tags::is_of(&tags, &failing.mark) && before(failing, &tags) + 1 == now.version {
        return Ok(None);
    }
    let by_us = reach.left(&failing.id) == Some(now.version);
    if now.setting != failing.was() || (now.version != failing.version && !by_us) {
        return Err(check::changed(&failing.id, &now, failing.version));
    }
    Ok(Some(now.version))
}

/// The version that it had before this act: the tags were written last.
fn before(failing: &Failing, tags: &Tags) -> i64 {
    let told = tags::was(tags).filter(|_| tags::is_of(tags, &failing.mark));
    told.map_or(failing.version, |(_, version)| version)
}

/// Looks whether it fails.
pub(super) async fn verify(reach: &Reach, prepared: &Prepared, mut effect: Effect) -> Effect {
    let looked = match failing(&prepared.undo) {
        Ok(failing) => check::get(&reach.connection.names, &failing.id).await.map(|now| (failing.id, now)).map_err(|t| t.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match looked {
        Ok((id, now)) if now.setting == FAILS => seen(&mut effect, format!("GetHealthCheck: {id} is {}", now.setting)),
        Ok((id, now)) => unseen(&mut effect, &format!("the Route 53 health check {id} is {}", now.setting)),
        Err(why) => unseen(&mut effect, &why),
    }
    effect
}

/// Has it as it was. What somebody else set meanwhile is not overwritten, and said.
pub(super) async fn revert(reach: &Reach, failing: &Failing, region: &Region) -> Result<Reverted, PlatformError> {
    let names = &reach.connection.names;
    let (id, was) = (&failing.id, failing.was());
    let nothing = |why: String| Ok(Reverted::NothingToUndo { why });
    reach.keeper.let_go(region, id).await;
    let now = match check::get(names, id).await {
        Ok(now) => now,
        Err(Trouble::Gone(_)) => return nothing(format!("the Route 53 health check {id} is gone")),
        Err(trouble) => return Err(trouble.into()),
    };
    let tags = check::tags(names, id).await?;
    if let Some(run) = tags::held_by_another(&tags, &failing.mark) {
        return nothing(format!("the Route 53 health check {id} is held by another drill ({run}), and not by this one any more"));
    }
    let changed = now.setting != was;
    if changed {
        put_back(reach, failing, &now, before(failing, &tags) + 1).await?;
    }
    if tags::is_of(&tags, &failing.mark) {
        tags::clear(names, id, &tags).await?;
    } else if !changed {
        return nothing(format!("the Route 53 health check {id} is {was}, as before"));
    }
    let did = if changed { format!("is {was} again") } else { format!("is {was}, as before: its tags are removed") };
    Ok(Reverted::Restored { says: format!("the Route 53 health check {id} {did}") })
}

/// Gives it its setting back, if it is as this act left it.
async fn put_back(reach: &Reach, failing: &Failing, now: &Check, ours: i64) -> Result<(), PlatformError> {
    let names = &reach.connection.names;
    let (id, was) = (&failing.id, failing.was());
    if now.setting != FAILS || now.version != ours {
        return Err(PlatformError::Refused(format!(
            "the Route 53 health check {id} was {was}, and somebody else changed it meanwhile (it is {} now, in version {}; this drill left \
             version {ours}): it is left so",
            now.setting, now.version
        )));
    }
    check::set(names, id, ours, was).await?;
    let seen = check::get(names, id).await?;
    if seen.setting != was {
        return Err(PlatformError::Failed(format!("the Route 53 health check {id} is {}, not {was}", seen.setting)));
    }
    reach.leave(id, seen.version);
    Ok(())
}
