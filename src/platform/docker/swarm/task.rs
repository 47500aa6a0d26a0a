//! A task that an act ends: nothing is started again. Its undo looks whether Swarm replaced it.

use std::time::Duration;

use bollard::models::ContainerInspectResponse;
use serde::{Deserialize, Serialize};

use super::{
    NODE_ID, SERVICE_ID,
    node::{self, HELD},
    service::{self, Mode, Now, Ran},
};
use crate::{
    model::{
        act::{Act, Prepared},
        fault::FaultKind,
        quantity::plural,
        undo::Undo,
    },
    platform::{
        PlatformError, Reverted,
        docker::{
            container::state,
            deed::On,
            engine::{Engine, Trouble},
            inventory::SWARM_TASK,
            undo::{Before, Owed},
        },
    },
};

const PAUSE: Duration = Duration::from_millis(100);

/// A task that ran: part of undo data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// When its container had been started.
    pub started_at: String,
    /// Its id.
    pub task: String,
    /// Its node, by id.
    pub node: String,
    /// Its service, as it ran.
    pub ran: Ran,
}

/// The way back of an act on a task. `found` is what it would be on any container, and stays where the act does not end it.
///
/// # Errors
/// When the act is none for a task, or its manager does not answer.
pub async fn way_back(
    engines: &[Engine],
    act: &Act,
    on: On<'_>,
    now: &ContainerInspectResponse,
    found: Undo,
) -> Result<Undo, PlatformError> {
    let label = |key: &str| on.instance.labels.get(key).map(String::as_str).unwrap_or_default();
    let (task, name) = (label(SWARM_TASK), &on.instance.name);
    if task.is_empty() {
        return Ok(found);
    }
    match act.fault.kind() {
        FaultKind::Kill | FaultKind::Stop | FaultKind::Crash | FaultKind::Remove => {}
        FaultKind::Restart => {
            return Err(PlatformError::Refused(format!(
                "{name} is a task of Swarm: as soon as it ends, Swarm starts another in its place, and one that the engine starts again \
                 would run beside it; `stop` it instead"
            )));
        }
        _ => return Ok(found),
    }
    let (manager, service) = match service::find(engines, label(SERVICE_ID)).await {
        Ok(found) => found,
        Err(Trouble::Gone(_)) => {
            let why = format!(
                "{name} is a task of Swarm, which starts another in its place; none of the hosts is a manager that knows it, so whether it does \
                 is not looked at"
            );
            return Ok(Undo::Nothing { why });
        }
        Err(trouble) => return Err(trouble.into()),
    };
    if service.mode == Mode::Job {
        return Ok(Undo::Nothing { why: format!("{name} is a task of a job, which ends by itself") });
    }
    if !service.replaces {
        let why = format!(
            "{name} is a task of the service {}, whose restart condition is `none`: Swarm starts no other in its place",
            service.name
        );
        return Ok(Undo::Impossible { why });
    }
    let running = service::tasks(manager, &service.id).await?.iter().filter(|task| task.runs()).count();
    let ran = Ran { service: service.id, name: service.name, tasks: u32::try_from(running).unwrap_or(u32::MAX) };
    let says = format!("Swarm replaces {name}: wait until the service {} runs {} again", ran.name, plural(ran.tasks, "task"));
    let before = Task { started_at: state::started_at(now).to_owned(), task: task.to_owned(), node: label(NODE_ID).to_owned(), ran };
    Ok(Before::Task(before).into_undo(on.engine, &on.instance.id, says))
}

/// Looks until the service runs as many tasks as before. Starts nothing.
///
/// # Errors
/// When it does not in time, in Swarm's words.
pub async fn revert(engines: &[Engine], prepared: &Prepared, owed: &Owed, task: &Task) -> Result<Reverted, PlatformError> {
    let name = prepared.act.target.says();
    let engine = engines.iter().find(|engine| engine.id == owed.engine);
    let begun = tokio::time::Instant::now();
    loop {
        if let Some(engine) = engine {
            match engine.inspect(owed.container.as_str()).await {
                Ok(now) if state::running(&now) && state::started_at(&now) == task.started_at => {
                    return Ok(Reverted::NothingToUndo { why: format!("{name} runs, as before") });
                }
                Ok(_) | Err(Trouble::Gone(_)) => {}
                Err(trouble) => return Err(trouble.into()),
            }
        }
        // For a moment after its death the manager counts it still.
        let now = task.ran.now(engines, Some(&task.task)).await?;
        let known = now.tasks.iter().find(|one| one.id == task.task).is_none_or(service::Task::ended);
        if known && now.whole() {
            return Ok(Reverted::NothingToUndo { why: format!("Swarm replaced {name}: {}", now.says()) });
        }
        if known && let Some(held) = held_back(engines, task, &now).await? {
            let why = format!("Swarm replaces {name} when the node {held}, held back by a run, takes tasks again; {} now", now.says());
            return Ok(Reverted::NothingToUndo { why });
        }
        now.in_time(begun)?;
        tokio::time::sleep(PAUSE).await;
    }
}

/// The node that an act of ours holds back, if that is why the task is not replaced: its own, or any while a task finds no node. The undo
/// of that hold, which comes later, is the one that waits.
async fn held_back(engines: &[Engine], task: &Task, now: &Now) -> Result<Option<String>, PlatformError> {
    let (manager, _) = service::find(engines, &task.ran.service).await?;
    let homeless = now.tasks.iter().any(service::Task::pending);
    let all = node::all(manager).await?;
    let held = all.iter().filter(|node| node.label(HELD).is_some()).find(|node| node.id == task.node || homeless);
    Ok(held.map(node::Node::says))
}
