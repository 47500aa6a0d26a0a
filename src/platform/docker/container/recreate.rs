//! A container that is gone is made again from its definition: a new id, everything else as it was.

use std::time::Duration;

use bollard::{models::NetworkDisconnectRequest, query_parameters::StartContainerOptions};
use serde_json::{Value, json};

use super::{came_back, definition::Definition, state};
use crate::{
    model::{act::Prepared, undo::Undo},
    platform::{
        PlatformError, Reverted,
        docker::{
            deed::On,
            engine::{Engine, READ_LIMIT, Trouble},
            undo::{Before, Owed, Ran},
        },
    },
};

/// How long making a container may take: its file system is laid out.
const MAKE_LIMIT: Duration = Duration::from_secs(30);
const START_LIMIT: Duration = Duration::from_secs(30);

/// The way back of a container that will be deleted.
///
/// # Errors
/// When it cannot be read, or could not be made again: its image is gone.
pub async fn way_back(on: On<'_>, ran: Ran) -> Result<Undo, PlatformError> {
    let name = &on.instance.name;
    let told = on.engine.inspect_all(on.id()).await?;
    let definition = Definition::read(&told).map_err(|why| PlatformError::Refused(format!("{name} could not be made again: {why}")))?;
    let image = on.engine.docker.inspect_image(&definition.image);
    match on.engine.call(&format!("the image of {name}"), READ_LIMIT, image).await {
        Ok(_) => {}
        Err(Trouble::Gone(_)) => return Err(PlatformError::Refused(format!("{name} could not be made again: {}", no_image(&definition)))),
        Err(trouble) => return Err(trouble.into()),
    }
    let says = format!("make {name} again as it is (a new id), and start it, unless somebody did");
    // The definition holds the environment, which may hold secrets.
    Ok(Before::Defined { ran, definition: Box::new(definition) }.into_undo(on.engine, &on.instance.id, says))
}

fn no_image(definition: &Definition) -> String {
    let (name, id) = (definition.image_name(), &definition.image);
    let also = if name == id { String::new() } else { format!(" (`{name}`)") };
    format!("its image {id}{also} is gone from the engine; get that very image back with `docker pull` or `docker load`")
}

/// The way back of every fault that ends a container: started again, or made again where its end deletes it.
///
/// # Errors
/// See [`bring_back`] and [`came_back::bring_back`].
pub async fn revert(engine: &Engine, prepared: &Prepared, owed: &Owed) -> Result<Reverted, PlatformError> {
    match &owed.before {
        Before::Ran(ran) => came_back::bring_back(engine, prepared, owed, ran).await,
        Before::Defined { ran, definition } => Box::pin(bring_back(engine, prepared, owed, ran, definition)).await,
        Before::Went { .. }
        | Before::Passed { .. }
        | Before::Connected { .. }
        | Before::Unshaped { .. }
        | Before::Unstressed { .. }
        | Before::Command { .. }
        | Before::Task(_) => Err(PlatformError::Refused("the undo data is that of another fault".to_owned())),
    }
}

/// Brings back a container that was deleted; one that is still there is started again instead.
///
/// # Errors
/// When it cannot be made, does not come back, or somebody's other one is in its place and does not run.
pub async fn bring_back(
    engine: &Engine,
    prepared: &Prepared,
    owed: &Owed,
    ran: &Ran,
    definition: &Definition,
) -> Result<Reverted, PlatformError> {
    match engine.inspect(owed.container.as_str()).await {
        Ok(now) if !state::leaving(&now) => return came_back::bring_back(engine, prepared, owed, ran).await,
        // The engine is at it; asked again in a moment it is gone.
        Ok(_) => return Err(PlatformError::Failed(format!("{} is still being removed", definition.name))),
        Err(Trouble::Gone(_)) => {}
        Err(trouble) => return Err(trouble.into()),
    }
    let name = &definition.name;
    match engine.inspect_all(name).await {
        Ok(told) if definition.made(&told) => finish(engine, definition, ran, &told, false).await,
        Ok(told) => of_somebody(name, &told),
        Err(Trouble::Gone(_)) => {
            if let Some(instance) = prepared.act.target.instance()
                && let Some(by) = came_back::successor(engine, instance).await?
            {
                return Ok(Reverted::NothingToUndo { why: format!("{name} was replaced by {by}") });
            }
            make(engine, definition).await?;
            let told = engine.inspect_all(name).await?;
            finish(engine, definition, ran, &told, true).await
        }
        Err(trouble) => Err(trouble.into()),
    }
}

/// Somebody else's container has the name.
fn of_somebody(name: &str, told: &Value) -> Result<Reverted, PlatformError> {
    let id = told.get("Id").and_then(Value::as_str).unwrap_or_default();
    let status = told.pointer("/State/Status").and_then(Value::as_str).unwrap_or("in an unknown state");
    if told.pointer("/State/Running").and_then(Value::as_bool) == Some(true) {
        return Ok(Reverted::NothingToUndo { why: format!("{name} was replaced by somebody's other container of that name ({id:.12})") });
    }
    // It may be about to start.
    Err(PlatformError::Failed(format!("somebody made another container {name} ({id:.12}), and it does not run: it is {status}")))
}

/// Makes it, without starting it.
async fn make(engine: &Engine, definition: &Definition) -> Result<(), PlatformError> {
    let name = &definition.name;
    let mut body = definition.body.clone();
    // By its name if that still means the same image, so that it looks as it did; else by its id.
    let named = engine.docker.inspect_image(definition.image_name());
    let same = match engine.call(&format!("the image of {name}"), READ_LIMIT, named).await {
        Ok(found) => found.id.as_deref() == Some(&definition.image),
        Err(Trouble::Gone(_)) => false,
        Err(trouble) => return Err(trouble.into()),
    };
    if !same {
        body["Image"] = Value::String(definition.image.clone());
    }
    // Named here without an address: see `attach`.
    let mode = body.pointer("/HostConfig/NetworkMode").and_then(Value::as_str).unwrap_or_default().to_owned();
    if let Some(first) = definition.networks.get(&mode) {
        body["NetworkingConfig"] = json!({ "EndpointsConfig": { mode: first.configured } });
    }
    match engine.post(&format!("another {name}"), MAKE_LIMIT, &format!("/containers/create?name={name}"), &body).await {
        Ok(_) => Ok(()),
        Err(Trouble::Gone(says)) if says.to_lowercase().contains("image") => {
            Err(PlatformError::Refused(format!("{name} cannot be made again: {}", no_image(definition))))
        }
        // Somebody was faster: the next look finds theirs.
        Err(trouble) => Err(trouble.into()),
    }
}

/// Puts what was made into its networks and starts it, and waits until it runs as the one before did. Safe to do again.
async fn finish(engine: &Engine, definition: &Definition, ran: &Ran, told: &Value, new: bool) -> Result<Reverted, PlatformError> {
    let name = &definition.name;
    let id = told.get("Id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let runs = told.pointer("/State/Running").and_then(Value::as_bool) == Some(true);
    if !runs {
        let before = told.pointer("/State/Status").and_then(Value::as_str).unwrap_or_default();
        if before == "created" {
            attach(engine, definition, &id, true).await?;
        }
        match start(engine, name, &id).await {
            Err(PlatformError::Failed(says)) if says.contains("Address already in use") => {
                // Somebody has an address now that the engine had chosen: it chooses another.
                attach(engine, definition, &id, false).await?;
                start(engine, name, &id).await?;
            }
            other => other?,
        }
    }
    // Never paused, even if the one before was: the undo of that pause knows only the one before, and this one would stay paused for ever.
    came_back::wait(engine, &id, name, ran.healthy).await?;
    if runs {
        return Ok(Reverted::NothingToUndo { why: format!("{name} had been made again already ({id:.12}), and runs") });
    }
    let made = if new { "made" } else { "finished making" };
    let moved = moved(definition, &engine.inspect_all(&id).await?);
    Ok(Reverted::Restored { says: format!("{made} {name} again (now {id:.12}){moved}") })
}

async fn start(engine: &Engine, name: &str, id: &str) -> Result<(), PlatformError> {
    let call = engine.docker.start_container(id, None::<StartContainerOptions>);
    Ok(engine.call(&format!("the start of {name}"), START_LIMIT, call).await?)
}

/// Puts a container that does not run into each of its networks, with the same aliases, and, where the network lets anybody choose, with
/// the same addresses. Only this way does the engine say at once whether it does: one that it made with an address it refuses to start.
async fn attach(engine: &Engine, definition: &Definition, id: &str, same_addresses: bool) -> Result<(), PlatformError> {
    let name = &definition.name;
    // The engine's own first network knows neither.
    for (network, endpoint) in definition.networks.iter().filter(|(network, _)| network.as_str() != "bridge") {
        let leave = NetworkDisconnectRequest { container: id.to_owned(), force: Some(true) };
        match engine.call(&format!("{name} to leave {network}"), START_LIMIT, engine.docker.disconnect_network(network, leave)).await {
            // It was not in it, in one way or the other.
            Ok(()) | Err(Trouble::Gone(_) | Trouble::Failed(_) | Trouble::Refused(_) | Trouble::Conflict(_)) => {}
            Err(trouble) => return Err(trouble.into()),
        }
        let path = format!("/networks/{network}/connect");
        let what = format!("{name} to be in {network}");
        let join = async |endpoint: Value| {
            let body = json!({ "Container": id, "EndpointConfig": endpoint });
            engine.post(&what, START_LIMIT, &path, &body).await.map(drop)
        };
        let joined = if same_addresses || endpoint.chosen() {
            match join(endpoint.with_addresses()).await {
                // A network whose range the engine chose: it chooses the addresses, too.
                Err(Trouble::Refused(says) | Trouble::Failed(says)) if says.contains("configured subnet") => {
                    join(endpoint.configured.clone()).await
                }
                other => other,
            }
        } else {
            join(endpoint.configured.clone()).await
        };
        joined.map_err(|trouble| match trouble {
            Trouble::Gone(says) => PlatformError::Refused(format!("{name} cannot be put back into its network {network}: {says}")),
            other => other.into(),
        })?;
    }
    Ok(())
}

/// Which addresses are others now, in words.
fn moved(definition: &Definition, told: &Value) -> String {
    let mut words: Vec<String> = Vec::new();
    for (network, before) in &definition.networks {
        let now = told.pointer("/NetworkSettings/Networks").and_then(|networks| networks.get(network));
        let address = |key| now.and_then(|now| now.get(key)).and_then(Value::as_str).filter(|text| !text.is_empty());
        let found: Vec<&str> = ["IPAddress", "GlobalIPv6Address"].into_iter().filter_map(address).collect();
        if before.addresses != found {
            let (now, then) = (found.join(" and "), before.addresses.join(" and "));
            words.push(format!("; in {network} it is {now} now, as the engine chose, and was {then}"));
        }
    }
    words.concat()
}
