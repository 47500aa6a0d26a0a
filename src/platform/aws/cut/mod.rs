//! `partition`: the subnets of the victims get a network ACL that denies everything, and afterwards the one that they had. Connections hang,
//! in both directions, and what was open hangs too: an ACL keeps no state.
//!
//! A subnet is cut off whole. So every instance in it must be a victim; what else lies in it (a balancer's node, a database) is told in the
//! plan. The ACL that a subnet had is in the journal **and** in the tags of the temporary ACL.

mod acl;
mod neighbours;
mod orphans;

pub(super) use acl::{Acl, of_vpc, renew};
pub(super) use orphans::{left_behind, of_others};

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};

use self::acl::Subnet;
use super::{
    connection::Place,
    deed::{Deed, On},
    effect::{answered, effect, seen, unseen},
    reach::Reach,
    trouble::Trouble,
    undo::{Before, Owed, of_another_fault},
    world::{Machine, Phase},
};
use crate::{
    clock,
    model::{
        act::{Effect, EffectStatus, Prepared},
        ids::Region,
        undo::Undo,
    },
    platform::{PlatformError, Reverted},
};

/// A subnet that is cut off, and how it was.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Cut {
    pub(super) vpc: String,
    pub(super) subnet: String,
    /// The network ACL that it had.
    pub(super) acl: String,
    /// The mark that the temporary ACL carries.
    pub(super) mark: String,
}

/// `partition`, and an outage by `blackhole`.
pub(super) struct Blackhole;

#[async_trait]
impl Deed for Blackhole {
    fn fits(&self, machine: &Machine) -> Result<(), String> {
        match machine.state {
            Phase::Running => Ok(()),
            other => Err(format!("is {}", other.word())),
        }
    }

    async fn prepare(&self, reach: &Reach, on: On<'_>) -> Result<Undo, PlatformError> {
        let (Some(vpc), Some(subnet)) = (&on.machine.vpc, &on.machine.subnet) else {
            return Err(PlatformError::Refused(format!("{} is in no subnet", on.name())));
        };
        let acls = reach.acls(on.place, vpc).await?;
        let now = Subnet::of(&acls, subnet).ok_or_else(|| PlatformError::Failed(format!("no network ACL is associated with {subnet}")))?;
        let mark = reach.mark(on.act.id.step)?;
        if let Some(run) = now.acl.held_by_another(&mark) {
            return Err(PlatformError::Refused(format!(
                "{subnet} is cut off by another drill ({run}); `firedrill recover` undoes one that is dead"
            )));
        }
        let beside = neighbours::says(reach, on.place, subnet).await?;
        let says = format!("give {subnet} its network ACL {} back{beside}", now.acl.id);
        let cut = Cut { vpc: vpc.clone(), subnet: subnet.clone(), acl: now.acl.id.clone(), mark };
        acl::permitted(reach, on.place, &cut, now.association).await?;
        Ok(Before::Reached(cut).into_undo(&reach.connection.account, &on.place.region, says))
    }

    async fn inject(&self, reach: &Reach, acts: &[&Prepared]) -> Vec<Effect> {
        let requested = clock::now();
        let wanted = cuts_of(acts);
        let mut vpcs: BTreeMap<(&Region, &str), BTreeSet<&Cut>> = BTreeMap::new();
        for (region, cut) in wanted.iter().flatten() {
            vpcs.entry((region, &cut.vpc)).or_default().insert(cut);
        }
        let victims: BTreeSet<&str> = acts.iter().filter_map(|p| p.act.target.instance()).map(|i| i.id.as_str()).collect();
        let victims = &victims;
        let done = join_all(vpcs.into_iter().map(|((region, vpc), cuts)| async move {
            let cuts: Vec<&Cut> = cuts.into_iter().collect();
            let answer = match reach.connection.place(region) {
                Ok(place) => cut_off(reach, place, vpc, &cuts, victims).await,
                Err(error) => Err(Trouble::Refused(error.to_string())),
            };
            ((region, vpc), answer)
        }));
        let done: BTreeMap<(&Region, &str), Result<(), Trouble>> = done.await.into_iter().collect();
        acts.iter()
            .zip(&wanted)
            .map(|(prepared, wanted)| match wanted.as_ref().and_then(|(region, cut)| done.get(&(region, cut.vpc.as_str()))) {
                Some(answer) => answered(prepared, requested, answer),
                None => effect(prepared, requested, EffectStatus::Refused { why: "it was prepared without a way back".to_owned() }),
            })
            .collect()
    }

    async fn verify(&self, reach: &Reach, acts: &[&Prepared], mut effects: Vec<Effect>) -> Vec<Effect> {
        let wanted = cuts_of(acts);
        let mut vpcs: BTreeMap<(&Region, &str), BTreeSet<&Cut>> = BTreeMap::new();
        for (region, cut) in wanted.iter().flatten() {
            vpcs.entry((region, &cut.vpc)).or_default().insert(cut);
        }
        let found = join_all(vpcs.into_iter().map(|((region, vpc), cuts)| async move {
            let acls = match reach.connection.place(region) {
                Ok(place) => {
                    let cut = |acls: &[Acl]| cuts.iter().all(|cut| is_cut(acls, cut));
                    until(place, vpc, cut).await.map_err(|trouble| trouble.to_string())
                }
                Err(error) => Err(error.to_string()),
            };
            ((region, vpc), acls)
        }));
        let found: BTreeMap<(&Region, &str), Result<Vec<Acl>, String>> = found.await.into_iter().collect();
        for (wanted, effect) in wanted.iter().zip(&mut effects) {
            if !matches!(effect.status, EffectStatus::Happened | EffectStatus::Unknown { .. }) {
                continue;
            }
            let Some((region, cut)) = wanted else { continue };
            match found.get(&(region, cut.vpc.as_str())) {
                Some(Ok(acls)) => match Subnet::of(acls, &cut.subnet) {
                    Some(now) if now.acl.is_of(&cut.mark) && now.acl.denies_all() => {
                        seen(effect, format!("DescribeNetworkAcls: {} has {}", cut.subnet, now.acl.id));
                    }
                    Some(now) => unseen(effect, &format!("{} has the network ACL {}", cut.subnet, now.acl.id)),
                    None => unseen(effect, &format!("no network ACL is shown for {}", cut.subnet)),
                },
                Some(Err(why)) => unseen(effect, why),
                None => {}
            }
        }
        effects
    }

    async fn revert(&self, reach: &Reach, _: &Prepared, owed: &Owed) -> Result<Reverted, PlatformError> {
        let Before::Reached(cut) = &owed.before else { return Err(of_another_fault()) };
        let place = reach.connection.place(&owed.region)?;
        // One after another: the first of a subnet's acts brings it back for all of them.
        let mut back = reach.back.lock().await;
        if back.contains(cut) {
            return Ok(Reverted::NothingToUndo { why: format!("{} has its network ACL back, with another act", cut.subnet) });
        }
        reach.keeper.let_go(&owed.region, &cut.mark).await;
        let reverted = Box::pin(reach_again(place, cut)).await?;
        back.insert(cut.clone());
        Ok(reverted)
    }
}

/// Whether a subnet has the temporary ACL, and nothing passes it.
fn is_cut(acls: &[Acl], cut: &Cut) -> bool {
    Subnet::of(acls, &cut.subnet).is_some_and(|now| now.acl.is_of(&cut.mark) && now.acl.denies_all())
}

/// The network ACLs of a VPC once they are as expected, or as they are when they have not become so in time.
async fn until(place: &Place, vpc: &str, expected: impl Fn(&[Acl]) -> bool) -> Result<Vec<Acl>, Trouble> {
    let give_up = clock::now().plus(acl::VISIBLE_WITHIN);
    loop {
        let acls = acl::of_vpc(place, vpc).await?;
        if expected(&acls) || clock::now() >= give_up {
            return Ok(acls);
        }
        tokio::time::sleep(acl::LOOK_EVERY).await;
    }
}

/// What each act cuts off.
fn cuts_of(acts: &[&Prepared]) -> Vec<Option<(Region, Cut)>> {
    let cut = |prepared: &&Prepared| match Owed::read(&prepared.undo) {
        Ok(Owed { region, before: Before::Reached(cut), .. }) => Some((region, cut)),
        _ => None,
    };
    acts.iter().map(cut).collect()
}

/// Cuts subnets of one VPC off. Everything is looked at before anything is touched.
async fn cut_off(reach: &Reach, place: &Place, vpc: &str, cuts: &[&Cut], victims: &BTreeSet<&str>) -> Result<(), Trouble> {
    let subnets: Vec<&str> = cuts.iter().map(|cut| cut.subnet.as_str()).collect();
    neighbours::only_victims(place, &subnets, victims).await?;
    let acls = acl::of_vpc(place, vpc).await?;
    let mut to_do = Vec::new();
    for &cut in cuts {
        let now =
            Subnet::of(&acls, &cut.subnet).ok_or_else(|| Trouble::Refused(format!("no network ACL is associated with {}", cut.subnet)))?;
        if now.acl.is_of(&cut.mark) {
            continue;
        }
        if now.acl.id != cut.acl {
            return Err(Trouble::Refused(format!(
                "{} has the network ACL {} now, and had {} when this was prepared",
                cut.subnet, now.acl.id, cut.acl
            )));
        }
        to_do.push(cut);
    }
    let Some(first) = to_do.first() else { return Ok(()) };
    {
        let mut back = reach.back.lock().await;
        for cut in &to_do {
            back.remove(*cut);
        }
    }
    let run = reach.run();
    for part in to_do.chunks(acl::MOST_SUBNETS) {
        let temporary = acl::make(place, vpc, &first.mark, &run, part).await?;
        reach.keeper.keep_acl(&place.region, &first.mark, &temporary).await;
        let done = join_all(part.iter().map(|cut| acl::associate(place, &cut.subnet, &cut.acl, &temporary))).await;
        // Some subnets may be cut off by now: not a refusal of the whole.
        if let Some(trouble) = done.into_iter().find_map(Result::err) {
            return Err(Trouble::Failed(trouble.to_string()));
        }
    }
    Ok(())
}

/// Gives one subnet its network ACL back, and deletes the temporary one when no subnet has it any more.
async fn reach_again(place: &Place, cut: &Cut) -> Result<Reverted, PlatformError> {
    let acls = acl::of_vpc(place, &cut.vpc).await?;
    let Some(now) = Subnet::of(&acls, &cut.subnet) else {
        acl::clean_up(place, &acls, &cut.mark).await?;
        return Ok(Reverted::NothingToUndo { why: format!("the subnet {} is gone", cut.subnet) });
    };
    if now.acl.id == cut.acl {
        let cleaned = acl::clean_up(place, &acls, &cut.mark).await?;
        return Ok(if cleaned {
            Reverted::Restored { says: format!("deleted the temporary network ACL; {} has its own", cut.subnet) }
        } else {
            Reverted::NothingToUndo { why: format!("{} has its network ACL {}", cut.subnet, cut.acl) }
        });
    }
    if !now.acl.is_of(&cut.mark) {
        return Err(PlatformError::Refused(format!(
            "{} had the network ACL {}, and somebody else gave it {} meanwhile: it is left so",
            cut.subnet, cut.acl, now.acl.id
        )));
    }
    if !acls.iter().any(|acl| acl.id == cut.acl) {
        return Err(PlatformError::Refused(format!(
            "{} had the network ACL {}, which somebody has deleted meanwhile: it is still cut off by {}",
            cut.subnet, cut.acl, now.acl.id
        )));
    }
    acl::associate(place, &cut.subnet, &now.acl.id, &cut.acl).await?;
    let acls = until(place, &cut.vpc, |acls| Subnet::of(acls, &cut.subnet).is_some_and(|now| now.acl.id == cut.acl)).await?;
    match Subnet::of(&acls, &cut.subnet) {
        Some(now) if now.acl.id == cut.acl => {}
        Some(now) => return Err(PlatformError::Failed(format!("{} still has the network ACL {}", cut.subnet, now.acl.id))),
        None => return Err(PlatformError::Failed(format!("no network ACL is shown for {}", cut.subnet))),
    }
    acl::clean_up(place, &acls, &cut.mark).await?;
    Ok(Reverted::Restored { says: format!("gave {} its network ACL {} back", cut.subnet, cut.acl) })
}
