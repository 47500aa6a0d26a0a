//! The dead-man's switch as a run sees it: somebody outside of this process who undoes what the run did, should it be gone or hang.
//!
//! The run tells by when it will be heard of again. While it acts or undoes that is soon, and is told anew every second; while it waits it is
//! the end of the wait, so that a run that is suspended in the middle of a hold may go on in time. While nothing is in effect there is no
//! such moment. Each with [`HANGS_AFTER`] on top, after which the other side takes this process for hung, ends it, and undoes.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::{
    clock::Clock,
    model::{plan::HANGS_AFTER, time::Mono},
};

/// Between two signs of life.
const BEAT_EVERY: Duration = Duration::from_secs(1);

/// Starts the other side. That may take as long as the machine is busy, so it is done on a thread of its own.
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
    deadman: Arc<dyn Deadman>,
    journal: PathBuf,
    side: Side,
    doing: Doing,
    beat: Mono,
}

/// The other side.
enum Side {
    Watches(Box<dyn Watch>),
    /// It was gone, for this reason, and another one is being started.
    Begins {
        gone: String,
        thread: JoinHandle<Result<Box<dyn Watch>, String>>,
    },
    /// Nobody watches, and nobody will: that was said.
    Nobody,
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
    pub(crate) async fn begin(deadman: Option<Arc<dyn Deadman>>, journal: &Path, clock: Clock) -> Result<Self, String> {
        let Some(deadman) = deadman else { return Ok(Self(None)) };
        let journal = journal.to_owned();
        let (starts, of) = (deadman.clone(), journal.clone());
        let watch = tokio::task::spawn_blocking(move || starts.watch(&of)).await.map_err(|error| error.to_string())??;
        let held = Held { clock, deadman, journal, side: Side::Watches(watch), doing: Doing::Nothing, beat: Mono::default() };
        Ok(Self(Some(Arc::new(Mutex::new(held)))))
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

    /// A sign of life where one is due, and a look whether the other side lives. One that is gone is started again, which is not waited for:
    /// who halts the run meanwhile is heard.
    pub(crate) fn beat(&self) -> Option<Trouble> {
        self.held()?.beat()
    }

    /// The run has ended.
    pub(crate) fn ended(&self) {
        let Some(mut held) = self.held() else { return };
        match std::mem::replace(&mut held.side, Side::Nobody) {
            Side::Watches(mut watch) => watch.ended(),
            // One that begins would find firedrill gone, and look for what there is to undo.
            Side::Begins { thread, .. } => {
                if let Ok(Ok(mut watch)) = thread.join() {
                    watch.ended();
                }
            }
            Side::Nobody => {}
        }
    }

    fn held(&self) -> Option<MutexGuard<'_, Held>> {
        self.0.as_ref().map(|held| held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Held {
    fn beat(&mut self) -> Option<Trouble> {
        match std::mem::replace(&mut self.side, Side::Nobody) {
            Side::Nobody => None,
            Side::Begins { gone, thread } if thread.is_finished() => {
                match thread.join().unwrap_or_else(|_| Err("a defect of firedrill (it panicked)".to_owned())) {
                    Ok(watch) => {
                        self.side = Side::Watches(watch);
                        // One that is gone again is found at the next beat.
                        let _ = self.say();
                        Some(Trouble::Replaced(gone))
                    }
                    Err(why) => Some(Trouble::Alone(format!("{gone}, and another one cannot be started: {why}"))),
                }
            }
            begins @ Side::Begins { .. } => {
                self.side = begins;
                None
            }
            watches @ Side::Watches(_) => {
                self.side = watches;
                self.look();
                None
            }
        }
    }

    /// Looks after the one that watches, where that is due.
    fn look(&mut self) {
        let now = self.clock.now();
        let Side::Watches(watch) = &mut self.side else { return };
        if now < self.beat.plus(BEAT_EVERY) {
            return;
        }
        self.beat = now;
        let looked = match self.doing {
            Doing::Busy => self.say(),
            Doing::Nothing | Doing::Waits(_) => watch.lives(),
        };
        if let Err(gone) = looked {
            let (deadman, journal) = (self.deadman.clone(), self.journal.clone());
            self.side = Side::Begins { gone, thread: thread::spawn(move || deadman.watch(&journal)) };
        }
    }

    fn say(&mut self) -> Result<(), String> {
        let at = match self.doing {
            Doing::Nothing => None,
            Doing::Busy => Some(self.clock.now()),
            Doing::Waits(until) => Some(until),
        };
        match &mut self.side {
            Side::Watches(watch) => watch.until(at.map(|at| at.plus(HANGS_AFTER))),
            // It is told when it has begun.
            Side::Begins { .. } | Side::Nobody => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// Starts what it is sent, once it is sent; tells what was told to it.
    struct Scripted {
        next: Mutex<Receiver<Result<(), String>>>,
        told: Sender<String>,
    }

    struct Told(Sender<String>);

    impl Deadman for Scripted {
        fn watch(&self, _: &Path) -> Result<Box<dyn Watch>, String> {
            let next = self.next.lock().unwrap().recv().unwrap();
            next.map(|()| Box::new(Told(self.told.clone())) as Box<dyn Watch>)
        }
    }

    impl Watch for Told {
        fn until(&mut self, at: Option<Mono>) -> Result<(), String> {
            self.0.send(if at.is_some() { "soon" } else { "free" }.to_owned()).map_err(|_| "it is gone".to_owned())
        }

        fn lives(&mut self) -> Result<(), String> {
            Err("it is gone".to_owned())
        }

        fn ended(&mut self) {
            let _ = self.0.send("ended".to_owned());
        }
    }

    async fn scripted() -> (Lease, Sender<Result<(), String>>, Receiver<String>) {
        let ((start, next), (told, heard)) = (channel(), channel());
        start.send(Ok(())).unwrap();
        let lease = Lease::begin(Some(Arc::new(Scripted { next: Mutex::new(next), told })), Path::new("j"), Clock::start()).await.unwrap();
        (lease, start, heard)
    }

    /// Beats until something is told.
    fn trouble(lease: &Lease) -> Trouble {
        loop {
            if let Some(trouble) = lease.beat() {
                return trouble;
            }
            thread::yield_now();
        }
    }

    #[tokio::test]
    async fn one_that_is_gone_is_replaced_without_waiting_and_told_what_holds_now() {
        let (lease, start, heard) = scripted().await;
        // Found gone; the next one does not begin, and nobody waits for it.
        assert!(lease.beat().is_none() && lease.beat().is_none());
        lease.busy();
        assert!(lease.beat().is_none());
        start.send(Ok(())).unwrap();
        assert!(matches!(trouble(&lease), Trouble::Replaced(gone) if gone == "it is gone"));
        assert_eq!(heard.try_recv().as_deref(), Ok("soon"));
        lease.ended();
        assert_eq!(heard.try_recv().as_deref(), Ok("ended"));
    }

    #[tokio::test]
    async fn without_another_one_that_is_said_once_and_an_end_in_the_middle_is_told_to_the_new_one() {
        let (lease, start, _heard) = scripted().await;
        start.send(Err("no room".to_owned())).unwrap();
        assert!(matches!(trouble(&lease), Trouble::Alone(why) if why.contains("it is gone") && why.contains("no room")));
        assert!(lease.beat().is_none());
        lease.ended();

        let (lease, start, heard) = scripted().await;
        assert!(lease.beat().is_none());
        start.send(Ok(())).unwrap();
        lease.ended();
        assert_eq!(heard.try_iter().collect::<Vec<_>>(), ["ended"]);
    }
}
