//! The calls that read: pages are put together, and the SDK's types become ours. Whatever is listed has a bound.

use std::{collections::BTreeMap, sync::Arc};

use aws_sdk_autoscaling::operation::describe_auto_scaling_groups::builders::DescribeAutoScalingGroupsFluentBuilder;
use aws_sdk_ec2::types::Filter;
use futures_util::future::try_join_all;

use super::{
    answer::{Groups, Instances, Interfaces, Known, Named, Taken},
    calls::Action,
    connection::Place,
    inventory::Listed,
    mark::MARK,
    trouble::Trouble,
    world::{AutoGroup, Machine, Machines, Pool, PoolTarget, pool_name},
};

pub(super) const DESCRIBE_INSTANCES: Action = Action::read("ec2:DescribeInstances");
const DESCRIBE_INTERFACES: Action = Action::read("ec2:DescribeNetworkInterfaces");
pub(super) const DESCRIBE_GROUPS: Action = Action::read("autoscaling:DescribeAutoScalingGroups");
pub(super) const DESCRIBE_POOLS: Action = Action::read("elasticloadbalancing:DescribeTargetGroups");
pub(super) const DESCRIBE_HEALTH: Action = Action::read("elasticloadbalancing:DescribeTargetHealth");

/// Instances on a page, or interfaces.
const PAGE: i32 = 1000;
/// Groups on a page.
const GROUP_PAGE: usize = 50;
/// The most values that one filter may have.
pub(super) const FILTER_VALUES: usize = 200;
/// The most pages that are read of anything: 100,000 instances.
pub(super) const MOST_PAGES: usize = 100;

/// A filter of EC2.
pub(super) fn filter(name: &str, values: impl IntoIterator<Item = impl Into<String>>) -> Filter {
    Filter::builder().name(name).set_values(Some(values.into_iter().map(Into::into).collect())).build()
}

pub(super) fn too_many(what: &str) -> Trouble {
    Trouble::Refused(format!("there are more {what} than this tool reads ({MOST_PAGES} pages): narrow the environment"))
}

/// The instances that all filters let through.
pub(super) async fn machines(place: &Place, filters: Vec<Filter>) -> Result<Machines, Trouble> {
    pages_of_machines(place, filters, None, &mut Known::default()).await
}

/// The same of an environment's whole list: those that are as a look before has them are that look's, and those that the list before tells with the same
/// bytes are not read.
pub(super) async fn machines_after(place: &Place, filters: Vec<Filter>, before: Option<&Arc<Listed>>) -> Result<Machines, Trouble> {
    let mut known = Known::after(place.instances.get());
    let all = pages_of_machines(place, filters, before, &mut known).await?;
    place.instances.put(known);
    Ok(all)
}

async fn pages_of_machines(
    place: &Place,
    filters: Vec<Filter>,
    before: Option<&Arc<Listed>>,
    known: &mut Known<Arc<Machine>>,
) -> Result<Machines, Trouble> {
    let mut all = Machines::new();
    let mut token: Option<String> = None;
    for _ in 0..MOST_PAGES {
        let ask = place.ec2.describe_instances().set_filters(Some(filters.clone())).max_results(PAGE).set_next_token(token);
        let before = before.map(|before| (Arc::clone(before), place.region.clone()));
        let page = Taken::into(Instances::after(before, known.page()));
        place.calls.call(DESCRIBE_INSTANCES, || ask.clone().customize().interceptor(page.clone()).send()).await?;
        let told = page.told();
        known.extend(told.known);
        all.extend(told.machines.into_iter().map(|machine| (machine.id.clone(), machine)));
        token = told.next;
        if token.is_none() {
            return Ok(all);
        }
    }
    Err(too_many("instances"))
}

/// These instances, as far as EC2 knows them. Unlike a list of ids, a filter does not fail for one that is gone.
pub(super) async fn machines_by_id<'a>(place: &Place, ids: impl IntoIterator<Item = &'a str>) -> Result<Machines, Trouble> {
    machines_of(place, ids, &[]).await
}

/// Those of these instances that further filters let through.
pub(super) async fn machines_of<'a>(
    place: &Place,
    ids: impl IntoIterator<Item = &'a str>,
    further: &[Filter],
) -> Result<Machines, Trouble> {
    let ids: Vec<&str> = ids.into_iter().collect();
    let parts = ids.chunks(FILTER_VALUES).map(|part| {
        let mut filters = vec![filter("instance-id", part.iter().copied())];
        filters.extend_from_slice(further);
        machines(place, filters)
    });
    Ok(try_join_all(parts).await?.into_iter().flatten().collect())
}

/// The network interfaces in a subnet that are no instance's: how many there are of each kind.
pub(super) async fn interfaces(place: &Place, subnet: &str) -> Result<BTreeMap<String, usize>, Trouble> {
    let mut all = BTreeMap::new();
    let mut token: Option<String> = None;
    for _ in 0..MOST_PAGES {
        let ask = place.ec2.describe_network_interfaces().filters(filter("subnet-id", [subnet])).max_results(PAGE).set_next_token(token);
        let page = Taken::into(Interfaces::default());
        place.calls.call(DESCRIBE_INTERFACES, || ask.clone().customize().interceptor(page.clone()).send()).await?;
        let told = page.told();
        for (kind, number) in told.others {
            *all.entry(kind).or_default() += number;
        }
        token = told.next;
        if token.is_none() {
            return Ok(all);
        }
    }
    Err(too_many("network interfaces"))
}

/// The Auto Scaling groups of these names; all of the region when none is named. Members that the list before tells with the same bytes are not read.
pub(super) async fn groups(place: &Place, names: &[String]) -> Result<BTreeMap<String, AutoGroup>, Trouble> {
    let ask =
        |names: Option<&[String]>| place.scaling.describe_auto_scaling_groups().set_auto_scaling_group_names(names.map(<[_]>::to_vec));
    if names.len() > GROUP_PAGE {
        let parts = names.chunks(GROUP_PAGE).map(|part| async { pages_of_groups(place, ask(Some(part)), &mut Known::default()).await });
        return Ok(try_join_all(parts).await?.into_iter().flatten().collect());
    }
    let mut known = Known::after(place.members.get());
    let all = pages_of_groups(place, ask(Some(names).filter(|names| !names.is_empty())), &mut known).await?;
    place.members.put(known);
    Ok(all)
}

/// The groups that carry a mark of ours.
pub(super) async fn marked_groups(place: &Place) -> Result<BTreeMap<String, AutoGroup>, Trouble> {
    let marked = aws_sdk_autoscaling::types::Filter::builder().name("tag-key").values(MARK).build();
    pages_of_groups(place, place.scaling.describe_auto_scaling_groups().filters(marked), &mut Known::default()).await
}

async fn pages_of_groups(
    place: &Place,
    ask: DescribeAutoScalingGroupsFluentBuilder,
    known: &mut Known<Arc<Named>>,
) -> Result<BTreeMap<String, AutoGroup>, Trouble> {
    let mut all = BTreeMap::new();
    let mut token: Option<String> = None;
    for _ in 0..MOST_PAGES {
        let ask = ask.clone().max_records(100).set_next_token(token);
        let page = Taken::into(Groups::of(&place.region, known.page()));
        place.calls.call(DESCRIBE_GROUPS, || ask.clone().customize().interceptor(page.clone()).send()).await?;
        let told = page.told();
        known.extend(told.known);
        all.extend(told.all.into_iter().map(|group| (group.name.clone(), group)));
        token = told.next;
        if token.is_none() {
            return Ok(all);
        }
    }
    Err(too_many("Auto Scaling groups"))
}

/// The ARNs of target groups by their names.
pub(super) async fn pool_arns(place: &Place, names: &[String]) -> Result<Vec<String>, Trouble> {
    let ask = place.balancing.describe_target_groups().set_names(Some(names.to_vec()));
    let page = place.calls.call(DESCRIBE_POOLS, || ask.clone().send()).await?;
    Ok(page.target_groups.unwrap_or_default().into_iter().filter_map(|pool| pool.target_group_arn).collect())
}

/// What the balancers say of the targets of these target groups: one call each.
pub(super) async fn pools(place: &Place, arns: &[String]) -> Result<BTreeMap<String, Pool>, Trouble> {
    let all = try_join_all(arns.iter().map(|arn| pool(place, arn))).await?;
    Ok(all.into_iter().map(|pool| (pool.arn.clone(), pool)).collect())
}

/// The same of one.
pub(super) async fn pool(place: &Place, arn: &str) -> Result<Pool, Trouble> {
    let ask = place.balancing.describe_target_health().target_group_arn(arn);
    let answer = place.calls.call(DESCRIBE_HEALTH, || ask.clone().send()).await?;
    let targets = answer.target_health_descriptions.unwrap_or_default().into_iter().filter_map(|found| {
        let target = found.target?;
        let health = found.target_health;
        Some(PoolTarget {
            id: target.id?,
            port: target.port.and_then(|port| u16::try_from(port).ok()),
            state: health.as_ref().and_then(|h| h.state.as_ref()).map_or("", |state| state.as_str()).to_owned(),
            reason: health.and_then(|h| h.description.or_else(|| h.reason.map(|reason| reason.as_str().to_owned()))).unwrap_or_default(),
        })
    });
    Ok(Pool { arn: arn.to_owned(), name: pool_name(arn).to_owned(), targets: targets.collect() })
}
