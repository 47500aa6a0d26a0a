//! A rolling upgrade of a service in the registry, as a deployment tool does it: one instance after another ends and begins again in the
//! new version, and never fewer than a number of them serve.
//!
//! With draining, the balancer first sends an instance nothing new and what it has in flight finishes. Without, it ends with whatever it
//! is doing. Who starts it again is its platform's restart policy.

use std::time::Duration;

use http::Method;

use super::{
    client,
    etcd::Etcd,
    haproxy::HaProxy,
    registry::{self, Entry},
    server::RunError,
};
use crate::{clock, model::quantity};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(30);
/// How long a single thing may take.
const LIMIT: Duration = Duration::from_secs(15);
/// How long an instance may take to say that it is well.
const WITHIN: Duration = Duration::from_millis(500);

/// The flags of `sample upgrade`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Members of etcd, as HOST:PORT
    #[arg(long, value_name = "ADDRESSES", value_delimiter = ',', required = true)]
    pub etcd: Vec<String>,
    /// HAProxy's stats socket, as HOST:PORT
    #[arg(long, value_name = "ADDRESS")]
    pub haproxy: String,
    /// The service
    #[arg(long)]
    pub service: String,
    /// The new version
    #[arg(long)]
    pub to: String,
    /// So many instances serve at any time
    #[arg(long, default_value_t = 3)]
    pub at_least: usize,
    /// End instances without draining them
    #[arg(long)]
    pub abruptly: bool,
    /// The time between two instances
    #[arg(long, default_value = "500ms", value_parser = quantity::duration)]
    pub pause: Duration,
}

/// Does it.
pub fn run(options: &Options) -> Result<(), RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let upgrade = Upgrade { options, etcd: Etcd::new(&options.etcd), haproxy: HaProxy(options.haproxy.clone()) };
    runtime.block_on(upgrade.roll()).map_err(RunError::Needs)
}

struct Upgrade<'o> {
    options: &'o Options,
    etcd: Etcd,
    haproxy: HaProxy,
}

impl Upgrade<'_> {
    async fn roll(&self) -> Result<(), String> {
        let Options { service, to, at_least, pause, .. } = self.options;
        let all = self.instances().await?;
        if all.len() <= *at_least {
            return Err(format!(
                "{service} has {} instances, and {at_least} of them are to serve at any time: none can be replaced",
                all.len()
            ));
        }
        self.etcd.put(&registry::version_key(service), to, None).await?;
        for old in all.iter().filter(|entry| entry.version != *to) {
            self.until(&format!("{at_least} instances of {service} beside {} serve", old.id), async || {
                Ok(self.serving().await?.iter().filter(|id| **id != old.id).count() >= *at_least)
            })
            .await?;
            self.replace(old).await?;
            tokio::time::sleep(*pause).await;
        }
        Ok(())
    }

    async fn replace(&self, old: &Entry) -> Result<(), String> {
        let drains = registry::draining_key(&old.id);
        if !self.options.abruptly {
            self.etcd.put(&drains, "", None).await?;
            self.until(&format!("{} has drained", old.id), async || {
                let servers = self.haproxy.servers().await?;
                let draining = servers.iter().any(|server| server.name == old.id && server.draining);
                Ok(draining && self.haproxy.sessions(&old.service, &old.id).await? == 0)
            })
            .await?;
        }
        let path = if self.options.abruptly { "/end?abruptly" } else { "/end" };
        // One that ends abruptly does not answer.
        let _ = client::ask(&old.address, client::request(Method::POST, path, ""), WITHIN).await;
        let new = self
            .found(&format!("{} is registered in version {}", old.id, self.options.to), async || {
                Ok(self.instances().await?.into_iter().find(|entry| entry.id == old.id && entry.version == self.options.to))
            })
            .await?;
        self.until(&format!("{} is well", new.id), async || {
            let health = client::ask(&new.address, client::request(Method::GET, "/health", ""), WITHIN).await;
            Ok(health.is_ok_and(|(status, _)| status.is_success()))
        })
        .await?;
        if !self.options.abruptly {
            self.etcd.delete(&drains).await?;
        }
        self.until(&format!("HAProxy sends to {}", new.id), async || Ok(self.serving().await?.contains(&new.id))).await
    }

    async fn instances(&self) -> Result<Vec<Entry>, String> {
        let held = self.etcd.held(registry::ROOT).await?;
        Ok(registry::entries(&held).into_iter().filter(|entry| entry.service == self.options.service).collect())
    }

    /// Those that HAProxy sends to.
    async fn serving(&self) -> Result<Vec<String>, String> {
        let servers = self.haproxy.servers().await?;
        let of_it = servers.into_iter().filter(|server| server.backend == self.options.service && server.up && !server.draining);
        Ok(of_it.map(|server| server.name).collect())
    }

    async fn until(&self, what: &str, holds: impl AsyncFn() -> Result<bool, String>) -> Result<(), String> {
        self.found(what, async || Ok(holds().await?.then_some(()))).await
    }

    /// Looks until there is something; what goes wrong meanwhile may pass.
    async fn found<T>(&self, what: &str, look: impl AsyncFn() -> Result<Option<T>, String>) -> Result<T, String> {
        let begun = clock::now();
        loop {
            let why = match look().await {
                Ok(Some(found)) => return Ok(found),
                Ok(None) => String::new(),
                Err(why) => format!(": {why}"),
            };
            if clock::now().since(begun) > LIMIT {
                return Err(format!("not within {LIMIT:?}: {what}{why}"));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
