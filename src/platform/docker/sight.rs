//! What was seen a moment ago, and stands for a look right before an act.
//!
//! An act is prepared by an inspection of each container, and the inventory is listed beside that; fifty inspections more would only hold up
//! the first of fifty kills. So what was inspected a moment ago is used by the act itself (unless a list tells otherwise), several acts
//! that are prepared at the same time share their looks, and a look of longer ago (the plan's) stands while the engine's own record says that nothing
//! happened to the container since.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bollard::models::ContainerInspectResponse;

use super::{
    container::state,
    engine::{Engine, Trouble},
    inventory::Scan,
    record::{FRESH, Mark},
    swarm::place::Swarm,
};
use crate::{
    clock,
    model::{
        ids::InstanceId,
        instance::{Instance, InstanceState},
        time::Mono,
    },
    platform::PlatformError,
};

/// An inspection.
#[derive(Debug)]
struct Seen {
    inspected: Arc<ContainerInspectResponse>,
    asked: Mono,
}

/// The latest sight of each container that an act was prepared on.
#[derive(Debug, Default)]
pub(super) struct Sights(Mutex<BTreeMap<InstanceId, Seen>>);

impl Sights {
    /// A container was inspected; it was asked for at `asked`.
    pub(super) fn inspected(&self, id: &InstanceId, asked: Mono, inspected: Arc<ContainerInspectResponse>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, old| fresh(old.asked));
        all.insert(id.clone(), Seen { inspected, asked });
    }

    /// Everything was listed. What is not in the list, or otherwise in it, has to be looked at anew.
    pub(super) fn listed(&self, found: &[(Instance, usize)]) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.is_empty() {
            return;
        }
        let listed: BTreeMap<&InstanceId, &Instance> = found.iter().map(|(instance, _)| (&instance.id, instance)).collect();
        all.retain(|id, seen| listed.get(id).is_some_and(|listed| agree(&seen.inspected, listed)));
    }

    /// The container as it was a moment ago; none when it has to be looked at now. An act uses it up: after it, nothing is as it was.
    pub(super) fn take(&self, id: &InstanceId) -> Option<Arc<ContainerInspectResponse>> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id)?;
        fresh(seen.asked).then_some(seen.inspected)
    }
}

/// A look at a container that several acts are prepared by: an outage prepares the kill of each container, and the suspension of its
/// restart policy.
type Look = tokio::sync::Mutex<Option<Looked>>;

#[derive(Debug)]
struct Looked {
    /// When it was asked for; or when the engine said that nothing had happened since.
    asked: Mono,
    /// The engine's newest event before.
    after: Option<Mark>,
    seen: Arc<ContainerInspectResponse>,
}

impl Looked {
    /// Whether it still is as it was seen; says so for a moment, then.
    async fn stands(&mut self, engine: &Engine, id: &InstanceId) -> bool {
        if fresh(self.asked) {
            return true;
        }
        let Some(after) = &self.after else { return false };
        match engine.record.since(engine, after).await {
            Some(since) if !since.touched(id) => {
                (self.asked, self.after) = (since.asked, Some(since.newest.clone()));
                true
            }
            _ => false,
        }
    }
}

/// One inspection of a container for all who ask for it at about the same time.
#[derive(Debug, Default)]
pub(super) struct Looks(Mutex<BTreeMap<InstanceId, Arc<Look>>>);

impl Looks {
    /// The container now, as somebody may have seen it a moment ago; and when it was asked for.
    pub(super) async fn at(&self, engine: &Engine, id: &InstanceId) -> Result<(Mono, Arc<ContainerInspectResponse>), Trouble> {
        let look = Arc::clone(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(id.clone()).or_default());
        let mut look = look.lock().await;
        if let Some(looked) = &mut *look
            && looked.stands(engine, id).await
        {
            return Ok((looked.asked, Arc::clone(&looked.seen)));
        }
        let after = engine.record.newest(engine).await;
        let _turn = engine.looks.acquire().await;
        let asked = clock::now();
        let seen = Arc::new(engine.inspect(id.as_str()).await?);
        *look = Some(Looked { asked, after, seen: Arc::clone(&seen) });
        Ok((asked, seen))
    }

    /// Something is done: nothing is as it was seen.
    pub(super) fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// All containers, and what managers tell of the swarm.
pub(super) type Listed = (Vec<(Instance, usize)>, Swarm);

/// The latest list, for who needs one at about the same time.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// When it was asked for, and after how many changes.
    latest: tokio::sync::Mutex<Option<(Mono, u64, Arc<Listed>)>>,
    changes: AtomicU64,
}

impl Listing {
    /// Everything, listed now.
    pub(super) async fn now(&self, scan: &Scan<'_>) -> Result<Arc<Listed>, PlatformError> {
        let mut latest = self.latest.lock().await;
        self.list(scan, &mut latest).await
    }

    /// Everything, as somebody may have listed it a moment ago.
    pub(super) async fn lately(&self, scan: &Scan<'_>) -> Result<Arc<Listed>, PlatformError> {
        let mut latest = self.latest.lock().await;
        if let Some((asked, changes, listed)) = &*latest
            && fresh(*asked)
            && *changes == self.changes.load(Ordering::Relaxed)
        {
            return Ok(Arc::clone(listed));
        }
        self.list(scan, &mut latest).await
    }

    async fn list(&self, scan: &Scan<'_>, latest: &mut Option<(Mono, u64, Arc<Listed>)>) -> Result<Arc<Listed>, PlatformError> {
        let (asked, changes) = (clock::now(), self.changes.load(Ordering::Relaxed));
        let listed = Arc::new(scan.with_swarm().await?);
        *latest = Some((asked, changes, Arc::clone(&listed)));
        Ok(listed)
    }

    /// Something is done: nothing is as it was listed.
    pub(super) fn forget(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
    }
}

fn fresh(asked: Mono) -> bool {
    clock::now().since(asked) <= FRESH
}

/// Whether a list and an inspection tell of the same container in the same state.
fn agree(inspected: &ContainerInspectResponse, listed: &Instance) -> bool {
    let state = match listed.state {
        InstanceState::Running | InstanceState::Starting => state::running(inspected) && !state::paused(inspected),
        InstanceState::Paused => state::paused(inspected),
        _ => false,
    };
    let labels = inspected.config.as_ref().and_then(|config| config.labels.as_ref());
    state
        && labels.map_or(0, std::collections::HashMap::len) == listed.labels.len()
        && labels.is_none_or(|all| all.iter().all(|(key, value)| listed.labels.get(key) == Some(value)))
}
