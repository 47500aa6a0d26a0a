//! `failover`: a store's standby takes over. Ordered once: a second order is a second failover. A lost answer is told by the store itself.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::join_all;

use super::{Kind, Store, read};
use crate::{
    clock,
    model::{
        act::{Act, Effect, EffectStatus, Prepared},
        instance::{Instance, PROTECTED_TAG},
        undo::Undo,
    },
    platform::{
        PlatformError,
        aws::{
            calls::Action,
            connection::Place,
            effect::{answered, effect, seen, unseen},
            inventory::{protected, store_kept_out},
            reach::Reach,
            trouble::Trouble,
        },
    },
};

const REBOOT: Action = Action::write_once("rds:RebootDBInstance");
const CLUSTER: Action = Action::write_once("rds:FailoverDBCluster");
const CACHE: Action = Action::write_once("elasticache:TestFailover");
/// Within this the store shows that it fails over, or that it did.
const SEEN_WITHIN: Duration = Duration::from_secs(90);
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The stores as they were right before the acts of this process, by act and store.
static BEFORE: Mutex<BTreeMap<String, Store>> = Mutex::new(BTreeMap::new());

fn key(reach: &Reach, prepared: &Prepared) -> String {
    format!("{} {} {}", reach.run(), prepared.act.id, prepared.act.target.says())
}

/// A failover leaves nothing to undo: the standby became the primary, and what was the primary is the standby.
pub(in crate::platform::aws) async fn prepare(reach: &Reach, act: &Act, instance: &Instance) -> Result<Undo, PlatformError> {
    let listed = reach.all().await?;
    let store = listed.worlds.get(&instance.region).and_then(|world| world.stores.get(instance.id.as_str()));
    let Some(store) = store else {
        return Err(PlatformError::Refused(format!("{} is no managed store: {} works on those", instance.name, act.fault.kind())));
    };
    if let Some(alone) = &store.alone {
        return Err(PlatformError::Refused(format!("{} cannot fail over: {alone}", instance.name)));
    }
    Ok(Undo::Nothing { why: "the standby takes over and stays: a second failover is not made".to_owned() })
}

/// Orders the failovers.
pub(in crate::platform::aws) async fn inject(reach: &Reach, acts: &[&Prepared]) -> Vec<Effect> {
    join_all(acts.iter().map(|prepared| one(reach, prepared))).await
}

async fn one(reach: &Reach, prepared: &Prepared) -> Effect {
    let requested = clock::now();
    let refuse = |why: String| effect(prepared, requested, EffectStatus::Refused { why });
    let Some(instance) = prepared.act.target.instance() else { return refuse("a failover needs a store".to_owned()) };
    let place = match reach.connection.place(&instance.region) {
        Ok(place) => place,
        Err(error) => return refuse(error.to_string()),
    };
    let now = match Box::pin(now(place, instance)).await {
        Ok(Some(now)) => now,
        Ok(None) => return effect(prepared, requested, EffectStatus::Vanished { found: format!("{} is gone", instance.name) }),
        Err(trouble) => return effect(prepared, requested, EffectStatus::Failed { why: trouble.to_string() }),
    };
    if protected(&now.tags) {
        return refuse(format!("{} carries the tag {PROTECTED_TAG}=true", instance.name));
    }
    if let Some(why) = store_kept_out(&reach.spec, &now) {
        return refuse(format!("{}: {why}", instance.name));
    }
    if !now.available() {
        return effect(prepared, requested, EffectStatus::Vanished { found: format!("{} is {}", instance.name, now.status) });
    }
    {
        let mut before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
        if before.contains_key(&key(reach, prepared)) {
            return effect(prepared, requested, EffectStatus::Vanished { found: "this act has ordered its failover already".to_owned() });
        }
        before.insert(key(reach, prepared), now.clone());
    }
    answered(prepared, requested, &order(place, &now.kind).await)
}

async fn order(place: &Place, kind: &Kind) -> Result<(), Trouble> {
    match kind {
        Kind::Database(name) => {
            let ask = place.rds.reboot_db_instance().db_instance_identifier(name).force_failover(true);
            place.calls.call(REBOOT, || ask.clone().send()).await.map(drop)
        }
        Kind::Cluster(name) => {
            let ask = place.rds.failover_db_cluster().db_cluster_identifier(name);
            place.calls.call(CLUSTER, || ask.clone().send()).await.map(drop)
        }
        Kind::Cache { group, shard } => {
            let ask = place.elasticache.test_failover().replication_group_id(group).node_group_id(shard);
            place.calls.call(CACHE, || ask.clone().send()).await.map(drop)
        }
    }
}

/// The store of a target, as it is now.
async fn now(place: &Place, instance: &Instance) -> Result<Option<Store>, Trouble> {
    let id = instance.id.as_str();
    let (kind, name) = id.split_once(':').unwrap_or_default();
    let kind = match kind {
        "db" => Kind::Database(name.to_owned()),
        "cluster" => Kind::Cluster(name.to_owned()),
        _ => {
            let (group, shard) = name.rsplit_once('/').unwrap_or((name, ""));
            Kind::Cache { group: group.to_owned(), shard: shard.to_owned() }
        }
    };
    Ok(Box::pin(read::one(place, &kind)).await?.into_iter().find(|store| store.kind.id() == id))
}

/// Looks whether they fail over: another primary, or a state that is not `available`.
pub(in crate::platform::aws) async fn verify(reach: &Reach, acts: &[&Prepared], effects: Vec<Effect>) -> Vec<Effect> {
    join_all(acts.iter().zip(effects).map(|(prepared, effect)| look(reach, prepared, effect))).await
}

async fn look(reach: &Reach, prepared: &Prepared, mut effect: Effect) -> Effect {
    let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).get(&key(reach, prepared)).cloned();
    let (Some(before), Some(instance)) = (before, prepared.act.target.instance()) else {
        unseen(&mut effect, "it was not ordered by this process");
        return effect;
    };
    let give_up = clock::now().plus(SEEN_WITHIN);
    loop {
        let found = match reach.connection.place(&instance.region) {
            Ok(place) => Box::pin(now(place, instance)).await.map_err(|trouble| trouble.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let why = match found {
            Ok(Some(now)) if now.primary != before.primary => {
                effect.answered = Some(clock::now());
                seen(&mut effect, format!("{} took over from {}", now.primary, before.primary));
                return effect;
            }
            Ok(Some(now)) if !now.available() => {
                effect.answered = Some(clock::now());
                seen(&mut effect, format!("its status is {}", now.status));
                return effect;
            }
            Ok(Some(now)) => format!("{} still takes the writes, and the store is {}", now.primary, now.status),
            Ok(None) => "it is gone".to_owned(),
            Err(why) => why,
        };
        if clock::now() >= give_up {
            unseen(&mut effect, &why);
            return effect;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
