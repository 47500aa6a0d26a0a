//! `suspend-replacement` on a group that has tasks of Swarm: the nodes of its place take no new tasks while it lasts. Containers of the
//! group that are no tasks are held back by their restart policies, as anywhere.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::{join_all, try_join_all};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    NODE_ID, manager,
    node::{self, HELD, Node},
    place::Swarm,
    service::{self, Mode, Ran},
};
use crate::{
    clock,
    model::{
        act::{Act, Effect, EffectStatus, Group, Prepared, Target},
        fault::Fault,
        ids::{ActId, RunId},
        instance::Instance,
        time::Bracket,
        undo::Undo,
    },
    platform::{
        Orphan, PlatformError, Reverted,
        docker::{
            deed::{answered, effect},
            engine::{Engine, Trouble},
            inventory::{SWARM_TASK, Scan},
            mark::{self, Mark},
            replacement,
            sight::{Listed, Looks},
        },
    },
};

/// The availability of the nodes that are held back; others take no tasks anyway.
const ACTIVE: &str = "active";

/// Stands for the run in the mark of an act that belongs to none.
const NO_RUN: &str = "-";

/// What such a suspension owes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Owed {
    /// The nodes that took tasks.
    nodes: Vec<node::Before>,
    /// The services of the group, as they ran.
    services: Vec<Ran>,
    /// What the containers that are no tasks owe, in the words of their own suspension.
    #[serde(skip_serializing_if = "Option::is_none")]
    containers: Option<Value>,
}

/// What of an undo is Swarm's; none when nothing is.
fn owed(undo: &Undo) -> Result<Option<Owed>, PlatformError> {
    match undo {
        Undo::Restore { before, .. } if before.get("nodes").is_some() => {
            let read = serde_json::from_value(before.clone());
            read.map(Some).map_err(|error| PlatformError::Refused(format!("the undo data is not this platform's: {error}")))
        }
        _ => Ok(None),
    }
}

/// The act on the containers that are no tasks.
fn rest(prepared: &Prepared, owed: &Owed) -> Option<Prepared> {
    let undo = Undo::restore(prepared.undo.says(), owed.containers.clone()?);
    Some(Prepared { undo, ..prepared.clone() })
}

/// Reads what holds the group's replacements back, and how it is now.
pub(in crate::platform::docker) async fn prepare(
    scan: &Scan<'_>,
    (found, swarm): &Listed,
    looks: &Looks,
    group: &Group,
    run: Option<&RunId>,
) -> Result<Undo, PlatformError> {
    let of_swarm = |one: &Instance| one.labels.contains_key(SWARM_TASK);
    let members = found.iter().filter(|(one, _)| replacement::belongs(one, group)).cloned();
    let (tasks, others): (Vec<_>, Vec<_>) = members.partition(|(one, _)| of_swarm(one));
    if tasks.is_empty() && scan.spec.stack.is_none() {
        return replacement::prepare(scan.engines, looks, &others, group).await;
    }
    if swarm.nodes().next().is_none() {
        let who = tasks.first().map_or_else(|| group.to_string(), |(task, _)| task.name.clone());
        return Err(PlatformError::Refused(format!(
            "{who} is of Swarm, where nodes are held back from new tasks, and only a manager does that: none of the hosts is one; add a \
             manager to `hosts:`"
        )));
    }
    let chosen = chosen(scan, swarm, group, &tasks, found)?;
    let services = services(scan.engines, swarm, &tasks, &chosen).await?;
    let (nodes, closed) = to_hold(&chosen, run)?;
    let containers = if others.is_empty() {
        Undo::Nothing { why: String::new() }
    } else {
        replacement::prepare(scan.engines, looks, &others, group).await?
    };
    if nodes.is_empty() {
        return Ok(match containers {
            restore @ Undo::Restore { .. } => restore,
            _ if closed.is_empty() => Undo::Nothing { why: format!("the swarm has no node for {group}") },
            _ => Undo::Nothing { why: format!("no node of {group} takes new tasks now: {}", closed.join(", ")) },
        });
    }
    let held: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
    let mut says = format!("make the nodes {} `active` again and wait for their tasks", held.join(", "));
    let containers = match containers {
        Undo::Restore { says: more, before, .. } => {
            says = format!("{says}; {more}");
            Some(before)
        }
        _ => None,
    };
    match serde_json::to_value(Owed { nodes, services, containers }) {
        Ok(before) => Ok(Undo::restore(says, before)),
        Err(error) => Ok(Undo::Impossible { why: format!("the nodes cannot be written down: {error}") }),
    }
}

/// The nodes of the group's place: by their own zone and region, and those that its tasks are on.
fn chosen<'s>(
    scan: &Scan<'_>,
    swarm: &'s Swarm,
    group: &Group,
    tasks: &[(Instance, usize)],
    found: &[(Instance, usize)],
) -> Result<Vec<&'s Node>, PlatformError> {
    let under: BTreeSet<&str> = tasks.iter().filter_map(|(task, _)| task.labels.get(NODE_ID).map(String::as_str)).collect();
    let mut chosen = Vec::new();
    for (node, host) in swarm.nodes() {
        let (zone, region) = scan.place_of(node, host);
        let fits = group.zone.as_ref().is_none_or(|wanted| zone.as_ref() == Some(wanted))
            && group.region.as_ref().is_none_or(|wanted| region.as_ref() == Some(wanted));
        if !fits && !under.contains(node.id.as_str()) {
            continue;
        }
        let elsewhere = found.iter().map(|(one, _)| one).find(|one| {
            let other_zone = group.zone.as_ref().is_some_and(|zone| *zone != one.zone);
            let other_region = group.region.as_ref().is_some_and(|region| *region != one.region);
            one.labels.get(NODE_ID) == Some(&node.id) && (other_zone || other_region)
        });
        if let Some(other) = elsewhere {
            return Err(PlatformError::Refused(format!(
                "the node {} holds {} of zone {} (region {}), too: what holds {group} back would hold that one back as well; on Swarm a node \
                 must be of one zone",
                node.says(),
                other.name,
                other.zone,
                other.region
            )));
        }
        chosen.push(node);
    }
    Ok(chosen)
}

/// The services of the tasks, as they run now. None of their tasks may be on its way to a node that is to be held: it would start there
/// in the middle of the fault.
async fn services(engines: &[Engine], swarm: &Swarm, tasks: &[(Instance, usize)], chosen: &[&Node]) -> Result<Vec<Ran>, PlatformError> {
    let services: BTreeMap<&str, &service::Service> =
        tasks.iter().filter_map(|(task, _)| swarm.service_of(&task.labels)).map(|service| (service.id.as_str(), service)).collect();
    let managers = manager::managers(engines).await?;
    let mut ran = Vec::new();
    for service in services.values().filter(|service| service.mode != Mode::Job) {
        let manager = match managers.as_slice() {
            [only] => only,
            _ => service::find(engines, &service.id).await?.0,
        };
        let all = service::tasks(manager, &service.id).await?;
        if let Some(begins) = all.iter().find(|task| task.begins() && chosen.iter().any(|node| node.id == task.node)) {
            return Err(PlatformError::Refused(format!(
                "a task of {} is on its way to one of the nodes ({} now), and would start in the middle of the fault; try again when it runs",
                service.name, begins.state
            )));
        }
        // One that Swarm does not replace is not waited for.
        if service.replaces {
            let running = all.iter().filter(|task| task.runs()).count();
            let tasks = u32::try_from(running).unwrap_or(u32::MAX);
            ran.push(Ran { service: service.id.clone(), name: service.name.clone(), tasks });
        }
    }
    Ok(ran)
}

/// What is to be held, and in words what takes no tasks anyway.
fn to_hold(chosen: &[&Node], run: Option<&RunId>) -> Result<(Vec<node::Before>, Vec<String>), PlatformError> {
    let (mut nodes, mut closed) = (Vec::new(), Vec::new());
    for node in chosen {
        let ours = |by: &str| run.is_some_and(|run| by.split_once('/').is_some_and(|(whose, _)| whose == run.as_str()));
        match node.label(HELD) {
            Some(by) if ours(by) => closed.push(format!("{} is held back already", node.says())),
            Some(by) => {
                return Err(PlatformError::Refused(format!(
                    "the node {} is held back by another run ({by}): recover that one first. If it is lost: `docker node update \
                     --availability active --label-rm {HELD} {}`",
                    node.says(),
                    node.id
                )));
            }
            None if node.availability() == ACTIVE => {
                let mark = format!("{}/{}", run.map_or(NO_RUN, RunId::as_str), mark::fresh()?);
                let availability = node.availability().to_owned();
                nodes.push(node::Before { node: node.id.clone(), name: node.says(), availability, mark });
            }
            None => closed.push(format!("{} is `{}`", node.says(), node.availability())),
        }
    }
    Ok((nodes, closed))
}

/// The nodes that runs which are gone hold back. How the services of their tasks ran then, nobody tells any more: they are not waited for.
pub(in crate::platform::docker) fn left_behind(scan: &Scan<'_>, swarm: &Swarm) -> Vec<Orphan> {
    let mut orphans = Vec::new();
    for (node, host) in swarm.nodes() {
        let Some(held) = node.label(HELD) else { continue };
        let Some((run, mark)) = held.split_once('/') else { continue };
        if !Mark::read(mark).is_some_and(Mark::left_behind) {
            continue;
        }
        let before = node::Before { node: node.id.clone(), name: node.says(), availability: ACTIVE.to_owned(), mark: held.to_owned() };
        let says = format!("make the node {} `{ACTIVE}` again", before.name);
        let Ok(owed) = serde_json::to_value(Owed { nodes: vec![before], services: Vec::new(), containers: None }) else { continue };
        let (zone, _) = scan.place_of(node, host);
        let id = ActId { step: 0, act: u32::try_from(orphans.len()).unwrap_or(u32::MAX) };
        let act = Act { id, fault: Fault::SuspendReplacement, target: Target::Group(Group { zone, ..Group::default() }) };
        let run = (run != NO_RUN).then(|| RunId::from(run));
        orphans.push(Orphan { run, prepared: Prepared { act, undo: Undo::restore(says, owed) } });
    }
    orphans
}

/// Holds the nodes back. All are looked at before one is touched.
pub(in crate::platform::docker) async fn inject(engines: &[Engine], prepared: &Prepared) -> Effect {
    let requested = clock::now();
    let owed = match owed(&prepared.undo) {
        Ok(Some(owed)) => owed,
        Ok(None) => return replacement::inject(engines, prepared).await,
        Err(error) => return effect(prepared, requested, EffectStatus::Refused { why: error.to_string() }),
    };
    if let Err(trouble) = try_join_all(owed.nodes.iter().map(|node| node.can_hold(engines))).await {
        return effect(prepared, requested, EffectStatus::Refused { why: trouble.to_string() });
    }
    let done = join_all(owed.nodes.iter().map(|node| node.start(engines))).await.into_iter().map(|done| match done {
        // Not a refusal of the whole: others may be held by now.
        Err(Trouble::Refused(says) | Trouble::Conflict(says) | Trouble::Gone(says)) => Err(Trouble::Failed(says)),
        other => other,
    });
    let mut held = answered(prepared, requested, done.collect());
    if held.status.happened()
        && let Some(rest) = rest(prepared, &owed)
    {
        let more = replacement::inject(engines, &rest).await;
        held.answered = more.answered;
        match more.status {
            EffectStatus::Happened => {}
            EffectStatus::Refused { why } | EffectStatus::Vanished { found: why } => held.status = EffectStatus::Failed { why },
            status => held.status = status,
        }
    }
    held
}

/// Looks whether they are held.
pub(in crate::platform::docker) async fn verify(engines: &[Engine], prepared: &Prepared, mut effect: Effect) -> Effect {
    let Ok(Some(owed)) = owed(&prepared.undo) else { return replacement::verify(engines, prepared, effect).await };
    if let Err(error) = try_join_all(owed.nodes.iter().map(|node| node.held(engines))).await {
        effect.status = EffectStatus::Unknown { why: error.to_string() };
        effect.took_effect = None;
        return effect;
    }
    if let Some(rest) = rest(prepared, &owed) {
        effect = replacement::verify(engines, &rest, effect).await;
        if !effect.status.happened() {
            return effect;
        }
    }
    effect.status = EffectStatus::Happened;
    effect.took_effect = Some(Bracket { after: effect.requested, by: effect.answered.unwrap_or_else(clock::now) });
    "the nodes' Spec.Availability".clone_into(&mut effect.source);
    effect
}

/// Gives the nodes their availability back, then waits until every service of the group runs as many tasks as before.
pub(in crate::platform::docker) async fn revert(engines: &[Engine], prepared: &Prepared) -> Result<Reverted, PlatformError> {
    let Some(owed) = owed(&prepared.undo)? else { return replacement::revert(engines, prepared).await };
    let ended = join_all(owed.nodes.iter().map(|node| node.end(engines))).await;
    let rest = match rest(prepared, &owed) {
        Some(rest) => Some(replacement::revert(engines, &rest).await),
        None => None,
    };
    let (mut done, mut trouble) = (Vec::new(), Vec::new());
    for (node, ended) in owed.nodes.iter().zip(ended) {
        match ended {
            Ok(true) => done.push(format!("{} is `{}` again", node.name, node.availability)),
            Ok(false) => {}
            Err(error) => trouble.push(error),
        }
    }
    match rest {
        Some(Ok(Reverted::Restored { says })) => done.push(says),
        Some(Err(error)) => trouble.push(error),
        _ => {}
    }
    // A refusal is final; anything else is worth another try first.
    let worth = trouble.iter().position(|error| !matches!(error, PlatformError::Refused(_))).unwrap_or(0);
    if worth < trouble.len() {
        return Err(trouble.swap_remove(worth));
    }
    let whole = try_join_all(owed.services.iter().map(|ran| ran.whole(engines))).await?;
    let whole: Vec<String> = whole.iter().map(service::Now::says).collect();
    let whole = if whole.is_empty() { String::new() } else { format!("; {}", whole.join(", ")) };
    if done.is_empty() {
        let why = format!("the nodes of {} take tasks as before{whole}", prepared.act.target.says());
        return Ok(Reverted::NothingToUndo { why });
    }
    Ok(Reverted::Restored { says: format!("{}{whole}", done.join(", ")) })
}
