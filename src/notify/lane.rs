//! One receiver's messages, one after another, each tried again for a while.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until, timeout_at},
};

use super::{http::NotTaken, receiver::Ready};
use crate::model::notify::Message;

/// So many times a message is sent before it is given up.
const TRIES: u32 = 5;
/// The first pause; each is twice the one before.
const PAUSE: Duration = Duration::from_millis(500);
/// The longest time for one try.
pub(super) const TRY: Duration = Duration::from_secs(5);
/// The longest time for a message with all its tries: what comes later would be told too late.
const MESSAGE: Duration = Duration::from_mins(1);

/// What became of a receiver's messages.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Given to it.
    pub given: u64,
    /// Taken by the receiver.
    pub taken: u64,
    /// Given up.
    pub lost: u64,
    /// Why the last that was not taken was not.
    pub why: Option<String>,
}

impl Tally {
    /// One more was given up.
    pub(super) fn lost(&mut self) {
        self.lost += 1;
    }

    /// Neither taken nor given up yet.
    pub(super) fn open(&self) -> u64 {
        self.given.saturating_sub(self.taken + self.lost)
    }
}

/// Where the messages of one receiver come from.
pub(super) struct Lane {
    pub ready: Arc<Ready>,
    pub messages: mpsc::Receiver<Arc<Message>>,
    /// Whether no more messages will come: then none waits for the tries of one before it.
    pub closing: watch::Receiver<bool>,
}

impl Lane {
    /// Sends until there is nothing more; `told` hears what became of each.
    pub(super) async fn work(mut self, told: impl Fn(Result<(), String>)) {
        while let Some(message) = self.messages.recv().await {
            told(self.one(&message).await);
        }
    }

    async fn one(&mut self, message: &Message) -> Result<(), String> {
        let until = Instant::now() + MESSAGE;
        let mut pause = PAUSE;
        for number in 1.. {
            let by = (Instant::now() + TRY).min(until);
            let taken = timeout_at(by, self.ready.send(message)).await;
            let NotTaken { why, again, after } = match taken {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(not)) => not,
                Err(_) => NotTaken::for_now(format!("no answer within {}", crate::model::quantity::show_duration(TRY))),
            };
            let next = Instant::now() + after.unwrap_or(pause).max(pause);
            if !again || number == TRIES || next >= until || !self.may_wait(next).await {
                let tries = if number == 1 { String::new() } else { format!(" (tried {number} times)") };
                return Err(format!("{why}{tries}"));
            }
            pause *= 2;
        }
        Ok(())
    }

    /// Waits; `false` when another message should go first because time runs out.
    async fn may_wait(&mut self, next: Instant) -> bool {
        loop {
            if *self.closing.borrow() {
                if !self.messages.is_empty() {
                    return false;
                }
                sleep_until(next).await;
                return true;
            }
            tokio::select! {
                () = sleep_until(next) => return true,
                changed = self.closing.changed() => if changed.is_err() {
                    sleep_until(next).await;
                    return true;
                },
            }
        }
    }
}
