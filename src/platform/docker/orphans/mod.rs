//! What runs that are gone left behind, and no journal knows: found by its marks (`mark`), undone by the same code as any act. And what
//! runs of other processes do just now, which the caps count.
//!
//! | what | is seen at | seen from |
//! | --- | --- | --- |
//! | a partition by rules, a shaping | chains of ours in a container's network namespace (`networks`) | the engine's own machine |
//! | stress | the environment of a container's processes (`residents`) | the engine's own machine |
//! | nodes of Swarm that are held back | their labels (`swarm::suspension`) | anywhere |
//!
//! Everything else (what is paused, ended, disconnected or without its restart policy) carries no mark: whether it was us, only a journal
//! tells. Reading is all that is done here, and what cannot be read from here (without root, without `iptables`) was not done from here.

mod networks;
mod residents;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use super::{
    container::state,
    engine::{Engine, Trouble},
    exec::stress,
    inventory::Scan,
    mark::Mark,
    swarm::suspension,
    undo::Before,
};
use crate::{
    clock,
    model::{
        act::{Act, Prepared, Target},
        fault::{Cut, Fault, PartitionMode},
        ids::ActId,
        instance::{Instance, InstanceState},
    },
    platform::{Held, Orphan, PlatformError},
};

/// How long the look at the processes of this machine may take.
const LOOK_LIMIT: Duration = Duration::from_secs(10);

/// Namespaces that are looked at together, where nothing is measured yet: a look is mostly the start of a program.
const AT_ONCE: usize = 8;

/// A fault that another run has in effect on a container.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Left {
    /// A chain of rules.
    Cut { chain: String, mode: Cut },
    /// Queueing disciplines, and the chain beside them.
    Shaped { chain: String, handle: String, fault: Fault },
    /// Processes.
    Stressed { mark: Mark },
}

impl Left {
    fn fault(&self) -> Fault {
        match self {
            Self::Cut { mode, .. } => Fault::Partition {
                mode: match mode {
                    Cut::Hang => PartitionMode::Hang,
                    Cut::Refuse => PartitionMode::Refuse,
                },
            },
            Self::Shaped { fault, .. } => fault.clone(),
            // How much of what, nobody tells any more; its undo does not ask.
            Self::Stressed { .. } => Fault::Stress { cpu: None, memory: None, disk: None },
        }
    }
}

/// Every orphan on what the environment means; what holds nodes back comes last, as it was done first.
pub(super) async fn find(scan: &Scan<'_>) -> Result<Vec<Orphan>, PlatformError> {
    let (found, swarm) = scan.with_swarm().await?;
    let (asked, mut orphans) = (clock::now(), Vec::new());
    for (instance, engine, left) in on_containers(scan.engines, &found, Mark::left_behind, AT_ONCE).await? {
        let id = ActId { step: 0, act: u32::try_from(orphans.len()).unwrap_or(u32::MAX) };
        orphans.extend(orphan(engine, instance, id, left).await?);
    }
    orphans.extend(suspension::left_behind(scan, &swarm));
    tracing::debug!(containers = found.len(), orphans = orphans.len(), took = ?clock::now().since(asked), "looked for what is left behind");
    Ok(orphans)
}

/// What other processes' runs have in effect on containers now. One namespace after another: this is looked at while a run measures.
pub(super) async fn held(scan: &Scan<'_>) -> Result<Vec<Held>, PlatformError> {
    let found = scan.run().await?;
    let all = on_containers(scan.engines, &found, Mark::of_another, 1).await?;
    Ok(all.into_iter().map(|(instance, _, left)| Held { instance: instance.clone(), kind: left.fault().kind(), by: None }).collect())
}

/// What faults with such marks are on containers that run on engines of this machine. No engine is asked for it.
async fn on_containers<'a>(
    engines: &'a [Engine],
    found: &'a [(Instance, usize)],
    wanted: fn(Mark) -> bool,
    at_once: usize,
) -> Result<Vec<(&'a Instance, &'a Engine, Left)>, PlatformError> {
    let here: BTreeMap<&str, (&Instance, &Engine)> = found
        .iter()
        .map(|(instance, place)| (instance.id.as_str(), (instance, &engines[*place])))
        .filter(|(_, (instance, engine))| engine.endpoint.is_local() && lives(instance))
        .collect();
    if here.is_empty() {
        return Ok(Vec::new());
    }
    let ids: BTreeSet<String> = here.keys().map(|id| (*id).to_owned()).collect();
    let looking = tokio::task::spawn_blocking(move || residents::of(&ids));
    // A process that is stuck in the kernel may hold up who reads of it.
    let residents = tokio::time::timeout(LOOK_LIMIT, looking)
        .await
        .map_err(|_| PlatformError::Timeout(LOOK_LIMIT))?
        .map_err(|error| PlatformError::Failed(format!("the processes of this machine could not be looked at: {error}")))?;
    let stressed = residents.iter().flat_map(|(id, resident)| {
        let left = resident.stresses.iter().filter(|mark| wanted(**mark));
        left.map(|mark| (id.clone(), Left::Stressed { mark: *mark }))
    });
    let mut all: Vec<(String, Left)> = stressed.collect();
    all.extend(networks::of(&residents, wanted, at_once).await);
    Ok(all.into_iter().filter_map(|(id, left)| here.get(id.as_str()).map(|(instance, engine)| (*instance, *engine, left))).collect())
}

fn lives(instance: &Instance) -> bool {
    matches!(instance.state, InstanceState::Running | InstanceState::Starting | InstanceState::Paused)
}

/// The act as a journal would have told it; none when the container has ended meanwhile, and the fault with it.
async fn orphan(engine: &Engine, instance: &Instance, id: ActId, left: Left) -> Result<Option<Orphan>, PlatformError> {
    let now = match engine.inspect(instance.id.as_str()).await {
        Ok(now) => now,
        Err(Trouble::Gone(_)) => return Ok(None),
        Err(trouble) => return Err(trouble.into()),
    };
    // Stress is ended from inside, where nothing can run while it is paused. It does nothing meanwhile, and a later look finds it.
    let out_of_reach = state::paused(&now) && matches!(left, Left::Stressed { .. });
    if !state::running(&now) || out_of_reach {
        return Ok(None);
    }
    let (name, fault, life) = (&instance.name, left.fault(), state::life(&now));
    let (before, says) = match left {
        Left::Cut { chain, mode } => (Before::Passed { life, chain, mode }, format!("let the packets of {name} pass again")),
        Left::Shaped { chain, handle, .. } => {
            (Before::Unshaped { life, handle, chain: Some(chain) }, format!("take the {} from the network of {name}", fault.kind()))
        }
        Left::Stressed { mark } => (Before::Unstressed { life, mark: stress::word(mark) }, format!("end the stress in {name}")),
    };
    let undo = before.into_undo(engine, &instance.id, says);
    let act = Act { id, fault, target: Target::Instance(Arc::new(instance.clone())) };
    Ok(Some(Orphan { run: None, prepared: Prepared { act, undo } }))
}
