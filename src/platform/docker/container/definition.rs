//! What a container is made from, read from the engine's own words for it, so that another can be made that is like it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::platform::docker::inventory::is_name;

/// The definition of a container that is gone. Its environment may hold secrets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    /// Its name.
    pub name: String,
    /// The id of its image.
    pub image: String,
    /// The id of the container that it was read from.
    pub id: String,
    /// What the engine is asked to make: `Config`, and `HostConfig` in it.
    pub body: Value,
    /// The networks that it was in, by name.
    pub networks: BTreeMap<String, Endpoint>,
}

/// A container's place in a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Endpoint {
    /// What was configured for it: aliases, links, options, addresses where somebody chose them.
    pub configured: Value,
    /// The addresses that it had, whoever chose them.
    pub addresses: Vec<String>,
}

impl Definition {
    /// Reads what the engine tells of a container.
    ///
    /// # Errors
    /// When it leaves out what a container cannot be made without.
    pub fn read(told: &Value) -> Result<Self, String> {
        let text = |key: &str| told.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let object = |key: &str| told.get(key).and_then(Value::as_object).cloned();
        let need = |key: &str| format!("the engine does not tell its `{key}`");
        let id = text("Id").ok_or_else(|| need("Id"))?.to_owned();
        let name = text("Name").ok_or_else(|| need("Name"))?.trim_start_matches('/').to_owned();
        if !is_name(&name) {
            return Err("the engine gives it a name that none can have".to_owned());
        }
        let image = text("Image").ok_or_else(|| need("Image"))?.to_owned();
        let mut body = object("Config").ok_or_else(|| need("Config"))?;
        let mut host = object("HostConfig").ok_or_else(|| need("HostConfig"))?;

        reattach(&mut host, told.get("Mounts").and_then(Value::as_array).map_or(&[], Vec::as_slice));
        if let Some(ports) = told.pointer("/NetworkSettings/Ports").and_then(Value::as_object) {
            keep_ports(&mut host, ports);
        }
        let mode = |key: &str| host.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let borrowed = mode("NetworkMode").starts_with("container:");
        if borrowed || mode("NetworkMode") == "host" || mode("UTSMode") == "host" {
            // Not its own: the engine takes it from where it is, and refuses to be told.
            body.remove("Hostname");
            body.remove("Domainname");
        }
        if borrowed {
            body.remove("ExposedPorts");
        }
        let networks = told
            .pointer("/NetworkSettings/Networks")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            // These two know neither aliases nor addresses that somebody chooses.
            .filter(|(name, _)| !matches!(name.as_str(), "host" | "none"))
            .map(|(name, told)| (name.clone(), Endpoint::read(told, &id)))
            .collect();
        body.insert("HostConfig".to_owned(), Value::Object(host));
        Ok(Self { name, image, id, body: Value::Object(body), networks })
    }

    /// The name that it was given for its image.
    pub fn image_name(&self) -> &str {
        self.body.get("Image").and_then(Value::as_str).unwrap_or(&self.image)
    }

    /// Whether a container, in the engine's words, is one that was made from this definition (or by somebody from the very same one,
    /// down to the host name, which an engine draws anew for each).
    pub fn made(&self, told: &Value) -> bool {
        let config = ["Labels", "Env", "Cmd", "Entrypoint", "Hostname", "WorkingDir", "User"];
        let host = ["Binds", "NetworkMode", "PortBindings"];
        let same = |wanted: Option<&Value>, found: Option<&Value>| filled(wanted) == filled(found);
        told.get("Image").and_then(Value::as_str) == Some(&self.image)
            && told.get("Id").and_then(Value::as_str) != Some(&self.id)
            && config
                .iter()
                .filter(|key| self.body.get(*key).is_some())
                .all(|key| same(self.body.get(key), told.get("Config").and_then(|config| config.get(key))))
            && host
                .iter()
                .all(|key| same(self.body.get("HostConfig").and_then(|h| h.get(key)), told.get("HostConfig").and_then(|h| h.get(key))))
    }
}

impl Endpoint {
    fn read(told: &Value, id: &str) -> Self {
        let mut configured = Map::new();
        for key in ["IPAMConfig", "Links", "DriverOpts"] {
            if let Some(value) = filled(told.get(key)) {
                configured.insert(key.to_owned(), value.clone());
            }
        }
        // The engine adds the container's short id to the aliases of each; the new one has an id of its own.
        let short = id.get(..12).unwrap_or(id);
        let aliases: Vec<&Value> =
            told.get("Aliases").and_then(Value::as_array).into_iter().flatten().filter(|a| a.as_str() != Some(short)).collect();
        if !aliases.is_empty() {
            configured.insert("Aliases".to_owned(), json!(aliases));
        }
        let addresses = ["IPAddress", "GlobalIPv6Address"];
        let address = |key: &&str| told.get(*key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
        Self { configured: Value::Object(configured), addresses: addresses.iter().filter_map(address).collect() }
    }

    /// Whether somebody chose its addresses; else the engine did.
    pub fn chosen(&self) -> bool {
        ["IPv4Address", "IPv6Address"].iter().any(|key| filled(self.configured.pointer(&format!("/IPAMConfig/{key}"))).is_some())
    }

    /// What was configured, and the addresses that it had.
    pub fn with_addresses(&self) -> Value {
        let mut all = self.configured.clone();
        for address in &self.addresses {
            let key = if address.contains(':') { "IPv6Address" } else { "IPv4Address" };
            all["IPAMConfig"][key] = Value::String(address.clone());
        }
        all
    }
}

/// What is not there, null and empty are the same in an engine's words.
fn filled(value: Option<&Value>) -> Option<&Value> {
    value.filter(|value| match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
        _ => true,
    })
}

/// Volumes without a name of somebody's choosing live on under the names that the engine gave them: they are mounted again by these.
fn reattach(host: &mut Map<String, Value>, mounts: &[Value]) {
    let text = |of: &Value, key: &str| of.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let bound: Vec<String> = host.get("Binds").and_then(Value::as_array).into_iter().flatten().filter_map(destination).collect();
    let anonymous = mounts.iter().filter(|mount| text(mount, "Type") == "volume" && !text(mount, "Name").is_empty());
    for mount in anonymous {
        let (name, place) = (text(mount, "Name"), text(mount, "Destination"));
        if bound.contains(&place) {
            continue;
        }
        let asked = host.get_mut("Mounts").and_then(Value::as_array_mut).into_iter().flatten().find(|m| text(m, "Target") == place);
        if let Some(asked) = asked {
            asked["Source"] = Value::String(name);
            continue;
        }
        let options = if mount.get("RW").and_then(Value::as_bool) == Some(false) { ":ro" } else { "" };
        let bind = Value::String(format!("{name}:{place}{options}"));
        match host.get_mut("Binds").and_then(Value::as_array_mut) {
            Some(binds) => binds.push(bind),
            None => drop(host.insert("Binds".to_owned(), Value::Array(vec![bind]))),
        }
    }
}

/// Where `SOURCE:PLACE[:OPTIONS]` is mounted.
fn destination(bind: &Value) -> Option<String> {
    bind.as_str()?.split(':').nth(1).map(str::to_owned)
}

/// A port that the engine was free to choose stays the one that it chose: that is where users are.
fn keep_ports(host: &mut Map<String, Value>, published: &Map<String, Value>) {
    let Some(asked) = host.get_mut("PortBindings").and_then(Value::as_object_mut) else { return };
    for (port, bindings) in asked {
        let Some(found) = published.get(port).and_then(Value::as_array) else { continue };
        for (place, binding) in bindings.as_array_mut().into_iter().flatten().enumerate() {
            let text = |key: &str| binding.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            let open = text("HostPort").parse::<u16>().unwrap_or(0) == 0;
            let chosen = found.get(place).and_then(|found| found.get("HostPort"));
            if let (true, Some(chosen)) = (open, chosen) {
                binding["HostPort"] = chosen.clone();
            }
        }
    }
}

/// Whether a container has volumes that nobody named: an engine that deletes a container by itself deletes these with it.
pub fn anonymous_volumes(told: &Value) -> bool {
    let mut host = told.get("HostConfig").and_then(Value::as_object).cloned().unwrap_or_default();
    let before = host.clone();
    reattach(&mut host, told.get("Mounts").and_then(Value::as_array).map_or(&[], Vec::as_slice));
    // Those that were asked for by name stay as they are; the others are new.
    host != before
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "d8c2df03b7640dea3d7cf131979574cf27ec4d080a9649499c59e8fd86d2ab6e";

    fn told() -> Value {
        json!({
            "Id": ID, "Name": "/shop-web-1", "Image": "sha256:94aa",
            "Config": { "Hostname": "d8c2df03b764", "Image": "web:1", "Env": ["A=1"], "Labels": { "x": "y" }, "NewInThisEngine": 3 },
            "HostConfig": {
                "Binds": ["named:/n:ro"], "NetworkMode": "front",
                "Mounts": [{ "Type": "volume", "Target": "/m" }],
                "PortBindings": { "80/tcp": [{ "HostIp": "127.0.0.1", "HostPort": "" }], "81/tcp": [{ "HostIp": "", "HostPort": "8081" }] },
            },
            "Mounts": [
                { "Type": "volume", "Name": "named", "Destination": "/n", "RW": false },
                { "Type": "volume", "Name": "aaa", "Destination": "/data", "RW": true },
                { "Type": "volume", "Name": "bbb", "Destination": "/m", "RW": true },
                { "Type": "bind", "Source": "/etc/x", "Destination": "/x", "RW": true },
            ],
            "NetworkSettings": {
                "Ports": { "80/tcp": [{ "HostIp": "127.0.0.1", "HostPort": "32768" }], "81/tcp": [{ "HostIp": "0.0.0.0", "HostPort": "8081" }] },
                "Networks": {
                    "front": { "IPAMConfig": null, "Aliases": ["web", "d8c2df03b764"], "IPAddress": "10.0.0.2", "GlobalIPv6Address": "", "DriverOpts": {} },
                    "back": { "IPAMConfig": { "IPv4Address": "10.1.0.17" }, "Aliases": null, "IPAddress": "10.1.0.17" },
                },
            },
        })
    }

    #[test]
    fn everything_is_in_it() {
        let read = Definition::read(&told()).unwrap();
        assert_eq!((read.name.as_str(), read.image.as_str(), read.image_name()), ("shop-web-1", "sha256:94aa", "web:1"));
        assert_eq!(read.body["NewInThisEngine"], 3);
        let host = &read.body["HostConfig"];
        assert_eq!(host["Binds"], json!(["named:/n:ro", "aaa:/data"]));
        assert_eq!(host["Mounts"], json!([{ "Type": "volume", "Target": "/m", "Source": "bbb" }]));
        assert_eq!(host["PortBindings"]["80/tcp"][0]["HostPort"], "32768");
        assert_eq!(host["PortBindings"]["81/tcp"][0]["HostPort"], "8081");
        let (front, back) = (&read.networks["front"], &read.networks["back"]);
        assert_eq!(front.configured, json!({ "Aliases": ["web"] }));
        assert_eq!(front.with_addresses(), json!({ "Aliases": ["web"], "IPAMConfig": { "IPv4Address": "10.0.0.2" } }));
        assert!(!front.chosen() && back.chosen());
        assert_eq!(back.configured, json!({ "IPAMConfig": { "IPv4Address": "10.1.0.17" } }));
    }

    #[test]
    fn one_that_borrows_its_network_is_not_told_a_host_name() {
        let mut told = told();
        told["HostConfig"]["NetworkMode"] = json!("container:abc");
        assert!(Definition::read(&told).unwrap().body.get("Hostname").is_none());
    }

    #[test]
    fn what_was_made_from_it_is_known_again() {
        let read = Definition::read(&told()).unwrap();
        let mut made = told();
        made["Id"] = json!("another");
        made["HostConfig"] = read.body["HostConfig"].clone();
        assert!(read.made(&made));
        assert!(!read.made(&told()), "the container itself is not one of its copies");
        made["Config"]["Hostname"] = json!("another");
        assert!(!read.made(&made), "somebody else's has another host name");
    }

    #[test]
    fn volumes_that_nobody_named_are_seen() {
        assert!(anonymous_volumes(&told()));
        let mut told = told();
        told["Mounts"] = json!([{ "Type": "volume", "Name": "named", "Destination": "/n", "RW": false }]);
        assert!(!anonymous_volumes(&told));
    }

    #[test]
    fn what_is_left_out_is_named() {
        let mut told = told();
        told["HostConfig"] = Value::Null;
        assert_eq!(Definition::read(&told).unwrap_err(), "the engine does not tell its `HostConfig`");
    }
}
