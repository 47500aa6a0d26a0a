//! `deregister`: instances are taken out of their target groups while they run on, and registered again afterwards.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use async_trait::async_trait;
use aws_sdk_elasticloadbalancingv2::types::TargetDescription;
use futures_util::future::join_all;

use super::complete;
use crate::{
    clock,
    model::{
        act::{Effect, EffectStatus, Prepared},
        ids::Region,
        undo::Undo,
    },
    platform::{
        PlatformError, Reverted,
        aws::{
            calls::Action,
            connection::Place,
            deed::{Deed, On},
            effect::{answered, effect, seen, unseen},
            reach::Reach,
            read,
            trouble::Trouble,
            undo::{Before, Owed, Registration, of_another_fault},
            world::{Pool, pool_name},
        },
    },
};

const DEREGISTER: Action = Action::write("elasticloadbalancing:DeregisterTargets");
const REGISTER: Action = Action::write("elasticloadbalancing:RegisterTargets");
/// How long a balancer may take to list a target again.
const LIMIT: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// `deregister`.
pub(in crate::platform::aws) struct Deregister;

#[async_trait]
impl Deed for Deregister {
    async fn prepare(&self, reach: &Reach, on: On<'_>) -> Result<Undo, PlatformError> {
        let machine = on.machine;
        let targets: Vec<Registration> = on
            .world
            .pools
            .values()
            .flat_map(|pool| pool.targets.iter().map(move |target| (pool, target)))
            .filter(|(_, target)| target.id == machine.id || Some(&target.id) == machine.address.as_ref())
            .filter(|(_, target)| target.state != "draining")
            .map(|(pool, target)| Registration { pool: pool.arn.clone(), target: target.id.clone(), port: target.port })
            .collect();
        if targets.is_empty() {
            return Err(PlatformError::Refused(format!("{} is registered in no target group that this environment knows", on.name())));
        }
        let names: BTreeSet<&str> = targets.iter().map(|target| pool_name(&target.pool)).collect();
        let names = names.into_iter().collect::<Vec<_>>().join(", ");
        let says = format!("register {} in {names} again", on.name());
        Ok(Before::Registered { instance: machine.id.clone(), targets }.into_undo(&reach.connection.account, &on.place.region, says))
    }

    async fn inject(&self, reach: &Reach, acts: &[&Prepared]) -> Vec<Effect> {
        let requested = clock::now();
        let mut calls: BTreeMap<(Region, String), Vec<Registration>> = BTreeMap::new();
        for prepared in acts {
            for (region, target) in registrations(prepared) {
                calls.entry((region, target.pool.clone())).or_default().push(target);
            }
        }
        let answers: BTreeMap<(Region, String), Result<(), Trouble>> =
            join_all(calls.into_iter().map(|((region, pool), targets)| async move {
                let answer = match reach.connection.place(&region) {
                    Ok(place) => {
                        let ask = place.balancing.deregister_targets().target_group_arn(&pool).set_targets(Some(described(&targets)));
                        place.calls.call(DEREGISTER, || ask.clone().send()).await.map(drop)
                    }
                    Err(error) => Err(Trouble::Refused(error.to_string())),
                };
                ((region, pool), answer)
            }))
            .await
            .into_iter()
            .collect();
        let effects = acts.iter().map(|prepared| {
            let of = registrations(prepared);
            let failed = of.iter().find_map(|(region, target)| answers.get(&(region.clone(), target.pool.clone()))?.as_ref().err());
            Some(match (of.is_empty(), failed) {
                (true, _) => effect(prepared, requested, EffectStatus::Refused { why: "it was prepared without a way back".to_owned() }),
                (false, None) => answered(prepared, requested, &Ok(())),
                // Another of its target groups may have let it go.
                (false, Some(trouble)) => effect(prepared, requested, EffectStatus::Failed { why: trouble.to_string() }),
            })
        });
        complete(acts, effects.collect())
    }

    async fn verify(&self, reach: &Reach, acts: &[&Prepared], mut effects: Vec<Effect>) -> Vec<Effect> {
        let wanted: BTreeSet<(Region, String)> =
            acts.iter().flat_map(|prepared| registrations(prepared)).map(|(region, target)| (region, target.pool)).collect();
        let pools: BTreeMap<String, Result<Pool, String>> = join_all(wanted.into_iter().map(|(region, arn)| async move {
            let pool = match reach.connection.place(&region) {
                Ok(place) => read::pool(place, &arn).await.map_err(|trouble| trouble.to_string()),
                Err(error) => Err(error.to_string()),
            };
            (arn, pool)
        }))
        .await
        .into_iter()
        .collect();
        for (prepared, effect) in acts.iter().zip(&mut effects) {
            if !matches!(effect.status, EffectStatus::Happened | EffectStatus::Unknown { .. }) {
                continue;
            }
            let still = registrations(prepared).into_iter().find_map(|(_, target)| match pools.get(&target.pool) {
                Some(Ok(pool)) => registered(pool, &target).then(|| format!("it is still registered in {}", pool.name)),
                Some(Err(why)) => Some(why.clone()),
                None => None,
            });
            match still {
                None => seen(effect, "DescribeTargetHealth"),
                Some(why) => unseen(effect, &why),
            }
        }
        effects
    }

    async fn revert(&self, reach: &Reach, prepared: &Prepared, owed: &Owed) -> Result<Reverted, PlatformError> {
        let Before::Registered { instance, targets } = &owed.before else { return Err(of_another_fault()) };
        let place = reach.connection.place(&owed.region)?;
        let name = prepared.act.target.instance().map_or(instance.as_str(), |instance| instance.name.as_str());
        if reach.machine(place, instance).await?.is_none_or(|machine| machine.state.ended()) {
            return Ok(Reverted::NothingToUndo { why: format!("{name} is gone") });
        }
        let mut back = Vec::new();
        for target in targets {
            if again(place, target).await? {
                back.push(pool_name(&target.pool));
            }
        }
        if back.is_empty() {
            return Ok(Reverted::NothingToUndo { why: format!("{name} is registered as it was") });
        }
        Ok(Reverted::Restored { says: format!("registered {name} again in {}", back.join(", ")) })
    }
}

/// What an act takes an instance out of.
fn registrations(prepared: &Prepared) -> Vec<(Region, Registration)> {
    match Owed::read(&prepared.undo) {
        Ok(Owed { region, before: Before::Registered { targets, .. }, .. }) => {
            targets.into_iter().map(|target| (region.clone(), target)).collect()
        }
        _ => Vec::new(),
    }
}

fn described(targets: &[Registration]) -> Vec<TargetDescription> {
    let one = |target: &Registration| TargetDescription::builder().id(&target.target).set_port(target.port.map(i32::from)).build();
    targets.iter().map(one).collect()
}

/// Whether the balancer sends to it, or would if it were healthy.
fn registered(pool: &Pool, target: &Registration) -> bool {
    pool.targets.iter().any(|t| t.id == target.target && (target.port.is_none() || t.port == target.port) && t.state != "draining")
}

/// Registers one target again; whether that had to be done.
async fn again(place: &Place, target: &Registration) -> Result<bool, PlatformError> {
    let now = match read::pool(place, &target.pool).await {
        Ok(pool) => pool,
        Err(Trouble::Gone(_)) => {
            return Err(PlatformError::Refused(format!("the target group {} is gone", pool_name(&target.pool))));
        }
        Err(trouble) => return Err(trouble.into()),
    };
    if registered(&now, target) {
        return Ok(false);
    }
    let ask = place.balancing.register_targets().target_group_arn(&target.pool).set_targets(Some(described(std::slice::from_ref(target))));
    place.calls.call(REGISTER, || ask.clone().send()).await?;
    let give_up = clock::now().plus(LIMIT);
    loop {
        if registered(&read::pool(place, &target.pool).await?, target) {
            return Ok(true);
        }
        if clock::now() >= give_up {
            return Err(PlatformError::Timeout(LIMIT));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
