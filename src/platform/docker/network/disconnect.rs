//! A partition by the engine's API: the container is disconnected from each of its networks, and connected to each again at the same
//! address, under the same names.
//!
//! Two things no engine gives back: a published port whose number it had chosen itself gets another number, which the plan says, and the
//! interface in the container gets the next name (`eth1` for `eth0`), until the container is started anew.

use std::{collections::BTreeMap, time::Duration};

use bollard::models::{ContainerInspectResponse, EndpointSettings, NetworkConnectRequest, NetworkDisconnectRequest};

use super::{
    partition::well_again,
    place::{address, at, difference, networks, published, request, unnumbered},
};
use crate::{
    clock,
    model::{
        act::{Effect, EffectStatus, Prepared},
        undo::Undo,
    },
    platform::{
        PlatformError, Reverted,
        docker::{
            container::state,
            deed::{On, answered, effect, seen},
            engine::{Engine, READ_LIMIT, Trouble},
            inventory::SWARM_TASK,
            undo::{Before, Life, Place},
        },
    },
};

const LIMIT: Duration = Duration::from_secs(20);

/// How the disconnection is undone.
///
/// # Errors
/// When there is no network to disconnect it from, or the engine would not connect it again as it was.
pub fn way_back(on: On<'_>, now: &ContainerInspectResponse, life: Life) -> Result<Undo, PlatformError> {
    let name = &on.instance.name;
    if on.instance.labels.contains_key(SWARM_TASK) {
        return Err(PlatformError::Refused(format!(
            "{name} is a task of Swarm: the engine would connect it again, but the name and the ports of its service would not lead to it \
             any more; `mode: hang` cuts off a task, on an engine of this machine"
        )));
    }
    let networks = networks(now);
    if networks.is_empty() {
        return Err(PlatformError::Refused(format!("{name} is on no network")));
    }
    let places: Vec<String> = networks.values().map(|place| format!("{} at {}", place.name, address(&place.endpoint))).collect();
    let ports = match unnumbered(now) {
        free if free.is_empty() => String::new(),
        free => format!("; its port {} is published at another number then, as the engine chooses it", free.join(" and ")),
    };
    let says = format!("connect {name} again to {}, under the same names{ports}", places.join(" and "));
    Ok(Before::Connected { life, networks, published: published(now) }.into_undo(on.engine, &on.instance.id, says))
}

/// Disconnects a container from those of the networks that it is on.
pub async fn inject(on: On<'_>, prepared: &Prepared, recorded: &BTreeMap<String, Place>) -> Effect {
    let name = &on.instance.name;
    let requested = clock::now();
    let now = match on.inspect().await {
        Ok(now) => now,
        Err(trouble) => return answered(prepared, requested, Err(trouble)),
    };
    let here = networks(&now);
    let mut any = false;
    for (id, place) in recorded.iter().filter(|(id, _)| here.contains_key(*id)) {
        match leave(on.engine, on.id(), name, id, place).await {
            Ok(()) => any = true,
            // One of several is done: whatever the others come to, there is something to undo.
            Err(trouble) if any => return effect(prepared, requested, EffectStatus::Failed { why: trouble.to_string() }),
            Err(trouble) => return answered(prepared, requested, Err(trouble)),
        }
    }
    if any {
        answered(prepared, requested, Ok(()))
    } else {
        effect(prepared, requested, EffectStatus::Vanished { found: format!("{name} is on none of its networks any more") })
    }
}

async fn leave(engine: &Engine, id: &str, name: &str, network: &str, place: &Place) -> Result<(), Trouble> {
    let request = NetworkDisconnectRequest { container: id.to_owned(), force: Some(false) };
    let what = format!("the disconnection of {name} from {}", place.name);
    engine.call(&what, LIMIT, engine.docker.disconnect_network(network, request)).await
}

/// Looks whether it is on none of them.
pub async fn verify(on: On<'_>, effect: Effect, recorded: &BTreeMap<String, Place>) -> Effect {
    let name = &on.instance.name;
    let found = match on.inspect().await {
        Ok(now) => {
            let here = networks(&now);
            match recorded.iter().find(|(id, _)| here.contains_key(*id)) {
                None => Ok(()),
                Some((_, place)) => Err(format!("{name} is still on {}", place.name)),
            }
        }
        Err(trouble) => Err(format!("the networks of {name} could not be seen: {trouble}")),
    };
    seen(effect, "NetworkSettings.Networks", found)
}

/// A container that was disconnected.
#[derive(Clone, Copy)]
pub struct Owner<'a> {
    /// Its engine.
    pub engine: &'a Engine,
    /// Its full id.
    pub id: &'a str,
    /// Its name.
    pub name: &'a str,
}

/// Connects a container again to those of its networks that it is not on. That holds for every later life of it, too.
///
/// # Errors
/// When it is not on all of them afterwards; `Refused` when no further try of ours will change that. Each that can be is connected first.
pub async fn revert(
    owner: Owner<'_>,
    life: &Life,
    recorded: &BTreeMap<String, Place>,
    ports: &BTreeMap<String, Vec<String>>,
) -> Result<Reverted, PlatformError> {
    let Owner { engine, id, name } = owner;
    let now = match engine.inspect(id).await {
        Ok(now) => now,
        Err(Trouble::Gone(_)) => return Ok(Reverted::NothingToUndo { why: format!("{name} is gone") }),
        Err(trouble) => return Err(trouble.into()),
    };
    let mut missing: Vec<(&String, &Place)> = recorded.iter().filter(|(id, place)| at(&now, id, place).is_none()).collect();
    if missing.is_empty() {
        return Ok(Reverted::NothingToUndo { why: format!("{name} is on its networks{}", told(&differences(&now, recorded, &[]))) });
    }
    // The network that it was made with comes first, as at each start of it.
    let first = now.host_config.as_ref().and_then(|host| host.network_mode.clone()).unwrap_or_default();
    missing.sort_by_key(|(id, place)| (**id != first && place.name != first, &place.name));
    let mut failed = Vec::new();
    let mut says = Vec::new();
    {
        // Others may be connected at the same time, and an address that the engine gives to this one may be theirs.
        let _turn = engine.joining.lock().await;
        for (network, place) in &missing {
            match join(owner, state::running(&now), network, place).await {
                Ok(said) => says.extend(said),
                Err(error) => failed.push((place.name.as_str(), error)),
            }
        }
    }
    let after = match engine.inspect(id).await {
        Ok(after) => after,
        Err(Trouble::Gone(_)) => return Ok(Reverted::NothingToUndo { why: format!("{name} is gone") }),
        Err(trouble) => return Err(trouble.into()),
    };
    let (back, not): (Vec<_>, Vec<_>) = missing.iter().partition(|(id, place)| at(&after, id, place).is_some());
    let names = |all: &[&(&String, &Place)]| all.iter().map(|(_, place)| place.name.as_str()).collect::<Vec<_>>().join(" and ");
    let done = if back.is_empty() { String::new() } else { format!("{name} is on {} again", names(&back)) };
    if let Some((_, place)) = not.iter().find(|(_, place)| failed.iter().all(|(failed, _)| *failed != place.name)) {
        failed.push((&place.name, PlatformError::Failed(format!("{name} was connected to {} and is not on it", place.name))));
    }
    failed.retain(|(failed, _)| not.iter().any(|(_, place)| place.name == *failed));
    if !failed.is_empty() {
        return Err(unfinished(&done, failed));
    }
    well_again(engine, id, name, life).await?;
    says.extend(differences(&after, recorded, &says));
    if state::running(&after) {
        says.extend(moved(ports, &published(&after)));
    } else {
        says.push(format!("it does not run: it is {}", state::says(&after)));
    }
    Ok(Reverted::Restored { says: format!("{done}{}", told(&says)) })
}

/// Connects it to one network: at the address that was chosen for it, else at the one that it had. What is to be told of that.
///
/// An address that the engine gave is asked for only when it gives another now: who asks for an address has it chosen from then on, and is
/// not started any more while somebody else has it.
async fn join(owner: Owner<'_>, runs: bool, network: &str, place: &Place) -> Result<Option<String>, PlatformError> {
    let Owner { engine, id, name } = owner;
    let gone = || {
        PlatformError::Refused(format!(
            "the network {} that {name} was on is gone; once there is a network of that name again, this undo can connect {name} to it",
            place.name
        ))
    };
    let Some(network) = find(engine, runs, network, &place.name).await? else { return Err(gone()) };
    let what = format!("the connection of {name} to {}", place.name);
    let ask = |endpoint: EndpointSettings| {
        let request = NetworkConnectRequest { container: id.to_owned(), endpoint_config: Some(endpoint) };
        engine.call(&what, LIMIT, engine.docker.connect_network(&network, request))
    };
    match ask(request(&place.endpoint, false)).await {
        Ok(()) => {}
        Err(Trouble::Gone(_)) => return Err(gone()),
        Err(Trouble::Refused(why)) => {
            let holder = holder(engine, &network, &place.endpoint).await;
            return Err(PlatformError::Refused(format!("{why}{}", holder.unwrap_or_default())));
        }
        Err(trouble) => return Err(trouble.into()),
    }
    let then = address(&place.endpoint);
    let given = at(&engine.inspect(id).await?, &network, place).map(address).unwrap_or_default();
    if given.is_empty() || then.is_empty() || given == then {
        return Ok(None);
    }
    leave(engine, id, name, &network, place).await?;
    match ask(request(&place.endpoint, true)).await {
        Ok(()) => Ok(Some(format!(
            "{} would have given it {given}: it is tied to its address {then} there from now on, until it is made anew",
            place.name
        ))),
        // The engine lets nobody choose here, or somebody has it.
        Err(Trouble::Refused(_) | Trouble::Failed(_) | Trouble::Conflict(_)) => {
            ask(request(&place.endpoint, false)).await?;
            Ok(None)
        }
        Err(trouble) => Err(trouble.into()),
    }
}

/// The network of this id, else the one that has its name now; none when it is gone.
async fn find(engine: &Engine, runs: bool, network: &str, name: &str) -> Result<Option<String>, PlatformError> {
    for key in [network, name] {
        match engine.call("a network", READ_LIMIT, engine.docker.inspect_network(key, None)).await {
            Ok(found) if found.id.as_deref() == Some(network) || found.name.as_deref() == Some(name) => return Ok(found.id),
            Ok(_) | Err(Trouble::Gone(_)) => {}
            Err(trouble) => return Err(trouble.into()),
        }
    }
    // A worker of a swarm knows an overlay network only while something is on it: what runs is connected to it all the same. For what does
    // not run the engine would note down any network, and then never start it.
    Ok(runs.then(|| network.to_owned()))
}

/// Who has the address that was chosen for a place, in words.
async fn holder(engine: &Engine, network: &str, was: &EndpointSettings) -> Option<String> {
    let chosen = was.ipam_config.as_ref()?;
    let all = engine.call("a network", READ_LIMIT, engine.docker.inspect_network(network, None)).await.ok()?.containers?;
    let has = |address: &str| {
        let at = |text: &Option<String>| text.as_deref().and_then(|text| text.split('/').next()) == Some(address);
        all.values().find(|one| at(&one.ipv4_address) || at(&one.ipv6_address)).and_then(|one| one.name.clone())
    };
    let mut wanted = [&chosen.ipv4_address, &chosen.ipv6_address].into_iter().flatten();
    wanted.find_map(|address| has(address).map(|who| format!("; {who} has {address} now")))
}

/// What is not done, after what is.
fn unfinished(done: &str, failed: Vec<(&str, PlatformError)>) -> PlatformError {
    let last = failed.iter().all(|(_, error)| matches!(error, PlatformError::Refused(_)));
    let words = failed.into_iter().map(|(network, error)| match error {
        PlatformError::Refused(why) | PlatformError::Failed(why) | PlatformError::Unavailable(why) => why,
        PlatformError::Timeout(limit) => format!("asked to connect it to {network}, the engine did not answer within {limit:?}"),
    });
    let words = words.collect::<Vec<_>>().join("; ");
    let says = if done.is_empty() { words } else { format!("{done}, but {words}") };
    if last { PlatformError::Refused(says) } else { PlatformError::Failed(says) }
}

/// In what its places are not those that it had; a network of which something was `said` already is left out.
fn differences(now: &ContainerInspectResponse, recorded: &BTreeMap<String, Place>, said: &[String]) -> Vec<String> {
    let new = |place: &Place| !said.iter().any(|said| said.starts_with(&format!("{} ", place.name)));
    let all = recorded.iter().filter(|(_, place)| new(place));
    all.filter_map(|(id, place)| difference(place, at(now, id, place)?)).collect()
}

/// Which published ports are elsewhere now.
fn moved(then: &BTreeMap<String, Vec<String>>, now: &BTreeMap<String, Vec<String>>) -> Option<String> {
    let words: Vec<String> = then
        .iter()
        .filter(|(port, at)| now.get(*port) != Some(at))
        .map(|(port, at)| match now.get(port) {
            Some(now) => format!("its port {port} is published at {} now instead of {}", now.join(" and "), at.join(" and ")),
            None => format!("its port {port} is not published any more"),
        })
        .collect();
    (!words.is_empty()).then(|| words.join("; "))
}

fn told(words: &[String]) -> String {
    if words.is_empty() { String::new() } else { format!(" ({})", words.join("; ")) }
}
