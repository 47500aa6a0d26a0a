//! The platform: only dispatch. Acts on instances go to their deed, all of a kind together; acts on groups to `group`.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::future::join_all;
use tokio::sync::mpsc;

use super::{
    alarms,
    calls::Count,
    capabilities::capabilities,
    claims,
    connection::Connection,
    cut,
    deed::{self, deed_of},
    effect::effect,
    group, names, observe, preflight,
    reach::Reach,
    shift, sight, store,
    trouble::Trouble,
    undo::{Before, Owed},
};
use crate::{
    clock,
    model::{
        act::{Act, Effect, EffectStatus, Group, Prepared, Target},
        aws::AwsSpec,
        capabilities::Capabilities,
        claim::Claim,
        fault::{Fault, FaultKind, Mechanism},
        ids::{Region, RunId, Scope, Service},
        instance::{Instance, Inventory, serving},
        observation::Observation,
        undo::Undo,
    },
    platform::{Held, Orphan, Platform, PlatformError, Reverted},
};

/// Instances of an AWS account.
#[derive(Debug)]
pub struct AwsPlatform {
    reach: Reach,
    watch: observe::Watch,
}

impl AwsPlatform {
    /// Finds credentials, and asks whose they are.
    ///
    /// # Errors
    /// When there are none, they are not accepted, or they are another account's than the environment says.
    pub async fn connect(spec: AwsSpec) -> Result<Self, PlatformError> {
        let connection = Connection::open(&spec).await?;
        let reach = Reach::new(connection, spec);
        reach.keeper.start(&reach.connection);
        Ok(Self { reach, watch: observe::Watch::default() })
    }

    /// How often each action was called so far.
    pub fn calls(&self) -> BTreeMap<&'static str, Count> {
        self.reach.connection.counts()
    }

    async fn prepare_on(&self, act: &Act, instance: &Instance) -> Result<Undo, PlatformError> {
        let kind = act.fault.kind();
        let deed = deed_of(&act.fault).ok_or_else(|| PlatformError::Refused(format!("the platform aws cannot do {kind}")))?;
        let place = self.reach.connection.place(&instance.region)?;
        let listed = self.reach.all().await?;
        let (world, machine) = listed
            .machine(&instance.region, &instance.id)
            .ok_or_else(|| PlatformError::Refused(format!("{} is no instance of EC2 that is listed now", instance.name)))?;
        deed.prepare(&self.reach, deed::On { place, world, machine, act }).await
    }
}

/// What an act is on, and so who does it.
enum On<'a> {
    /// A group, whose replacement it suspends: `group`.
    Group(&'a Group),
    /// A region's health check: `names`.
    HealthCheck(&'a Region),
    /// Users of a zone, whom it moves away: `shift`.
    Users(&'a Group),
    /// A managed store: `store`.
    Store,
    /// An instance: its fault's deed.
    Instance,
}

impl<'a> On<'a> {
    fn of(act: &'a Act) -> Self {
        match (&act.fault, &act.target) {
            (Fault::SuspendReplacement, Target::Group(group)) => Self::Group(group),
            (Fault::Failover, _) => Self::Store,
            _ => match (shift::moved(act), names::failed(act)) {
                (Some(group), _) => Self::Users(group),
                (None, Some(region)) => Self::HealthCheck(region),
                (None, None) => Self::Instance,
            },
        }
    }

    /// Whether it is on something around instances.
    fn around(&self) -> bool {
        matches!(self, Self::Group(_) | Self::HealthCheck(_) | Self::Users(_))
    }
}

/// The place of each victim: an outage holds back whatever would be launched there.
fn places(victims: &[Arc<Instance>], group: &Group, whole_region: bool) -> Vec<Group> {
    let mut all: Vec<Group> = Vec::new();
    for victim in victims {
        let zone = (!whole_region).then(|| victim.zone.clone());
        let place = Group { zone, region: Some(victim.region.clone()), ..group.clone() };
        if !all.contains(&place) {
            all.push(place);
        }
    }
    all
}

/// What other runs do, as far as these credentials may see it.
fn counted<T: Default>(found: Result<T, Trouble>) -> Result<T, PlatformError> {
    match found {
        Err(Trouble::Denied { action, .. }) => {
            tracing::warn!(action, "what other runs do is not counted: access denied");
            Ok(T::default())
        }
        found => Ok(found?),
    }
}

/// The acts that have a deed of this kind, with their places.
type Kinds<'a> = BTreeMap<FaultKind, Vec<(usize, &'a Prepared)>>;

#[async_trait]
impl Platform for AwsPlatform {
    fn begin(&self, run: &RunId) {
        self.reach.begin(run);
    }

    fn capabilities(&self) -> Capabilities {
        capabilities()
    }

    async fn scope(&self) -> Result<Scope, PlatformError> {
        Ok(claims::scope(&self.reach.connection, &self.reach.spec))
    }

    async fn claims(&self) -> Result<Vec<Claim>, PlatformError> {
        Ok(claims::claims(&self.reach.connection, &self.reach.spec))
    }

    async fn inventory(&self) -> Result<Inventory, PlatformError> {
        Ok(self.reach.all().await?.inventory(self.scope().await?))
    }

    async fn seen(&self) -> Result<Inventory, PlatformError> {
        Ok(self.reach.lately().await?.inventory(self.scope().await?))
    }

    fn stirred(&self) {
        self.reach.sight.forget();
    }

    async fn serving(&self) -> Result<BTreeMap<Service, usize>, PlatformError> {
        Ok(serving(self.reach.lately().await?.targets()))
    }

    fn look_every(&self) -> Duration {
        sight::FRESH
    }

    fn acts(&self, fault: &Fault, victims: &[Arc<Instance>], group: &Group) -> Vec<(Fault, Target)> {
        let each = |fault: &Fault| victims.iter().map(|v| (fault.clone(), Target::Instance(Arc::clone(v)))).collect();
        match fault {
            // Nothing is lost: nothing is to be held back.
            Fault::ZoneOutage { mechanism: Mechanism::Shift } => {
                places(victims, group, false).into_iter().map(|place| (fault.clone(), Target::Group(place))).collect()
            }
            Fault::ZoneOutage { mechanism } | Fault::RegionOutage { mechanism } => {
                let whole_region = matches!(fault, Fault::RegionOutage { .. });
                let places = places(victims, group, whole_region);
                let mut acts: Vec<(Fault, Target)> = Vec::new();
                // A health check stands for its whole region. It fails when everything else is done, and what is armed first is undone last:
                // users come back to what is there again.
                if whole_region && group.services.is_empty() {
                    let checked =
                        places.iter().filter(|g| g.region.as_ref().is_some_and(|r| self.reach.spec.health_checks.contains_key(r)));
                    acts.extend(checked.map(|g| (fault.clone(), Target::Group(g.clone()))));
                }
                acts.extend(places.into_iter().map(|g| (Fault::SuspendReplacement, Target::Group(g))));
                let mut losses: Vec<(Fault, Target)> = each(&mechanism.on_each());
                acts.append(&mut losses);
                acts
            }
            Fault::SuspendReplacement => vec![(fault.clone(), Target::Group(group.clone()))],
            _ => each(fault),
        }
    }

    async fn preflight(&self, acts: &[Act]) -> Result<Vec<String>, PlatformError> {
        preflight::look(&self.reach, acts).await
    }

    async fn prepare(&self, act: &Act) -> Result<Undo, PlatformError> {
        let instance = || act.target.instance().ok_or_else(|| PlatformError::Refused(format!("{} needs an instance", act.fault.kind())));
        match On::of(act) {
            // In boxes: hundreds of instances are prepared at once, each in what the largest of these takes.
            On::Group(group) => Box::pin(group::prepare(&self.reach, act, group)).await,
            On::HealthCheck(region) => Box::pin(names::prepare(&self.reach, act, region)).await,
            On::Users(group) => Box::pin(shift::prepare(&self.reach, act, group)).await,
            On::Store => Box::pin(store::prepare(&self.reach, act, instance()?)).await,
            On::Instance => self.prepare_on(act, instance()?).await,
        }
    }

    async fn inject(&self, acts: &[Prepared]) -> Vec<Effect> {
        let looked = clock::now();
        let mut effects: Vec<Option<Effect>> = vec![None; acts.len()];
        let mut kinds: Kinds<'_> = BTreeMap::new();
        if acts.iter().any(|prepared| !On::of(&prepared.act).around()) {
            let listed = self.reach.all().await;
            for (at, prepared) in acts.iter().enumerate() {
                match On::of(&prepared.act) {
                    On::Group(_) | On::HealthCheck(_) | On::Users(_) => continue,
                    On::Store => {
                        kinds.entry(FaultKind::Failover).or_default().push((at, prepared));
                        continue;
                    }
                    On::Instance => {}
                }
                let ready = match (&listed, deed_of(&prepared.act.fault)) {
                    (_, None) => Err(EffectStatus::Refused { why: format!("the platform aws cannot do {}", prepared.act.fault.kind()) }),
                    (Err(error), _) => Err(EffectStatus::Failed { why: error.to_string() }),
                    (Ok(listed), Some(deed)) => deed::may_touch(&self.reach, listed, deed.as_ref(), prepared),
                };
                match ready {
                    Ok(()) => kinds.entry(prepared.act.fault.kind()).or_default().push((at, prepared)),
                    Err(status) => effects[at] = Some(effect(prepared, looked, status)),
                }
            }
        }
        // One after another: another zone may leave the same group.
        for (at, prepared) in acts.iter().enumerate() {
            if let On::Group(_) = On::of(&prepared.act) {
                effects[at] = Some(group::inject(&self.reach, prepared).await);
            }
        }
        for victim in kinds.values().flatten().filter_map(|(_, prepared)| prepared.act.target.instance()) {
            self.reach.sight.doubt(&victim.region, std::iter::once(victim.id.to_string()));
        }
        let done = join_all(kinds.into_values().map(|acts| async move {
            let (at, acts): (Vec<usize>, Vec<&Prepared>) = acts.into_iter().unzip();
            if acts.iter().any(|prepared| prepared.act.fault == Fault::Failover) {
                return at.into_iter().zip(store::inject(&self.reach, &acts).await).collect();
            }
            let Some(deed) = acts.first().and_then(|prepared| deed_of(&prepared.act.fault)) else { return Vec::new() };
            at.into_iter().zip(deed.inject(&self.reach, &acts).await).collect::<Vec<_>>()
        }))
        .await;
        self.reach.sight.forget();
        for (at, effect) in done.into_iter().flatten() {
            effects[at] = Some(effect);
        }
        // What is to be lost is lost by now: users are led elsewhere.
        for (at, prepared) in acts.iter().enumerate() {
            match On::of(&prepared.act) {
                On::HealthCheck(_) => effects[at] = Some(names::inject(&self.reach, prepared).await),
                On::Users(_) => effects[at] = Some(shift::inject(&self.reach, prepared).await),
                _ => {}
            }
        }
        let nobody = |prepared: &Prepared| effect(prepared, looked, EffectStatus::Unknown { why: "it was not asked for".to_owned() });
        acts.iter().zip(effects).map(|(prepared, effect)| effect.unwrap_or_else(|| nobody(prepared))).collect()
    }

    async fn verify(&self, acts: &[Prepared], mut effects: Vec<Effect>) -> Vec<Effect> {
        let mut kinds: Kinds<'_> = BTreeMap::new();
        for (at, prepared) in acts.iter().enumerate() {
            if !matches!(effects[at].status, EffectStatus::Happened | EffectStatus::Unknown { .. }) {
                continue;
            }
            match On::of(&prepared.act) {
                On::HealthCheck(_) => effects[at] = names::verify(&self.reach, prepared, effects[at].clone()).await,
                On::Users(_) => effects[at] = shift::verify(&self.reach, prepared, effects[at].clone()).await,
                On::Group(_) => effects[at] = group::verify(&self.reach, prepared, effects[at].clone()).await,
                On::Store | On::Instance => kinds.entry(prepared.act.fault.kind()).or_default().push((at, prepared)),
            }
        }
        let before = &effects;
        let looked = join_all(kinds.into_values().map(|acts| async move {
            let of: Vec<Effect> = acts.iter().map(|(at, _)| before[*at].clone()).collect();
            let (at, acts): (Vec<usize>, Vec<&Prepared>) = acts.into_iter().unzip();
            if acts.iter().any(|prepared| prepared.act.fault == Fault::Failover) {
                return at.into_iter().zip(store::verify(&self.reach, &acts, of).await).collect();
            }
            let Some(deed) = acts.first().and_then(|prepared| deed_of(&prepared.act.fault)) else { return Vec::new() };
            at.into_iter().zip(deed.verify(&self.reach, &acts, of).await).collect::<Vec<_>>()
        }))
        .await;
        self.reach.sight.forget();
        for (at, effect) in looked.into_iter().flatten() {
            effects[at] = effect;
        }
        effects
    }

    async fn revert(&self, act: &Prepared) -> Result<Reverted, PlatformError> {
        if let Undo::Nothing { why } | Undo::Impossible { why } = &act.undo {
            return Ok(Reverted::NothingToUndo { why: why.clone() });
        }
        let owed = Owed::read(&act.undo)?;
        self.reach.owns(&owed.account)?;
        // In boxes, as in `prepare`.
        let reverted = if matches!(owed.before, Before::Launching { .. }) {
            Box::pin(group::revert(&self.reach, act)).await
        } else if let Before::Checked(failing) = &owed.before {
            Box::pin(names::revert(&self.reach, failing, &owed.region)).await
        } else if let Before::Sent { balancers } = &owed.before {
            Box::pin(shift::revert(&self.reach, balancers, &owed.region)).await
        } else {
            let deed = deed_of(&act.act.fault)
                .ok_or_else(|| PlatformError::Refused(format!("the platform aws cannot undo {}", act.act.fault.kind())))?;
            deed.revert(&self.reach, act, &owed).await
        };
        if !matches!(reverted, Ok(Reverted::NothingToUndo { .. })) {
            self.reach.sight.forget();
        }
        reverted
    }

    async fn observe(&self) -> Result<mpsc::Receiver<Observation>, PlatformError> {
        Ok(self.watch.begin(&self.reach))
    }

    fn guards(&self) -> Vec<String> {
        alarms::says(&self.reach.spec).into_iter().collect()
    }

    fn guard(&self) -> Option<mpsc::Receiver<Observation>> {
        self.watch.guard(&self.reach)
    }

    async fn orphans(&self) -> Result<Vec<Orphan>, PlatformError> {
        let account = &self.reach.connection.account;
        let mut looked = Vec::new();
        for place in &self.reach.connection.places {
            // What was held back first is put back last.
            looked.push(cut::left_behind(account, place).await);
            looked.push(group::left_behind(account, place).await);
            looked.push(shift::left_behind(account, place).await);
        }
        looked.push(names::left_behind(account, &self.reach.connection.names, &self.reach.spec).await);
        let mut all = Vec::new();
        for found in looked {
            match found {
                Ok(found) => all.extend(found),
                // Who may not even read them has not changed them.
                Err(Trouble::Denied { action, .. }) => tracing::warn!(action, "not looked for what is left behind: access denied"),
                Err(trouble) => return Err(trouble.into()),
            }
        }
        for (n, orphan) in (0..).zip(&mut all) {
            orphan.prepared.act.id.act = n;
        }
        Ok(all)
    }
    async fn held(&self) -> Result<Vec<Held>, PlatformError> {
        let mut all = Vec::new();
        for place in &self.reach.connection.places {
            let cut = counted(cut::of_others(place).await)?;
            let away = counted(shift::of_others(place).await)?;
            // Nothing else is asked for while nobody is at work.
            if cut.is_empty() && away.is_empty() {
                continue;
            }
            let listed = self.reach.sight.all(&self.reach.connection, &self.reach.spec).await?;
            for instance in listed.targets() {
                let Some((_, machine)) = listed.machine(&place.region, &instance.id) else { continue };
                let held = |kind, by: &Option<RunId>| Held { instance: instance.clone(), kind, by: by.clone() };
                all.extend(machine.subnet.as_ref().and_then(|subnet| cut.get(subnet)).map(|by| held(FaultKind::Partition, by)));
                // Whatever balancer it is: rather one too many is counted.
                all.extend(away.get(&instance.zone).map(|by| held(FaultKind::ZoneOutage, by)));
            }
        }
        Ok(all)
    }
}
