//! Whose the faults in effect are: noted at the supervisor before each act, so that what a run leaves behind is found even when its
//! journal is lost.

use std::sync::PoisonError;

use super::{
    control::{Answer, Mark, Request},
    platform::LocalPlatform,
    undo::Before,
};
use crate::{
    lock,
    model::{act::Prepared, ids::RunId},
    platform::{Held, Orphan, PlatformError},
};

impl LocalPlatform {
    fn own_run(&self) -> Option<RunId> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes acts that are done next. When this fails, none of them may be done.
    pub(super) async fn mark(&self, acts: &[Prepared]) -> Result<(), String> {
        let Some(client) = &self.client else { return Ok(()) };
        let pid = std::process::id();
        let (run, process) = (self.own_run(), (pid, lock::started(pid).unwrap_or_default()));
        for prepared in acts.iter().filter(|prepared| is_kept(prepared)) {
            let mark = Box::new(Mark { run: run.clone(), process, prepared: prepared.clone() });
            match client.ask(&Request::Mark { mark }).await {
                Ok(Answer::Done { .. }) => {}
                Ok(other) => return Err(format!("nothing was done: the supervisor did not note the act, but answered {other:?}")),
                Err(error) => return Err(format!("nothing was done: the supervisor did not note the act: {error}")),
            }
        }
        Ok(())
    }

    /// Notes that an act is undone.
    pub(super) async fn unmark(&self, prepared: &Prepared) -> Result<(), PlatformError> {
        let Some(client) = self.client.as_ref().filter(|_| is_kept(prepared)) else { return Ok(()) };
        match client.ask(&Request::Unmark { undo: prepared.undo.clone() }).await {
            // Without a supervisor there are no notes either.
            Ok(_) | Err(PlatformError::Unavailable(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// What other runs did and did not undo, the last first. See `Platform::orphans`.
    pub(super) async fn left_over(&self) -> Result<Vec<Orphan>, PlatformError> {
        let marks = self.all_marks().await?;
        let (own, pid) = (self.own_run(), std::process::id());
        let left = marks.into_iter().rev().filter(|mark| if mark.process.0 == pid { mark.run != own } else { !lives(mark) });
        Ok(left.map(|mark| Orphan { run: mark.run, prepared: mark.prepared }).collect())
    }

    /// What runs of other processes do just now. See `Platform::held`.
    pub(super) async fn held_by_others(&self) -> Result<Vec<Held>, PlatformError> {
        let others = self.all_marks().await?.into_iter().filter(|mark| mark.process.0 != std::process::id() && lives(mark));
        Ok(others
            .filter_map(|Mark { run: by, prepared: Prepared { act, .. }, .. }| {
                let (kind, instance) = (act.fault.kind(), act.target.instance()?.as_ref().clone());
                kind.affects_victims().then_some(Held { instance, kind, by })
            })
            .collect())
    }

    async fn all_marks(&self) -> Result<Vec<Mark>, PlatformError> {
        let Some(client) = &self.client else { return Ok(Vec::new()) };
        match client.marks().await {
            Ok(marks) => Ok(marks),
            Err(PlatformError::Unavailable(_)) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

/// Whether the process that made a mark runs.
fn lives(mark: &Mark) -> bool {
    let (maker, started) = mark.process;
    lock::started(maker) == Some(started)
}

/// Whether the supervisor is told of an act: if it can be undone, and in another way than by a command of the experimenter's, which
/// has its place in the journal, with the folder that it is run in.
fn is_kept(prepared: &Prepared) -> bool {
    prepared.undo.restores() && !matches!(Before::read(&prepared.undo), Ok(Before::Command { .. }))
}
