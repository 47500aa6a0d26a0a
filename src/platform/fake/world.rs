//! The world as data: instances, what is suspended, what was done to them. Time passes only when it is looked at.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, OpenOptions},
    io,
    path::Path,
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::model::{
    act::Act,
    ids::{InstanceId, Region, Scope, Service, Zone},
    instance::{Instance, InstanceState, Inventory, PROTECTED},
    observation::{Observation, Observed},
    time::Mono,
};

/// Everything there is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct World {
    /// The scope.
    pub scope: Scope,
    /// By id.
    pub instances: BTreeMap<InstanceId, Instance>,
    /// Marks of faults on an instance: `partition`, `slow`.
    pub marks: BTreeMap<InstanceId, BTreeSet<String>>,
    /// Where nothing is replaced, by the act that said so (as text): `1.1 region=r zone=a services=web`.
    pub suspended: BTreeMap<String, Suspension>,
    /// How many of each service are wanted.
    pub desired: BTreeMap<Service, u32>,
    /// A dead one is replaced after so long; never when absent.
    pub replace_after: BTreeMap<Service, Duration>,
    /// What replacements are built from, where that is not what was there before.
    #[serde(default)]
    pub new_fingerprint: BTreeMap<Service, String>,
    /// Deaths that wait for a replacement, with the time when it is due.
    pub pending: BTreeMap<InstanceId, Mono>,
    /// Acts that were carried out, so that none hits twice.
    pub done: BTreeMap<String, Mono>,
    /// Numbers given to incarnations.
    pub incarnations: u64,
    /// Observations not yet sent.
    pub unseen: Vec<Observation>,
}

/// Where nothing is replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspension {
    /// Of these services; of all when empty.
    pub services: Vec<Service>,
    /// In this zone only.
    pub zone: Option<Zone>,
    /// In this region only.
    pub region: Option<Region>,
}

impl Suspension {
    fn covers(&self, i: &Instance) -> bool {
        (self.services.is_empty() || self.services.contains(&i.service))
            && self.zone.as_ref().is_none_or(|z| *z == i.zone)
            && self.region.as_ref().is_none_or(|r| *r == i.region)
    }
}

/// An act's number is unique in its run only: the incarnation it was chosen for tells runs apart.
fn key(act: &Act) -> String {
    match act.target.instance() {
        Some(i) => format!("{} {} {}", act.id, i.id, i.identity),
        None => format!("{} {}", act.id, act.target.says()),
    }
}

/// Builds a world.
#[derive(Debug, Clone)]
pub struct WorldBuilder(World);

impl World {
    /// An empty world to fill.
    pub fn builder(scope: &str) -> WorldBuilder {
        WorldBuilder(Self {
            scope: scope.into(),
            instances: BTreeMap::new(),
            marks: BTreeMap::new(),
            suspended: BTreeMap::new(),
            desired: BTreeMap::new(),
            replace_after: BTreeMap::new(),
            new_fingerprint: BTreeMap::new(),
            pending: BTreeMap::new(),
            done: BTreeMap::new(),
            incarnations: 0,
            unseen: Vec::new(),
        })
    }

    /// The inventory of it.
    pub fn inventory(&self) -> Inventory {
        Inventory {
            scope: self.scope.clone(),
            instances: self.instances.values().filter(|i| i.state != InstanceState::Gone).cloned().map(Arc::new).collect(),
            desired: self.desired.clone(),
        }
    }

    /// Protects an instance.
    pub fn protect(&mut self, id: &InstanceId) {
        if let Some(i) = self.instances.get_mut(id) {
            Arc::make_mut(&mut i.labels).insert(PROTECTED.to_owned(), "true".to_owned());
        }
    }

    /// Gives an instance a new incarnation: the same name, another process.
    pub fn reincarnate(&mut self, id: &InstanceId) {
        self.incarnations += 1;
        let identity = format!("incarnation {}", self.incarnations);
        if let Some(i) = self.instances.get_mut(id) {
            i.identity = identity;
            i.state = InstanceState::Running;
            i.healthy = Some(true);
        }
        self.pending.remove(id);
    }

    /// Removes an instance without a trace.
    pub fn vanish(&mut self, id: &InstanceId) {
        self.instances.remove(id);
        self.pending.remove(id);
        self.marks.remove(id);
    }

    /// Ends an instance; a replacement becomes due.
    pub fn end(&mut self, id: &InstanceId, how: &str, now: Mono) {
        let Some(i) = self.instances.get_mut(id) else { return };
        i.state = InstanceState::Stopped;
        i.healthy = Some(false);
        let (service, zone) = (i.service.clone(), i.zone.clone());
        if let Some(after) = self.replace_after.get(&service) {
            self.pending.insert(id.clone(), now.plus(*after));
        }
        self.see(now, Observed::Died { instance: id.clone(), service: service.clone(), zone, how: how.to_owned() });
        self.see(now, Observed::Ejected { balancer: "fake".to_owned(), instance: id.clone(), why: "its health check failed".to_owned() });
        self.see_capacity(&service, now);
    }

    /// Starts an ended instance again.
    pub fn start(&mut self, id: &InstanceId, now: Mono) {
        self.reincarnate(id);
        let Some(i) = self.instances.get(id) else { return };
        let (service, zone) = (i.service.clone(), i.zone.clone());
        self.see(now, Observed::InService { instance: id.clone(), service: service.clone(), zone });
        self.see(now, Observed::Admitted { balancer: "fake".to_owned(), instance: id.clone() });
        self.see_capacity(&service, now);
    }

    /// Lets the replacements happen that are due.
    pub fn settle(&mut self, now: Mono) {
        let due: Vec<InstanceId> = self
            .pending
            .iter()
            .filter(|(id, at)| **at <= now && self.instances.get(*id).is_some_and(|i| !self.suspended.values().any(|s| s.covers(i))))
            .map(|(id, _)| id.clone())
            .collect();
        for id in due {
            let at = self.pending.remove(&id).unwrap_or(now);
            let Some(mut next) = self.instances.remove(&id) else { continue };
            self.marks.remove(&id);
            self.incarnations += 1;
            next.id = InstanceId(format!("{}-{}-r{}", next.service, next.zone, self.incarnations));
            next.name.clone_from(&next.id.0);
            next.identity = format!("incarnation {}", self.incarnations);
            next.state = InstanceState::Running;
            next.healthy = Some(true);
            if let Some(fingerprint) = self.new_fingerprint.get(&next.service) {
                next.fingerprint.clone_from(fingerprint);
            }
            let (service, zone, new) = (next.service.clone(), next.zone.clone(), next.id.clone());
            self.instances.insert(new.clone(), next);
            self.see(at, Observed::Launched { instance: new.clone(), service: service.clone(), zone: zone.clone(), replaces: Some(id) });
            self.see(at, Observed::InService { instance: new, service: service.clone(), zone });
            self.see_capacity(&service, at);
        }
    }

    /// When an act was carried out, if it was and is not undone.
    pub fn was_done(&self, act: &Act) -> Option<Mono> {
        self.done.get(&key(act)).copied()
    }

    /// Remembers that an act was carried out.
    pub(super) fn mark_done(&mut self, act: &Act, at: Mono) {
        self.done.insert(key(act), at);
    }

    /// Forgets an act that was undone, so that a later run's act of the same number is another one.
    pub(super) fn forget(&mut self, act: &Act) {
        self.done.remove(&key(act));
    }

    fn see(&mut self, at: Mono, what: Observed) {
        self.unseen.push(Observation { at, source: "fake".to_owned(), what });
    }

    fn see_capacity(&mut self, service: &Service, at: Mono) {
        let serving = self.instances.values().filter(|i| i.service == *service && i.serving()).count() as u32;
        let desired = self.desired.get(service).copied().unwrap_or(serving);
        self.see(at, Observed::Capacity { service: service.clone(), serving, desired });
    }
}

impl WorldBuilder {
    /// A service with so many replicas in each of these zones; ids are `SERVICE-ZONE-N`.
    #[must_use]
    pub fn service(mut self, name: &str, region: &str, zones: &[&str], replicas: u32) -> Self {
        for zone in zones {
            for n in 1..=replicas {
                let id = format!("{name}-{zone}-{n}");
                self.0.incarnations += 1;
                let instance = Instance {
                    id: id.as_str().into(),
                    name: id.clone(),
                    service: name.into(),
                    zone: (*zone).into(),
                    region: region.into(),
                    state: InstanceState::Running,
                    healthy: Some(true),
                    labels: Arc::default(),
                    address: None,
                    identity: format!("incarnation {}", self.0.incarnations),
                    fingerprint: format!("fake {name}"),
                    managed: true,
                    kept_out: None,
                };
                self.0.instances.insert(instance.id.clone(), instance);
            }
        }
        *self.0.desired.entry(name.into()).or_default() += replicas * zones.len() as u32;
        self
    }

    /// The dead of a service are replaced after so long.
    #[must_use]
    pub fn replaced_after(mut self, service: &str, after: Duration) -> Self {
        self.0.replace_after.insert(service.into(), after);
        self
    }

    /// Replacements of a service are built from something else.
    #[must_use]
    pub fn new_ones_are(mut self, service: &str, fingerprint: &str) -> Self {
        self.0.new_fingerprint.insert(service.into(), fingerprint.to_owned());
        self
    }

    /// Another number is wanted than there is.
    #[must_use]
    pub fn desired(mut self, service: &str, n: u32) -> Self {
        self.0.desired.insert(service.into(), n);
        self
    }

    /// Labels all instances of a service.
    #[must_use]
    pub fn label(mut self, service: &str, key: &str, value: &str) -> Self {
        for i in self.0.instances.values_mut().filter(|i| i.service.as_str() == service) {
            Arc::make_mut(&mut i.labels).insert(key.to_owned(), value.to_owned());
        }
        self
    }

    /// Protects one instance.
    #[must_use]
    pub fn protected(mut self, id: &str) -> Self {
        self.0.protect(&id.into());
        self
    }

    /// The world.
    pub fn build(self) -> World {
        self.0
    }
}

/// Holds the lock beside the file until it is dropped.
pub(super) fn lock_file(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path.with_extension("lock"))?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive)?;
    Ok(file)
}

pub(super) fn load(path: &Path) -> io::Result<Option<World>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Written beside it and renamed: whoever is killed in between leaves the old world or the new one.
pub(super) fn save(path: &Path, world: &World) -> io::Result<()> {
    let beside = path.with_extension("new");
    fs::write(&beside, serde_json::to_vec(world)?)?;
    fs::rename(beside, path)
}
