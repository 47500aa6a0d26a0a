//! A container that ended gives way to a new one of the same definition, as a group of instances replaces its dead: a new id, a new file
//! system, and whatever image now has the name that the old one was made from.

use std::time::Duration;

use bollard::query_parameters::{RemoveContainerOptions, StartContainerOptions};
use serde_json::{Value, json};

use super::definition::Definition;
use crate::platform::docker::engine::{Engine, Trouble};

/// How long a single thing may take: a file system is laid out, or removed.
const LIMIT: Duration = Duration::from_secs(30);
/// So much of a container's id is its host name, unless somebody chose another.
const SHORT: usize = 12;

/// Removes an ended container, makes another in its place and starts it; the new one's id.
///
/// # Errors
/// When the engine does not do it. What was removed by then stays removed.
pub async fn renew(engine: &Engine, id: &str) -> Result<String, Trouble> {
    let told = engine.inspect_all(id).await?;
    let definition = Definition::read(&told).map_err(Trouble::Failed)?;
    let name = &definition.name;
    // Not by force: what runs again by now stays.
    let gone = engine.docker.remove_container(id, Some(RemoveContainerOptions { v: true, ..RemoveContainerOptions::default() }));
    engine.call(&format!("the removal of {name}"), LIMIT, gone).await?;
    let made = engine.post(&format!("another {name}"), LIMIT, &format!("/containers/create?name={name}"), &body(&definition)).await?;
    let new = made.get("Id").and_then(Value::as_str).unwrap_or_default().to_owned();
    for (network, endpoint) in definition.networks.iter().filter(|(network, _)| *network != first_network(&definition)) {
        let joins = json!({ "Container": new, "EndpointConfig": endpoint.configured });
        engine.post(&format!("{name} to be in {network}"), LIMIT, &format!("/networks/{network}/connect"), &joins).await?;
    }
    let start = engine.docker.start_container(&new, None::<StartContainerOptions>);
    engine.call(&format!("the start of {name}"), LIMIT, start).await?;
    Ok(new)
}

fn first_network(definition: &Definition) -> &str {
    definition.body.pointer("/HostConfig/NetworkMode").and_then(Value::as_str).unwrap_or_default()
}

/// What the engine is asked to make.
fn body(definition: &Definition) -> Value {
    let mut body = definition.body.clone();
    // The old one's own name on its network, which the new one draws anew.
    if body.get("Hostname").and_then(Value::as_str) == definition.id.get(..SHORT)
        && let Some(parts) = body.as_object_mut()
    {
        parts.remove("Hostname");
    }
    let first = first_network(definition);
    if let Some(endpoint) = definition.networks.get(first) {
        body["NetworkingConfig"] = json!({ "EndpointsConfig": { first: endpoint.configured } });
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(hostname: &str) -> Value {
        json!({
            "Id": "d8c2df03b7640dea3d7cf131979574cf27ec4d080a9649499c59e8fd86d2ab6e", "Name": "/shop-web-1", "Image": "sha256:94aa",
            "Config": { "Hostname": hostname, "Image": "web:1" },
            "HostConfig": { "NetworkMode": "front" },
            "NetworkSettings": { "Networks": { "front": { "Aliases": ["web", "d8c2df03b764"], "IPAddress": "10.0.0.2" }, "back": {} } },
        })
    }

    #[test]
    fn the_new_one_has_the_name_of_the_image_and_its_own_host_name_and_address() {
        let asked = body(&Definition::read(&told("d8c2df03b764")).unwrap());
        assert_eq!((&asked["Image"], asked.get("Hostname")), (&json!("web:1"), None));
        assert_eq!(asked["NetworkingConfig"], json!({ "EndpointsConfig": { "front": { "Aliases": ["web"] } } }));
        let chosen = body(&Definition::read(&told("web-1")).unwrap());
        assert_eq!(chosen["Hostname"], "web-1");
    }
}
