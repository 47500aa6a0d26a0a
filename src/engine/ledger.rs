//! The run's side of the journal: what is about to be done is durable before it is done.

use std::{borrow::Cow, collections::BTreeSet};

use crate::{
    journal::{ActRecord, Journal, JournalError, Record, Store, sealed},
    model::{
        act::{Effect, Prepared},
        ids::ActId,
    },
    redact,
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

    /// Where the journal is.
    pub(crate) fn path(&self) -> &std::path::Path {
        self.journal.path()
    }

    /// Acts that will be done. One that is known already is not written twice.
    pub(crate) fn planned<'a>(&mut self, acts: impl IntoIterator<Item = &'a Prepared>) -> Result<(), JournalError> {
        let unknown = self.unknown(acts);
        self.write_all(unknown)
    }

    /// Acts that are done next, with one wait for the disk. When this fails, none of them may be done.
    pub(crate) fn armed(&mut self, acts: &[Prepared]) -> Result<(), JournalError> {
        for prepared in acts {
            if let Some(secret) = prepared.undo.secret() {
                let path = self.journal.path();
                sealed::keep(path, prepared.act.id, secret).map_err(|source| JournalError::Io {
                    doing: "keep the secret part of an undo beside",
                    path: path.to_owned(),
                    source,
                })?;
            }
        }
        let mut records = self.unknown(acts);
        records.extend(acts.iter().map(|prepared| {
            let sealed = prepared.undo.secret().is_some();
            (prepared.act.id, ActRecord::Armed { undo: prepared.undo.clone(), sealed })
        }));
        self.write_all(records)
    }

    /// What the calls came to.
    pub(crate) fn acted(&mut self, effects: &[Effect]) -> Result<(), JournalError> {
        let records = effects.iter().map(|effect| {
            let status = effect.status.clone();
            let record = if status.happened() { ActRecord::Injected { status } } else { ActRecord::InjectFailed { status } };
            (effect.act, record)
        });
        self.write_all(records.collect())
    }

    fn unknown<'a>(&mut self, acts: impl IntoIterator<Item = &'a Prepared>) -> Vec<(ActId, ActRecord)> {
        let new = acts.into_iter().filter(|prepared| self.planned.insert(prepared.act.id));
        new.map(|prepared| (prepared.act.id, ActRecord::Planned { prepared: Box::new(prepared.clone()) })).collect()
    }

    /// Acts whose undo is owed.
    pub(crate) fn owed(&self) -> &BTreeSet<ActId> {
        &self.owed
    }

    /// Records about acts, in this order, with one wait for the disk.
    pub(crate) fn write_all(&mut self, records: Vec<(ActId, ActRecord)>) -> Result<(), JournalError> {
        if records.is_empty() {
            return Ok(());
        }
        let mut done = Vec::new();
        for (act, what) in &records {
            match what {
                ActRecord::Armed { .. } => {
                    self.owed.insert(*act);
                }
                ActRecord::Reverted { .. } | ActRecord::NothingToUndo { .. } => {
                    self.owed.remove(act);
                    done.push(*act);
                }
                _ => {}
            }
        }
        let records: Vec<Record> = records.into_iter().map(|(act, what)| Record::Act { act, what: without_secrets(what) }).collect();
        self.journal.append_all(&records)?;
        for act in done {
            // What stays of it goes when the journal is closed.
            let _ = sealed::forget(self.journal.path(), act);
        }
        Ok(())
    }

    /// Nothing is owed any more: the journal is put away.
    pub(crate) fn close(mut self, store: &Store) -> Result<(), JournalError> {
        self.journal.append(&Record::Closed)?;
        let path = self.journal.path();
        sealed::forget_all(path).map_err(|source| JournalError::Io {
            doing: "delete the secret parts of undos beside",
            path: path.to_owned(),
            source,
        })?;
        store.finish(self.journal)
    }
}

/// The record without secrets in what a system said. The act and its undo stay as they are: what is in them is needed.
fn without_secrets(mut record: ActRecord) -> ActRecord {
    let hide = |text: &mut String| {
        if let Cow::Owned(hidden) = redact::hide(text) {
            *text = hidden;
        }
    };
    match &mut record {
        ActRecord::Injected { status } | ActRecord::InjectFailed { status } => status.why_mut().into_iter().for_each(hide),
        ActRecord::Reverted { says } => hide(says),
        ActRecord::NothingToUndo { why } | ActRecord::Stuck { why } => hide(why),
        ActRecord::Planned { .. } | ActRecord::Armed { .. } | ActRecord::Reverting => {}
    }
    record
}
