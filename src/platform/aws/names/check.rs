//! Health checks of Route 53, as far as a drill needs them. Every update names the version that it was made from, so that what somebody else
//! changed in between is refused by AWS itself.

use std::collections::BTreeMap;

use aws_sdk_route53::types::{HealthCheckType, Tag, TagResourceType};

use crate::platform::aws::{
    calls::{Action, Calls},
    trouble::{Trouble, short},
};

const GET: Action = Action::read("route53:GetHealthCheck");
const TAGS: Action = Action::read("route53:ListTagsForResource");
/// Done twice, it would be refused the second time: its version is another one by then.
const UPDATE: Action = Action::write_once("route53:UpdateHealthCheck");
const CHANGE_TAGS: Action = Action::write("route53:ChangeTagsForResource");

/// How often an update whose answer is lost, and that was not done, is asked for.
const TRIES: u32 = 4;

/// Route 53: one for all regions.
#[derive(Debug)]
pub(in crate::platform::aws) struct Names {
    pub(in crate::platform::aws) client: aws_sdk_route53::Client,
    pub(in crate::platform::aws) calls: Calls,
}

/// Whether a check looks at all, and whether what it finds is turned round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Setting {
    /// It does not look, and counts as healthy.
    pub(super) disabled: bool,
    /// What it finds (or counts as) is turned round.
    pub(super) inverted: bool,
}

/// The setting with which a check fails whatever its endpoint does.
pub(super) const FAILS: Setting = Setting { disabled: true, inverted: true };

impl std::fmt::Display for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let disabled = if self.disabled { "disabled" } else { "enabled" };
        let inverted = if self.inverted { "inverted" } else { "not inverted" };
        write!(f, "{disabled} and {inverted}")
    }
}

/// A health check as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check {
    /// Counts its updates.
    pub(super) version: i64,
    pub(super) setting: Setting,
    /// Whether a routing control of the Application Recovery Controller decides.
    pub(super) controlled: bool,
    /// The service of AWS that made it and keeps it, if one did.
    pub(super) keeper: Option<String>,
}

/// Reads one.
pub(super) async fn get(names: &Names, id: &str) -> Result<Check, Trouble> {
    let ask = names.client.get_health_check().health_check_id(id);
    let answer = names.calls.call(GET, || ask.clone().send()).await?;
    answer.health_check.and_then(read).ok_or_else(|| Trouble::Failed(format!("GetHealthCheck told nothing of {id}")))
}

fn read(found: aws_sdk_route53::types::HealthCheck) -> Option<Check> {
    let config = found.health_check_config?;
    let by = |service: aws_sdk_route53::types::LinkedService| service.service_principal.unwrap_or_else(|| "AWS".to_owned());
    Some(Check {
        version: found.health_check_version,
        setting: Setting { disabled: config.disabled.unwrap_or_default(), inverted: config.inverted.unwrap_or_default() },
        controlled: config.r#type == HealthCheckType::RecoveryControl,
        keeper: found.linked_service.map(|service| short(&by(service))),
    })
}

/// Gives it another setting, if it still has this version. After a lost answer the check itself tells what became of it.
///
/// # Errors
/// `Conflict` when somebody else has updated it: then nothing was done.
pub(super) async fn set(names: &Names, id: &str, version: i64, to: Setting) -> Result<(), Trouble> {
    let ask = names.client.update_health_check().health_check_id(id).health_check_version(version);
    let ask = ask.disabled(to.disabled).inverted(to.inverted);
    let mut lost = None;
    for _ in 0..TRIES {
        match names.calls.call(UPDATE, || ask.clone().send()).await {
            Ok(_) => return Ok(()),
            Err(trouble @ (Trouble::Lost(_) | Trouble::Failed(_))) => lost = Some(trouble),
            // An earlier try may have been done after all.
            Err(trouble @ Trouble::Conflict(_)) if lost.is_some() => lost = Some(trouble),
            Err(trouble) => return Err(trouble),
        }
        let now = get(names, id).await?;
        if now.version == version + 1 && now.setting == to {
            return Ok(());
        }
        if now.version != version {
            return Err(changed(id, &now, version));
        }
    }
    Err(lost.unwrap_or_else(|| Trouble::Failed(format!("the Route 53 health check {id} was not updated"))))
}

/// Somebody else has updated it.
pub(super) fn changed(id: &str, now: &Check, version: i64) -> Trouble {
    Trouble::Conflict(format!(
        "somebody else has updated the Route 53 health check {id}: it is {} now, in version {}, and was to be in version {version}",
        now.setting, now.version
    ))
}

/// The tags of a check.
pub(super) async fn tags(names: &Names, id: &str) -> Result<BTreeMap<String, String>, Trouble> {
    let ask = names.client.list_tags_for_resource().resource_type(TagResourceType::Healthcheck).resource_id(id);
    let answer = names.calls.call(TAGS, || ask.clone().send()).await?;
    let tags = answer.resource_tag_set.and_then(|set| set.tags).unwrap_or_default().into_iter();
    Ok(tags.filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default()))).collect())
}

/// Writes tags.
pub(super) async fn put_tags(names: &Names, id: &str, tags: &BTreeMap<String, String>) -> Result<(), Trouble> {
    let tags = tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
    let ask = names.client.change_tags_for_resource().resource_type(TagResourceType::Healthcheck).resource_id(id);
    let ask = ask.set_add_tags(Some(tags));
    names.calls.call(CHANGE_TAGS, || ask.clone().send()).await.map(drop)
}

/// Takes tags away.
pub(super) async fn clear_tags(names: &Names, id: &str, keys: Vec<String>) -> Result<(), Trouble> {
    let ask = names.client.change_tags_for_resource().resource_type(TagResourceType::Healthcheck).resource_id(id);
    let ask = ask.set_remove_tag_keys(Some(keys));
    names.calls.call(CHANGE_TAGS, || ask.clone().send()).await.map(drop)
}
