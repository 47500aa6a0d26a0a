//! `limit`, `slow` and `loss`: the queueing discipline of `shaping` on a container's interfaces, and beside it a chain of `chains` which
//! tells whose it is.
//!
//! The chain comes first and goes last. Where none can be made (an engine on this machine needs `iptables` itself, so that is rare), the
//! fault is done all the same: its journal knows it, and only if that is lost it is not found.

use async_trait::async_trait;
use bollard::models::ContainerInspectResponse;

use super::{
    chains,
    inside::{self, Left},
    machine,
    partition::well_again,
    shaping,
};
use crate::{
    clock,
    model::{
        act::{Effect, Prepared},
        fault::Fault,
        undo::Undo,
    },
    platform::{
        PlatformError, Reverted,
        docker::{
            container::state,
            deed::{Deed, On, done_here, effect, failure_here, seen},
            engine::Engine,
            mark,
            undo::{Before, Life, Owed, of_another_fault},
        },
    },
};

/// Shapes what a container sends.
#[derive(Debug)]
pub struct Shape {
    /// `limit`, `slow` or `loss`.
    pub fault: Fault,
}

impl Shape {
    async fn set(&self, on: On<'_>, life: &Life, handle: &str, chain: Option<&str>) -> Result<(), PlatformError> {
        let name = &on.instance.name;
        let net = match inside::of_that_life(on.engine, on.id(), name, life).await? {
            Left::Namespace(net) => net,
            Left::Gone(why) => return Err(PlatformError::Refused(why)),
        };
        // Looked at again: what somebody set since the act was prepared must not be replaced.
        let mut roots = shaping::roots(&net).await?;
        roots.retain(|root| root.handle != handle);
        if let Some(why) = shaping::taken(&roots) {
            return Err(PlatformError::Refused(format!("{name}: {why}")));
        }
        if let Some(chain) = chain
            && let Err(error) = chains::stand(&net, chain).await
        {
            tracing::debug!("{name} is shaped without a chain beside it: {error}");
        }
        let set = shaping::set(&net, handle, &self.fault).await;
        if let (Err(_), Some(chain)) = (&set, chain) {
            chains::take_away(&net, chain).await?;
        }
        set
    }

    async fn is_set(&self, on: On<'_>, life: &Life, handle: &str) -> Result<(), String> {
        let name = &on.instance.name;
        match inside::of_that_life(on.engine, on.id(), name, life).await.map_err(|error| error.to_string())? {
            Left::Namespace(net) => match shaping::is_set(&net, handle, &self.fault).await {
                Ok(true) => Ok(()),
                Ok(false) => Err(format!("not every interface of {name} is shaped")),
                Err(error) => Err(format!("the interfaces of {name} could not be seen: {error}")),
            },
            Left::Gone(why) => Err(why),
        }
    }
}

#[async_trait]
impl Deed for Shape {
    async fn prepare(&self, on: On<'_>, now: &ContainerInspectResponse) -> Result<Undo, PlatformError> {
        let name = &on.instance.name;
        let refused = |why: String| PlatformError::Refused(format!("{name}: {why}"));
        state::runs(now).map_err(|why| PlatformError::Refused(format!("{name} {why}")))?;
        inside::nobody_else_is_hit(on, now).await?;
        if let Some(why) = machine::cannot(self.fault.kind()).await {
            return Err(refused(why));
        }
        let net = inside::namespace(on.engine, now).map_err(|error| refused(error.to_string()))?;
        let roots = shaping::roots(&net).await?;
        if roots.is_empty() {
            return Err(refused("it has no network interface to shape".to_owned()));
        }
        if let Some(why) = shaping::taken(&roots) {
            return Err(refused(why));
        }
        let mark = mark::fresh()?;
        let (handle, chain) = (shaping::handle(mark), Some(chains::name(mark)));
        let says = format!("take the {} from the network of {name}", self.fault.kind());
        Ok(Before::Unshaped { life: state::life(now), handle, chain }.into_undo(on.engine, &on.instance.id, says))
    }

    async fn inject(&self, on: On<'_>, prepared: &Prepared) -> Effect {
        let requested = clock::now();
        match Owed::read(&prepared.undo).map(|owed| owed.before) {
            Ok(Before::Unshaped { life, handle, chain }) => {
                done_here(prepared, requested, self.set(on, &life, &handle, chain.as_deref()).await)
            }
            Ok(_) => effect(prepared, requested, failure_here(of_another_fault())),
            Err(error) => effect(prepared, requested, failure_here(error)),
        }
    }

    async fn verify(&self, on: On<'_>, prepared: &Prepared, effect: Effect) -> Effect {
        let found = match Owed::read(&prepared.undo).map(|owed| owed.before) {
            Ok(Before::Unshaped { life, handle, .. }) => self.is_set(on, &life, &handle).await,
            Ok(_) => Err(of_another_fault().to_string()),
            Err(error) => Err(error.to_string()),
        };
        seen(effect, "queueing disciplines in the container's network namespace", found)
    }

    async fn revert(&self, engine: &Engine, prepared: &Prepared, owed: Owed) -> Result<Reverted, PlatformError> {
        let Before::Unshaped { life, handle, chain } = &owed.before else { return Err(of_another_fault()) };
        let (id, name) = (owed.container.as_str(), prepared.act.target.says());
        let net = match inside::of_that_life(engine, id, &name, life).await? {
            Left::Namespace(net) => net,
            Left::Gone(why) => return Ok(Reverted::NothingToUndo { why }),
        };
        let shaped = shaping::clear(&net, handle).await?;
        let marked = match chain {
            Some(chain) => chains::take_away(&net, chain).await?,
            None => false,
        };
        if !shaped && !marked {
            return Ok(Reverted::NothingToUndo { why: format!("no interface of {name} is shaped by this act") });
        }
        well_again(engine, id, &name, life).await?;
        Ok(Reverted::Restored { says: format!("the network of {name} is as it was, without the {}", self.fault.kind()) })
    }
}
