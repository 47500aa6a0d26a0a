//! `pause`: every process of the container frozen; connections stay open, nothing answers.

use std::time::Duration;

use async_trait::async_trait;
use bollard::models::ContainerInspectResponse;

use super::{came_back, state};
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
            undo::{Before, Owed},
        },
    },
};

const LIMIT: Duration = Duration::from_secs(20);

/// Pauses a container.
#[derive(Debug)]
pub struct Pause;

#[async_trait]
impl Deed for Pause {
    fn fits(&self, now: &ContainerInspectResponse) -> Result<(), String> {
        state::runs(now)?;
        if state::paused(now) { Err("is paused already".to_owned()) } else { Ok(()) }
    }

    async fn prepare(&self, on: On<'_>, now: &ContainerInspectResponse) -> Result<Undo, PlatformError> {
        let name = &on.instance.name;
        state::runs(now).map_err(|why| PlatformError::Refused(format!("{name} {why}")))?;
        if state::paused(now) {
            return Ok(Undo::Nothing { why: format!("{name} is paused already, and stays so") });
        }
        let before = Before::Went { started_at: state::started_at(now).to_owned(), healthy: state::healthy(now) };
        Ok(before.into_undo(on.engine, &on.instance.id, format!("let {name} go on")))
    }

    async fn inject(&self, on: On<'_>, prepared: &Prepared) -> Effect {
        let what = format!("the pause of {}", on.instance.name);
        let call = on.engine.docker.pause_container(on.id());
        let requested = clock::now();
        answered(prepared, requested, on.engine.call(&what, LIMIT, call).await)
    }

    async fn verify(&self, on: On<'_>, _prepared: &Prepared, mut effect: Effect) -> Effect {
        let name = &on.instance.name;
        effect.status = match on.inspect().await {
            Ok(now) if state::paused(&now) => {
                let by = effect.answered.unwrap_or_else(clock::now);
                effect.took_effect = Some(Bracket { after: effect.requested, by });
                "State.Paused".clone_into(&mut effect.source);
                EffectStatus::Happened
            }
            Ok(now) => EffectStatus::Unknown { why: format!("{name} is not paused: it is {}", state::says(&now)) },
            Err(trouble) => EffectStatus::Unknown { why: format!("whether {name} is paused could not be seen: {trouble}") },
        };
        if !effect.status.happened() {
            effect.took_effect = None;
        }
        effect
    }

    async fn revert(&self, engine: &Engine, prepared: &Prepared, owed: Owed) -> Result<Reverted, PlatformError> {
        let Before::Went { started_at, healthy } = &owed.before else {
            return Err(PlatformError::Refused("the undo data is that of another fault".to_owned()));
        };
        let name = prepared.act.target.says();
        let nothing = |why: String| Ok(Reverted::NothingToUndo { why });
        let now = match engine.inspect(owed.container.as_str()).await {
            Ok(now) => now,
            Err(Trouble::Gone(_)) => return nothing(format!("{name} is gone")),
            Err(trouble) => return Err(trouble.into()),
        };
        if !state::paused(&now) {
            if state::started_at(&now) != started_at {
                return nothing(format!("{name} was started anew, and that life of it was not paused"));
            }
            return nothing(format!("{name} is not paused: it is {}", state::says(&now)));
        }
        // Also in another life of it: the undo of a later act that ended it paused it again, as that act had found it.
        let call = engine.docker.unpause_container(owed.container.as_str());
        match engine.call(&format!("{name} to go on"), LIMIT, call).await {
            // Somebody was faster, or it ended: seen below.
            Ok(()) | Err(Trouble::Conflict(_)) => {}
            Err(trouble) => return Err(trouble.into()),
        }
        came_back::wait(engine, owed.container.as_str(), &name, *healthy).await?;
        Ok(Reverted::Restored { says: format!("{name} goes on") })
    }
}
