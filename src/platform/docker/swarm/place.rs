//! What the inventory learns from managers: the zones of nodes, and how many tasks each service wants.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::try_join_all;

use super::{
    NODE_ID, SERVICE_ID, manager,
    node::{self, Node},
    service::{self, Mode},
};
use crate::{
    model::{environment::DockerSpec, ids, instance::Instance},
    platform::docker::{
        engine::{Engine, Trouble},
        inventory::{SWARM_TASK, swarm_service},
    },
};

/// The swarms that the hosts of an environment belong to, as far as managers are among them.
#[derive(Debug, Default)]
pub struct Swarm {
    nodes: BTreeMap<String, Node>,
    services: BTreeMap<String, service::Service>,
    /// The hosts by their nodes' ids, each with its place among the engines.
    hosts: BTreeMap<String, usize>,
}

impl Swarm {
    /// Asks every manager among the engines.
    ///
    /// # Errors
    /// When one does not answer: with half of the labels, the zones would be wrong.
    pub async fn look(engines: &[Engine]) -> Result<Self, Trouble> {
        let members = manager::members(engines).await?;
        let managers: Vec<&Engine> = members.iter().filter(|member| member.manages).map(|member| member.engine).collect();
        let nodes = try_join_all(managers.iter().map(|manager| node::all(manager))).await?;
        let services = try_join_all(managers.iter().map(|manager| service::all(manager))).await?;
        let place = |engine: &Engine| engines.iter().position(|other| other.id == engine.id);
        Ok(Self {
            nodes: nodes.into_iter().flatten().map(|node| (node.id.clone(), node)).collect(),
            services: services.into_iter().flatten().map(|service| (service.id.clone(), service)).collect(),
            hosts: members.iter().filter_map(|member| Some((member.node.clone(), place(member.engine)?))).collect(),
        })
    }

    /// The node of a container, from its labels.
    pub fn node_of(&self, labels: &BTreeMap<String, String>) -> Option<&Node> {
        self.nodes.get(labels.get(NODE_ID)?)
    }

    /// Every node, each with the place of its engine, if that is among the hosts.
    pub fn nodes(&self) -> impl Iterator<Item = (&Node, Option<usize>)> {
        self.nodes.values().map(|node| (node, self.hosts.get(&node.id).copied()))
    }

    /// A service of a container, from its labels.
    pub fn service_of(&self, labels: &BTreeMap<String, String>) -> Option<&service::Service> {
        self.services.get(labels.get(SERVICE_ID)?)
    }

    /// How many instances each service wants. Only where the inventory shows all of them: a part of a service that misses what it does not
    /// show would never be whole.
    pub fn desired(&self, spec: &DockerSpec, found: &[(Instance, usize)]) -> BTreeMap<ids::Service, u32> {
        let out_of_sight = self.nodes().any(|(node, host)| host.is_none() && !node.down());
        let mut desired: BTreeMap<ids::Service, u32> = BTreeMap::new();
        if out_of_sight || spec.name.is_some() || spec.image.is_some() {
            return desired;
        }
        let seen: BTreeMap<&str, &ids::Service> =
            found.iter().filter_map(|(one, _)| Some((one.labels.get(SERVICE_ID)?.as_str(), &one.service))).collect();
        let of_the_whole = spec.project.is_none() && spec.labels.is_empty() && spec.service_label.is_none();
        for service in self.services.values().filter(|service| service.mode != Mode::Job) {
            let of_the_stack = spec.stack.is_none() || spec.stack == service.stack;
            let name = match seen.get(service.id.as_str()) {
                Some(name) => (*name).clone(),
                // None of it runs now.
                None if of_the_whole && of_the_stack => swarm_service(&service.name, service.stack.as_deref()),
                None => continue,
            };
            *desired.entry(name).or_default() += service.wanted;
        }
        // A service of the same name that is not Swarm's wants some, too, and nobody says how many.
        let others: BTreeSet<&ids::Service> =
            found.iter().filter(|(one, _)| !one.labels.contains_key(SWARM_TASK)).map(|(one, _)| &one.service).collect();
        desired.retain(|name, _| !others.contains(name));
        desired
    }
}
