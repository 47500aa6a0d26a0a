//! What a fault on one container is: prepared, done, looked at, undone. One file a fault; this is the list of them.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use bollard::models::ContainerInspectResponse;

use super::{
    container::{crash::Crash, kill::Kill, pause::Pause, remove::Remove, restart::Restart, state, stop::Stop},
    engine::{Engine, Trouble},
    exec::{command::Run, stress::Stress},
    network::{partition::Partition, shape::Shape},
    undo::Owed,
};
use crate::{
    clock,
    model::{
        act::{Effect, EffectStatus, Prepared},
        fault::{Fault, FaultKind},
        instance::{Instance, PROTECTED},
        time::{Bracket, Mono},
        undo::Undo,
    },
    platform::{PlatformError, Reverted},
};

/// The label that lets a container be chosen where the environment asks for one.
pub const ALLOWED: &str = "firedrill.allowed";

/// Where the engine must be for a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Anywhere: it is done through the engine's API.
    Anywhere,
    /// On this machine: it is done to processes or network namespaces.
    ThisMachine,
}

/// The faults, and where their engines must be.
pub const CAN: &[(FaultKind, Reach)] = &[
    (FaultKind::Kill, Reach::Anywhere),
    (FaultKind::Stop, Reach::Anywhere),
    (FaultKind::Pause, Reach::Anywhere),
    (FaultKind::Restart, Reach::Anywhere),
    (FaultKind::Crash, Reach::ThisMachine),
    (FaultKind::Partition, Reach::Anywhere),
    (FaultKind::Limit, Reach::ThisMachine),
    (FaultKind::Slow, Reach::ThisMachine),
    (FaultKind::Loss, Reach::ThisMachine),
    (FaultKind::Run, Reach::Anywhere),
    (FaultKind::Stress, Reach::Anywhere),
    (FaultKind::Remove, Reach::Anywhere),
    (FaultKind::SuspendReplacement, Reach::Anywhere),
    (FaultKind::ZoneOutage, Reach::Anywhere),
    (FaultKind::RegionOutage, Reach::Anywhere),
];

/// The deed that a fault on a container is; none for what is no deed on one.
pub fn deed_of(fault: &Fault) -> Option<Box<dyn Deed>> {
    Some(match fault {
        Fault::Kill { signal } => Box::new(Kill { signal: signal.clone() }),
        Fault::Stop { grace } => Box::new(Stop { grace: *grace }),
        Fault::Restart { grace } => Box::new(Restart { grace: *grace }),
        Fault::Pause => Box::new(Pause),
        Fault::Crash => Box::new(Crash),
        Fault::Partition { mode } => Box::new(Partition { mode: *mode }),
        Fault::Limit { .. } | Fault::Slow { .. } | Fault::Loss { .. } => Box::new(Shape { fault: fault.clone() }),
        Fault::Run { command, undo, timeout } => Box::new(Run { command: command.clone(), undo: undo.clone(), timeout: *timeout }),
        Fault::Stress { cpu, memory, disk } => {
            Box::new(Stress { cpu: cpu.unwrap_or(0), memory: memory.unwrap_or(0), disk: disk.unwrap_or(0) })
        }
        Fault::Remove { decrement: true } => Box::new(Remove),
        _ => return None,
    })
}

/// One container, and where it is.
#[derive(Debug, Clone, Copy)]
pub struct On<'a> {
    /// Its engine.
    pub engine: &'a Engine,
    /// It, as it was when it was chosen.
    pub instance: &'a Instance,
}

impl On<'_> {
    /// Its full id.
    pub fn id(&self) -> &str {
        self.instance.id.as_str()
    }

    /// The container now.
    pub async fn inspect(&self) -> Result<ContainerInspectResponse, Trouble> {
        self.engine.inspect(self.id()).await
    }
}

/// A fault on one container.
#[async_trait]
pub trait Deed: Send + Sync {
    /// Whether the fault can be done to a container in this state; `Err` says why not, in words that follow the container's name
    /// ("is paused already"). Asked right before the act.
    fn fits(&self, now: &ContainerInspectResponse) -> Result<(), String> {
        state::runs(now)
    }

    /// How it will be undone, made from the state found now. Only reads; the container was inspected a moment ago.
    async fn prepare(&self, on: On<'_>, now: &ContainerInspectResponse) -> Result<Undo, PlatformError>;

    /// Does it: one call, and what the call itself came to. Whether it is still the container that was chosen was looked at before.
    async fn inject(&self, on: On<'_>, prepared: &Prepared) -> Effect;

    /// Looks whether it happened, at a source that is not the call's answer; asked when it happened, or may have.
    async fn verify(&self, on: On<'_>, prepared: &Prepared, effect: Effect) -> Effect;

    /// Restores what was before. Idempotent; returns only when the state before was seen to be back.
    async fn revert(&self, engine: &Engine, prepared: &Prepared, owed: Owed) -> Result<Reverted, PlatformError>;
}

/// What may never be touched.
#[derive(Debug, Clone, Copy)]
pub struct Guard<'a> {
    /// The containers that this process runs in.
    pub own: &'a BTreeSet<String>,
    /// Whether only containers with the label `firedrill.allowed=true` may be touched.
    pub opt_in: bool,
}

/// Is it still the container that was chosen, in the life that it was prepared in, and may it be touched? `now` is what the engine said of
/// it a moment ago.
///
/// # Errors
/// What the act came to instead.
pub fn may_touch(
    on: On<'_>,
    deed: &dyn Deed,
    prepared: &Prepared,
    guard: Guard<'_>,
    now: Result<Arc<ContainerInspectResponse>, Trouble>,
) -> Result<(), EffectStatus> {
    let name = &on.instance.name;
    let vanished = |found: String| Err(EffectStatus::Vanished { found });
    let now = match now {
        Ok(now) => now,
        Err(Trouble::Gone(_)) => return vanished(format!("{name} is gone")),
        Err(trouble) => return Err(EffectStatus::Failed { why: format!("{name} could not be looked at again: {trouble}") }),
    };
    let found = super::inventory::identity(now.id.as_deref().unwrap_or_default());
    if found != on.instance.identity {
        return vanished(format!("{name} is {found} now, not {}", on.instance.identity));
    }
    let label = |key: &str| now.config.as_ref().and_then(|c| c.labels.as_ref()).and_then(|l| l.get(key)).is_some_and(|v| v == "true");
    if label(PROTECTED) {
        return Err(EffectStatus::Refused { why: format!("{name} carries the label {PROTECTED}=true") });
    }
    if guard.opt_in && !label(ALLOWED) {
        return Err(EffectStatus::Refused { why: format!("{name} does not carry the label {ALLOWED}=true") });
    }
    if guard.own.contains(on.id()) {
        return Err(EffectStatus::Refused { why: format!("{name} is the container that firedrill runs in") });
    }
    if let Some(then) = prepared_life(prepared)
        && then != state::started_at(&now)
    {
        return vanished(format!("{name} was started anew since it was chosen: at {}, not {then}", state::started_at(&now)));
    }
    deed.fits(&now).or_else(|why| vanished(format!("{name} {why}")))
}

/// When the container that an act was prepared on had been started, where its undo says it.
fn prepared_life(prepared: &Prepared) -> Option<String> {
    Owed::read(&prepared.undo).ok()?.before.started_at().map(str::to_owned)
}

/// An effect without a time.
pub fn effect(prepared: &Prepared, requested: Mono, status: EffectStatus) -> Effect {
    let instance = prepared.act.target.instance().map(|i| i.id.clone());
    let source = "the engine's answer".to_owned();
    Effect { act: prepared.act.id, instance, status, requested, answered: Some(clock::now()), took_effect: None, source }
}

/// What a call came to: it happened somewhere between request and answer, or why not.
pub fn answered(prepared: &Prepared, requested: Mono, answer: Result<(), Trouble>) -> Effect {
    match answer {
        Ok(()) => {
            let mut done = effect(prepared, requested, EffectStatus::Happened);
            done.took_effect = Some(Bracket { after: requested, by: clock::now() });
            done
        }
        Err(trouble) => {
            let silent = matches!(trouble, Trouble::Lost(_) | Trouble::NoAnswer { .. });
            let mut failed = effect(prepared, requested, failure(trouble));
            if silent {
                failed.answered = None;
            }
            failed
        }
    }
}

/// What a failed call means for the act.
pub fn failure(trouble: Trouble) -> EffectStatus {
    match trouble {
        // Already gone, or already not running: not a success of ours.
        Trouble::Gone(found) | Trouble::Conflict(found) => EffectStatus::Vanished { found },
        Trouble::Refused(why) => EffectStatus::Refused { why },
        Trouble::Failed(why) | Trouble::Unreachable(why) => EffectStatus::Failed { why },
        Trouble::Lost(why) => EffectStatus::Unknown { why },
        Trouble::NoAnswer { says, .. } => EffectStatus::Unknown { why: says },
    }
}

/// What the failure of something done on this machine means for the act.
pub fn failure_here(error: PlatformError) -> EffectStatus {
    match error {
        PlatformError::Refused(why) => EffectStatus::Refused { why },
        timeout @ PlatformError::Timeout(_) => EffectStatus::Unknown { why: timeout.to_string() },
        PlatformError::Failed(why) | PlatformError::Unavailable(why) => EffectStatus::Failed { why },
    }
}

/// What something done on this machine came to.
pub fn done_here(prepared: &Prepared, requested: Mono, done: Result<(), PlatformError>) -> Effect {
    match done {
        Ok(()) => answered(prepared, requested, Ok(())),
        Err(error) => effect(prepared, requested, failure_here(error)),
    }
}

/// The verified effect: seen between the request and the answer; or what was seen instead.
pub fn seen(mut effect: Effect, source: &str, seen: Result<(), String>) -> Effect {
    match seen {
        Ok(()) => {
            effect.took_effect = Some(Bracket { after: effect.requested, by: effect.answered.unwrap_or_else(clock::now) });
            source.clone_into(&mut effect.source);
            effect.status = EffectStatus::Happened;
        }
        Err(why) => {
            effect.took_effect = None;
            let first = effect.status.why().map(|first| format!("{first}; ")).unwrap_or_default();
            effect.status = EffectStatus::Unknown { why: format!("{first}{why}") };
        }
    }
    effect
}

/// A grace in whole seconds, as engines take it: never shorter than asked.
pub fn whole_seconds(grace: Duration) -> i32 {
    i32::try_from(grace.as_millis().div_ceil(1000)).unwrap_or(i32::MAX)
}
