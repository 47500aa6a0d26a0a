//! Which load balancers lead users into a zone of the services that an act is about, whose instances lose theirs, and whether the balancers
//! may be touched.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_elasticloadbalancingv2::types::TargetGroup;

use crate::{
    model::{
        act::Group,
        ids::Zone,
        instance::{Instance, PROTECTED_TAG},
    },
    platform::{
        PlatformError,
        aws::{
            calls::Action,
            connection::Place,
            inventory::{Listed, protected},
            reach::Reach,
            read::{self, DESCRIBE_POOLS},
            trouble::Trouble,
            world::{Pool, World, pool_name},
        },
    },
};

const ZONES: Action = Action::read("ec2:DescribeAvailabilityZones");
const TAGS: Action = Action::read("elasticloadbalancing:DescribeTags");
/// How many resources one call tells the tags of.
const TAGS_AT_ONCE: usize = 20;

/// What an act moves users away from.
pub(super) struct Moved<'a> {
    pub(super) place: &'a Place,
    pub(super) zone: Zone,
    /// The ARNs of the balancers.
    pub(super) balancers: Vec<String>,
    /// The instances in the zone that lose their users.
    pub(super) lose: usize,
    /// Those in the zone that no balancer leads anybody to.
    pub(super) alone: usize,
    /// Those that remain, by zone.
    pub(super) stay: BTreeMap<Zone, usize>,
}

impl<'a> Moved<'a> {
    /// Looks.
    ///
    /// # Errors
    /// When nobody leads users there, or somebody who may not be touched does.
    pub(super) async fn of(reach: &'a Reach, group: &Group) -> Result<Self, PlatformError> {
        let (Some(zone), Some(region)) = (&group.zone, &group.region) else {
            return Err(PlatformError::Refused("a zonal shift is away from one zone of one region".to_owned()));
        };
        let place = reach.connection.place(region)?;
        let listed = reach.all().await?;
        let world = listed.worlds.get(region).ok_or_else(|| PlatformError::Refused(format!("nothing is listed in {region}")))?;
        let meant = |i: &&Instance| i.region == *region && (group.services.is_empty() || group.services.contains(&i.service));
        let meant: Vec<&Instance> =
            listed.targets().filter(meant).filter(|i| world.machines.contains_key(i.id.as_str()) && i.serving()).collect();
        let (there, elsewhere): (Vec<&Instance>, Vec<&Instance>) = meant.into_iter().partition(|i| i.zone == *zone);
        let pools: Vec<&Pool> = world.pools.values().filter(|pool| there.iter().any(|i| has(pool, world, i))).collect();
        let behind = |i: &&&Instance| pools.iter().any(|pool| has(pool, world, i));
        let lose = there.iter().filter(behind).count();
        let arns: Vec<String> = pools.iter().map(|pool| pool.arn.clone()).collect();
        let found = if arns.is_empty() { Vec::new() } else { groups_of(place, Some(arns), None).await? };
        let balancers: BTreeSet<String> = found.into_iter().flat_map(|pool| pool.load_balancer_arns.unwrap_or_default()).collect();
        if balancers.is_empty() {
            return Err(PlatformError::Refused(format!(
                "no load balancer is known that sends users to the {} of {group}: there is nothing to shift",
                if there.len() == 1 { "instance".to_owned() } else { format!("{} instances", there.len()) }
            )));
        }
        let balancers: Vec<String> = balancers.into_iter().collect();
        may_touch(reach, place, &balancers).await?;
        for arn in &balancers {
            only_victims(&listed, world, place, arn, zone, &there).await?;
        }
        let mut stay: BTreeMap<Zone, usize> = BTreeMap::new();
        for instance in elsewhere.iter().filter(behind) {
            *stay.entry(instance.zone.clone()).or_default() += 1;
        }
        Ok(Self { place, zone: zone.clone(), balancers, lose, alone: there.len() - lose, stay })
    }
}

/// The name in a load balancer's ARN.
pub(super) fn balancer_name(arn: &str) -> &str {
    arn.rsplit_once(":loadbalancer/").and_then(|(_, rest)| rest.split('/').nth(1)).unwrap_or(arn)
}

/// The id that AWS has for a zone, whatever the account calls it.
pub(super) async fn zone_ids(place: &Place) -> Result<BTreeMap<Zone, String>, Trouble> {
    let ask = place.ec2.describe_availability_zones();
    let answer = place.calls.call(ZONES, || ask.clone().send()).await?;
    let zones = answer.availability_zones.unwrap_or_default().into_iter();
    Ok(zones.filter_map(|zone| Some((Zone(zone.zone_name?), zone.zone_id?))).collect())
}

fn has(pool: &Pool, world: &World, instance: &Instance) -> bool {
    let address = world.machines.get(instance.id.as_str()).and_then(|machine| machine.address.as_ref());
    pool.targets.iter().any(|target| target.id == instance.id.as_str() || Some(&target.id) == address)
}

/// Target groups: these, or those that a balancer sends to.
async fn groups_of(place: &Place, arns: Option<Vec<String>>, balancer: Option<&str>) -> Result<Vec<TargetGroup>, Trouble> {
    let ask = place.balancing.describe_target_groups().set_target_group_arns(arns).set_load_balancer_arn(balancer.map(str::to_owned));
    let (mut all, mut marker) = (Vec::new(), None);
    for _ in 0..read::MOST_PAGES {
        let ask = ask.clone().set_marker(marker);
        let page = place.calls.call(DESCRIBE_POOLS, || ask.clone().send()).await?;
        all.extend(page.target_groups.unwrap_or_default());
        marker = page.next_marker.filter(|marker| !marker.is_empty());
        if marker.is_none() {
            return Ok(all);
        }
    }
    Err(read::too_many("target groups"))
}

/// Whether the balancers may be touched at all.
async fn may_touch(reach: &Reach, place: &Place, arns: &[String]) -> Result<(), PlatformError> {
    let mut tags: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for part in arns.chunks(TAGS_AT_ONCE) {
        let ask = place.balancing.describe_tags().set_resource_arns(Some(part.to_vec()));
        let answer = place.calls.call(TAGS, || ask.clone().send()).await?;
        for found in answer.tag_descriptions.unwrap_or_default() {
            let of = found.tags.unwrap_or_default().into_iter().filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default()))).collect();
            tags.insert(found.resource_arn.unwrap_or_default(), of);
        }
    }
    for arn in arns {
        let name = balancer_name(arn);
        let tags = tags.remove(arn).unwrap_or_default();
        if protected(&tags) {
            return Err(PlatformError::Refused(format!("the load balancer {name} carries the tag {PROTECTED_TAG}=true")));
        }
        if let Some(tag) = reach.spec.opt_in.as_ref().filter(|tag| tags.get(&tag.key) != Some(&tag.value)) {
            return Err(PlatformError::Refused(format!(
                "the load balancer {name} does not carry the tag {tag}, which this environment asks for"
            )));
        }
    }
    Ok(())
}

/// A shift moves everybody whom the balancer sends into the zone: refuses when some of that is no target of this step.
async fn only_victims(
    listed: &Listed,
    world: &World,
    place: &Place,
    balancer: &str,
    zone: &Zone,
    victims: &[&Instance],
) -> Result<(), PlatformError> {
    let spared =
        |i: &Instance| i.kept_out.clone().or_else(|| protected(&i.labels).then(|| format!("it carries the tag {PROTECTED_TAG}=true")));
    let allowed: BTreeSet<&str> = victims.iter().filter(|i| spared(i).is_none()).map(|i| i.id.as_str()).collect();
    let name = balancer_name(balancer);
    for pool in groups_of(place, None, Some(balancer)).await? {
        let arn = pool.target_group_arn.unwrap_or_default();
        let pool = match world.pools.get(&arn) {
            Some(pool) => pool.clone(),
            None => read::pool(place, &arn).await?,
        };
        let ids: BTreeSet<&str> = pool.targets.iter().map(|target| target.id.as_str()).collect();
        let unknown = ids.iter().copied().filter(|id| id.starts_with("i-") && !world.machines.contains_key(*id));
        let others = read::machines_by_id(place, unknown).await?;
        for id in ids {
            let by_address = || world.machines.values().find(|machine| machine.address.as_deref() == Some(id));
            let Some(machine) = world.machines.get(id).or_else(|| others.get(id)).or_else(by_address) else {
                return Err(PlatformError::Refused(format!(
                    "the load balancer {name} sends users to {id} too (target group {}), and it cannot be told whose that is",
                    pool_name(&arn)
                )));
            };
            if machine.zone != zone.as_str() || machine.state.ended() || allowed.contains(machine.id.as_str()) {
                continue;
            }
            let listed = listed.targets().find(|i| i.id.as_str() == machine.id);
            // One that does not serve has no users to lose.
            if listed.is_some_and(|i| !i.serving() && spared(i).is_none()) {
                continue;
            }
            let why = listed.and_then(spared).map(|why| format!(" ({why})")).unwrap_or_default();
            return Err(PlatformError::Refused(format!(
                "the load balancer {name} sends users in {zone} to {} too (target group {}), which is no target of this step{why}",
                machine.id,
                pool_name(&arn)
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_balancers_name_is_in_its_arn() {
        assert_eq!(balancer_name("arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/shop/0123456789abcdef"), "shop");
        assert_eq!(balancer_name("shop"), "shop");
    }
}
