//! `remove`: the container and its definition deleted, running as it is. Its volumes stay, also those that nobody named.

use std::time::Duration;

use async_trait::async_trait;
use bollard::{models::ContainerInspectResponse, query_parameters::RemoveContainerOptions};

use super::{death, recreate, state};
use crate::{
    clock,
    model::{
        act::{Effect, EffectStatus, Prepared},
        time::Bracket,
        undo::Undo,
    },
    platform::{
        PlatformError, Reverted,
        docker::{
            deed::{Deed, On, answered},
            engine::{Engine, Trouble},
            undo::Owed,
        },
    },
};

const LIMIT: Duration = Duration::from_secs(30);
/// How long it is looked for after the call.
const SEEN_WITHIN: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);

/// Removes a container.
#[derive(Debug)]
pub struct Remove;

#[async_trait]
impl Deed for Remove {
    fn fits(&self, now: &ContainerInspectResponse) -> Result<(), String> {
        state::runs(now)?;
        // One that is made again runs: whoever paused it would find it running, or it would stay paused for ever.
        if state::paused(now) { Err("is paused".to_owned()) } else { Ok(()) }
    }

    async fn prepare(&self, on: On<'_>, now: &ContainerInspectResponse) -> Result<Undo, PlatformError> {
        self.fits(now).map_err(|why| PlatformError::Refused(format!("{} {why}", on.instance.name)))?;
        death::way_back_from(on, now, true).await
    }

    async fn inject(&self, on: On<'_>, prepared: &Prepared) -> Effect {
        let what = format!("the removal of {}", on.instance.name);
        // Without `v`: volumes that nobody named hold data, too, and are mounted again.
        let options = RemoveContainerOptions { force: true, v: false, link: false };
        let call = on.engine.docker.remove_container(on.id(), Some(options));
        let requested = clock::now();
        answered(prepared, requested, on.engine.call(&what, LIMIT, call).await)
    }

    async fn verify(&self, on: On<'_>, _prepared: &Prepared, mut effect: Effect) -> Effect {
        let name = &on.instance.name;
        let answered = effect.status.happened();
        let deadline = clock::now().plus(SEEN_WITHIN);
        loop {
            let not_yet = match on.inspect().await {
                Err(Trouble::Gone(_)) if answered => {
                    // Its time of death went with it: it lies between request and answer.
                    effect.took_effect = Some(Bracket { after: effect.requested, by: effect.answered.unwrap_or_else(clock::now) });
                    "the container is gone".clone_into(&mut effect.source);
                    return effect;
                }
                Err(Trouble::Gone(_)) => format!("{name} is gone, and whether this act removed it is not known"),
                Ok(now) => format!("{name} is still there: it is {}", state::says(&now)),
                Err(trouble) => format!("whether {name} is gone could not be seen: {trouble}"),
            };
            if clock::now() > deadline {
                let first = effect.status.why().map(|why| format!("{why}; ")).unwrap_or_default();
                effect.status = EffectStatus::Unknown { why: format!("{first}{not_yet}") };
                effect.took_effect = None;
                return effect;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn revert(&self, engine: &Engine, prepared: &Prepared, owed: Owed) -> Result<Reverted, PlatformError> {
        recreate::revert(engine, prepared, &owed).await
    }
}
