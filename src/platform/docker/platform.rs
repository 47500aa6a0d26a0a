//! The platform: only dispatch. Each act goes to its deed, on the engine that its container is on.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use futures_util::future::join_all;
use tokio::{sync::mpsc, task::JoinSet};

use super::{
    capabilities::capabilities,
    claims,
    deed::{self, Deed, Guard, On, deed_of},
    endpoint::Endpoint,
    engine::{Engine, Trouble},
    exec::memory::Progress,
    inventory::Scan,
    observe, orphans, own, replacement,
    sight::{Listing, Looks, Sights},
    swarm::{suspension, task},
    undo::{Before, Owed},
};
use crate::{
    clock,
    model::{
        act::{Act, Effect, EffectStatus, Group, Prepared, Target},
        capabilities::Capabilities,
        claim::Claim,
        environment::DockerSpec,
        fault::Fault,
        ids::{InstanceId, RunId, Scope},
        instance::{Instance, Inventory},
        observation::Observation,
        undo::Undo,
    },
    platform::{Held, Orphan, Platform, PlatformError, Reverted},
};

/// The variable by which Compose finds a project.
pub const COMPOSE_PROJECT_NAME: &str = "COMPOSE_PROJECT_NAME";

/// Containers of one or several engines.
#[derive(Debug)]
pub struct DockerPlatform {
    spec: DockerSpec,
    engines: Arc<[Engine]>,
    /// The containers that this process runs in.
    own: BTreeSet<String>,
    /// Which engine each container was last seen on, by its place.
    places: Mutex<BTreeMap<InstanceId, usize>>,
    /// What was seen of them a moment ago.
    sights: Sights,
    looks: Looks,
    listing: Listing,
    /// Whether the project or stack was there once: a drill may remove the last of it.
    was_there: AtomicBool,
    /// What listens to the engines.
    watches: Mutex<JoinSet<()>>,
    /// The run that acts belong to.
    run: Mutex<Option<RunId>>,
}

impl DockerPlatform {
    /// Connects to all engines that the settings mean.
    ///
    /// # Errors
    /// When one of them is not there, in words.
    pub async fn connect(spec: DockerSpec) -> Result<Self, PlatformError> {
        let engines = Engine::connect_all(&spec).await?.into();
        Ok(Self {
            spec,
            engines,
            own: own::ids(),
            places: Mutex::default(),
            sights: Sights::default(),
            looks: Looks::default(),
            listing: Listing::default(),
            was_there: AtomicBool::new(false),
            watches: Mutex::default(),
            run: Mutex::default(),
        })
    }

    fn scan(&self) -> Scan<'_> {
        Scan { spec: &self.spec, engines: &self.engines, own: &self.own }
    }

    /// The engine that a container is on: where it was listed, else where it is found.
    async fn engine_of(&self, id: &InstanceId) -> Result<&Engine, PlatformError> {
        let place = self.places.lock().unwrap_or_else(PoisonError::into_inner).get(id).copied();
        if let Some(engine) = place.and_then(|place| self.engines.get(place)) {
            return Ok(engine);
        }
        if let [only] = &*self.engines {
            return Ok(only);
        }
        for engine in &*self.engines {
            match engine.inspect(id.as_str()).await {
                Ok(_) => return Ok(engine),
                Err(Trouble::Gone(_)) => {}
                Err(trouble) => return Err(trouble.into()),
            }
        }
        Err(PlatformError::Refused(format!("the container {id} is on none of the engines")))
    }

    /// The deed of an act, and what it is done on.
    async fn resolve<'a>(&'a self, act: &'a Act) -> Result<(Box<dyn Deed>, On<'a>), PlatformError> {
        let kind = act.fault.kind();
        let deed = deed_of(&act.fault).ok_or_else(|| PlatformError::Refused(format!("the platform docker cannot do {kind}")))?;
        let instance = act.target.instance().ok_or_else(|| PlatformError::Refused(format!("{kind} needs a container")))?;
        Ok((deed, On { engine: self.engine_of(&instance.id).await?, instance }))
    }

    /// Looks whether an act may be done now.
    async fn ready<'a>(&'a self, prepared: &'a Prepared) -> Result<(Box<dyn Deed>, On<'a>), EffectStatus> {
        let refused = |error: PlatformError| EffectStatus::Refused { why: error.to_string() };
        let (deed, on) = self.resolve(&prepared.act).await.map_err(refused)?;
        let guard = Guard { own: &self.own, opt_in: self.spec.opt_in };
        let now = self.sights.take(&on.instance.id).map(Ok);
        let now = match now {
            Some(now) => now,
            None => on.inspect().await.map(Arc::new),
        };
        deed::may_touch(on, deed.as_ref(), prepared, guard, now)?;
        Ok((deed, on))
    }
}

/// The group that an act suspends replacement for.
fn suspended(act: &Act) -> Option<&Group> {
    match (&act.fault, &act.target) {
        (Fault::SuspendReplacement, Target::Group(group)) => Some(group),
        _ => None,
    }
}

#[async_trait]
impl Platform for DockerPlatform {
    fn begin(&self, run: &RunId) {
        *self.run.lock().unwrap_or_else(PoisonError::into_inner) = Some(run.clone());
    }

    fn capabilities(&self) -> Capabilities {
        let endpoints: Vec<Endpoint> = self.engines.iter().map(|engine| engine.endpoint.clone()).collect();
        capabilities(&endpoints)
    }

    async fn scope(&self) -> Result<Scope, PlatformError> {
        let mut ids: Vec<&str> = self.engines.iter().map(|engine| engine.id.as_str()).collect();
        ids.sort_unstable();
        let what = match (&self.spec.project, &self.spec.stack) {
            (Some(project), _) => format!("project {project}"),
            (None, Some(stack)) => format!("stack {stack}"),
            (None, None) => "whole".to_owned(),
        };
        Ok(Scope(format!("docker/{}/{what}", ids.join("+"))))
    }

    async fn claims(&self) -> Result<Vec<Claim>, PlatformError> {
        let engines = self.engines.iter().map(|engine| engine.id.as_str());
        Ok(claims::claims(&self.spec, engines, self.scope().await?))
    }

    /// The engine, where there is one alone, and the project: `docker compose` in a command step means what is drilled.
    fn command_env(&self) -> BTreeMap<String, String> {
        let engine = if let [only] = &*self.engines { only.endpoint.variables() } else { BTreeMap::new() };
        let project = self.spec.project.clone().map(|project| (COMPOSE_PROJECT_NAME.to_owned(), project));
        engine.into_iter().chain(project).collect()
    }

    async fn inventory(&self) -> Result<Inventory, PlatformError> {
        let scan = self.scan();
        let listed = self.listing.now(&scan).await?;
        let (found, swarm) = &*listed;
        self.sights.listed(found);
        if found.is_empty() && !self.was_there.load(Ordering::Relaxed) {
            if let Some(error) = scan.unknown().await {
                return Err(error);
            }
        } else {
            self.was_there.store(true, Ordering::Relaxed);
        }
        let seen = found.iter().map(|(instance, place)| (instance.id.clone(), *place));
        self.places.lock().unwrap_or_else(PoisonError::into_inner).extend(seen);
        let desired = swarm.desired(&self.spec, found);
        let instances = found.iter().map(|(instance, _)| Arc::new(instance.clone())).collect();
        Ok(Inventory { scope: self.scope().await?, instances, desired })
    }

    fn acts(&self, fault: &Fault, victims: &[Arc<Instance>], group: &Group) -> Vec<(Fault, Target)> {
        let each = |fault: &Fault| victims.iter().map(|v| (fault.clone(), Target::Instance(Arc::clone(v)))).collect();
        match fault {
            Fault::ZoneOutage { mechanism } | Fault::RegionOutage { mechanism } => {
                // A kill through the engine counts as a stop by hand, after which no policy acts until the engine itself is started
                // anew; and what the zone does not lose to the kill, it may not get back either.
                let places = replacement::places(victims, group, matches!(fault, Fault::RegionOutage { .. }));
                let mut acts: Vec<(Fault, Target)> = places.into_iter().map(|g| (Fault::SuspendReplacement, Target::Group(g))).collect();
                let mut losses: Vec<(Fault, Target)> = each(&mechanism.on_each());
                acts.append(&mut losses);
                acts
            }
            Fault::SuspendReplacement => vec![(fault.clone(), Target::Group(group.clone()))],
            _ => each(fault),
        }
    }

    async fn prepare(&self, act: &Act) -> Result<Undo, PlatformError> {
        if let Some(group) = suspended(act) {
            let run = self.run.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let scan = self.scan();
            let listed = self.listing.lately(&scan).await?;
            return suspension::prepare(&scan, &listed, &self.looks, group, run.as_ref()).await;
        }
        let (deed, on) = self.resolve(act).await?;
        let (asked, now) = self.looks.at(on.engine, &on.instance.id).await?;
        let undo = deed.prepare(on, &now).await?;
        let undo = task::way_back(&self.engines, act, on, &now, undo).await?;
        self.sights.inspected(&on.instance.id, asked, now);
        on.engine.commands.set(act.id, &on.instance.id, Progress::Prepared);
        Ok(undo)
    }

    async fn inject(&self, acts: &[Prepared]) -> Vec<Effect> {
        self.looks.forget();
        self.listing.forget();
        // Everything is looked at before anything is done: what is done then starts at once.
        let looked = clock::now();
        let ready = join_all(
            acts.iter()
                .map(|prepared| async move { if suspended(&prepared.act).is_some() { None } else { Some(self.ready(prepared).await) } }),
        )
        .await;
        // Replacement is suspended before anything dies: the policy of a container that is just ending cannot be changed.
        let mut around = join_all(acts.iter().zip(&ready).map(|(prepared, ready)| async move {
            if ready.is_none() { Some(suspension::inject(&self.engines, prepared).await) } else { None }
        }))
        .await
        .into_iter();
        join_all(acts.iter().zip(ready).map(|(prepared, ready)| {
            let suspended = around.next().flatten();
            async move {
                match (ready, suspended) {
                    (Some(Ok((deed, on))), _) => deed.inject(on, prepared).await,
                    (Some(Err(status)), _) => deed::effect(prepared, looked, status),
                    (None, Some(effect)) => effect,
                    (None, None) => deed::effect(prepared, looked, EffectStatus::Unknown { why: "it was not asked for".to_owned() }),
                }
            }
        }))
        .await
    }

    async fn verify(&self, acts: &[Prepared], effects: Vec<Effect>) -> Vec<Effect> {
        // A suspension has no moment that anybody waits for.
        if acts.iter().any(|prepared| suspended(&prepared.act).is_none()) {
            join_all(self.engines.iter().map(Engine::read_clock)).await;
        }
        join_all(acts.iter().zip(effects).map(|(prepared, mut effect)| async move {
            if !matches!(effect.status, EffectStatus::Happened | EffectStatus::Unknown { .. }) {
                return effect;
            }
            if suspended(&prepared.act).is_some() {
                return suspension::verify(&self.engines, prepared, effect).await;
            }
            match self.resolve(&prepared.act).await {
                Ok((deed, on)) => deed.verify(on, prepared, effect).await,
                Err(error) => {
                    effect.status = EffectStatus::Unknown { why: error.to_string() };
                    effect
                }
            }
        }))
        .await
    }

    async fn revert(&self, act: &Prepared) -> Result<Reverted, PlatformError> {
        self.looks.forget();
        self.listing.forget();
        if let Undo::Nothing { why } | Undo::Impossible { why } = &act.undo {
            return Ok(Reverted::NothingToUndo { why: why.clone() });
        }
        if suspended(&act.act).is_some() {
            return suspension::revert(&self.engines, act).await;
        }
        let owed = Owed::read(&act.undo)?;
        if let Before::Task(before) = &owed.before {
            return task::revert(&self.engines, act, &owed, before).await;
        }
        let deed = deed_of(&act.act.fault)
            .ok_or_else(|| PlatformError::Refused(format!("the platform docker cannot undo {}", act.act.fault.kind())))?;
        let engine = self.engines.iter().find(|engine| engine.id == owed.engine).ok_or_else(|| {
            let here: Vec<String> = self.engines.iter().map(|e| format!("{} at {}", e.id, e.endpoint.address)).collect();
            PlatformError::Refused(format!("it was done on the engine {}, and connected is {}", owed.engine, here.join(" and ")))
        })?;
        deed.revert(engine, act, owed).await
    }

    async fn observe(&self) -> Result<mpsc::Receiver<Observation>, PlatformError> {
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(observe::watch(&mut watches, &self.spec, &self.engines, &self.own))
    }

    async fn orphans(&self) -> Result<Vec<Orphan>, PlatformError> {
        orphans::find(&self.scan()).await
    }

    async fn held(&self) -> Result<Vec<Held>, PlatformError> {
        orphans::held(&self.scan()).await
    }
}
