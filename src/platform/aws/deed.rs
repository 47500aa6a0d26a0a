//! A deed is a fault on instances: many at a time, because AWS's calls take many.

use async_trait::async_trait;

use super::{
    connection::Place,
    cut::Blackhole,
    inventory::{self, Listed, identity, protected},
    machine::{Deregister, Reboot, Remove, Run, Stop, Terminate},
    mark::MARK,
    reach::Reach,
    undo::{Before, Owed},
    world::{Machine, Phase, World},
};
use crate::{
    model::{
        act::{Act, Effect, EffectStatus, Prepared},
        fault::{Fault, PartitionMode},
        instance::PROTECTED_TAG,
        undo::Undo,
    },
    platform::{PlatformError, Reverted},
};

/// The deed of a fault; none when this platform has none on instances.
pub(super) fn deed_of(fault: &Fault) -> Option<Box<dyn Deed>> {
    Some(match fault {
        Fault::Kill { .. } => Box::new(Terminate),
        Fault::Stop { .. } => Box::new(Stop),
        Fault::Restart { .. } => Box::new(Reboot),
        Fault::Remove { .. } => Box::new(Remove),
        Fault::Run { command, undo, timeout } => Box::new(Run { command: command.clone(), undo: undo.clone(), timeout: *timeout }),
        Fault::Deregister => Box::new(Deregister),
        Fault::Partition { mode: PartitionMode::Hang } => Box::new(Blackhole),
        _ => return None,
    })
}

/// One instance with everything that was seen around it.
#[derive(Debug, Clone, Copy)]
pub(super) struct On<'a> {
    pub(super) place: &'a Place,
    pub(super) world: &'a World,
    pub(super) machine: &'a Machine,
    pub(super) act: &'a Act,
}

impl On<'_> {
    /// How a person calls it.
    pub(super) fn name(&self) -> &str {
        self.act.target.instance().map_or(self.machine.id.as_str(), |instance| instance.name.as_str())
    }
}

/// A fault on instances.
#[async_trait]
pub(super) trait Deed: Send + Sync {
    /// Whether it can be done to an instance that is so; `Err` says why not, in words that follow its name. Asked right before the act.
    fn fits(&self, machine: &Machine) -> Result<(), String> {
        match machine.state {
            Phase::Running => Ok(()),
            other => Err(format!("is {}", other.word())),
        }
    }

    /// How it will be undone, made from the state found now. Only reads.
    async fn prepare(&self, reach: &Reach, on: On<'_>) -> Result<Undo, PlatformError>;

    /// Does it to all of them, in as few calls as possible. One effect an act, in their order.
    async fn inject(&self, reach: &Reach, acts: &[&Prepared]) -> Vec<Effect>;

    /// Looks whether it happened; asked for those where it happened or may have.
    async fn verify(&self, reach: &Reach, acts: &[&Prepared], effects: Vec<Effect>) -> Vec<Effect>;

    /// Restores what was before. Idempotent; returns only when the state before was seen to be back.
    async fn revert(&self, reach: &Reach, prepared: &Prepared, owed: &Owed) -> Result<Reverted, PlatformError>;
}

/// Is it still the instance that was chosen, in the life that it was prepared in, and may it be touched?
///
/// # Errors
/// What the act came to instead.
pub(super) fn may_touch(reach: &Reach, listed: &Listed, deed: &dyn Deed, prepared: &Prepared) -> Result<(), EffectStatus> {
    let Some(instance) = prepared.act.target.instance() else {
        return Err(EffectStatus::Refused { why: format!("{} needs an instance", prepared.act.fault.kind()) });
    };
    let name = &instance.name;
    let vanished = |found: String| Err(EffectStatus::Vanished { found });
    if instance.identity != identity(instance.id.as_str()) {
        return vanished(format!("{name} is {} now, not {}", identity(instance.id.as_str()), instance.identity));
    }
    let Some((world, machine)) = listed.machine(&instance.region, &instance.id) else {
        return vanished(format!("{name} is gone"));
    };
    if protected(&machine.tags) {
        return Err(EffectStatus::Refused { why: format!("{name} carries the tag {PROTECTED_TAG}=true") });
    }
    let member = world.group_of(machine);
    // A group whose zone was lost by this very step ends what it has there: that is a part of the loss, and may be quicker than AWS lets us be.
    let by_us = member.is_some_and(|(group, _)| reach.mark(prepared.act.id.step).is_ok_and(|mark| group.tags.get(MARK) == Some(&mark)));
    let leaving = || if by_us { None } else { inventory::leaving(member) };
    if let Some(why) = inventory::forbidden(&reach.spec, machine, member).or_else(leaving) {
        return Err(EffectStatus::Refused { why: format!("{name}: {why}") });
    }
    if let Ok(Owed { before: Before::Ran { launched, .. }, .. }) = Owed::read(&prepared.undo)
        && launched != machine.launched.to_string()
    {
        return vanished(format!("{name} was started anew since it was chosen"));
    }
    deed.fits(machine).or_else(|why| vanished(format!("{name} {why}")))
}
