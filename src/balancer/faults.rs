//! Faults on the way between the balancer and one backend. Health checks take the same way, so they feel them too: that is how
//! the balancer finds out, as with a real network.
//!
//! * Partition, hang: nothing passes while it lasts, and nothing is lost (TCP sends again): connections do not come about (504
//!   after the connect timeout), requests on open connections, answers and the bytes of running answers and tunnels are held
//!   back (504 after the response timeout, if the answer has not begun), and go on after the heal.
//! * Partition, refuse: connections are refused, requests without an answer fail at once (502), running answers and tunnels are cut.
//! * Slow: the head of each answer comes later by the latency plus a drawn part of the jitter; in a tunnel, each piece from the backend.
//! * Loss: a drawn share of requests is not sent and gets no answer: the client hangs until it gives up, or until the response
//!   timeout makes it a 504.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use tokio::sync::watch;

use super::draws::Draws;
use crate::model::{fault::Cut, quantity::Share};

/// The faults of one backend.
pub(super) struct Faults {
    now: watch::Sender<Now>,
    /// Whether there is any fault: the usual request asks no more than this.
    any: AtomicBool,
    draws: Draws,
}

#[derive(Debug, Clone, Copy, Default)]
struct Now {
    partition: Option<Cut>,
    slow: Option<(Duration, Duration)>,
    loss: Option<Share>,
}

/// The way to the backend refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("connection refused (partition)")]
pub(super) struct CutOff;

impl Faults {
    /// No faults; draws seeded by this name.
    pub(super) fn none(name: &str) -> Self {
        Self { now: watch::Sender::new(Now::default()), any: AtomicBool::new(false), draws: Draws::seeded(name) }
    }

    /// Begins, replaces or ends a partition.
    pub(super) fn partition(&self, mode: Option<Cut>) {
        self.change(|now| now.partition = mode);
    }

    /// Begins, replaces or ends slowness: latency and jitter.
    pub(super) fn slow(&self, slow: Option<(Duration, Duration)>) {
        self.change(|now| now.slow = slow);
    }

    /// Begins, replaces or ends loss.
    pub(super) fn loss(&self, share: Option<Share>) {
        self.change(|now| now.loss = share);
    }

    fn change(&self, change: impl FnOnce(&mut Now)) {
        self.now.send_modify(|now| {
            change(now);
            let any = now.partition.is_some() || now.slow.is_some() || now.loss.is_some();
            self.any.store(any, Ordering::Release);
        });
    }

    fn now(&self) -> Option<Now> {
        self.any.load(Ordering::Acquire).then(|| *self.now.borrow())
    }

    /// Whether something may pass at this moment.
    pub(super) fn open(&self) -> bool {
        self.now().is_none_or(|now| now.partition.is_none())
    }

    /// Waits while the way hangs; fails when it refuses.
    pub(super) async fn pass(&self) -> Result<(), CutOff> {
        if self.open() {
            return Ok(());
        }
        let mut changes = self.now.subscribe();
        let now = changes.wait_for(|now| now.partition != Some(Cut::Hang)).await;
        match now.map(|now| now.partition) {
            Ok(Some(Cut::Refuse)) => Err(CutOff),
            _ => Ok(()),
        }
    }

    /// Comes back once the way refuses.
    pub(super) async fn cut(&self) -> CutOff {
        let mut changes = self.now.subscribe();
        let seen = changes.wait_for(|now| now.partition == Some(Cut::Refuse)).await.is_ok();
        if !seen {
            // The sender is our own field: it is not gone while somebody waits here.
            std::future::pending::<()>().await;
        }
        CutOff
    }

    /// Draws whether a request is lost.
    pub(super) fn loses(&self) -> bool {
        self.now().and_then(|now| now.loss).is_some_and(|share| self.draws.next() < share.0)
    }

    /// Waits for as long as an answer is delayed, by a draw.
    pub(super) async fn delay(&self) {
        if let Some((latency, jitter)) = self.now().and_then(|now| now.slow) {
            tokio::time::sleep(latency + jitter.mul_f64(self.draws.next())).await;
        }
    }
}
