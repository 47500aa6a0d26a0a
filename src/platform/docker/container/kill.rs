//! `kill`: a signal to the main process through the engine. SIGKILL answers only when the container is wholly stopped.

use std::time::Duration;

use async_trait::async_trait;
use bollard::{models::ContainerInspectResponse, query_parameters::KillContainerOptions};

use super::{death, recreate};
use crate::{
    clock,
    model::{
        act::{Effect, Prepared},
        undo::Undo,
    },
    platform::{
        PlatformError, Reverted,
        docker::{
            deed::{Deed, On, answered},
            engine::Engine,
            undo::Owed,
        },
    },
};

/// How long a kill may take to answer: an engine does some dozens of them in a second, and each waits for its turn.
const LIMIT: Duration = Duration::from_secs(30);

/// Ends a container by a signal.
#[derive(Debug)]
pub struct Kill {
    /// The signal's name without `SIG`; KILL unless told.
    pub signal: Option<String>,
}

#[async_trait]
impl Deed for Kill {
    async fn prepare(&self, on: On<'_>, now: &ContainerInspectResponse) -> Result<Undo, PlatformError> {
        death::way_back(on, now).await
    }

    async fn inject(&self, on: On<'_>, prepared: &Prepared) -> Effect {
        let signal = format!("SIG{}", self.signal.as_deref().unwrap_or("KILL").to_ascii_uppercase().trim_start_matches("SIG"));
        let what = format!("the kill of {}", on.instance.name);
        let call = on.engine.docker.kill_container(on.id(), Some(KillContainerOptions { signal }));
        let requested = clock::now();
        answered(prepared, requested, on.engine.call(&what, LIMIT, call).await)
    }

    async fn verify(&self, on: On<'_>, prepared: &Prepared, effect: Effect) -> Effect {
        death::seen(on, prepared, effect, false).await
    }

    async fn revert(&self, engine: &Engine, prepared: &Prepared, owed: Owed) -> Result<Reverted, PlatformError> {
        recreate::revert(engine, prepared, &owed).await
    }
}
