//! Who watches a system. A watcher has a queue of its own, of bounded length, so that one that does not read costs neither memory nor
//! the supervisor's time. One that falls behind is told so in its last observation, and its stream ends there: a stream with a hole
//! in it would look whole. It may watch anew, and ask how the system is now.

use tokio::sync::mpsc::{self, error::TrySendError};

use crate::{
    clock,
    model::observation::{Observation, Observed},
};

/// How many observations a watcher may be behind.
pub const BEHIND_AT_MOST: usize = 4096;

/// The supervisor's end of all watches.
#[derive(Debug, Default)]
pub(super) struct Watchers(Vec<mpsc::Sender<Observation>>);

/// A new watch: one end for the supervisor, the other for who watches.
pub fn watch() -> (mpsc::Sender<Observation>, mpsc::Receiver<Observation>) {
    // One more, kept free for the last word.
    mpsc::channel(BEHIND_AT_MOST + 1)
}

impl Watchers {
    pub(super) fn add(&mut self, watcher: mpsc::Sender<Observation>) {
        self.0.push(watcher);
    }

    /// Tells everybody, and lets go of those that are gone or have fallen behind.
    pub(super) fn tell(&mut self, observation: &Observation) {
        self.0.retain(|watcher| {
            let last = watcher.capacity() <= 1;
            let told = watcher.try_send(if last { fell_behind() } else { observation.clone() });
            // Only this loop sends, so what is free cannot be taken by another.
            debug_assert!(!matches!(told, Err(TrySendError::Full(_))), "a place is kept free");
            told.is_ok() && !last
        });
    }
}

fn fell_behind() -> Observation {
    let text = format!(
        "this watcher did not read and is {BEHIND_AT_MOST} observations behind: what happens from here on is not told to it any more"
    );
    Observation { at: clock::now(), source: "supervisor".to_owned(), what: Observed::Note { text } }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(number: usize) -> Observation {
        Observation { at: clock::now(), source: "test".to_owned(), what: Observed::Note { text: number.to_string() } }
    }

    #[tokio::test]
    async fn one_that_falls_behind_is_told_so_and_the_others_go_on() {
        let mut watchers = Watchers::default();
        let (slow, mut behind) = watch();
        let (quick, mut heard) = watch();
        watchers.add(slow);
        watchers.add(quick);
        for number in 0..BEHIND_AT_MOST + 10 {
            watchers.tell(&note(number));
            assert_eq!(heard.recv().await.unwrap().what, note(number).what);
        }
        for number in 0..BEHIND_AT_MOST {
            assert_eq!(behind.recv().await.unwrap().what, note(number).what, "in order and without a hole");
        }
        let last = behind.recv().await.unwrap();
        assert!(matches!(&last.what, Observed::Note { text } if text.contains("4096 observations behind")), "{last:?}");
        assert_eq!(behind.recv().await, None);
        drop(heard);
        watchers.tell(&note(0));
        assert!(watchers.0.is_empty());
    }
}
