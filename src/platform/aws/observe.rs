//! What happens by itself, polled within a budget of calls: instances that end, start and stop, what groups and balancers say of them. AWS
//! pushes nothing; what is told here happened between two looks.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::mpsc, task::JoinSet};

use super::{activity, alarms, connection::Connection, inventory::Listed, reach::Reach, sight::Sight, world::Pool};
use crate::{
    clock,
    model::{
        aws::AwsSpec,
        ids::{InstanceId, Service},
        instance::InstanceState,
        observation::{Observation, Observed},
        time::Mono,
    },
};

/// Observations that wait for their reader.
const QUEUE: usize = 1024;
/// Between two looks: a look is about four calls a region, of 600 reads that our buckets allow in a minute.
const EVERY: Duration = Duration::from_secs(3);
/// After so many looks in a row without an answer the watch ends, and the engine looks whether AWS is still there.
const MOST_FAILURES: u32 = 10;
const SOURCE: &str = "AWS, polled";

/// The tasks that watch; they end with this.
#[derive(Debug, Default)]
pub(super) struct Watch(Mutex<JoinSet<()>>);

impl Watch {
    /// Starts to watch.
    pub(super) fn begin(&self, reach: &Reach) -> mpsc::Receiver<Observation> {
        let (told, receiver) = mpsc::channel(QUEUE);
        let watcher = Watcher {
            connection: Arc::clone(&reach.connection),
            sight: Arc::clone(&reach.sight),
            spec: reach.spec.clone(),
            told,
            known: None,
            admitted: BTreeMap::new(),
            serving: BTreeMap::new(),
            activities: BTreeSet::new(),
            heard: BTreeSet::new(),
            before: clock::now(),
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).spawn(watcher.run());
        receiver
    }

    /// Starts to ask the alarms, if the environment names any: in a task of its own, which no look at the account holds up or ends.
    pub(super) fn guard(&self, reach: &Reach) -> Option<mpsc::Receiver<Observation>> {
        if reach.spec.abort_alarms.is_empty() {
            return None;
        }
        let (told, receiver) = mpsc::channel(QUEUE);
        let asks = alarms::guard(Arc::clone(&reach.connection), reach.spec.clone(), told);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).spawn(asks);
        Some(receiver)
    }
}

struct Watcher {
    connection: Arc<Connection>,
    /// A look of the engine's serves here, too.
    sight: Arc<Sight>,
    spec: AwsSpec,
    told: mpsc::Sender<Observation>,
    /// What was last seen.
    known: Option<Arc<Listed>>,
    /// What each target group's balancer sends to.
    admitted: BTreeMap<String, BTreeSet<String>>,
    serving: BTreeMap<Service, (u32, u32)>,
    /// The activities of groups that were told, or were there before the watch began.
    activities: BTreeSet<String>,
    /// The groups whose earlier activities are known.
    heard: BTreeSet<String>,
    /// When the look before began: what is seen now happened after it.
    before: Mono,
}

/// Nobody listens any more.
struct Unheard;

impl Watcher {
    async fn run(mut self) {
        let (mut first, mut failures) = (true, 0);
        loop {
            match self.sight.now(&self.connection, &self.spec).await {
                Ok(listed) => {
                    failures = 0;
                    if self.compare(&listed, first).await.is_err() {
                        return;
                    }
                    if self.activities(&listed, first).await.is_err() {
                        return;
                    }
                    (first, self.before) = (false, listed.asked);
                }
                Err(error) => {
                    failures += 1;
                    tracing::debug!(%error, failures, "a look at AWS failed");
                    if failures >= MOST_FAILURES {
                        let _ = self.tell(clock::now(), Observed::Note { text: format!("AWS tells nothing any more: {error}") }).await;
                        return;
                    }
                }
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = self.told.closed() => return,
            }
        }
    }

    async fn tell(&self, at: Mono, what: Observed) -> Result<(), Unheard> {
        self.told.send(Observation { at, source: SOURCE.to_owned(), what }).await.map_err(|_| Unheard)
    }

    async fn compare(&mut self, listed: &Arc<Listed>, first: bool) -> Result<(), Unheard> {
        let at = clock::now();
        if let Some(known) = &self.known {
            self.instances(known, listed, at).await?;
            for pool in listed.worlds.values().flat_map(|world| world.pools.values()) {
                self.pool(pool, (known, listed), at).await?;
            }
        }
        for pool in listed.worlds.values().flat_map(|world| world.pools.values()) {
            self.admitted.insert(pool.arn.clone(), admitted(pool));
        }
        self.capacity(listed, first, at).await?;
        self.known = Some(Arc::clone(listed));
        Ok(())
    }

    async fn instances(&self, known: &Listed, listed: &Listed, at: Mono) -> Result<(), Unheard> {
        for was in &known.instances {
            let now = listed.instance(was.id.as_str());
            if now.is_some_and(|now| Arc::ptr_eq(was, now)) {
                continue;
            }
            let ended = now.is_none_or(|i| i.state == InstanceState::Gone);
            let (instance, service, zone) = (was.id.clone(), was.service.clone(), was.zone.clone());
            if ended && was.state != InstanceState::Gone {
                self.tell(at, Observed::Died { instance, service, zone, how: "terminated".to_owned() }).await?;
            } else if was.state == InstanceState::Running && now.is_some_and(|i| i.state == InstanceState::Stopped) {
                self.tell(at, Observed::Died { instance, service, zone, how: "stopped".to_owned() }).await?;
            }
        }
        for i in &listed.instances {
            let was = known.instance(i.id.as_str());
            // Most are as they were.
            if was.is_some_and(|was| Arc::ptr_eq(was, i)) {
                continue;
            }
            let (instance, service, zone) = (i.id.clone(), i.service.clone(), i.zone.clone());
            let up = matches!(i.state, InstanceState::Running | InstanceState::Starting);
            let was_up = was.is_some_and(|was| matches!(was.state, InstanceState::Running | InstanceState::Starting));
            if up && !was_up {
                let at = listed.machine(&i.region, &i.id).map_or(at, |(_, machine)| moment(machine.launched, self.before, at));
                self.tell(
                    at,
                    Observed::Launched { instance: instance.clone(), service: service.clone(), zone: zone.clone(), replaces: None },
                )
                .await?;
            }
            match (was.is_some_and(|was| was.serving()), i.serving()) {
                (false, true) => self.tell(at, Observed::InService { instance, service, zone }).await?,
                (true, false) if i.state == InstanceState::Running => {
                    let why = "its group or its balancer holds it for unhealthy".to_owned();
                    self.tell(at, Observed::OutOfService { instance, service, zone, why }).await?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// What the groups tell that have not what they want; of the others only what they told before the watch, which is no news.
    async fn activities(&mut self, listed: &Listed, first: bool) -> Result<(), Unheard> {
        for (region, world) in &listed.worlds {
            let Ok(place) = self.connection.place(region) else { continue };
            for group in world.groups.values() {
                let serve = group.members.values().filter(|member| member.healthy && member.lifecycle == "InService").count();
                let key = format!("{region} {}", group.name);
                if !first && serve == group.desired as usize {
                    continue;
                }
                let known = !self.heard.insert(key);
                match activity::news(place, &group.name, &mut self.activities).await {
                    Ok(news) if known => {
                        let at = clock::now();
                        for activity in news {
                            self.tell(moment(activity.began, self.before, at), Observed::Note { text: activity.says }).await?;
                        }
                    }
                    Ok(_) => {}
                    Err(error) => tracing::debug!(%error, group = group.name, "its activities cannot be read"),
                }
            }
        }
        Ok(())
    }

    /// What a balancer began and ceased to send to.
    async fn pool(&self, pool: &Pool, seen: (&Listed, &Listed), at: Mono) -> Result<(), Unheard> {
        let Some(before) = self.admitted.get(&pool.arn) else { return Ok(()) };
        let after = admitted(pool);
        let known = |id: &str| [seen.0, seen.1].iter().any(|listed| listed.instance(id).is_some());
        for id in before.difference(&after).filter(|id| known(id)) {
            let why = pool.targets.iter().find(|target| target.id == **id);
            let why = why.map_or("deregistered".to_owned(), |target| format!("{} {}", target.state, super::trouble::short(&target.reason)));
            let what = Observed::Ejected { balancer: pool.name.clone(), instance: InstanceId(id.clone()), why: why.trim().to_owned() };
            self.tell(at, what).await?;
        }
        for id in after.difference(before).filter(|id| known(id)) {
            self.tell(at, Observed::Admitted { balancer: pool.name.clone(), instance: InstanceId(id.clone()) }).await?;
        }
        Ok(())
    }

    async fn capacity(&mut self, listed: &Listed, first: bool, at: Mono) -> Result<(), Unheard> {
        let mut serving: BTreeMap<Service, (u32, u32)> = BTreeMap::new();
        for i in &listed.instances {
            let serves = u32::from(i.serving());
            match serving.get_mut(&i.service) {
                Some((now, _)) => *now += serves,
                None => drop(serving.insert(i.service.clone(), (serves, 0))),
            }
        }
        for (service, desired) in &listed.desired {
            serving.entry(service.clone()).or_default().1 = *desired;
        }
        for (service, (now, desired)) in &mut serving {
            // Without a group nobody says how many there should be: what served when the watch began.
            if *desired == 0 {
                *desired = self.serving.get(service).map_or(*now, |(_, desired)| *desired);
            }
            if !first && self.serving.get(service) != Some(&(*now, *desired)) {
                let what = Observed::Capacity { service: service.clone(), serving: *now, desired: *desired };
                self.tell(at, what).await?;
            }
        }
        self.serving = serving;
        Ok(())
    }
}

/// A time of AWS's, in nanoseconds since 1970, on our clock: its own clock may be wrong by seconds, so never outside of what we saw.
fn moment(told: i128, after: Mono, by: Mono) -> Mono {
    let ago = i128::from(clock::wall().0) - told;
    let Ok(ago) = u64::try_from(ago) else { return by };
    clock::now().minus(Duration::from_nanos(ago)).clamp(after.min(by), by)
}

/// The targets that a balancer sends to.
fn admitted(pool: &Pool) -> BTreeSet<String> {
    pool.targets.iter().filter(|target| target.healthy() == Some(true)).map(|target| target.id.clone()).collect()
}
