//! The run's side of the journal: what is about to be done is durable before it is done.

use std::collections::BTreeSet;

use crate::{
    journal::{ActRecord, Journal, JournalError, Record, Store},
    model::{
        act::{Effect, Prepared},
        ids::ActId,
    },
};

/// An open journal, and which acts it knows.
pub(crate) struct Ledger {
    journal: Journal,
    planned: BTreeSet<ActId>,
    /// Armed, and not yet undone: whatever the disk says.
    owed: BTreeSet<ActId>,
}

impl Ledger {
    /// For a new journal, or for one that is continued by a recovery.
    pub(crate) fn new(journal: Journal) -> Self {
        Self { journal, planned: BTreeSet::new(), owed: BTreeSet::new() }
    }

    /// Acts that will be done. One that is known already is not written twice.
    pub(crate) fn planned<'a>(&mut self, acts: impl IntoIterator<Item = &'a Prepared>) -> Result<(), JournalError> {
        for prepared in acts {
            if self.planned.insert(prepared.act.id) {
                self.write(prepared.act.id, ActRecord::Planned { prepared: Box::new(prepared.clone()) })?;
            }
        }
        Ok(())
    }

    /// Acts that are done next. When this fails, none of them may be done.
    pub(crate) fn armed(&mut self, acts: &[Prepared]) -> Result<(), JournalError> {
        self.planned(acts)?;
        acts.iter().try_for_each(|prepared| self.write(prepared.act.id, ActRecord::Armed { undo: prepared.undo.clone() }))
    }

    /// What the calls came to.
    pub(crate) fn acted(&mut self, effects: &[Effect]) -> Result<(), JournalError> {
        effects.iter().try_for_each(|effect| {
            let status = effect.status.clone();
            let record = if status.happened() { ActRecord::Injected { status } } else { ActRecord::InjectFailed { status } };
            self.write(effect.act, record)
        })
    }

    /// Acts whose undo is owed.
    pub(crate) fn owed(&self) -> &BTreeSet<ActId> {
        &self.owed
    }

    /// Anything else about one act.
    pub(crate) fn write(&mut self, act: ActId, what: ActRecord) -> Result<(), JournalError> {
        match what {
            ActRecord::Armed { .. } => {
                self.owed.insert(act);
            }
            ActRecord::Reverted { .. } | ActRecord::NothingToUndo { .. } => {
                self.owed.remove(&act);
            }
            _ => {}
        }
        self.journal.append(&Record::Act { act, what })
    }

    /// Nothing is owed any more: the journal is put away.
    pub(crate) fn close(mut self, store: &Store) -> Result<(), JournalError> {
        self.journal.append(&Record::Closed)?;
        store.finish(self.journal)
    }
}
