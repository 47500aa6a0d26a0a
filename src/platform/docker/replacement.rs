//! `suspend-replacement`: on an engine, what replaces the dead is each container's restart policy. It is off while the fault lasts, and
//! then as it was.

use std::{sync::Arc, time::Duration};

use bollard::models::{ContainerInspectResponse, ContainerUpdateBody, RestartPolicy, RestartPolicyNameEnum};
use futures_util::future::{join_all, try_join_all};
use serde::{Deserialize, Serialize};

use super::{
    deed::{answered, effect},
    engine::{Engine, Trouble},
    inventory::SWARM_TASK,
    sight::Looks,
};
use crate::{
    clock,
    model::{
        act::{Effect, EffectStatus, Group, Prepared},
        ids::InstanceId,
        instance::Instance,
        time::Bracket,
        undo::Undo,
    },
    platform::{PlatformError, Reverted},
};

/// The pause before a policy is set once more.
const AGAIN_AFTER: Duration = Duration::from_millis(200);
const LIMIT: Duration = Duration::from_secs(20);

/// What the suspension owes: `Undo::Restore::before` of an act on a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Owed {
    /// The containers that had a restart policy.
    policies: Vec<Before>,
}

/// A container's restart policy as it was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Before {
    /// The id of the engine.
    engine: String,
    container: InstanceId,
    name: String,
    /// Tells a container that was made again by an undo from one that somebody else made: an engine draws a new one for each.
    hostname: String,
    policy: Policy,
}

/// A restart policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Policy {
    name: String,
    /// How often at most, for `on-failure`; 0 is without end.
    times: i64,
}

impl Policy {
    fn of(now: &ContainerInspectResponse) -> Self {
        let told = now.host_config.as_ref().and_then(|host| host.restart_policy.as_ref());
        let name = told.and_then(|policy| policy.name).map(|name| name.to_string()).filter(|name| !name.is_empty());
        let times = told.and_then(|policy| policy.maximum_retry_count).unwrap_or(0);
        name.map_or_else(Self::off, |name| Self { name, times })
    }

    fn off() -> Self {
        Self { name: "no".to_owned(), times: 0 }
    }

    fn is_off(&self) -> bool {
        self.name == "no"
    }

    async fn set(&self, on: &Engine, container: &str, name: &str) -> Result<(), Trouble> {
        let said = self.name.parse::<RestartPolicyNameEnum>().map_err(|_| Trouble::Refused(format!("`{self}` is no restart policy")))?;
        let policy = RestartPolicy { name: Some(said), maximum_retry_count: Some(self.times) };
        let body = ContainerUpdateBody { restart_policy: Some(policy), ..ContainerUpdateBody::default() };
        let what = format!("the restart policy `{self}` of {name}");
        match on.call(&what, LIMIT, on.docker.update_container(container, body.clone())).await {
            // A container that ends or starts at this moment: the engine asked a helper of it that is just going. Setting it again is safe.
            Err(Trouble::Failed(says)) if says.contains("ttrpc: closed") => {
                tokio::time::sleep(AGAIN_AFTER).await;
                on.call(&what, LIMIT, on.docker.update_container(container, body)).await
            }
            other => other,
        }
    }
}

impl std::fmt::Display for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)?;
        if self.times > 0 { write!(f, ":{}", self.times) } else { Ok(()) }
    }
}

/// Whether a container is of a group, and may be touched.
pub(super) fn belongs(instance: &Instance, group: &Group) -> bool {
    let place = group.zone.as_ref().is_none_or(|zone| *zone == instance.zone)
        && group.region.as_ref().is_none_or(|region| *region == instance.region);
    let service = group.services.is_empty() || group.services.contains(&instance.service);
    place && service && !instance.protected() && instance.kept_out.is_none()
}

/// Reads the restart policies of a group's containers.
pub(super) async fn prepare(
    engines: &[Engine],
    looks: &Looks,
    members: &[(Instance, usize)],
    group: &Group,
) -> Result<Undo, PlatformError> {
    if let Some((task, _)) = members.iter().find(|(member, _)| member.labels.contains_key(SWARM_TASK)) {
        return Err(PlatformError::Refused(format!(
            "{} is a task of Swarm, which starts another for each that ends, whatever the container's restart policy: its replacement \
             cannot be suspended container by container",
            task.name
        )));
    }
    let found = try_join_all(members.iter().map(|(member, place)| read(&engines[*place], looks, member))).await?;
    let policies: Vec<Before> = found.into_iter().flatten().filter(|before| !before.policy.is_off()).collect();
    if policies.is_empty() {
        return Ok(Undo::Nothing { why: format!("no container of {group} has a restart policy") });
    }
    let listed: Vec<String> = policies.iter().map(|before| format!("{} ({})", before.name, before.policy)).collect();
    let says = format!("put the restart policies back: {}", listed.join(", "));
    match serde_json::to_value(Owed { policies }) {
        Ok(before) => Ok(Undo::restore(says, before)),
        Err(error) => Ok(Undo::Impossible { why: format!("the restart policies cannot be written down: {error}") }),
    }
}

/// One container's policy; none when it is gone meanwhile.
async fn read(engine: &Engine, looks: &Looks, member: &Instance) -> Result<Option<Before>, Trouble> {
    match looks.at(engine, &member.id).await {
        Ok((_, now)) => Ok(Some(Before {
            engine: engine.id.clone(),
            container: member.id.clone(),
            name: member.name.clone(),
            hostname: hostname(&now).to_owned(),
            policy: Policy::of(&now),
        })),
        Err(Trouble::Gone(_)) => Ok(None),
        Err(trouble) => Err(trouble),
    }
}

fn hostname(now: &ContainerInspectResponse) -> &str {
    now.config.as_ref().and_then(|config| config.hostname.as_deref()).unwrap_or_default()
}

fn owed(undo: &Undo) -> Result<Owed, PlatformError> {
    match undo {
        Undo::Restore { before, .. } => serde_json::from_value(before.clone())
            .map_err(|error| PlatformError::Refused(format!("the undo data is not this platform's: {error}"))),
        Undo::Nothing { .. } | Undo::Impossible { .. } => Ok(Owed { policies: Vec::new() }),
    }
}

fn engine_of<'a>(engines: &'a [Engine], before: &Before) -> Result<&'a Engine, PlatformError> {
    engines.iter().find(|engine| engine.id == before.engine).ok_or_else(|| {
        let here: Vec<String> = engines.iter().map(|engine| format!("{} at {}", engine.id, engine.endpoint.address)).collect();
        let (name, there) = (&before.name, &before.engine);
        PlatformError::Refused(format!("{name} is on the engine {there}, and connected is {}", here.join(" and ")))
    })
}

/// Switches the policies off. All are looked at before one is touched.
pub(super) async fn inject(engines: &[Engine], prepared: &Prepared) -> Effect {
    let requested = clock::now();
    let refused = |why: String| effect(prepared, requested, EffectStatus::Refused { why });
    let owed = match owed(&prepared.undo) {
        Ok(owed) => owed,
        Err(error) => return refused(error.to_string()),
    };
    let looked = join_all(owed.policies.iter().map(|before| async move {
        let engine = engine_of(engines, before).map_err(|error| Trouble::Refused(error.to_string()))?;
        match engine.inspect(before.container.as_str()).await {
            Ok(now) if Policy::of(&now).is_off() => Ok(None),
            Ok(now) if Policy::of(&now) == before.policy => Ok(Some(engine)),
            Ok(now) => Err(Trouble::Refused(format!(
                "the restart policy of {} is {} now, and was {} when it was prepared",
                before.name,
                Policy::of(&now),
                before.policy
            ))),
            // What is gone is replaced by no policy.
            Err(Trouble::Gone(_)) => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }))
    .await;
    let mut on = Vec::new();
    for (before, looked) in owed.policies.iter().zip(looked) {
        match looked {
            Ok(Some(engine)) => on.push((engine, before)),
            Ok(None) => {}
            Err(trouble) => return refused(trouble.to_string()),
        }
    }
    let done = join_all(on.into_iter().map(|(engine, before)| async move {
        match Policy::off().set(engine, before.container.as_str(), &before.name).await {
            Err(Trouble::Gone(_)) => Ok(()),
            // Not a refusal of the whole: others may be off by now.
            Err(Trouble::Refused(says) | Trouble::Conflict(says)) => Err(Trouble::Failed(says)),
            other => other,
        }
    }))
    .await;
    answered(prepared, requested, done.into_iter().collect())
}

/// Looks whether they are off.
pub(super) async fn verify(engines: &[Engine], prepared: &Prepared, mut effect: Effect) -> Effect {
    let looked = match owed(&prepared.undo) {
        Ok(owed) => {
            try_join_all(owed.policies.iter().map(|before| async move {
                match engine_of(engines, before)?.inspect(before.container.as_str()).await {
                    Ok(now) if !Policy::of(&now).is_off() => {
                        Err(PlatformError::Failed(format!("the restart policy of {} is {}", before.name, Policy::of(&now))))
                    }
                    Ok(_) | Err(Trouble::Gone(_)) => Ok(()),
                    Err(trouble) => Err(trouble.into()),
                }
            }))
            .await
        }
        Err(error) => Err(error),
    };
    match looked {
        Ok(_) => {
            effect.status = EffectStatus::Happened;
            effect.took_effect = Some(Bracket { after: effect.requested, by: effect.answered.unwrap_or_else(clock::now) });
            "HostConfig.RestartPolicy".clone_into(&mut effect.source);
        }
        Err(error) => {
            effect.status = EffectStatus::Unknown { why: error.to_string() };
            effect.took_effect = None;
        }
    }
    effect
}

/// Puts the policies back as they were. What somebody else set meanwhile is not overwritten, and said.
pub(super) async fn revert(engines: &[Engine], prepared: &Prepared) -> Result<Reverted, PlatformError> {
    let owed = owed(&prepared.undo)?;
    let all = join_all(owed.policies.iter().map(|before| back(engines, before))).await;
    let (mut done, mut trouble) = (Vec::new(), None::<PlatformError>);
    for (before, back) in owed.policies.iter().zip(all) {
        match back {
            Ok(true) => done.push(format!("{} {}", before.name, before.policy)),
            Ok(false) => {}
            // A refusal is final; anything else is worth another try first.
            Err(error) => {
                if matches!(trouble, None | Some(PlatformError::Refused(_))) {
                    trouble = Some(error);
                }
            }
        }
    }
    match trouble {
        Some(error) => Err(error),
        None if done.is_empty() => {
            Ok(Reverted::NothingToUndo { why: format!("the restart policies of {} are as they were", prepared.act.target.says()) })
        }
        None => Ok(Reverted::Restored { says: format!("put the restart policies back: {}", done.join(", ")) }),
    }
}

/// Whether something had to be done for one container.
async fn back(engines: &[Engine], before: &Before) -> Result<bool, PlatformError> {
    let engine = engine_of(engines, before)?;
    let now = match engine.inspect(before.container.as_str()).await {
        // Removed; an undo may have made it again, with the policy that it had at its end.
        Err(Trouble::Gone(_)) => match engine.inspect(&before.name).await {
            Ok(again) if hostname(&again) == before.hostname => again,
            Ok(_) | Err(Trouble::Gone(_)) => return Ok(false),
            Err(trouble) => return Err(trouble.into()),
        },
        other => other?,
    };
    let policy = Policy::of(&now);
    if policy == before.policy {
        return Ok(false);
    }
    if !policy.is_off() {
        return Err(PlatformError::Refused(format!(
            "the restart policy of {} was {}, and somebody else made it {policy} meanwhile: it is left so",
            before.name, before.policy
        )));
    }
    let id = now.id.as_deref().unwrap_or(before.container.as_str());
    match before.policy.set(engine, id, &before.name).await {
        Ok(()) => {}
        Err(Trouble::Gone(_)) => return Ok(false),
        Err(trouble) => return Err(trouble.into()),
    }
    match engine.inspect(id).await {
        Ok(now) if Policy::of(&now) == before.policy => Ok(true),
        Ok(now) => {
            Err(PlatformError::Failed(format!("the restart policy of {} is {}, not {}", before.name, Policy::of(&now), before.policy)))
        }
        Err(Trouble::Gone(_)) => Ok(false),
        Err(trouble) => Err(trouble.into()),
    }
}

/// The group of each place that victims stand in: an outage holds back whatever would be started there.
pub(super) fn places(victims: &[Arc<Instance>], group: &Group, whole_region: bool) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for victim in victims {
        let place = if whole_region {
            Group { zone: None, region: Some(victim.region.clone()), ..group.clone() }
        } else {
            Group { zone: Some(victim.zone.clone()), ..group.clone() }
        };
        if !groups.contains(&place) {
            groups.push(place);
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use bollard::models::HostConfig;

    use super::*;

    fn policy(name: RestartPolicyNameEnum, times: i64) -> Policy {
        let restart_policy = Some(RestartPolicy { name: Some(name), maximum_retry_count: Some(times) });
        Policy::of(&ContainerInspectResponse {
            host_config: Some(HostConfig { restart_policy, ..HostConfig::default() }),
            ..ContainerInspectResponse::default()
        })
    }

    #[test]
    fn a_policy_is_read_with_its_count() {
        assert_eq!(policy(RestartPolicyNameEnum::ON_FAILURE, 3).to_string(), "on-failure:3");
        assert_eq!(policy(RestartPolicyNameEnum::UNLESS_STOPPED, 0).to_string(), "unless-stopped");
        assert!(policy(RestartPolicyNameEnum::EMPTY, 0).is_off() && policy(RestartPolicyNameEnum::NO, 0).is_off());
        assert!(Policy::of(&ContainerInspectResponse::default()).is_off());
    }
}
