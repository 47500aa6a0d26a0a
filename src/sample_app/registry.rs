//! The service registry of the chat: who is there, at which address, in which version.
//!
//! An instance registers itself under a lease that it keeps alive, and is forgotten when it stops renewing. What is registered lies at
//! `/instances/SERVICE/ID`; `/draining/ID` says that an instance is to get nothing new; `/config/SERVICE/version` is the version that an
//! instance begins as.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::etcd::{Etcd, Held};

/// Everything of the registry lies below this.
pub const ROOT: &str = "/";
const INSTANCES: &str = "/instances/";
const DRAINING: &str = "/draining/";

/// An instance, as it registers itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its service.
    pub service: String,
    /// Its id.
    pub id: String,
    /// Where it answers: `HOST:PORT`.
    pub address: String,
    /// Its version.
    pub version: String,
    /// Whether it is to get nothing new.
    #[serde(skip)]
    pub draining: bool,
}

/// Where the version of a service is written.
pub fn version_key(service: &str) -> String {
    format!("/config/{service}/version")
}

/// Where it is written that an instance drains.
pub fn draining_key(id: &str) -> String {
    format!("{DRAINING}{id}")
}

/// The instances among what is held, by service and id.
pub fn entries(held: &Held) -> Vec<Entry> {
    let drains = |id: &str| held.values.iter().any(|(key, _)| key.strip_prefix(DRAINING) == Some(id));
    let instances = held.values.iter().filter(|(key, _)| key.starts_with(INSTANCES));
    let mut found: Vec<Entry> = instances.filter_map(|(_, value)| serde_json::from_str(value).ok()).collect();
    for entry in &mut found {
        entry.draining = drains(&entry.id);
    }
    found
}

/// Keeps an instance registered for as long as this is polled.
pub async fn stay(etcd: Arc<Etcd>, entry: Entry, lease: Duration) {
    loop {
        if let Err(why) = once(&etcd, &entry, lease).await {
            eprintln!("{} is not registered: {why}", entry.id);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Registers, and renews until the lease is lost.
async fn once(etcd: &Etcd, entry: &Entry, lease: Duration) -> Result<(), String> {
    let id = etcd.grant(lease.as_secs().max(1)).await?;
    let value = serde_json::to_string(entry).map_err(|error| error.to_string())?;
    etcd.put(&format!("{INSTANCES}{}/{}", entry.service, entry.id), &value, Some(&id)).await?;
    loop {
        tokio::time::sleep(lease / 4).await;
        match etcd.keep_alive(&id).await {
            Ok(true) => {}
            Ok(false) => return Err("its lease has ended".to_owned()),
            // Without a majority no lease ends either: to ask again is all there is to do.
            Err(why) => eprintln!("{} cannot renew its lease: {why}", entry.id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_registered_is_read_back_and_who_drains_is_marked() {
        let entry = |id: &str| Entry {
            service: "users".to_owned(),
            id: id.to_owned(),
            address: "127.0.0.1:1".to_owned(),
            version: "4".to_owned(),
            draining: false,
        };
        let pair = |key: &str, value: String| (key.to_owned(), value);
        let held = Held {
            values: vec![
                pair("/config/users/version", "5".to_owned()),
                pair("/draining/users-2", String::new()),
                pair("/instances/users/users-1", serde_json::to_string(&entry("users-1")).unwrap()),
                pair("/instances/users/users-2", serde_json::to_string(&entry("users-2")).unwrap()),
                pair("/instances/users/users-3", "no entry".to_owned()),
            ],
            revision: 1,
        };
        assert_eq!(entries(&held), [entry("users-1"), Entry { draining: true, ..entry("users-2") }]);
    }
}
