//! Which service an instance belongs to: what the environment says, else its Elastic Beanstalk environment, else its Auto Scaling group.

use std::collections::BTreeSet;

use super::{
    store::Kind,
    world::{AutoGroup, BEANSTALK_TAG, Machine, World},
};
use crate::{
    model::{
        aws::{AwsMembers, AwsSpec},
        ids::Service,
    },
    platform::PlatformError,
};

/// The service of an instance; none when the environment names services and it is of none of them.
///
/// # Errors
/// When it is of two: then the caps of neither could be trusted.
pub(super) fn service_of(
    spec: &AwsSpec,
    world: &World,
    machine: &Machine,
    group: Option<&AutoGroup>,
) -> Result<Option<Service>, PlatformError> {
    if spec.services.is_empty() {
        return Ok(Some(by_itself(spec, machine, group)));
    }
    let mut of: Vec<&Service> = Vec::new();
    for (service, members) in &spec.services {
        if belongs(members, world, machine, group) {
            of.push(service);
        }
    }
    match of[..] {
        [] => Ok(None),
        [one] => Ok(Some(one.clone())),
        [first, second, ..] => Err(PlatformError::Unavailable(format!(
            "the instance {} belongs to the service {first} and to {second}: the environment must say which",
            machine.id
        ))),
    }
}

fn belongs(members: &AwsMembers, world: &World, machine: &Machine, group: Option<&AutoGroup>) -> bool {
    match members {
        AwsMembers::Groups(names) => group.is_some_and(|group| names.contains(&group.name)),
        AwsMembers::TargetGroups(names) => {
            let mut pools = world.pools.values().filter(|pool| names.contains(&pool.name));
            pools.any(|pool| pool.targets.iter().any(|target| target.id == machine.id || Some(&target.id) == machine.address.as_ref()))
        }
        AwsMembers::Beanstalk(names) => machine.tags.get(BEANSTALK_TAG).is_some_and(|name| names.contains(name)),
        AwsMembers::Tags(tags) => tags.iter().all(|(key, value)| machine.tags.get(key) == Some(value)),
        AwsMembers::Vpc(vpc) => machine.vpc.as_ref() == Some(vpc),
        AwsMembers::Databases(_) | AwsMembers::Clusters(_) | AwsMembers::Caches(_) => false,
        AwsMembers::Ids(ids) => ids.iter().any(|id| id.as_str() == machine.id),
    }
}

/// The service that a managed store is a part of; only those that the environment names are listed.
pub(super) fn service_of_store(spec: &AwsSpec, kind: &Kind) -> Option<Service> {
    let is = |members: &AwsMembers| match (members, kind) {
        (AwsMembers::Databases(names), Kind::Database(_))
        | (AwsMembers::Clusters(names), Kind::Cluster(_))
        | (AwsMembers::Caches(names), Kind::Cache { .. }) => names.iter().any(|name| name == kind.name()),
        _ => false,
    };
    spec.services.iter().find(|(_, members)| is(members)).map(|(service, _)| service.clone())
}

fn by_itself(spec: &AwsSpec, machine: &Machine, group: Option<&AutoGroup>) -> Service {
    let tag = |key: &str| machine.tags.get(key).filter(|value| !value.is_empty());
    if let Some(named) = spec.service_tag.as_deref().and_then(tag) {
        return named.as_str().into();
    }
    if let Some(environment) = tag(BEANSTALK_TAG) {
        return environment.as_str().into();
    }
    match group {
        Some(group) => group.name.as_str().into(),
        None => tag("Name").map_or(machine.id.as_str(), String::as_str).into(),
    }
}

/// What must be asked of AWS by name, because a service is made of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    /// Auto Scaling groups.
    pub(super) groups: BTreeSet<String>,
    /// Target groups.
    pub(super) pools: BTreeSet<String>,
    /// Managed stores.
    pub(super) stores: BTreeSet<String>,
}

impl Named {
    pub(super) fn of(spec: &AwsSpec) -> Self {
        let mut named = Self { groups: spec.groups.iter().cloned().collect(), ..Self::default() };
        for members in spec.services.values() {
            match members {
                AwsMembers::Groups(names) => named.groups.extend(names.iter().cloned()),
                AwsMembers::TargetGroups(names) => named.pools.extend(names.iter().cloned()),
                AwsMembers::Databases(names) | AwsMembers::Clusters(names) | AwsMembers::Caches(names) => {
                    named.stores.extend(names.iter().cloned());
                }
                _ => {}
            }
        }
        named
    }
}
