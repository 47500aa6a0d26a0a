//! `restart`: stopped with grace and started again, by the engine in one go.

use std::time::Duration;

use async_trait::async_trait;
use bollard::{models::ContainerInspectResponse, query_parameters::RestartContainerOptions};

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
            deed::{Deed, On, answered, whole_seconds},
            engine::Engine,
            undo::Owed,
        },
    },
};

/// How long the engine may take beyond the grace.
const BEYOND_GRACE: Duration = Duration::from_mins(1);

/// Restarts a container.
#[derive(Debug)]
pub struct Restart {
    /// Time between the request and the kill; engines count it in whole seconds.
    pub grace: Duration,
}

#[async_trait]
impl Deed for Restart {
    async fn prepare(&self, on: On<'_>, now: &ContainerInspectResponse) -> Result<Undo, PlatformError> {
        death::way_back(on, now).await
    }

    async fn inject(&self, on: On<'_>, prepared: &Prepared) -> Effect {
        let what = format!("the restart of {}", on.instance.name);
        let options = RestartContainerOptions { t: Some(whole_seconds(self.grace)), signal: None };
        let call = on.engine.docker.restart_container(on.id(), Some(options));
        let requested = clock::now();
        answered(prepared, requested, on.engine.call(&what, self.grace + BEYOND_GRACE, call).await)
    }

    async fn verify(&self, on: On<'_>, prepared: &Prepared, effect: Effect) -> Effect {
        death::seen(on, prepared, effect, true).await
    }

    async fn revert(&self, engine: &Engine, prepared: &Prepared, owed: Owed) -> Result<Reverted, PlatformError> {
        recreate::revert(engine, prepared, &owed).await
    }
}
