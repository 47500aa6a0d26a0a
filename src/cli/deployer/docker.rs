//! Deploys to a Compose project: containers are stopped and started through their engine, and requests are shifted through the runtime API
//! of the HAProxy in front, whose address its container's label `firedrill.runtime-api` tells.

use std::{collections::BTreeMap, time::Duration};

use bollard::{
    container::LogOutput,
    models::{ContainerSummary, ContainerSummaryStateEnum},
    query_parameters::{KillContainerOptions, LogsOptions, StartContainerOptions, StopContainerOptions},
};
use futures_util::TryStreamExt as _;

use super::{LAST_WORDS, LIMIT, LOOK_EVERY, Roll, What, one_by_one};
use crate::{
    clock,
    model::environment::DockerSpec,
    platform::docker::{
        engine::{Engine, Trouble},
        inventory::{COMPOSE_PROJECT, COMPOSE_SERVICE, list, name_of},
    },
    sample_app::haproxy::{HaProxy, Server},
};

/// The label of HAProxy's container that says where its runtime API is.
const RUNTIME_API: &str = "firedrill.runtime-api";
/// The largest weight of a server.
const HEAVIEST: u32 = 256;
/// How long a container may take to end by itself.
const GRACE_S: i32 = 10;

/// Does it, with this project.
///
/// # Errors
/// In words: it is not done, or not wholly.
pub async fn deploy(project: &str, what: &What) -> Result<(), String> {
    let mut engines = Engine::connect_all(&DockerSpec::default()).await.map_err(|error| error.to_string())?;
    let engine = engines.pop().ok_or("there is no engine")?;
    let project = Project { engine, name: project.to_owned() };
    match what {
        What::Shift { balancer, shares } => project.shift(balancer, shares).await,
        What::Roll(roll) => project.roll(roll).await,
        What::Start { service } => project.start(service).await,
    }
}

struct Project {
    engine: Engine,
    name: String,
}

/// A container of a service.
struct Replica {
    id: String,
    name: String,
    /// Its addresses in its networks; none when it does not run.
    ips: Vec<String>,
}

impl Replica {
    fn of(found: &ContainerSummary) -> Option<Self> {
        let networks = found.network_settings.as_ref().and_then(|settings| settings.networks.as_ref());
        let ips = networks.into_iter().flatten().filter_map(|(_, network)| network.ip_address.clone()).filter(|ip| !ip.is_empty());
        Some(Self { id: found.id.clone()?, name: name_of(found).to_owned(), ips: ips.collect() })
    }

    /// What HAProxy knows it as.
    fn server<'s>(&self, servers: &'s [Server]) -> Result<&'s Server, String> {
        let here = |server: &Server| server.address.rsplit_once(':').is_some_and(|(ip, _)| self.ips.iter().any(|own| own == ip));
        servers.iter().find(|server| here(server)).ok_or_else(|| format!("HAProxy has no server with an address of {}", self.name))
    }
}

impl Project {
    async fn containers(&self, service: &str) -> Result<Vec<ContainerSummary>, String> {
        let labels = vec![format!("{COMPOSE_PROJECT}={}", self.name), format!("{COMPOSE_SERVICE}={service}")];
        let mut found = list(&self.engine, labels).await.map_err(|trouble| trouble.to_string())?;
        found.sort_by_key(|found| name_of(found).to_owned());
        if found.is_empty() { Err(format!("there is no service {service} in the project {}", self.name)) } else { Ok(found) }
    }

    /// The containers of a service that run.
    async fn running(&self, service: &str) -> Result<Vec<Replica>, String> {
        let all = self.containers(service).await?;
        Ok(all.iter().filter(|found| found.state == Some(ContainerSummaryStateEnum::RUNNING)).filter_map(Replica::of).collect())
    }

    async fn haproxy(&self, balancer: &str) -> Result<HaProxy, String> {
        let all = self.containers(balancer).await?;
        let at = all.iter().find_map(|found| found.labels.as_ref()?.get(RUNTIME_API));
        at.map(|at| HaProxy(at.clone())).ok_or_else(|| format!("{balancer} has no label {RUNTIME_API}: it says HOST:PORT"))
    }

    /// Weighs the servers of each service so that together they get its share. What gets more is told first, so that somebody serves at any time.
    async fn shift(&self, balancer: &str, shares: &[(String, u32)]) -> Result<(), String> {
        let haproxy = self.haproxy(balancer).await?;
        let mut replicas = BTreeMap::new();
        for (service, _) in shares {
            replicas.insert(service, self.running(service).await?);
        }
        let servers = haproxy.servers().await?;
        for (service, weight) in weights(shares, |service| replicas[&service.to_owned()].len()) {
            for replica in &replicas[&service] {
                let server = replica.server(&servers)?;
                haproxy.weigh(&server.backend, &server.name, weight).await?;
            }
        }
        Ok(())
    }

    /// One of the new containers begins to serve before one of the old ones ends, so there are never fewer than before.
    async fn roll(&self, roll: &Roll) -> Result<(), String> {
        let Roll { old, new, balancer, abrupt, pause } = roll;
        let haproxy = self.haproxy(balancer).await?;
        let (old_ones, new_ones) = (self.running(old).await?, self.running(new).await?);
        one_by_one((old, old_ones.len()), (new, new_ones.len()))?;
        for (leaving, coming) in old_ones.iter().zip(&new_ones) {
            let servers = haproxy.servers().await?;
            let (from, to) = (leaving.server(&servers)?, coming.server(&servers)?);
            // As heavy as those that leave: all that serve take turns.
            haproxy.weigh(&from.backend, &from.name, HEAVIEST).await?;
            haproxy.weigh(&to.backend, &to.name, HEAVIEST).await?;
            if *abrupt {
                self.kill(leaving).await?;
            } else {
                haproxy.drain(&from.backend, &from.name, true).await?;
                self.stop(leaving).await?;
            }
            tokio::time::sleep(*pause).await;
        }
        Ok(())
    }

    async fn kill(&self, replica: &Replica) -> Result<(), String> {
        let call = self.engine.docker.kill_container(&replica.id, None::<KillContainerOptions>);
        self.engine.call(&format!("the end of {}", replica.name), LIMIT, call).await.map_err(|trouble| trouble.to_string())
    }

    /// Asks it to end; it must do so in good order, and have said so.
    async fn stop(&self, replica: &Replica) -> Result<(), String> {
        let Replica { id, name, .. } = replica;
        let options = StopContainerOptions { t: Some(GRACE_S), signal: None };
        let call = self.engine.docker.stop_container(id, Some(options));
        self.engine.call(&format!("the stop of {name}"), LIMIT, call).await.map_err(|trouble| trouble.to_string())?;
        let begun = clock::now();
        // What it wrote last may arrive a moment after its end.
        while !self.last_lines(id).await.map_err(|trouble| trouble.to_string())?.lines().any(|line| line.trim_end().ends_with(LAST_WORDS)) {
            if clock::now().since(begun) > Duration::from_secs(2) {
                return Err(format!("{name} ended, and its last log lines did not arrive"));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    async fn last_lines(&self, id: &str) -> Result<String, Trouble> {
        let options = LogsOptions { stdout: true, stderr: true, tail: "5".to_owned(), ..LogsOptions::default() };
        let lines = self.engine.docker.logs(id, Some(options)).try_collect::<Vec<LogOutput>>();
        let lines = self.engine.call("the last lines of a container's log", LIMIT, lines).await?;
        Ok(lines.iter().map(ToString::to_string).collect())
    }

    async fn start(&self, service: &str) -> Result<(), String> {
        for found in self.containers(service).await?.iter().filter(|found| found.state != Some(ContainerSummaryStateEnum::RUNNING)) {
            let Some(Replica { id, name, .. }) = Replica::of(found) else { continue };
            let call = self.engine.docker.start_container(&id, None::<StartContainerOptions>);
            self.engine.call(&format!("the start of {name}"), LIMIT, call).await.map_err(|trouble| trouble.to_string())?;
        }
        Ok(())
    }
}

/// The weight of each server of a service, the heaviest first, so that services of different sizes get their shares.
fn weights(shares: &[(String, u32)], servers: impl Fn(&str) -> usize) -> Vec<(String, u32)> {
    let each: Vec<(&String, f64)> =
        shares.iter().map(|(service, share)| (service, f64::from(*share) / servers(service).max(1) as f64)).collect();
    let most = each.iter().map(|(_, each)| *each).fold(0.0, f64::max);
    let scaled = |each: f64| if each > 0.0 { ((each / most * f64::from(HEAVIEST)).round() as u32).max(1) } else { 0 };
    let mut all: Vec<(String, u32)> = each.into_iter().map(|(service, each)| (service.clone(), scaled(each))).collect();
    all.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_those_of_services_and_not_of_servers() {
        let shares = |blue, green| vec![("blue".to_owned(), blue), ("green".to_owned(), green)];
        let of = |shares: Vec<(String, u32)>, blue, green| {
            weights(&shares, |service| if service == "blue" { blue } else { green })
                .into_iter()
                .map(|(_, weight)| weight)
                .collect::<Vec<_>>()
        };
        assert_eq!(of(shares(100, 0), 4, 4), [256, 0]);
        assert_eq!(of(shares(90, 10), 4, 4), [256, 28]);
        // Four times as many servers, each with a quarter of the weight.
        assert_eq!(of(shares(50, 50), 1, 4), [256, 64]);
        assert_eq!(of(shares(0, 0), 1, 1), [0, 0]);
        // The heaviest first, whatever the order in which they were named.
        assert_eq!(weights(&shares(0, 1), |_| 2)[0].0, "green");
    }
}
