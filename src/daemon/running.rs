//! Drills that run on this machine, as their journals and notes say, and telling them to stop: what `firedrill halt` and the page share.

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::{
    chaostoolkit::unfinished::{self, Note},
    journal::{Header, Store},
    lock,
    model::ids::RunId,
};

/// A run that has not ended: it is at work, or its process is gone and something may be left to undo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// Which.
    pub run: RunId,
    /// The process that runs it.
    pub pid: u32,
    /// That process's start time, so that a number that was given to another one is told apart.
    pub pid_started: u64,
}

/// What came of telling a run to stop.
#[derive(Debug)]
pub enum Told {
    /// It stops and undoes.
    Stopping,
    /// Its process is gone.
    Gone,
    /// The system did not let us.
    Refused(rustix::io::Errno),
}

impl Unfinished {
    /// Whether its process lives.
    pub fn lives(&self) -> bool {
        lock::started(self.pid) == Some(self.pid_started)
    }

    /// Sends Ctrl-C's signal to the very process that holds the run. The pidfd is opened before the start time is compared, so that a
    /// number that was given to another process in between is not signalled.
    pub fn halt(&self) -> Told {
        let Some(pid) = Pid::from_raw(self.pid.cast_signed()) else { return Told::Gone };
        let handle = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(handle) => handle,
            Err(rustix::io::Errno::SRCH) => return Told::Gone,
            Err(error) => return Told::Refused(error),
        };
        if !self.lives() {
            return Told::Gone;
        }
        match pidfd_send_signal(&handle, Signal::INT) {
            Ok(()) => Told::Stopping,
            Err(rustix::io::Errno::SRCH) => Told::Gone,
            Err(error) => Told::Refused(error),
        }
    }
}

/// Our own runs that have a journal that is not done. One that cannot be read is left out: `firedrill recover` tells of it.
///
/// # Errors
/// When the folder of journals cannot be listed.
pub fn ours() -> std::io::Result<Vec<Unfinished>> {
    Ok(journals()?.into_iter().flatten().collect())
}

/// Experiments of the Chaos Toolkit that run now. Those of processes that are gone are for `firedrill recover`.
pub fn toolkit() -> Vec<Unfinished> {
    notes().unwrap_or_default().into_iter().flatten().filter(Unfinished::lives).collect()
}

/// How many runs of this machine are gone and may have left something to undo: what `firedrill recover` has to do, or cannot read.
///
/// # Errors
/// When what there is cannot be listed.
pub fn owed() -> std::io::Result<usize> {
    let all = journals()?.into_iter().chain(notes()?);
    Ok(all.filter(|run| !run.as_ref().is_some_and(Unfinished::lives)).count())
}

/// Journals that are not done; none in place of one that cannot be read.
fn journals() -> std::io::Result<Vec<Option<Unfinished>>> {
    let of = |Header { run, pid, pid_started, .. }| Unfinished { run, pid, pid_started };
    Ok(Store::open()?.unfinished()?.into_iter().map(|found| found.replay.ok().map(|replay| of(replay.header))).collect())
}

/// Notes of experiments of the Chaos Toolkit that have not ended; none in place of one that cannot be read.
fn notes() -> std::io::Result<Vec<Option<Unfinished>>> {
    let of = |Note { run, pid, pid_started, .. }| Unfinished { run, pid, pid_started };
    Ok(unfinished::list()?.into_iter().map(|note| note.ok().map(of)).collect())
}
