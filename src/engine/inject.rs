//! From a planned act to a verified effect: prepare → check again → journal *Armed* + fsync → act → journal → verify.

use std::time::Duration;

use futures_util::future::{join, join_all};

use super::{capacity::Capacity, command, halt::Urgency, script::Script};
use crate::{
    event::EventKind,
    journal::{ActRecord, JournalError},
    model::{
        act::{Effect, EffectStatus, Prepared, Target},
        fault::FaultKind,
        instance::{Instance, Inventory},
        time::Mono,
        undo::Undo,
    },
    plan::{
        caps,
        recheck::{Skipped, recheck},
    },
    platform::PlatformError,
};

/// How old the list may be that acts are decided on.
const FRESH: Duration = Duration::from_millis(250);

/// What was found right before acts, from which they are done or left.
pub(crate) struct Looked {
    inventory: Result<Inventory, PlatformError>,
    undos: Vec<Result<Undo, PlatformError>>,
}

impl Looked {
    /// Everything that was there, if it could be read.
    pub(crate) fn inventory(&self) -> Option<&Inventory> {
        self.inventory.as_ref().ok()
    }
}

/// Looks at each victim, from which its undo is made, and beside that at everything. Only reads: a phase or a step begins with its first
/// act, not with this.
pub(crate) async fn look(script: &Script<'_>, acts: &[Prepared]) -> Looked {
    let asked = script.clock.now();
    let (mut inventory, undos) = join(script.platform.inventory(), undos(script, acts)).await;
    if script.clock.now().since(asked) > FRESH {
        // The undos took their time: what is healthy, and who may be touched, is decided on what is there now.
        inventory = script.platform.inventory().await;
    }
    tracing::debug!(acts = acts.len(), took_ns = script.clock.now().since(asked).as_nanos() as u64, "looked right before acts");
    Looked { inventory, undos }
}

/// Does acts that start at once. Replacement stops before anything else is done: a zone must not be refilled between the two. If one target is no longer what was chosen, none of them is touched: fewer victims than asked is no
/// drill, only harm.
///
/// # Errors
/// When the journal cannot be written, or the inventory could not be read: nothing that is not in the journal was done.
pub(crate) async fn inject(
    script: &mut Script<'_>,
    acts: Vec<Prepared>,
    looked: Looked,
    capacity: &mut Capacity,
) -> Result<Vec<Effect>, String> {
    let undos = looked.undos;
    let inventory = looked.inventory.map_err(|error| format!("the inventory could not be read again: {error}"))?;
    let victims: Vec<&Instance> =
        acts.iter().filter(|p| p.act.fault.kind().takes_capacity()).filter_map(|p| p.act.target.instance().map(AsRef::as_ref)).collect();
    caps::still_healthy_enough(&script.experiment.caps, &victims, &inventory)?;
    capacity.before(&inventory, acts.iter().map(|prepared| &prepared.act));
    let (ready, left_alone) = check_again(acts, undos, &inventory, script.clock.now());
    if !left_alone.is_empty() {
        for effect in &left_alone {
            script.tell(EventKind::Acted { effect: effect.clone() });
        }
        return Ok(left_alone);
    }
    let (first, others): (Vec<_>, Vec<_>) = ready.into_iter().partition(|p| p.act.fault.kind() == FaultKind::SuspendReplacement);
    // What is armed last is undone first: things around instances (a region's health check) come back after the instances.
    let (around, instances): (Vec<_>, Vec<_>) = others.into_iter().partition(|prepared| prepared.act.target.instance().is_none());
    arm(script, [&around[..], &first[..], &instances[..]].concat())?;
    let others = [instances, around].concat();
    let mut effects = stop_replacement(script, &first).await;
    let stopped = stopped(script, &effects);
    let done = match &stopped {
        None => act(script, &others).await,
        Some(why) => others.iter().map(|prepared| untouched(prepared, script.clock.now(), refused(why))).collect(),
    };
    // What came of both is written down at once: *Armed* is on the disk, and says enough until then.
    let mut written = script.journal.acted(&[&effects[..], &done[..]].concat());
    if let Some(why) = stopped {
        written = written.and(never_begun(script, &others, &why));
    }
    let verified = verify(script, &others, done).await;
    tell(script, &verified);
    effects.extend(verified);
    written.map_err(|error| format!("the journal cannot be written any more: {error}"))?;
    Ok(effects)
}

/// Everything that is about to be done is on the disk, with one wait for it, before the first of it is done.
fn arm(script: &mut Script<'_>, ready: Vec<Prepared>) -> Result<(), String> {
    script.lease.busy();
    script.journal.armed(&ready).map_err(|error| format!("the journal cannot be written, so nothing was done: {error}"))?;
    for prepared in &ready {
        script.tell(EventKind::Armed { act: Box::new(prepared.act.clone()), undo: prepared.undo.clone() });
    }
    script.pending.extend(ready);
    Ok(())
}

/// Stops replacement, and looks whether it stopped.
async fn stop_replacement(script: &mut Script<'_>, around: &[Prepared]) -> Vec<Effect> {
    let done = act(script, around).await;
    let verified = verify(script, around, done).await;
    tell(script, &verified);
    verified
}

/// Why the others are not begun after what had to come before them: without that they would be another fault than the planned one;
/// and after a halt nothing new is done.
fn stopped(script: &Script<'_>, before: &[Effect]) -> Option<String> {
    if let Some(failed) = before.iter().find(|effect| !effect.status.happened()) {
        return Some(format!("what had to come first did not happen: {}", failed.status.why().unwrap_or_default()));
    }
    (!before.is_empty() && script.halt.urgency() > Urgency::None).then(|| "the run was halted".to_owned())
}

fn refused(why: &str) -> EffectStatus {
    EffectStatus::Refused { why: format!("nothing was done to it, because {why}") }
}

/// Acts that were armed and never begun owe nothing: an undo of them would touch what nobody has touched.
fn never_begun(script: &mut Script<'_>, instances: &[Prepared], why: &str) -> Result<(), JournalError> {
    let why = format!("it was never begun, because {why}");
    let records = instances.iter().flat_map(|prepared| {
        let act = prepared.act.id;
        [(act, ActRecord::Reverting), (act, ActRecord::NothingToUndo { why: why.clone() })]
    });
    let written = script.journal.write_all(records.collect());
    if written.is_ok() {
        for prepared in instances {
            script.tell(EventKind::NothingToUndo { act: prepared.act.id, why: why.clone() });
        }
        script.pending.retain(|pending| instances.iter().all(|prepared| prepared.act.id != pending.act.id));
    }
    written
}

fn tell(script: &Script<'_>, effects: &[Effect]) {
    for effect in effects {
        let at = effect.took_effect.map_or_else(|| script.clock.now(), |bracket| bracket.by);
        script.tell_at(at, EventKind::Acted { effect: effect.clone() });
    }
}

/// Is each target still the one that was chosen, and not protected meanwhile? Those that are, with the undos made now.
fn check_again(
    acts: Vec<Prepared>,
    undos: Vec<Result<Undo, PlatformError>>,
    inventory: &Inventory,
    at: Mono,
) -> (Vec<Prepared>, Vec<Effect>) {
    let mut ready = Vec::new();
    let mut effects = Vec::new();
    for (prepared, undo) in acts.into_iter().zip(undos) {
        let skipped = prepared.act.target.instance().and_then(|instance| recheck(instance, inventory).err());
        match (skipped, undo) {
            (None, Ok(undo)) => ready.push(Prepared { undo, ..prepared }),
            (Some(skipped), _) => effects.push(untouched(&prepared, at, status(&skipped))),
            (None, Err(error)) => effects.push(untouched(&prepared, at, EffectStatus::Refused { why: error.to_string() })),
        }
    }
    (ready, effects)
}

fn status(skipped: &Skipped) -> EffectStatus {
    match skipped {
        Skipped::Vanished { .. } | Skipped::Replaced { .. } => EffectStatus::Vanished { found: skipped.to_string() },
        Skipped::Protected { .. } | Skipped::KeptOut { .. } | Skipped::Relabelled { .. } => {
            EffectStatus::Refused { why: skipped.to_string() }
        }
    }
}

/// Makes each undo from the state found now. Only reads.
async fn undos(script: &Script<'_>, acts: &[Prepared]) -> Vec<Result<Undo, PlatformError>> {
    join_all(acts.iter().map(|prepared| async {
        match prepared.act.target {
            Target::Command => Ok(prepared.undo.clone()),
            _ => script.platform.prepare(&prepared.act).await,
        }
    }))
    .await
}

async fn act(script: &Script<'_>, ready: &[Prepared]) -> Vec<Effect> {
    match ready {
        [] => Vec::new(),
        [only] if matches!(only.act.target, Target::Command) => {
            let effect = command::run(&only.act, &script.platform.command_env(), script.clock, script.halt).await;
            script.platform.stirred();
            vec![effect]
        }
        _ => script.platform.inject(ready).await,
    }
}

async fn verify(script: &Script<'_>, ready: &[Prepared], done: Vec<Effect>) -> Vec<Effect> {
    match ready {
        [] => Vec::new(),
        // A command's exit status is all there is to see.
        [only] if matches!(only.act.target, Target::Command) => done,
        _ => script.platform.verify(ready, done).await,
    }
}

/// The effect of an act that was not done.
pub(crate) fn untouched(prepared: &Prepared, at: Mono, status: EffectStatus) -> Effect {
    Effect {
        act: prepared.act.id,
        instance: prepared.act.target.instance().map(|i| i.id.clone()),
        status,
        requested: at,
        answered: None,
        took_effect: None,
        source: "checked again before the act".to_owned(),
    }
}
