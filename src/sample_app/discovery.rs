//! Between the service registry and the balancer: what is registered in etcd, HAProxy sends to. (confd does the same by templates and
//! reloads; here the servers come and go through HAProxy's runtime API, so that no connection is cut.)
//!
//! When etcd cannot say who is there, HAProxy keeps those that it has: a registry that is down must not take the site down.

use std::time::Duration;

use super::{
    etcd::Etcd,
    haproxy::{HaProxy, Server},
    registry::{self, Entry},
    server::RunError,
};

/// The longest time between two comparisons: a HAProxy that was started anew knows nobody.
const AT_LEAST_EVERY: Duration = Duration::from_millis(300);
/// Before etcd or HAProxy is asked again that did not answer.
const AGAIN: Duration = Duration::from_millis(200);

/// The flags of `sample discovery`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Members of etcd, as HOST:PORT
    #[arg(long, value_name = "ADDRESSES", value_delimiter = ',', required = true)]
    pub etcd: Vec<String>,
    /// HAProxy's stats socket, as HOST:PORT
    #[arg(long, value_name = "ADDRESS")]
    pub haproxy: String,
    /// The words of HAProxy's health check of each server; empty for no check
    #[arg(long, value_name = "WORDS", default_value = "inter 100ms fall 2 rise 1")]
    pub check: String,
}

/// Runs until it is ended.
pub fn run(options: &Options) -> Result<(), RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(keep_up(options))
}

async fn keep_up(options: &Options) -> Result<(), RunError> {
    let (etcd, haproxy) = (Etcd::new(&options.etcd), HaProxy(options.haproxy.clone()));
    let check = (!options.check.is_empty()).then_some(options.check.as_str());
    let mut known: Vec<Entry> = Vec::new();
    loop {
        let held = etcd.held(registry::ROOT).await;
        match &held {
            Ok(held) => known = registry::entries(held),
            Err(why) => eprintln!("who is there is not known, and those that were stay: {why}"),
        }
        if let Err(why) = adapt(&haproxy, &known, check).await {
            eprintln!("{why}");
        }
        match held {
            Ok(held) => etcd.changed(registry::ROOT, held.revision, AT_LEAST_EVERY).await,
            Err(_) => tokio::time::sleep(AGAIN).await,
        }
    }
}

/// What is to be done for one server.
#[derive(Debug, PartialEq, Eq)]
enum Change<'a> {
    Add(&'a Entry),
    Remove(&'a Server),
    Drain(&'a Server, bool),
}

/// Changes what HAProxy has into what is known.
async fn adapt(haproxy: &HaProxy, known: &[Entry], check: Option<&str>) -> Result<(), String> {
    let servers = haproxy.servers().await?;
    for change in changes(known, &servers) {
        let done = match change {
            Change::Add(entry) => {
                let server = Server {
                    backend: entry.service.clone(),
                    name: entry.id.clone(),
                    address: entry.address.clone(),
                    draining: entry.draining,
                    up: true,
                };
                haproxy.add(&server, check).await
            }
            Change::Remove(server) => haproxy.remove(&server.backend, &server.name).await,
            Change::Drain(server, draining) => haproxy.drain(&server.backend, &server.name, draining).await,
        };
        match done {
            Ok(()) => println!("{change:?}"),
            Err(why) => eprintln!("{why}"),
        }
    }
    Ok(())
}

fn changes<'a>(known: &'a [Entry], servers: &'a [Server]) -> Vec<Change<'a>> {
    let same =
        |entry: &Entry, server: &Server| entry.service == server.backend && entry.id == server.name && entry.address == server.address;
    let gone = servers.iter().filter(|server| !known.iter().any(|entry| same(entry, server))).map(Change::Remove);
    let new = known.iter().filter(|entry| !servers.iter().any(|server| same(entry, server))).map(Change::Add);
    let other = servers.iter().filter_map(|server| {
        let entry = known.iter().find(|entry| same(entry, server))?;
        (entry.draining != server.draining).then_some(Change::Drain(server, entry.draining))
    });
    gone.chain(new).chain(other).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_balancer_gets_what_is_registered_and_nothing_else() {
        let entry = |id: &str, port: u16, draining| Entry {
            service: "users".to_owned(),
            id: id.to_owned(),
            address: format!("127.0.0.1:{port}"),
            version: "4".to_owned(),
            draining,
        };
        let server = |name: &str, port: u16, draining| Server {
            backend: "users".to_owned(),
            name: name.to_owned(),
            address: format!("127.0.0.1:{port}"),
            draining,
            up: true,
        };
        let known = [entry("new", 1, false), entry("same", 2, false), entry("drains", 3, true), entry("moved", 5, false)];
        let servers = [server("same", 2, false), server("drains", 3, false), server("moved", 4, false), server("gone", 6, false)];
        let expected = [
            Change::Remove(&servers[2]),
            Change::Remove(&servers[3]),
            Change::Add(&known[0]),
            Change::Add(&known[3]),
            Change::Drain(&servers[1], true),
        ];
        assert_eq!(changes(&known, &servers), expected);
        assert_eq!(changes(&known[1..2], &servers[..1]), []);
    }
}
