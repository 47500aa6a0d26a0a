//! A partition by the engine's API: the container is disconnected from each of its networks, and connected to each again at the same
//! address, under the same names.

use std::{collections::BTreeMap, time::Duration};

use bollard::models::{ContainerInspectResponse, EndpointIpamConfig, EndpointSettings, NetworkConnectRequest, NetworkDisconnectRequest};

use super::partition::well_again;
use crate::{
    clock,
    model::{
        act::{Effect, EffectStatus, Prepared},
        undo::Undo,
    },
    platform::{
        PlatformError, Reverted,
        docker::{
            deed::{On, answered, effect, seen},
            engine::{Engine, Trouble},
            undo::{Before, Life, Place},
        },
    },
};

const LIMIT: Duration = Duration::from_secs(20);

/// The networks that a container is on now, by id.
fn networks(now: &ContainerInspectResponse) -> BTreeMap<String, Place> {
    let all = now.network_settings.as_ref().and_then(|settings| settings.networks.as_ref());
    all.into_iter()
        .flatten()
        .filter_map(|(name, endpoint)| {
            let id = endpoint.network_id.clone().filter(|id| !id.is_empty())?;
            Some((id, Place { name: name.clone(), endpoint: endpoint.clone() }))
        })
        .collect()
}

/// How the disconnection is undone.
///
/// # Errors
/// When there is no network to disconnect it from.
pub fn way_back(on: On<'_>, now: &ContainerInspectResponse, life: Life) -> Result<Undo, PlatformError> {
    let name = &on.instance.name;
    let networks = networks(now);
    if networks.is_empty() {
        return Err(PlatformError::Refused(format!("{name} is on no network")));
    }
    let places: Vec<String> = networks.values().map(|place| format!("{} at {}", place.name, address(&place.endpoint))).collect();
    let says = format!("connect {name} again to {}", places.join(" and "));
    Ok(Before::Connected { life, networks }.into_undo(on.engine, &on.instance.id, says))
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
        let request = NetworkDisconnectRequest { container: on.id().to_owned(), force: Some(false) };
        let what = format!("the disconnection of {name} from {}", place.name);
        match on.engine.call(&what, LIMIT, on.engine.docker.disconnect_network(id, request)).await {
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

/// Connects a container again to those of its networks that it is not on. That holds for every later life of it, too.
///
/// # Errors
/// When it is not on all of them afterwards.
pub async fn revert(
    engine: &Engine,
    id: &str,
    name: &str,
    life: &Life,
    recorded: &BTreeMap<String, Place>,
) -> Result<Reverted, PlatformError> {
    let now = match engine.inspect(id).await {
        Ok(now) => now,
        Err(Trouble::Gone(_)) => return Ok(Reverted::NothingToUndo { why: format!("{name} is gone") }),
        Err(trouble) => return Err(trouble.into()),
    };
    let here = networks(&now);
    let missing: Vec<(&String, &Place)> = recorded.iter().filter(|(id, _)| !here.contains_key(*id)).collect();
    if missing.is_empty() {
        return Ok(Reverted::NothingToUndo { why: format!("{name} is on its networks") });
    }
    for (network, place) in &missing {
        connect(engine, id, name, network, place).await?;
    }
    let after = networks(&engine.inspect(id).await?);
    let mut moved = Vec::new();
    for (network, place) in &missing {
        let Some(now) = after.get(*network) else {
            return Err(PlatformError::Failed(format!("{name} was connected to {} and is not on it", place.name)));
        };
        let (then, now) = (address(&place.endpoint), address(&now.endpoint));
        if !now.is_empty() && then != now {
            moved.push(format!("{} gave it the address {now} instead of {then}, as after any start of it", place.name));
        }
    }
    well_again(engine, id, name, life).await?;
    let names: Vec<&str> = missing.iter().map(|(_, place)| place.name.as_str()).collect();
    let moved = if moved.is_empty() { String::new() } else { format!(" ({})", moved.join("; ")) };
    Ok(Reverted::Restored { says: format!("{name} is on {} again{moved}", names.join(" and ")) })
}

/// At its own address; where the engine gives addresses itself and allows no other, at the one that it gives.
async fn connect(engine: &Engine, id: &str, name: &str, network: &str, place: &Place) -> Result<(), PlatformError> {
    let what = format!("the connection of {name} to {}", place.name);
    let ask = |endpoint| {
        let request = NetworkConnectRequest { container: id.to_owned(), endpoint_config: Some(endpoint) };
        engine.call(&what, LIMIT, engine.docker.connect_network(network, request))
    };
    match ask(request(&place.endpoint, true)).await {
        Ok(()) => return Ok(()),
        Err(trouble) if chosen(&place.endpoint) => return Err(trouble.into()),
        Err(Trouble::Refused(_) | Trouble::Failed(_)) => {}
        Err(trouble) => return Err(trouble.into()),
    }
    Ok(ask(request(&place.endpoint, false)).await?)
}

/// Whether somebody chose the address: then no other will do.
fn chosen(endpoint: &EndpointSettings) -> bool {
    let said = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
    endpoint.ipam_config.as_ref().is_some_and(|config| said(&config.ipv4_address) || said(&config.ipv6_address))
}

/// What the engine is asked for: everything that was set, and with `pinned` the addresses that were given.
fn request(was: &EndpointSettings, pinned: bool) -> EndpointSettings {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let mut ipam = was.ipam_config.clone().unwrap_or_default();
    if pinned {
        ipam.ipv4_address = given(&ipam.ipv4_address).or(given(&was.ip_address));
        ipam.ipv6_address = given(&ipam.ipv6_address).or(given(&was.global_ipv6_address));
    }
    EndpointSettings {
        ipam_config: (ipam != EndpointIpamConfig::default()).then_some(ipam),
        links: was.links.clone(),
        aliases: was.aliases.clone(),
        driver_opts: was.driver_opts.clone(),
        gw_priority: was.gw_priority,
        mac_address: if pinned { given(&was.mac_address) } else { None },
        ..EndpointSettings::default()
    }
}

fn address(endpoint: &EndpointSettings) -> String {
    let all = [&endpoint.ip_address, &endpoint.global_ipv6_address];
    all.into_iter().flatten().filter(|text| !text.is_empty()).map(String::as_str).collect::<Vec<_>>().join(" and ")
}
