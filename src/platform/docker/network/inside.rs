//! The way into the network namespace of a container that was chosen, and out of every case in which somebody else would be hit.

use std::collections::HashMap;

use bollard::{models::ContainerInspectResponse, query_parameters::ListContainersOptions};

use super::netns::NetNs;
use crate::platform::{
    PlatformError,
    docker::{
        container::state,
        deed::On,
        engine::{Engine, READ_LIMIT, Trouble},
        host_process::HostProcess,
        inventory::name_of,
        undo::Life,
    },
};

/// The namespace of a container that runs, on an engine of this machine.
///
/// # Errors
/// When the engine is elsewhere, the container does not run, or it uses the machine's own network.
pub fn namespace(engine: &Engine, now: &ContainerInspectResponse) -> Result<NetNs, PlatformError> {
    if !engine.endpoint.is_local() {
        return Err(PlatformError::Refused(format!(
            "it is done inside the container's network namespace, and the engine at {} is not on this machine",
            engine.endpoint.address
        )));
    }
    NetNs::of(&HostProcess::of_container(state::pid(now), now.id.as_deref().unwrap_or_default())?)
}

/// What is left of a namespace that a fault was set in.
pub enum Left {
    /// It is still there.
    Namespace(NetNs),
    /// It is gone, and the fault with it.
    Gone(String),
}

/// The namespace of the life that an act was prepared on.
///
/// # Errors
/// When the engine cannot be asked, or the namespace cannot be entered.
pub async fn of_that_life(engine: &Engine, id: &str, name: &str, life: &Life) -> Result<Left, PlatformError> {
    let started_at = life.started_at.as_str();
    let now = match engine.inspect(id).await {
        Ok(now) => now,
        Err(Trouble::Gone(_)) => return Ok(Left::Gone(format!("{name} is gone, and its network namespace with it"))),
        Err(trouble) => return Err(trouble.into()),
    };
    if state::started_at(&now) != started_at {
        return Ok(Left::Gone(format!("{name} was started anew, with a network namespace of its own")));
    }
    if !state::running(&now) {
        return Ok(Left::Gone(format!("{name} is {}: its network namespace is gone", state::says(&now))));
    }
    match namespace(engine, &now) {
        Ok(net) => Ok(Left::Namespace(net)),
        // It may have ended since the engine was asked; then there is nothing left to undo.
        Err(error) => match engine.inspect(id).await {
            Ok(then) if state::running(&then) && state::started_at(&then) == started_at => Err(match error {
                // Not a final answer: the process may be seen at the next try.
                PlatformError::Refused(why) => PlatformError::Failed(format!("{name}: {why}")),
                other => other,
            }),
            Ok(_) | Err(Trouble::Gone(_)) => Ok(Left::Gone(format!("{name} ended, and its network namespace with it"))),
            Err(trouble) => Err(trouble.into()),
        },
    }
}

/// `Err` when other containers use the same network: the fault would hit them too, and nobody chose them.
///
/// # Errors
/// `Refused` in words, or when the engine cannot be asked.
pub async fn nobody_else_is_hit(on: On<'_>, now: &ContainerInspectResponse) -> Result<(), PlatformError> {
    let name = &on.instance.name;
    let mode = now.host_config.as_ref().and_then(|host| host.network_mode.as_deref()).unwrap_or_default();
    let whose = match mode {
        "host" => Some("the machine's own network: everything on the machine would be hit".to_owned()),
        "none" => Some("no network: there is nothing to do it to".to_owned()),
        _ => mode
            .strip_prefix("container:")
            .map(|other| format!("the network of the container {other:.12} (`network_mode: {mode:.22}`): that one would be hit too")),
    };
    if let Some(whose) = whose {
        return Err(PlatformError::Refused(format!("{name} uses {whose}")));
    }
    let running = HashMap::from([("status".to_owned(), ["running", "paused", "restarting"].map(str::to_owned).to_vec())]);
    let options = ListContainersOptions { filters: Some(running), ..ListContainersOptions::default() };
    let others = on.engine.call("a list of containers", READ_LIMIT, on.engine.docker.list_containers(Some(options))).await?;
    let guests: Vec<String> = others
        .iter()
        .filter(|other| {
            let mode = other.host_config.as_ref().and_then(|host| host.network_mode.as_deref()).unwrap_or_default();
            mode.strip_prefix("container:")
                .is_some_and(|host| host == on.id() || host == name || (host.len() >= 12 && on.id().starts_with(host)))
        })
        .map(|guest| name_of(guest).to_owned())
        .collect();
    if guests.is_empty() {
        return Ok(());
    }
    Err(PlatformError::Refused(format!("{} uses the network of {name}, and would be hit too", guests.join(", "))))
}
