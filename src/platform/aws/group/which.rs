//! Which groups an act is about, and whether they may be touched.

use std::collections::BTreeSet;

use crate::{
    model::{
        act::Group,
        aws::AwsMembers,
        instance::{Instance, PROTECTED_TAG},
    },
    platform::{
        PlatformError,
        aws::{
            inventory::{Listed, protected},
            reach::Reach,
            world::AutoGroup,
        },
    },
};

/// The groups that launch instances for the services, in the place.
///
/// # Errors
/// When one of them may not be touched.
pub(super) fn affected<'a>(reach: &Reach, listed: &'a Listed, group: &Group) -> Result<Vec<&'a AutoGroup>, PlatformError> {
    let mut all = Vec::new();
    for (region, world) in &listed.worlds {
        if group.region.as_ref().is_some_and(|wanted| wanted != region) {
            continue;
        }
        for found in world.groups.values() {
            let members: Vec<&Instance> =
                listed.targets().filter(|i| i.region == *region && found.members.contains_key(i.id.as_str())).collect();
            let meant = |i: &&&Instance| group.services.is_empty() || group.services.contains(&i.service);
            let by_members = members.iter().any(|i| meant(&i));
            if !by_members && !named(reach, group, found) {
                continue;
            }
            if group.zone.as_ref().is_some_and(|zone| !found.zones.iter().any(|z| z == zone.as_str())) || found.status.is_some() {
                continue;
            }
            may_touch(reach, found, &members)?;
            all.push(found);
        }
    }
    Ok(all)
}

/// Whether the environment says that a service is made of the group: it may have no members now.
fn named(reach: &Reach, group: &Group, found: &AutoGroup) -> bool {
    let services = reach.spec.services.iter().filter(|(service, _)| group.services.is_empty() || group.services.contains(service));
    services.into_iter().any(|(_, members)| matches!(members, AwsMembers::Groups(names) if names.contains(&found.name)))
}

pub(super) fn may_touch(reach: &Reach, group: &AutoGroup, members: &[&Instance]) -> Result<(), PlatformError> {
    let name = &group.name;
    if protected(&group.tags) {
        return Err(PlatformError::Refused(format!("the Auto Scaling group {name} carries the tag {PROTECTED_TAG}=true")));
    }
    let Some(tag) = &reach.spec.opt_in else { return Ok(()) };
    if group.tags.get(&tag.key) == Some(&tag.value) {
        return Ok(());
    }
    // Instances that carry the tag themselves speak for a group that has none, when they are all of it.
    let carry: BTreeSet<&str> = members.iter().filter(|i| i.labels.get(&tag.key) == Some(&tag.value)).map(|i| i.id.as_str()).collect();
    if !group.members.is_empty() && group.members.keys().all(|id| carry.contains(id.as_str())) {
        return Ok(());
    }
    Err(PlatformError::Refused(format!(
        "the Auto Scaling group {name} does not carry the tag {tag}, which this environment asks for, and not all of its members do"
    )))
}
