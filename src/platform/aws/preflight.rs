//! What is looked at before the first act: whether a group can do what the drill expects of it, and what its balancer will do.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use futures_util::future::join_all;

use super::{
    alarms,
    calls::{Action, LIMIT},
    connection::Place,
    inventory::Listed,
    names,
    reach::Reach,
    shift,
    trouble::Trouble,
    world::{AutoGroup, pool_name},
};
use crate::{
    model::{
        act::{Act, Target},
        fault::Fault,
        ids::{InstanceId, Region},
        instance::Instance,
    },
    platform::PlatformError,
};

const REFRESHES: Action = Action::read("autoscaling:DescribeInstanceRefreshes");
const ATTRIBUTES: Action = Action::read("elasticloadbalancing:DescribeTargetGroupAttributes");
/// How many groups and target groups are looked at.
const MOST: usize = 20;

/// Looks. A refresh that runs is a reason not to begin; everything else is told.
pub(super) async fn look(reach: &Reach, acts: &[Act]) -> Result<Vec<String>, PlatformError> {
    if let Some(rings) = alarms::ringing(&reach.connection, &reach.spec, LIMIT).await? {
        return Err(PlatformError::Refused(format!("{rings}: a system that is not well is not drilled")));
    }
    reach.plan(acts);
    let listed = reach.all().await?;
    let victims: Vec<&Instance> =
        acts.iter().filter(|act| act.fault.kind().takes_capacity()).filter_map(|act| act.target.instance().map(AsRef::as_ref)).collect();
    let hit = groups_of(&listed, &victims);
    let held: Vec<(Option<&str>, Option<&Region>)> = acts.iter().filter_map(held).collect();
    let mut notes = Vec::new();
    let refreshes = join_all(hit.keys().take(MOST).map(|(region, name)| refresh(reach, region, name))).await;
    for refresh in refreshes {
        notes.extend(refresh?);
    }
    for ((region, name), lost) in &hit {
        if let Some(group) = listed.worlds.get(*region).and_then(|world| world.groups.get(*name)) {
            notes.extend(capacity(group, lost, &held, &listed));
        }
    }
    let pools: BTreeSet<(&Region, &str)> = hit
        .keys()
        .filter_map(|(region, name)| Some((*region, listed.worlds.get(*region)?.groups.get(*name)?)))
        .flat_map(|(region, group)| group.pools.iter().map(move |arn| (region, arn.as_str())))
        .collect();
    let pools = join_all(pools.into_iter().take(MOST).map(|(region, arn)| pool(reach, region, arn))).await;
    for pool in pools {
        notes.extend(pool?);
    }
    notes.extend(acts.iter().filter_map(|act| names::note(reach, act)));
    notes.extend(shift::notes(reach, acts).await?);
    Ok(notes)
}

/// The groups that the victims are members of, each with those that it loses.
fn groups_of<'a>(listed: &'a Listed, victims: &[&'a Instance]) -> BTreeMap<(&'a Region, &'a str), BTreeSet<&'a InstanceId>> {
    let mut hit: BTreeMap<(&Region, &str), BTreeSet<&InstanceId>> = BTreeMap::new();
    for victim in victims {
        let Some((region, world)) = listed.worlds.get_key_value(&victim.region) else { continue };
        if let Some((group, _)) = world.group_of_id(victim.id.as_str()) {
            hit.entry((region, &group.name)).or_default().insert(&victim.id);
        }
    }
    hit
}

/// Where an act holds replacement back.
fn held(act: &Act) -> Option<(Option<&str>, Option<&Region>)> {
    match (&act.fault, &act.target) {
        (Fault::SuspendReplacement, Target::Group(group)) => {
            Some((group.zone.as_ref().map(crate::model::ids::Zone::as_str), group.region.as_ref()))
        }
        _ => None,
    }
}

/// A refresh replaces instances by itself: what the drill would show then is not its own doing.
async fn refresh(reach: &Reach, region: &Region, name: &str) -> Result<Option<String>, PlatformError> {
    let place = reach.connection.place(region)?;
    let ask = place.scaling.describe_instance_refreshes().auto_scaling_group_name(name).max_records(1);
    let answer = match place.calls.call(REFRESHES, || ask.clone().send()).await {
        Ok(answer) => answer,
        Err(trouble) => return not_looked(trouble, &format!("whether an instance refresh runs in {name}")),
    };
    let running = answer.instance_refreshes.unwrap_or_default().into_iter().find_map(|refresh| {
        let status = refresh.status?.as_str().to_owned();
        matches!(status.as_str(), "Pending" | "InProgress" | "Cancelling" | "RollbackInProgress" | "Baking").then_some(status)
    });
    match running {
        Some(status) => Err(PlatformError::Refused(format!(
            "an instance refresh of the Auto Scaling group {name} is under way ({status}): it replaces instances itself, wait until it is done"
        ))),
        None => Ok(None),
    }
}

/// What could not be looked at, for a reason that a drill survives.
fn not_looked(trouble: Trouble, what: &str) -> Result<Option<String>, PlatformError> {
    match trouble {
        Trouble::Denied { action, .. } => Ok(Some(format!("not looked at, access denied to {action}: {what}"))),
        Trouble::Failed(_) | Trouble::Refused(_) | Trouble::Lost(_) => Ok(Some(format!("not looked at: {what} ({trouble})"))),
        other => Err(other.into()),
    }
}

/// What a group has left, and whether it can get back to what it wants.
fn capacity(group: &AutoGroup, lost: &BTreeSet<&InstanceId>, held: &[(Option<&str>, Option<&Region>)], listed: &Listed) -> Vec<String> {
    let mut notes = Vec::new();
    let name = &group.name;
    let stay: Vec<&Instance> =
        listed.targets().filter(|i| group.members.contains_key(i.id.as_str()) && i.serving() && !lost.contains(&i.id)).collect();
    let mut by_zone: BTreeMap<&str, usize> = BTreeMap::new();
    for instance in &stay {
        *by_zone.entry(instance.zone.as_str()).or_default() += 1;
    }
    let mut spread: Vec<(&str, usize)> = by_zone.into_iter().collect();
    spread.sort_by_key(|(zone, n)| (Reverse(*n), *zone));
    let spread: Vec<String> = spread.iter().map(|(zone, n)| format!("{n} in {zone}")).collect();
    let left = if spread.is_empty() { "none".to_owned() } else { spread.join(", ") };
    notes.push(format!(
        "the Auto Scaling group {name} wants {} (from {} to {}) and loses {} at once: {left} remain to carry everything until it has \
         launched others",
        group.desired,
        group.min,
        group.max,
        lost.len()
    ));
    let here = |(_, region): &&(Option<&str>, Option<&Region>)| region.is_none_or(|region| *region == group.region);
    let zones: BTreeSet<&str> = held.iter().filter(here).filter_map(|(zone, _)| *zone).collect();
    let rest: Vec<&str> = group.zones.iter().map(String::as_str).filter(|zone| !zones.contains(zone)).collect();
    if held.iter().filter(here).any(|(zone, _)| zone.is_none()) {
        notes.push(format!("the Auto Scaling group {name} launches nothing at all while it lasts"));
    } else if !zones.is_empty() && rest.is_empty() {
        notes.push(format!("the Auto Scaling group {name} has no other zone: it launches nothing at all while it lasts"));
    } else if !zones.is_empty() {
        notes.push(format!("the Auto Scaling group {name} launches in {} only while it lasts", rest.join(", ")));
    }
    for process in ["Launch", "Terminate", "HealthCheck", "ReplaceUnhealthy", "AZRebalance", "AddToLoadBalancer"] {
        if group.suspended.contains(process) {
            notes.push(format!("{process} of the Auto Scaling group {name} is suspended already: that is left so"));
        }
    }
    notes
}

/// When a balancer ceases to look at health, and whether its nodes send to other zones.
async fn pool(reach: &Reach, region: &Region, arn: &str) -> Result<Option<String>, PlatformError> {
    let place: &Place = reach.connection.place(region)?;
    let name = pool_name(arn);
    let ask = place.balancing.describe_target_group_attributes().target_group_arn(arn);
    let answer = match place.calls.call(ATTRIBUTES, || ask.clone().send()).await {
        Ok(answer) => answer,
        Err(trouble) => return not_looked(trouble, &format!("when the balancer of the target group {name} fails open")),
    };
    let attributes: BTreeMap<String, String> =
        answer.attributes.unwrap_or_default().into_iter().filter_map(|a| Some((a.key?, a.value.unwrap_or_default()))).collect();
    let of = |key: &str| attributes.get(key).map(String::as_str).filter(|value| !value.is_empty() && *value != "off");
    let count = of("target_group_health.unhealthy_state_routing.minimum_healthy_targets.count").unwrap_or("1");
    let share = of("target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage");
    let fewer = share.map_or_else(|| format!("fewer than {count}"), |share| format!("fewer than {count} or {share} %"));
    let across = match of("load_balancing.cross_zone.enabled") {
        Some("false") => "; its nodes send to targets of their own zone only: a zone without targets loses what comes in there",
        _ => "",
    };
    Ok(Some(format!(
        "the target group {name} fails open with {fewer} healthy targets in a zone: then it sends to all of them, ill or not{across}"
    )))
}
