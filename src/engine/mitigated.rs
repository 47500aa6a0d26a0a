//! A person's word that users do not feel the fault any more. Passed in beside [`super::halt::Halt`], and weaker: it ends the waits of a
//! drill in which people mitigate, and what is left of its method is left out. Then everything is undone and the recovery is watched, as
//! after every method.

use std::sync::Arc;

use tokio::sync::watch;

/// A handle to say it, and to hear it. Clones are the same. In a drill whose method does not wait for it, nobody says it.
#[derive(Debug, Clone)]
pub struct Mitigated {
    by: Arc<watch::Sender<Option<String>>>,
}

impl Default for Mitigated {
    fn default() -> Self {
        Self { by: Arc::new(watch::Sender::new(None)) }
    }
}

impl Mitigated {
    /// Says it. The first word counts.
    pub fn say(&self, by: impl Into<String>) {
        self.by.send_if_modified(|said| {
            let first = said.is_none();
            if first {
                *said = Some(by.into());
            }
            first
        });
    }

    /// Who said it, if somebody did.
    pub fn said(&self) -> Option<String> {
        self.by.borrow().clone()
    }

    /// Waits until somebody says it.
    pub async fn heard(&self) {
        let mut receiver = self.by.subscribe();
        // The sender lives as long as `self`, so this cannot fail.
        let _ = receiver.wait_for(Option::is_some).await;
    }
}
