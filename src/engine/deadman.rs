//! The dead-man's switch as a run sees it: somebody outside of this process who undoes what the run did, should it be gone or hang.
//!
//! The run tells by when it will be heard of again. While it acts or undoes that is soon, and is told anew every second; while it waits it is
//! the end of the wait, so that a run that is suspended in the middle of a hold may go on in time. While nothing is in effect there is no
//! such moment. Each with [`HANGS_AFTER`] on top, after which the other side takes this process for hung, ends it, and undoes.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    clock::Clock,
    model::{plan::HANGS_AFTER, time::Mono},
};

/// Between two signs of life.
const BEAT_EVERY: Duration = Duration::from_secs(1);

/// Starts the other side.
pub trait Deadman: Send + Sync {
    /// Has this process watched, which writes this journal. When this returns, it is.
    ///
    /// # Errors
    /// When it cannot be: then the run must not act.
    fn watch(&self, journal: &Path) -> Result<Box<dyn Watch>, String>;
}

/// The other side, as long as it watches.
pub trait Watch: Send {
    /// If this process has not told another moment by then, it hangs. `None`: nothing is in effect that would have to be undone.
    ///
    /// # Errors
    /// When the other side is gone or does not listen.
    fn until(&mut self, at: Option<Mono>) -> Result<(), String>;

    /// Whether it still watches.
    ///
    /// # Errors
    /// When it is gone.
    fn lives(&mut self) -> Result<(), String>;

    /// The run has ended: nothing is owed, or what is left was said. The other side ends.
    fn ended(&mut self);
}

/// What the run does with respect to time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    /// Nothing is in effect.
    Nothing,
    /// Something of unknown length, but with a limit of its own.
    Busy,
    /// It waits until then.
    Waits(Mono),
}

/// The run's side. Clones are the same.
#[derive(Clone)]
pub(crate) struct Lease(Option<Arc<Mutex<Held>>>);

struct Held {
    clock: Clock,
    watch: Box<dyn Watch>,
    doing: Doing,
    beat: Mono,
    /// Nobody watches, and nobody will: that was said.
    alone: bool,
}

/// What became of the other side.
pub(crate) enum Trouble {
    /// It was gone, and another one watches now.
    Replaced(String),
    /// Nobody watches.
    Alone(String),
}

impl Lease {
    /// Begins, with nothing in effect. Without anybody to start it, a lease of nobody.
    ///
    /// # Errors
    /// As [`Deadman::watch`].
    pub(crate) fn begin(deadman: Option<&dyn Deadman>, journal: &Path, clock: Clock) -> Result<Self, String> {
        let Some(deadman) = deadman else { return Ok(Self(None)) };
        let watch = deadman.watch(journal)?;
        Ok(Self(Some(Arc::new(Mutex::new(Held { clock, watch, doing: Doing::Nothing, beat: Mono::default(), alone: false })))))
    }

    /// Something is about to be done or undone.
    pub(crate) fn busy(&self) {
        self.tell(Doing::Busy);
    }

    /// What is in effect stays so until then; or nothing is.
    pub(crate) fn waits(&self, until: Option<Mono>) {
        self.tell(until.map_or(Doing::Nothing, Doing::Waits));
    }

    fn tell(&self, doing: Doing) {
        if let Some(mut held) = self.held()
            && held.doing != doing
        {
            held.doing = doing;
            // One that is gone is found at the next beat.
            let _ = held.say();
        }
    }

    /// A sign of life where one is due, and a look whether the other side lives. One that is gone is started again.
    pub(crate) fn beat(&self, deadman: Option<&dyn Deadman>, journal: &Path) -> Option<Trouble> {
        let mut held = self.held()?;
        let now = held.clock.now();
        if held.alone || now < held.beat.plus(BEAT_EVERY) {
            return None;
        }
        held.beat = now;
        let said = match held.doing {
            Doing::Busy => held.say(),
            Doing::Nothing | Doing::Waits(_) => held.watch.lives(),
        };
        let gone = said.err()?;
        let again = deadman.map(|deadman| deadman.watch(journal))?;
        match again {
            Ok(watch) => {
                held.watch = watch;
                let _ = held.say();
                Some(Trouble::Replaced(gone))
            }
            Err(why) => {
                held.alone = true;
                Some(Trouble::Alone(format!("{gone}, and another one cannot be started: {why}")))
            }
        }
    }

    /// The run has ended.
    pub(crate) fn ended(&self) {
        if let Some(mut held) = self.held() {
            held.watch.ended();
        }
    }

    fn held(&self) -> Option<MutexGuard<'_, Held>> {
        self.0.as_ref().map(|held| held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Held {
    fn say(&mut self) -> Result<(), String> {
        let at = match self.doing {
            Doing::Nothing => None,
            Doing::Busy => Some(self.clock.now()),
            Doing::Waits(until) => Some(until),
        };
        self.watch.until(at.map(|at| at.plus(HANGS_AFTER)))
    }
}

/// What the dispatcher needs to keep the other side watching.
pub(crate) struct Keeping<'a> {
    pub(crate) lease: Lease,
    pub(crate) deadman: Option<&'a dyn Deadman>,
    pub(crate) journal: PathBuf,
}

impl Keeping<'_> {
    pub(crate) fn beat(&self) -> Option<Trouble> {
        self.lease.beat(self.deadman, &self.journal)
    }
}
