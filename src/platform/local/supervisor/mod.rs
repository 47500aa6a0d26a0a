//! The supervisor: one loop that owns everything that is known of a running system. Tasks around it wait for processes, check
//! health, read pipes and serve clients; all of them only send messages to the loop.

mod balancers;
mod ending;
mod life;
mod live;
mod message;
mod requests;
mod service;
mod watchers;

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};

pub use message::Message;
pub use watchers::{BEHIND_AT_MOST, watch};

use self::{live::Live, watchers::Watchers};
use super::{control::Mark, spec::SystemSpec};
use crate::{
    clock,
    model::{
        act::Group,
        ids::{InstanceId, Service},
        observation::{Observation, Observed},
        time::Mono,
    },
};

/// How long balancers get to start and to admit their backends.
const BALANCER_STARTS_WITHIN: Duration = Duration::from_secs(15);

/// What a supervisor is made from.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The system.
    pub spec: SystemSpec,
    /// The binary that runs balancers.
    pub program: PathBuf,
    /// Its part of the scope that runs on it lock.
    pub scope: String,
    /// The mark in the environment of its processes.
    pub mark: String,
    /// Where output is kept.
    pub logs: PathBuf,
    /// Where processes keep what ends with the system: `${system.data}`.
    pub data: PathBuf,
    /// `namespace` or `keeper`.
    pub containment: &'static str,
    /// The init or the keeper, which is no orphan.
    pub warden: i32,
}

/// A running system.
#[derive(Debug)]
pub struct Supervisor {
    setup: Setup,
    lives: BTreeMap<InstanceId, Live>,
    replaced: BTreeMap<InstanceId, InstanceId>,
    numbers: BTreeMap<String, u32>,
    suspended: BTreeMap<String, Group>,
    /// How each balancer shares its requests, where a client has changed that.
    shares: BTreeMap<String, BTreeMap<Service, u32>>,
    marks: Vec<Mark>,
    capacity: BTreeMap<Service, u32>,
    acks: BTreeMap<u64, oneshot::Sender<Result<(), String>>>,
    watchers: Watchers,
    counter: u64,
    ready: bool,
    failed: Option<String>,
    stop: Option<String>,
    inbox: mpsc::UnboundedReceiver<Message>,
    outbox: mpsc::UnboundedSender<Message>,
    tasks: JoinSet<()>,
}

impl Supervisor {
    /// A system that does not run yet, and where messages for it go.
    pub fn new(setup: Setup) -> (Self, mpsc::UnboundedSender<Message>) {
        let (outbox, inbox) = mpsc::unbounded_channel();
        let sender = outbox.clone();
        let supervisor = Self {
            setup,
            lives: BTreeMap::new(),
            replaced: BTreeMap::new(),
            numbers: BTreeMap::new(),
            suspended: BTreeMap::new(),
            shares: BTreeMap::new(),
            marks: Vec::new(),
            capacity: BTreeMap::new(),
            acks: BTreeMap::new(),
            watchers: Watchers::default(),
            counter: 0,
            ready: false,
            failed: None,
            stop: None,
            inbox,
            outbox,
            tasks: JoinSet::new(),
        };
        (supervisor, sender)
    }

    /// Brings the system up, keeps it until it is told to stop, and takes it down. An error is why it did not come up; nothing of
    /// it runs after this returns.
    pub async fn run(mut self) -> Result<String, String> {
        let up = self.bring_up().await;
        if up.is_ok() {
            self.ready = true;
            self.note(format!("{} is up", self.setup.spec.name));
            while self.stop.is_none() {
                self.next(Duration::from_secs(1)).await;
            }
        }
        let why = self.stop.clone().unwrap_or_default();
        self.take_down().await?;
        up.map(|()| why)
    }

    /// Services first, each instance until its health check passes; then the balancers, until they send to their backends.
    async fn bring_up(&mut self) -> Result<(), String> {
        let services = self.setup.spec.services.clone();
        for service in &services {
            let mut slot = 0;
            for (zone, replicas) in &service.zones {
                for _ in 0..*replicas {
                    slot += 1;
                    let id = self.create(service, zone, slot)?;
                    self.launch(&id)?;
                }
            }
        }
        let begun = clock::now();
        loop {
            let waiting: Vec<InstanceId> = self.lives.values().filter(|l| !l.has_served).map(|l| l.id.clone()).collect();
            if waiting.is_empty() {
                break;
            }
            self.next(Duration::from_millis(50)).await;
            self.still_coming_up()?;
            for id in waiting {
                let Some(live) = self.lives.get(&id).filter(|l| !l.has_served) else { continue };
                let health = self.setup.spec.service(&live.service).and_then(|s| s.health.clone());
                if let Some(health) = health.filter(|h| clock::now().since(begun) > h.starts_within) {
                    let output = said(&live.output.last());
                    let in_a_row = if health.rise > 1 { format!(" {} times in a row", health.rise) } else { String::new() };
                    return Err(format!(
                        "{id} did not become healthy within {:?} (its health check on {} did not pass{in_a_row}){output}",
                        health.starts_within, live.address
                    ));
                }
            }
        }
        for index in 0..self.setup.spec.balancers.len() {
            self.start_balancer(index)?;
        }
        let begun = clock::now();
        while let Some((name, missing)) = self.balancer_not_ready() {
            if clock::now().since(begun) > BALANCER_STARTS_WITHIN {
                return Err(format!(
                    "balancer {name} does not send to {missing} after {BALANCER_STARTS_WITHIN:?}: its health check does not pass"
                ));
            }
            self.next(Duration::from_millis(50)).await;
            self.still_coming_up()?;
        }
        Ok(())
    }

    fn still_coming_up(&self) -> Result<(), String> {
        match (&self.failed, &self.stop) {
            (Some(why), _) => Err(why.clone()),
            (None, Some(why)) => Err(format!("stopped before it was up: {why}")),
            (None, None) => Ok(()),
        }
    }

    /// Handles what comes, at most for this long.
    async fn next(&mut self, limit: Duration) {
        if let Ok(Some(message)) = tokio::time::timeout(limit, self.inbox.recv()).await {
            self.handle(message);
        }
        while let Ok(message) = self.inbox.try_recv() {
            self.handle(message);
        }
        while self.tasks.try_join_next().is_some() {}
        // What changes without a message: a balancer that is stopped, and one that stays silent.
        self.settle(clock::now());
        self.reap_orphans();
    }

    fn handle(&mut self, message: Message) {
        match message {
            Message::Ended { id, generation, how, well, at } if self.is_current(&id, generation) => self.ended(&id, how, well, at),
            Message::Health { id, generation, state, at } if self.is_current(&id, generation) => self.health(&id, state, at),
            Message::Report { id, generation, report } if self.is_current(&id, generation) => self.report(&id, report),
            Message::Relaunch { id, generation } if self.is_current(&id, generation) => self.relaunch(&id),
            Message::Replace { id, generation } if self.is_current(&id, generation) => self.replace(&id),
            Message::Asked { request, reply } => self.asked(request, reply),
            Message::Watch { sender } => self.watchers.add(sender),
            Message::Stop { why } => self.stop = self.stop.take().or(Some(why)),
            // From a process that has been followed by another.
            _ => {}
        }
    }

    fn is_current(&self, id: &InstanceId, generation: u64) -> bool {
        self.lives.get(id).is_some_and(|live| live.generation == generation)
    }

    fn observe(&mut self, at: Mono, source: &str, what: Observed) {
        self.watchers.tell(&Observation { at, source: source.to_owned(), what });
    }

    fn note(&mut self, text: String) {
        self.observe(clock::now(), "supervisor", Observed::Note { text });
    }
}

/// The end of a process's output, as a part of a message.
fn said(lines: &[String]) -> String {
    match lines {
        [] => "; it wrote nothing".to_owned(),
        lines => format!("; its last output:\n    {}", lines.join("\n    ")),
    }
}
