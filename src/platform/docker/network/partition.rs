//! `partition`: a container is cut off from the network.
//!
//! On an engine of this machine by rules inside the container's network namespace: packets vanish (`mode: hang`) or are refused
//! (`mode: refuse`), and the container keeps its addresses, names and places on its networks. On an engine anywhere by its API: the
//! container is disconnected from its networks (`mode: disconnect`), after which its names are gone from the engine's name server and its
//! published ports answer nobody. Elsewhere, that is what `mode: refuse` does too, and nothing can make connections hang.

use async_trait::async_trait;
use bollard::models::ContainerInspectResponse;

use super::{
    chains,
    disconnect::{self, Owner},
    drop_rule,
    inside::{self, Left},
    machine,
};
use crate::{
    clock,
    model::{
        act::{Effect, Prepared},
        fault::{Cut, PartitionMode},
        undo::Undo,
    },
    platform::{
        PlatformError, Reverted,
        docker::{
            container::{came_back, state},
            deed::{Deed, On, done_here, effect, failure_here, seen},
            engine::Engine,
            mark,
            undo::{Before, Life, Owed, of_another_fault},
        },
    },
};

/// Cuts a container off.
#[derive(Debug)]
pub struct Partition {
    /// How it is cut off.
    pub mode: PartitionMode,
}

/// Why connections to a container of this engine cannot be made to hang; said also when a file is checked.
pub fn cannot_hang(far: &str) -> String {
    format!(
        "packets vanish by a rule in the container's network namespace, which needs an engine on this machine, and {far} is not; \
         `mode: refuse` and `mode: disconnect` work there"
    )
}

#[async_trait]
impl Deed for Partition {
    async fn prepare(&self, on: On<'_>, now: &ContainerInspectResponse) -> Result<Undo, PlatformError> {
        let name = &on.instance.name;
        let refused = |why: String| PlatformError::Refused(format!("{name}: {why}"));
        state::runs(now).map_err(|why| PlatformError::Refused(format!("{name} {why}")))?;
        inside::nobody_else_is_hit(on, now).await?;
        let life = state::life(now);
        let Some(cut) = self.mode.cut() else { return disconnect::way_back(on, now, life) };
        // Tried now, so that what would keep us out is said before anything is done.
        let cannot = if on.engine.endpoint.is_local() {
            machine::cannot_drop().await.or_else(|| inside::namespace(on.engine, now).err().map(|error| error.to_string()))
        } else {
            Some(cannot_hang(&on.engine.endpoint.address.to_string()))
        };
        match (cannot, cut) {
            (None, mode) => {
                let chain = chains::name(mark::fresh()?);
                let what = if mode == Cut::Hang { "the packets of" } else { "connections to and from" };
                let says = format!("let {what} {name} pass again");
                Ok(Before::Passed { life, chain, mode }.into_undo(on.engine, &on.instance.id, says))
            }
            (Some(why), Cut::Hang) => Err(refused(why)),
            (Some(_), Cut::Refuse) => disconnect::way_back(on, now, life),
        }
    }

    async fn inject(&self, on: On<'_>, prepared: &Prepared) -> Effect {
        let requested = clock::now();
        match Owed::read(&prepared.undo).map(|owed| owed.before) {
            Ok(Before::Passed { life, chain, mode }) => {
                let left = inside::of_that_life(on.engine, on.id(), &on.instance.name, &life).await;
                let done = match left {
                    Ok(Left::Namespace(net)) => drop_rule::set(&net, &chain, mode).await,
                    Ok(Left::Gone(why)) => Err(PlatformError::Refused(why)),
                    Err(error) => Err(error),
                };
                done_here(prepared, requested, done)
            }
            Ok(Before::Connected { networks, .. }) => disconnect::inject(on, prepared, &networks).await,
            Ok(_) => effect(prepared, requested, failure_here(of_another_fault())),
            Err(error) => effect(prepared, requested, failure_here(error)),
        }
    }

    async fn verify(&self, on: On<'_>, prepared: &Prepared, effect: Effect) -> Effect {
        let name = &on.instance.name;
        match Owed::read(&prepared.undo).map(|owed| owed.before) {
            Ok(Before::Passed { life, chain, mode }) => {
                let found = match inside::of_that_life(on.engine, on.id(), name, &life).await {
                    Ok(Left::Namespace(net)) => match drop_rule::is_set(&net, &chain, mode).await {
                        Ok(true) => Ok(()),
                        Ok(false) => Err(format!("the rules in the network namespace of {name} are not there")),
                        Err(error) => Err(format!("the rules in the network namespace of {name} could not be seen: {error}")),
                    },
                    Ok(Left::Gone(why)) => Err(why),
                    Err(error) => Err(error.to_string()),
                };
                seen(effect, "rules in the container's network namespace", found)
            }
            Ok(Before::Connected { networks, .. }) => disconnect::verify(on, effect, &networks).await,
            Ok(_) => seen(effect, "", Err(of_another_fault().to_string())),
            Err(error) => seen(effect, "", Err(error.to_string())),
        }
    }

    async fn revert(&self, engine: &Engine, prepared: &Prepared, owed: Owed) -> Result<Reverted, PlatformError> {
        let (id, name) = (owed.container.as_str(), prepared.act.target.says());
        match &owed.before {
            Before::Passed { life, chain, .. } => {
                let net = match inside::of_that_life(engine, id, &name, life).await? {
                    Left::Namespace(net) => net,
                    Left::Gone(why) => return Ok(Reverted::NothingToUndo { why }),
                };
                if !drop_rule::clear(&net, chain).await? {
                    return Ok(Reverted::NothingToUndo { why: format!("there is no rule of this act in the network namespace of {name}") });
                }
                well_again(engine, id, &name, life).await?;
                Ok(Reverted::Restored { says: format!("the packets of {name} pass again") })
            }
            Before::Connected { life, networks, published } => {
                disconnect::revert(Owner { engine, id, name: &name }, life, networks, published).await
            }
            _ => Err(of_another_fault()),
        }
    }
}

/// Waits until a container is as healthy as it was, if it still lives that life.
///
/// # Errors
/// When it is not in time.
pub async fn well_again(engine: &Engine, id: &str, name: &str, life: &Life) -> Result<(), PlatformError> {
    let now = engine.inspect(id).await?;
    if life.healthy && state::started_at(&now) == life.started_at && state::running(&now) && !state::paused(&now) {
        came_back::wait(engine, id, name, true).await?;
    }
    Ok(())
}
