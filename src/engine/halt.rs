//! Halt: how a run is told to stop. Passed in, never global; the reasons are kept in order.
//!
//! The first call starts no new act and undoes at once; the second does not wait for the recovery phase, the undo goes on; the third
//! leaves, and the run says what is left.

use std::sync::{Arc, Mutex};

use tokio::sync::watch;

/// How strongly the run was told to stop. Ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Urgency {
    /// Not at all.
    #[default]
    None,
    /// Start no new act, undo, then watch the recovery.
    Undo,
    /// Undo, do not wait for the recovery.
    UndoOnly,
    /// Leave now, saying what is left.
    Leave,
}

/// A handle to stop one run, and to see that it was stopped. Clones are the same halt.
#[derive(Debug, Clone)]
pub struct Halt {
    reasons: Arc<Mutex<Vec<String>>>,
    sender: Arc<watch::Sender<Urgency>>,
}

impl Default for Halt {
    fn default() -> Self {
        Self { reasons: Arc::default(), sender: Arc::new(watch::Sender::new(Urgency::None)) }
    }
}

impl Halt {
    /// Tells the run to stop; each call raises the urgency by one.
    pub fn call(&self, by: impl Into<String>) {
        self.reasons.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(by.into());
        self.sender.send_modify(|urgency| {
            *urgency = match *urgency {
                Urgency::None => Urgency::Undo,
                Urgency::Undo => Urgency::UndoOnly,
                Urgency::UndoOnly | Urgency::Leave => Urgency::Leave,
            };
        });
    }

    /// How strongly it was told to stop so far.
    pub fn urgency(&self) -> Urgency {
        *self.sender.borrow()
    }

    /// Who stopped it first, and why.
    pub fn first_reason(&self) -> Option<String> {
        self.reasons.lock().unwrap_or_else(std::sync::PoisonError::into_inner).first().cloned()
    }

    /// Waits until the urgency is at least `urgency`.
    pub async fn reached(&self, urgency: Urgency) {
        let mut receiver = self.sender.subscribe();
        // The sender lives as long as `self`, so this cannot fail.
        let _ = receiver.wait_for(|now| *now >= urgency).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_call_raises_the_urgency_and_the_first_reason_stays() {
        let halt = Halt::default();
        assert_eq!(halt.urgency(), Urgency::None);
        halt.call("Ctrl-C");
        halt.reached(Urgency::Undo).await;
        halt.call("Ctrl-C again");
        assert_eq!(halt.urgency(), Urgency::UndoOnly);
        halt.call("and again");
        halt.reached(Urgency::Leave).await;
        halt.call("more");
        assert_eq!(halt.urgency(), Urgency::Leave);
        assert_eq!(halt.first_reason().as_deref(), Some("Ctrl-C"));
    }
}
