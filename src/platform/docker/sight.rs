//! What was seen of a container a moment ago. Right before an act it has to be looked at; one that was inspected, and listed in the same
//! state after that, all within this short time, was. Fifty inspections more would only hold up the first of fifty kills.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bollard::models::ContainerInspectResponse;

use super::{
    container::state,
    engine::{Engine, Trouble},
};
use crate::{
    clock,
    model::{
        ids::InstanceId,
        instance::{Instance, InstanceState},
        time::Mono,
    },
};

/// How long both looks stand for a look right before the act. An engine takes longer than this to end a container and start it again.
const FRESH: Duration = Duration::from_millis(50);

/// An inspection, and what a later list said of it.
#[derive(Debug)]
struct Seen {
    inspected: ContainerInspectResponse,
    asked: Mono,
    answered: Mono,
    /// A list that was asked for after the inspection's answer agreed with it.
    confirmed: bool,
}

/// The latest sight of each container that an act was prepared on.
#[derive(Debug, Default)]
pub(super) struct Sights(Mutex<BTreeMap<InstanceId, Seen>>);

impl Sights {
    /// A container was inspected; it was asked for at `asked`.
    pub(super) fn inspected(&self, id: &InstanceId, asked: Mono, inspected: ContainerInspectResponse) {
        let seen = Seen { inspected, asked, answered: clock::now(), confirmed: false };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, old| fresh(old.asked));
        all.insert(id.clone(), seen);
    }

    /// Everything was listed; it was asked for at `asked`. What is not in the list, or otherwise in it, has to be looked at anew.
    pub(super) fn listed(&self, asked: Mono, found: &[(Instance, usize)]) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.is_empty() {
            return;
        }
        let listed: BTreeMap<&InstanceId, &Instance> = found.iter().map(|(instance, _)| (&instance.id, instance)).collect();
        all.retain(|id, seen| listed.get(id).is_some_and(|listed| agree(&seen.inspected, listed)));
        for seen in all.values_mut() {
            seen.confirmed |= asked >= seen.answered;
        }
    }

    /// The container as it was a moment ago; none when it has to be looked at now. An act uses it up: after it, nothing is as it was.
    pub(super) fn take(&self, id: &InstanceId) -> Option<ContainerInspectResponse> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id)?;
        (seen.confirmed && fresh(seen.asked)).then_some(seen.inspected)
    }
}

/// A look at a container that several acts are prepared by: an outage prepares the kill of each container, and the suspension of its
/// restart policy. It holds what was seen, and when it was asked for.
type Look = tokio::sync::Mutex<Option<(Mono, ContainerInspectResponse)>>;

/// One inspection of a container for all who ask for it at about the same time.
#[derive(Debug, Default)]
pub(super) struct Looks(Mutex<BTreeMap<InstanceId, Arc<Look>>>);

impl Looks {
    /// The container now, as somebody may have seen it a moment ago; and when it was asked for.
    pub(super) async fn at(&self, engine: &Engine, id: &InstanceId) -> Result<(Mono, ContainerInspectResponse), Trouble> {
        let look = Arc::clone(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(id.clone()).or_default());
        let mut look = look.lock().await;
        if let Some((asked, seen)) = &*look
            && fresh(*asked)
        {
            return Ok((*asked, seen.clone()));
        }
        let asked = clock::now();
        let seen = engine.inspect(id.as_str()).await?;
        *look = Some((asked, seen.clone()));
        Ok((asked, seen))
    }

    /// Something is done: nothing is as it was seen.
    pub(super) fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
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
