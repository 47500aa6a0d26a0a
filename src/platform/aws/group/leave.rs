//! A zone's subnets leave a group, and come back. A group without subnets of its own names zones, and then the zone itself leaves.

use std::collections::BTreeSet;

use super::{Held, Way, now, tags, zones_of};
use crate::platform::{
    PlatformError,
    aws::{calls::Action, connection::Place, trouble::Trouble, world::AutoGroup},
};

pub(super) const UPDATE: Action = Action::write("autoscaling:UpdateAutoScalingGroup");

/// The places of a group: its subnets, or its zones.
fn places(group: &AutoGroup, subnets: bool) -> &[String] {
    if subnets { &group.subnets } else { &group.zones }
}

/// Which of the group's places leave; where all would, launching is suspended instead.
pub(super) async fn prepare(place: &Place, group: &AutoGroup, zone: &str) -> Result<Option<Way>, PlatformError> {
    let subnets = !group.subnets.is_empty();
    let order = places(group, subnets).to_vec();
    let leave: Vec<String> = if subnets {
        let zones = zones_of(place, &order).await?;
        order.iter().filter(|subnet| zones.get(*subnet).is_some_and(|z| z == zone)).cloned().collect()
    } else {
        order.iter().filter(|z| *z == zone).cloned().collect()
    };
    if leave.is_empty() {
        return Ok(None);
    }
    if leave.len() == order.len() {
        return Ok(super::suspend::prepare(group));
    }
    Ok(Some(Way::Left { zone: zone.to_owned(), subnets, leave, order }))
}

/// Whether there is something to do; `Err` when the group is not what it was when this was prepared.
pub(super) fn ready(held: &Held, now: &AutoGroup) -> Result<bool, String> {
    let Way::Left { subnets, leave, order, .. } = &held.way else { return Ok(false) };
    let here = places(now, *subnets);
    let still = leave.iter().filter(|place| here.contains(place)).count();
    // Another act of this step may have taken another zone out of it.
    let others = tags::left(now, &held.mark);
    let expected: BTreeSet<&String> = order.iter().filter(|place| !others.contains(place)).collect();
    if still == 0 && others.iter().any(|place| leave.contains(place)) {
        return Ok(false);
    }
    if here.iter().collect::<BTreeSet<_>>() == expected {
        return Ok(true);
    }
    Err(format!("the Auto Scaling group {} was changed since this was prepared: it is in {} now", now.name, here.join(", ")))
}

/// Takes them out.
pub(super) async fn inject(place: &Place, name: &str, subnets: bool, leave: &[String], order: &[String]) -> Result<(), Trouble> {
    let current = now(place, name).await?;
    let here = places(&current, subnets);
    let rest: Vec<String> = order.iter().filter(|place| here.contains(place) && !leave.contains(place)).cloned().collect();
    if rest.is_empty() {
        return Err(Trouble::Refused(format!("nothing would be left of the places of the Auto Scaling group {name}")));
    }
    Box::pin(set(place, name, subnets, &rest)).await
}

/// Whether they are out.
pub(super) fn holds(name: &str, leave: &[String], subnets: bool, now: &AutoGroup) -> Result<(), String> {
    match leave.iter().find(|place| places(now, subnets).contains(place)) {
        Some(still) => Err(format!("the Auto Scaling group {name} still launches in {still}")),
        None => Ok(()),
    }
}

/// Puts them back where they were in the order; whether that had to be done.
pub(super) async fn back(
    place: &Place,
    held: &Held,
    leave: &[String],
    order: &[String],
    subnets: bool,
    current: &AutoGroup,
) -> Result<bool, PlatformError> {
    let here = places(current, subnets);
    if leave.iter().all(|place| here.contains(place)) {
        return Ok(false);
    }
    let others: Vec<String> = tags::left(current, &held.mark).into_iter().filter(|place| !leave.contains(place)).collect();
    let expected: BTreeSet<&String> = order.iter().filter(|place| !leave.contains(place) && !others.contains(place)).collect();
    if here.iter().collect::<BTreeSet<_>>() != expected {
        return Err(PlatformError::Refused(format!(
            "the Auto Scaling group {} was in {}, and somebody else changed it to {} meanwhile: it is left so",
            held.name,
            order.join(", "),
            here.join(", ")
        )));
    }
    let whole: Vec<String> = order.iter().filter(|place| here.contains(place) || leave.contains(place)).cloned().collect();
    Box::pin(set(place, &held.name, subnets, &whole)).await?;
    match now(place, &held.name).await {
        Ok(now) if leave.iter().all(|place| places(&now, subnets).contains(place)) => Ok(true),
        Ok(now) => Err(PlatformError::Failed(format!(
            "the Auto Scaling group {} is in {}, not in {}",
            held.name,
            places(&now, subnets).join(", "),
            whole.join(", ")
        ))),
        Err(trouble) => Err(trouble.into()),
    }
}

async fn set(place: &Place, name: &str, subnets: bool, places: &[String]) -> Result<(), Trouble> {
    let ask = place.scaling.update_auto_scaling_group().auto_scaling_group_name(name);
    let ask = if subnets { ask.vpc_zone_identifier(places.join(",")) } else { ask.set_availability_zones(Some(places.to_vec())) };
    Box::pin(place.calls.call(UPDATE, || ask.clone().send())).await.map(drop)
}
