//! What happens by itself: the engines' event streams, read into observations. An event says that something happened; when, is asked of
//! the container (events come up to two seconds late under load), and what now serves, of the list.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bollard::{
    models::{EventMessage, EventMessageTypeEnum},
    query_parameters::EventsOptions,
};
use futures_util::StreamExt;
use tokio::{sync::mpsc, task::JoinSet};

use super::{container::state, engine::Engine, engine_clock, inventory::Scan};
use crate::{
    clock,
    model::{
        environment::DockerSpec,
        ids::{InstanceId, Service},
        instance::{Instance, InstanceState},
        observation::{Observation, Observed},
        time::Mono,
    },
};

/// Observations that wait for their reader; more wait at their source.
const QUEUE: usize = 1024;
/// How often a stream that broke is asked for again while the engine still answers otherwise.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);
const SOURCE: &str = "docker events";

/// What a stream brought.
enum Heard {
    Event(Box<EventMessage>),
    /// It broke, and goes on; what was between may be missing.
    Resumed,
    /// It broke, and cannot be had again.
    Ended(String),
}

/// Starts to watch. The tasks end with their set, or when nobody listens any more.
pub(super) fn watch(
    tasks: &mut JoinSet<()>,
    spec: &DockerSpec,
    engines: &Arc<[Engine]>,
    own: &BTreeSet<String>,
) -> mpsc::Receiver<Observation> {
    let (told, receiver) = mpsc::channel(QUEUE);
    let (heard, events) = mpsc::channel(QUEUE);
    for place in 0..engines.len() {
        tasks.spawn(listen(Arc::clone(engines), place, heard.clone()));
    }
    let watcher = Watcher {
        spec: spec.clone(),
        engines: Arc::clone(engines),
        own: own.clone(),
        told,
        known: BTreeMap::new(),
        serving: BTreeMap::new(),
        wanted: BTreeMap::new(),
        restarts: BTreeMap::new(),
        starved: BTreeSet::new(),
        lived: BTreeSet::new(),
        ended: BTreeSet::new(),
    };
    tasks.spawn(watcher.run(events));
    receiver
}

/// Reads one engine's stream, and asks for it again where it broke.
async fn listen(engines: Arc<[Engine]>, place: usize, heard: mpsc::Sender<(usize, Heard)>) {
    let engine = &engines[place];
    // The engine's own clock: it may be another machine's.
    let mut since: Option<i64> = engine.clock.shows(clock::now());
    let mut seen: BTreeSet<(i64, String, String)> = BTreeSet::new();
    let mut failures = 0;
    loop {
        let filters = [("type".to_owned(), vec!["container".to_owned(), "network".to_owned()])];
        let since_text = since.map(engine_clock::seconds);
        let options = EventsOptions { since: since_text, until: None, filters: Some(filters.into()) };
        let mut stream = std::pin::pin!(engine.docker.events(Some(options)));
        let why = loop {
            let next = tokio::select! {
                next = stream.next() => next,
                () = heard.closed() => return,
            };
            let event = match next {
                Some(Ok(event)) => event,
                Some(Err(error)) => break error.to_string(),
                None => break "it ended".to_owned(),
            };
            failures = 0;
            let at = event.time_nano.unwrap_or_default();
            let who = event.actor.as_ref().and_then(|actor| actor.id.clone()).unwrap_or_default();
            // What was heard already comes again after a break.
            if since.is_some_and(|since| at > since) {
                seen.retain(|(told, _, _)| *told >= at);
                since = Some(at);
            }
            if seen.insert((at, who, event.action.clone().unwrap_or_default()))
                && heard.send((place, Heard::Event(Box::new(event)))).await.is_err()
            {
                return;
            }
        };
        failures += 1;
        // One that does not even answer is gone: the run must not go on as if nothing were.
        let answers = engine.call("a sign of life", Duration::from_secs(3), engine.docker.ping()).await;
        let end = match answers {
            Err(trouble) => Some(trouble.to_string()),
            Ok(_) if failures > TRIES => Some(why),
            Ok(_) => None,
        };
        if let Some(why) = end {
            let _ = heard.send((place, Heard::Ended(why))).await;
            return;
        }
        tokio::time::sleep(PAUSE).await;
        if heard.send((place, Heard::Resumed)).await.is_err() {
            return;
        }
    }
}

struct Watcher {
    spec: DockerSpec,
    engines: Arc<[Engine]>,
    own: BTreeSet<String>,
    told: mpsc::Sender<Observation>,
    /// The containers as they were last seen.
    known: BTreeMap<InstanceId, Instance>,
    serving: BTreeMap<Service, u32>,
    /// How many of each service ran when the watch began: nobody else says how many there should be.
    wanted: BTreeMap<Service, u32>,
    /// How often each container's restart policy had started it again.
    restarts: BTreeMap<InstanceId, i64>,
    /// Those that ran out of memory, until their end is told.
    starved: BTreeSet<InstanceId>,
    /// Those that ran at some time: their next start is one again.
    lived: BTreeSet<InstanceId>,
    /// Those that ended while we watched, and that nothing has replaced.
    ended: BTreeSet<InstanceId>,
}

/// Nobody listens any more.
struct Unheard;

impl Watcher {
    async fn run(mut self, mut events: mpsc::Receiver<(usize, Heard)>) {
        self.look().await;
        self.all_live();
        self.serving = self.count();
        self.wanted = self.serving.clone();
        while let Some((place, heard)) = events.recv().await {
            let engines = Arc::clone(&self.engines);
            let engine = &engines[place];
            let outcome = match heard {
                Heard::Event(event) => self.event(engine, &event).await,
                Heard::Resumed => self.resumed(engine).await,
                Heard::Ended(why) => {
                    let text = format!("the engine at {} tells nothing any more: {why}", engine.endpoint.address);
                    let _ = self.tell(clock::now(), Observed::Note { text }).await;
                    // With this the observations end, and the engine above looks whether the platform is still there.
                    return;
                }
            };
            if outcome.is_err() {
                return;
            }
        }
    }

    async fn event(&mut self, engine: &Engine, event: &EventMessage) -> Result<(), Unheard> {
        let at =
            event.time_nano.and_then(|ns| engine.clock.bracket_of(ns.into())).map_or_else(clock::now, |told| told.by.min(clock::now()));
        let actor = event.actor.clone().unwrap_or_default();
        let attribute = |key: &str| actor.attributes.as_ref().and_then(|all| all.get(key)).cloned().unwrap_or_default();
        let action = event.action.clone().unwrap_or_default();
        if event.typ == Some(EventMessageTypeEnum::NETWORK) {
            return self.network(engine, at, &action, &attribute("container"), &attribute("name")).await;
        }
        let id = InstanceId(actor.id.unwrap_or_default());
        if matches!(action.as_str(), "create" | "start") && !self.known.contains_key(&id) {
            self.look().await;
        }
        // Of another project, or gone again before it could be looked at.
        let Some(known) = self.known.get_mut(&id) else { return Ok(()) };
        match action.as_str() {
            "start" => self.started(engine, &id, at).await,
            "die" => self.died(engine, &id, at, &attribute("exitCode")).await,
            "oom" => {
                let text = format!("{} ran out of memory", known.name);
                self.starved.insert(id);
                self.tell(at, Observed::Note { text }).await
            }
            "pause" => {
                known.state = InstanceState::Paused;
                self.out(&id, at, "paused").await
            }
            "unpause" => {
                known.state = InstanceState::Running;
                self.back(&id, at).await
            }
            "health_status: healthy" => {
                (known.state, known.healthy) = (InstanceState::Running, Some(true));
                self.back(&id, at).await
            }
            "health_status: unhealthy" => {
                (known.state, known.healthy) = (InstanceState::Running, Some(false));
                self.out(&id, at, "its health check fails").await
            }
            "rename" => {
                known.name = attribute("name");
                Ok(())
            }
            "destroy" => {
                known.state = InstanceState::Gone;
                self.capacity(at).await
            }
            _ => Ok(()),
        }
    }

    async fn died(&mut self, engine: &Engine, id: &InstanceId, at: Mono, code: &str) -> Result<(), Unheard> {
        let now = engine.inspect(id.as_str()).await.ok();
        // The end that the event tells of, unless there was another since.
        let finished =
            now.as_ref().and_then(|now| engine.clock.bracket(state::finished_at(now))).map(|told| told.by).filter(|by| *by <= at);
        let starved = self.starved.remove(id) || now.as_ref().and_then(|now| now.state.as_ref()?.oom_killed) == Some(true);
        let how = match (starved, code.parse::<i32>()) {
            (true, _) => "killed for want of memory".to_owned(),
            (false, Ok(0)) => "ended with exit code 0".to_owned(),
            (false, Ok(code)) if code > 128 => format!("ended with exit code {code} (signal {})", code - 128),
            (false, Ok(code)) => format!("ended with exit code {code}"),
            (false, Err(_)) => "ended".to_owned(),
        };
        let at = finished.unwrap_or(at);
        let Some(known) = self.known.get_mut(id) else { return Ok(()) };
        known.state = InstanceState::Stopped;
        self.ended.insert(id.clone());
        let what = Observed::Died { instance: id.clone(), service: known.service.clone(), zone: known.zone.clone(), how };
        self.tell(at, what).await?;
        self.capacity(at).await
    }

    async fn started(&mut self, engine: &Engine, id: &InstanceId, at: Mono) -> Result<(), Unheard> {
        let now = engine.inspect(id.as_str()).await.ok();
        let told = now.as_ref().and_then(|now| engine.clock.bracket(state::started_at(now))).map(|told| told.by).filter(|by| *by <= at);
        let at = told.unwrap_or(at);
        let checked = now.as_ref().and_then(state::health).is_some();
        let Some(instance) = self.known.get_mut(id) else { return Ok(()) };
        (instance.state, instance.healthy) = if checked { (InstanceState::Starting, Some(false)) } else { (InstanceState::Running, None) };
        let instance = instance.clone();
        let replaces = if self.lived.contains(id) { Some(id.clone()) } else { self.ended_like(&instance) };
        self.lived.insert(id.clone());
        self.ended.remove(replaces.as_ref().unwrap_or(id));
        let count = now.as_ref().and_then(|now| now.restart_count).unwrap_or(0);
        let before = self.restarts.insert(id.clone(), count).unwrap_or(0);
        let (service, zone) = (instance.service.clone(), instance.zone.clone());
        self.tell(at, Observed::Launched { instance: id.clone(), service: service.clone(), zone: zone.clone(), replaces }).await?;
        if count > before {
            let text = format!("{} was started again by its restart policy", instance.name);
            self.tell(at, Observed::Note { text }).await?;
        }
        if !checked {
            self.tell(at, Observed::InService { instance: id.clone(), service, zone }).await?;
        }
        self.capacity(at).await
    }

    /// One of the same service and zone that ended, and that nothing has replaced so far; best of the same name.
    fn ended_like(&self, new: &Instance) -> Option<InstanceId> {
        let ended = self.ended.iter().filter_map(|id| self.known.get(id));
        let alike = || ended.clone().filter(|old| old.id != new.id && old.service == new.service && old.zone == new.zone);
        alike().find(|old| old.name == new.name).or_else(|| alike().next()).map(|old| old.id.clone())
    }

    async fn out(&mut self, id: &InstanceId, at: Mono, why: &str) -> Result<(), Unheard> {
        let Some(known) = self.known.get(id) else { return Ok(()) };
        let (service, zone) = (known.service.clone(), known.zone.clone());
        self.tell(at, Observed::OutOfService { instance: id.clone(), service, zone, why: why.to_owned() }).await?;
        self.capacity(at).await
    }

    async fn back(&mut self, id: &InstanceId, at: Mono) -> Result<(), Unheard> {
        let Some(known) = self.known.get(id) else { return Ok(()) };
        if !known.serving() {
            return Ok(());
        }
        let (service, zone) = (known.service.clone(), known.zone.clone());
        self.tell(at, Observed::InService { instance: id.clone(), service, zone }).await?;
        self.capacity(at).await
    }

    async fn network(&mut self, engine: &Engine, at: Mono, action: &str, container: &str, network: &str) -> Result<(), Unheard> {
        let id = InstanceId(container.to_owned());
        let words = match action {
            "disconnect" => "was disconnected from",
            "connect" => "was connected to",
            _ => return Ok(()),
        };
        if !self.known.contains_key(&id) {
            return Ok(());
        }
        // Every end and every start does this, too; only what happens to one that runs is worth a word.
        let Ok(now) = engine.inspect(container).await else { return Ok(()) };
        let began = engine.clock.bracket(state::started_at(&now)).map(|told| told.by);
        if !state::running(&now) || began.is_none_or(|began| at <= began) {
            return Ok(());
        }
        let text = format!("{} {words} the network {network}", self.name(&id));
        self.tell(at, Observed::Note { text }).await
    }

    /// The stream broke and goes on: what happened meanwhile is read from what is there now.
    async fn resumed(&mut self, engine: &Engine) -> Result<(), Unheard> {
        let at = clock::now();
        let text = format!(
            "the event stream of the engine at {} broke and goes on: what happened meanwhile may be missing",
            engine.endpoint.address
        );
        self.tell(at, Observed::Note { text }).await?;
        let before = std::mem::take(&mut self.known);
        self.look().await;
        self.all_live();
        let now: Vec<Instance> = self.known.values().cloned().collect();
        for (id, mut old) in before {
            let gone = now.iter().find(|new| new.id == id).is_none_or(|new| new.state == InstanceState::Stopped);
            let ran = !matches!(old.state, InstanceState::Stopped | InstanceState::Gone);
            old.state = InstanceState::Gone;
            self.known.entry(id.clone()).or_insert(old);
            if gone && ran {
                self.died(engine, &id, at, "").await?;
            }
        }
        self.capacity(at).await
    }

    /// Reads what is there, and adds what was not known: what becomes of the known is told by events.
    async fn look(&mut self) {
        let scan = Scan { spec: &self.spec, engines: &self.engines, own: &self.own };
        for (instance, _) in scan.run().await.unwrap_or_default() {
            self.known.entry(instance.id.clone()).or_insert(instance);
        }
    }

    /// What runs now was started before anybody listened. Not so what a later list shows: its start is still to be told.
    fn all_live(&mut self) {
        let live = self.known.values().filter(|known| !matches!(known.state, InstanceState::Stopped | InstanceState::Gone));
        self.lived.extend(live.map(|known| known.id.clone()));
    }

    /// Tells how many serve, of each service where that has changed.
    async fn capacity(&mut self, at: Mono) -> Result<(), Unheard> {
        let now = self.count();
        let changed: Vec<Service> =
            now.keys().chain(self.serving.keys()).filter(|s| now.get(*s) != self.serving.get(*s)).cloned().collect();
        let changed: BTreeSet<Service> = changed.into_iter().collect();
        for service in changed {
            let serving = now.get(&service).copied().unwrap_or(0);
            let desired = self.wanted.get(&service).copied().unwrap_or(serving);
            self.tell(at, Observed::Capacity { service, serving, desired }).await?;
        }
        self.serving = now;
        Ok(())
    }

    fn count(&self) -> BTreeMap<Service, u32> {
        let mut count: BTreeMap<Service, u32> = BTreeMap::new();
        for known in self.known.values() {
            *count.entry(known.service.clone()).or_default() += u32::from(known.serving());
        }
        count
    }

    fn name(&self, id: &InstanceId) -> String {
        self.known.get(id).map_or_else(|| id.to_string(), |known| known.name.clone())
    }

    async fn tell(&self, at: Mono, what: Observed) -> Result<(), Unheard> {
        self.told.send(Observation { at, source: SOURCE.to_owned(), what }).await.map_err(|_| Unheard)
    }
}
