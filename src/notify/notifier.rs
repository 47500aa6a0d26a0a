//! Gives messages to receivers without ever waiting for them.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};

use super::{
    lane::{Lane, TRY, Tally},
    receiver::Ready,
};
use crate::{
    clock,
    model::{
        notify::{Message, Notification, Occasion},
        quantity::{plural, show_duration},
        verdict::Verdict,
    },
};

/// So many messages wait for one receiver; what comes then is lost for it, and said at the end.
const QUEUE: usize = 256;

/// What a receiver was not told. A warning: it changes no verdict.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the notification {place} ({host}): {lost} of {given} not sent: {why}")]
pub struct Failure {
    /// Which notification: `notify[0].slack`.
    pub place: String,
    /// Where it goes.
    pub host: String,
    /// How many messages it did not get.
    pub lost: u64,
    /// Of so many, in words.
    pub given: String,
    /// Why the last of them was not.
    pub why: String,
}

struct Receiver {
    notification: Notification,
    host: String,
    queue: Option<mpsc::Sender<Arc<Message>>>,
    tally: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    tally: Mutex<Tally>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Receivers, and a thread that sends to them. What is told to it is on its way at once, and nobody waits: [`finish`](Self::finish) does, a
/// bounded time, and says what did not arrive.
pub struct Notifier {
    receivers: Vec<Receiver>,
    closing: watch::Sender<bool>,
}

impl Notifier {
    /// Starts. A receiver that cannot be made ready is told nothing, and is among the failures.
    pub fn start(notifications: &[Notification]) -> Self {
        let (closing, closed) = watch::channel(false);
        let mut lanes = Vec::new();
        let receivers = notifications.iter().map(|notification| {
            let tally = Arc::<Shared>::default();
            let (queue, host) = match Ready::new(notification, TRY) {
                Ok(ready) => {
                    let (queue, messages) = mpsc::channel(QUEUE);
                    let host = ready.host().to_owned();
                    lanes.push((Lane { ready: Arc::new(ready), messages, closing: closed.clone() }, Arc::clone(&tally)));
                    (Some(queue), host)
                }
                Err(why) => {
                    tally.lock().why = Some(why);
                    (None, "not ready".to_owned())
                }
            };
            Receiver { notification: notification.clone(), host, queue, tally }
        });
        let receivers: Vec<Receiver> = receivers.collect();
        if !lanes.is_empty() {
            let tallies: Vec<Arc<Shared>> = lanes.iter().map(|(_, tally)| Arc::clone(tally)).collect();
            let started = thread::Builder::new().name("notify".to_owned()).spawn(move || send(lanes));
            if let Err(error) = started {
                for tally in tallies {
                    tally.lock().why = Some(format!("no thread for it: {error}"));
                }
            }
        }
        Self { receivers, closing }
    }

    /// Whether nobody is told anything.
    pub fn is_empty(&self) -> bool {
        self.receivers.is_empty()
    }

    /// Tells those who want to know of this occasion; with the verdict, once there is one.
    pub fn tell(&self, occasion: Occasion, verdict: Option<Verdict>, message: Message) {
        let message = Arc::new(message);
        for receiver in self.receivers.iter().filter(|receiver| receiver.notification.wants(occasion, verdict)) {
            receiver.give(&message);
        }
    }

    /// Tells everybody.
    pub fn announce(&self, message: Message) {
        let message = Arc::new(message);
        self.receivers.iter().for_each(|receiver| receiver.give(&message));
    }

    /// No more messages: waits until all are sent or given up, but no longer than `patience`, and says what was not sent. Blocking.
    pub fn finish(&self, patience: Duration) -> Vec<Failure> {
        let until = clock::now().plus(patience);
        self.closing.send_replace(true);
        self.receivers.iter().filter_map(|receiver| receiver.settled(until, patience)).collect()
    }

    /// Each receiver: its place in the file and its host.
    pub fn receivers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.receivers.iter().map(|receiver| (receiver.notification.place.as_str(), receiver.host.as_str()))
    }
}

impl Receiver {
    fn give(&self, message: &Arc<Message>) {
        let mut tally = self.tally.lock();
        tally.given += 1;
        let Some(queue) = &self.queue else { return tally.lost() };
        match queue.try_send(Arc::clone(message)) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => {
                tally.why = Some(format!("more than {QUEUE} waited for it"));
                tally.lost();
            }
            Err(mpsc::error::TrySendError::Closed(_)) => tally.lost(),
        }
    }

    fn settled(&self, until: crate::model::time::Mono, patience: Duration) -> Option<Failure> {
        let mut tally = self.tally.lock();
        while tally.open() > 0 && clock::now() < until {
            tally = self.tally.changed.wait_timeout(tally, until.since(clock::now())).unwrap_or_else(PoisonError::into_inner).0;
        }
        let lost = tally.given - tally.taken;
        let late = (tally.open() > 0).then(|| format!("not taken within {} after the end", show_duration(patience)));
        let why = match (late, tally.why.clone()) {
            (Some(late), Some(why)) => format!("{late}; before: {why}"),
            (Some(late), None) => late,
            (None, why) => why.unwrap_or_default(),
        };
        let (place, host) = (self.notification.place.clone(), self.host.clone());
        (lost > 0).then(|| Failure { place, host, lost, given: plural(tally.given, "message"), why })
    }
}

/// The thread: a runtime of its own, so that nothing here takes a turn of the run's.
fn send(lanes: Vec<(Lane, Arc<Shared>)>) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            for (_, shared) in lanes {
                shared.lock().why = Some(format!("the runtime cannot be started: {error}"));
            }
            return;
        }
    };
    runtime.block_on(async {
        let mut working = JoinSet::new();
        for (lane, shared) in lanes {
            working.spawn(lane.work(move |result| {
                let mut tally = shared.lock();
                match result {
                    Ok(()) => tally.taken += 1,
                    Err(why) => {
                        tally.why = Some(why);
                        tally.lost();
                    }
                }
                shared.changed.notify_all();
            }));
        }
        while working.join_next().await.is_some() {}
    });
}
