//! Recovery: the same undo, from the middle. Replays a journal, reverts whatever may still be in effect, never injects. Run twice,
//! nothing more happens.

use std::{path::Path, time::Duration};

use super::{
    capacity,
    ledger::Ledger,
    undo::{LIMIT, Undone, revert},
};
use crate::{
    clock::Clock,
    journal::{self, ActRecord, Journal, JournalError, Store, replay, sealed},
    lock::{self, Holder, Lock, LockError},
    model::{
        act::Prepared,
        ids::{ActId, RunId},
        outcome::Residue,
        undo::Undo,
    },
    platform::{Platform, PlatformError},
};

/// How long what was brought back gets to be in service.
const IN_SERVICE_WITHIN: Duration = Duration::from_secs(10);

/// How long somebody else's recovery of the same place is waited for.
const OTHERS_RECOVERY: Duration = Duration::from_mins(2);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Takes the lock of a place. A recovery that is going on there is waited for: it is what would have to come first anyway. A run is not.
///
/// # Errors
/// When it is held, or cannot be used.
pub async fn locked(folder: &Path, holder: &Holder, clock: Clock) -> Result<Lock, LockError> {
    let give_up = clock.now().plus(OTHERS_RECOVERY);
    loop {
        match lock::take_in(folder, holder) {
            Err(error) if error.by_recovery() && clock.now() < give_up => clock.sleep(LOOK_EVERY).await,
            other => return other,
        }
    }
}

/// What a recovery came to.
#[derive(Debug, Clone, Default)]
pub struct Recovered {
    /// What was restored, a sentence each.
    pub restored: Vec<String>,
    /// What needed nothing, a sentence each.
    pub nothing: Vec<String>,
    /// What could not be undone.
    pub stuck: Vec<Residue>,
    /// What the journal itself had lost.
    pub damage: Option<String>,
    /// Why the journal could not be written: what was undone is not in it, and it stays. To recover it again does no harm.
    pub unwritten: Option<String>,
}

impl Recovered {
    /// Waits until what was restored is in service too.
    async fn settled(&self, platform: &dyn Platform, clock: Clock) {
        if !self.restored.is_empty() {
            capacity::settled(platform, clock, IN_SERVICE_WITHIN).await;
        }
    }
}

/// Undoes what a journal says may still be in effect, the last armed first; puts it away when nothing is left. The caller holds
/// the lock of the journal's scope, so its run is dead. A journal that cannot be written (the disk is full, or read-only) does not stop the
/// undo, as it does not stop that of a run.
///
/// # Errors
/// When the journal cannot be read: nothing was undone.
pub async fn recover(store: &Store, path: &Path, platform: &dyn Platform, clock: Clock) -> Result<(RunId, Recovered), JournalError> {
    let mut unwritten = None;
    let (mut ledger, read) = match Journal::reopen(path) {
        Ok((journal, read)) => (Some(Ledger::new(journal)), read),
        Err(error @ JournalError::Io { .. }) => {
            let read = journal::read(path)?;
            unwritten = Some(error);
            (None, read)
        }
        Err(error) => return Err(error),
    };
    let Some(replayed) = replay(&read.records) else {
        return Err(JournalError::NotAJournal { path: path.to_owned(), why: "it does not begin with a header".to_owned() });
    };
    let run = replayed.header.run;
    let mut recovered = Recovered { damage: read.damage, ..Recovered::default() };
    for owed in replayed.owed {
        let mut prepared = owed.prepared;
        let act = prepared.act.id;
        let who = format!("{} of {}", prepared.act.fault.kind(), prepared.act.target.says());
        note(ledger.as_mut(), act, ActRecord::Reverting, &mut unwritten);
        let undone = match unseal(path, &mut prepared, owed.sealed) {
            Ok(()) => revert(platform, &prepared, clock, clock.now().plus(LIMIT)).await,
            Err(why) => Undone::Stuck(why),
        };
        note(ledger.as_mut(), act, undone.record(), &mut unwritten);
        match undone {
            Undone::Restored(says) => recovered.restored.push(format!("{who}: {says}")),
            Undone::Nothing(why) => recovered.nothing.push(format!("{who}: {why}")),
            Undone::Stuck(why) => {
                recovered.stuck.push(Residue { act, what: who, why, command: format!("firedrill recover {run}") });
            }
        }
    }
    recovered.settled(platform, clock).await;
    if let (true, None, Some(ledger)) = (recovered.stuck.is_empty(), &unwritten, ledger) {
        unwritten = ledger.close(store).err();
    }
    recovered.unwritten = unwritten.map(|error| error.to_string());
    Ok((run, recovered))
}

/// Writes a record if that is possible; keeps the first reason why it is not.
fn note(ledger: Option<&mut Ledger>, act: ActId, what: ActRecord, unwritten: &mut Option<JournalError>) {
    if let Some(Err(error)) = ledger.map(|ledger| ledger.write_all(vec![(act, what)])) {
        unwritten.get_or_insert(error);
    }
}

/// Puts the secret part back into an undo that has one.
fn unseal(journal: &Path, prepared: &mut Prepared, sealed: bool) -> Result<(), String> {
    if let (true, Undo::Restore { secret, .. }) = (sealed, &mut prepared.undo) {
        let kept = sealed::open(journal, prepared.act.id);
        *secret = Some(kept.map_err(|error| format!("the secret part of its undo, kept beside the journal, cannot be read: {error}"))?);
    }
    Ok(())
}

/// Undoes what the platform shows as done by runs that no journal knows, the last first. The caller holds the lock of the platform's
/// scope and has recovered its journals.
///
/// # Errors
/// When the platform cannot be asked: nothing was touched.
pub async fn recover_orphans(platform: &dyn Platform, clock: Clock) -> Result<Recovered, PlatformError> {
    let mut recovered = Recovered::default();
    for orphan in platform.orphans().await? {
        let act = &orphan.prepared.act;
        let run = orphan.run.as_ref().map_or_else(|| "a run".to_owned(), |run| format!("run {run}"));
        let who = format!("{} of {}, which {run} left without a journal", act.fault.kind(), act.target.says());
        match revert(platform, &orphan.prepared, clock, clock.now().plus(LIMIT)).await {
            Undone::Restored(says) => recovered.restored.push(format!("{who}: {says}")),
            Undone::Nothing(why) => recovered.nothing.push(format!("{who}: {why}")),
            Undone::Stuck(why) => {
                recovered.stuck.push(Residue { act: act.id, what: who, why, command: "firedrill recover".to_owned() });
            }
        }
    }
    recovered.settled(platform, clock).await;
    Ok(recovered)
}
