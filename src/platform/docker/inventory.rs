//! What is there: one list call for each engine, whatever the number of containers; nothing is inspected.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use bollard::{
    models::{ContainerSummary, ContainerSummaryStateEnum, PortSummaryTypeEnum},
    query_parameters::ListContainersOptions,
};
use futures_util::future::try_join_all;
use globset::GlobMatcher;

use super::{
    deed::ALLOWED,
    endpoint::Address,
    engine::{Engine, READ_LIMIT, Trouble},
    swarm::{node::Node, place::Swarm},
};
use crate::{
    file::suggest::{listed, nearest},
    model::{
        environment::DockerSpec,
        ids::{InstanceId, Region, Service, Zone},
        instance::{Instance, InstanceState},
    },
    platform::PlatformError,
};

/// The label of a container's Compose project.
pub const COMPOSE_PROJECT: &str = "com.docker.compose.project";
/// The label of its Compose service.
pub const COMPOSE_SERVICE: &str = "com.docker.compose.service";
/// The label of its number in that service.
pub const COMPOSE_NUMBER: &str = "com.docker.compose.container-number";
/// The label with the hash of what its service was defined as.
const COMPOSE_CONFIG: &str = "com.docker.compose.config-hash";
/// The label that tells `docker compose run` from the service itself.
const COMPOSE_ONE_OFF: &str = "com.docker.compose.oneoff";
/// The label of a container's Swarm stack.
pub const SWARM_STACK: &str = "com.docker.stack.namespace";
/// The label of its Swarm service.
pub const SWARM_SERVICE: &str = "com.docker.swarm.service.name";
/// The label of the Swarm task that it is.
pub const SWARM_TASK: &str = "com.docker.swarm.task.id";
/// The label of the zone, unless the environment names another.
const ZONE: &str = "firedrill.zone";
/// The label of the region, unless the environment names another.
const REGION: &str = "firedrill.region";
/// The zone and region of a container when nobody says.
const NOWHERE: &str = "docker";

/// Which incarnation a container is, from its full id.
pub fn identity(id: &str) -> String {
    format!("container:{id}")
}

/// What is read into the inventory, and how.
pub(super) struct Scan<'a> {
    pub(super) spec: &'a DockerSpec,
    pub(super) engines: &'a [Engine],
    /// The containers that this process runs in.
    pub(super) own: &'a BTreeSet<String>,
}

impl Scan<'_> {
    /// Every container that the environment means, by id, each with the place of its engine.
    pub(super) async fn run(&self) -> Result<Vec<(Instance, usize)>, PlatformError> {
        Ok(self.with_swarm().await?.0)
    }

    /// The same, with what managers tell of the swarm; nothing of it where there is no task.
    pub(super) async fn with_swarm(&self) -> Result<(Vec<(Instance, usize)>, Swarm), PlatformError> {
        let (name, image) = (matcher(self.spec.name.as_deref())?, matcher(self.spec.image.as_deref())?);
        let lists = try_join_all(self.engines.iter().map(|engine| list(engine, self.labels()))).await?;
        let of_swarm = |found: &ContainerSummary| found.labels.as_ref().is_some_and(|labels| labels.contains_key(SWARM_TASK));
        let swarm = if self.spec.stack.is_some() || lists.iter().flatten().any(of_swarm) {
            Swarm::look(self.engines).await?
        } else {
            Swarm::default()
        };
        let mut all: Vec<(Instance, usize)> = Vec::new();
        for (place, (engine, list)) in self.engines.iter().zip(lists).enumerate() {
            for summary in list {
                let fits = |glob: &Option<GlobMatcher>, text: &str| glob.as_ref().is_none_or(|glob| glob.is_match(text));
                let fits = fits(&name, name_of(&summary)) && fits(&image, summary.image.as_deref().unwrap_or_default());
                if let Some(instance) = fits.then(|| self.instance(engine, &swarm, summary)).flatten() {
                    all.push((instance, place));
                }
            }
        }
        all.sort_by(|(a, _), (b, _)| a.id.cmp(&b.id));
        Ok((all, swarm))
    }

    fn labels(&self) -> Vec<String> {
        let own = [(COMPOSE_PROJECT, &self.spec.project), (SWARM_STACK, &self.spec.stack)];
        let own = own.into_iter().filter_map(|(key, value)| value.as_ref().map(|value| format!("{key}={value}")));
        own.chain(self.spec.labels.iter().map(|(key, value)| format!("{key}={value}"))).collect()
    }

    fn instance(&self, engine: &Engine, swarm: &Swarm, found: ContainerSummary) -> Option<Instance> {
        let id = found.id.clone()?;
        let name = name_of(&found).to_owned();
        let state = match found.state? {
            ContainerSummaryStateEnum::RUNNING if starting(found.status.as_deref()) => InstanceState::Starting,
            ContainerSummaryStateEnum::RUNNING => InstanceState::Running,
            ContainerSummaryStateEnum::PAUSED => InstanceState::Paused,
            ContainerSummaryStateEnum::RESTARTING => InstanceState::Starting,
            ContainerSummaryStateEnum::REMOVING | ContainerSummaryStateEnum::DEAD => InstanceState::Gone,
            _ => InstanceState::Stopped,
        };
        let healthy = health(found.status.as_deref());
        let address = address(engine, &found);
        let labels: BTreeMap<String, String> = found.labels.unwrap_or_default().into_iter().collect();
        let label = |key: &str| labels.get(key).filter(|value| !value.is_empty()).cloned();
        // A task that ended is never started again: it is Swarm's memory, not an instance.
        if labels.contains_key(SWARM_TASK) && matches!(found.state?, ContainerSummaryStateEnum::EXITED | ContainerSummaryStateEnum::DEAD) {
            return None;
        }
        let (zone, region) = self.home(engine, swarm.node_of(&labels));
        let service = self.service(&labels, &name);
        // Where a label joins several services of Compose to one, the definitions of these say nothing of each other: one a zone, say.
        let defined = label(COMPOSE_CONFIG).filter(|_| labels.get(COMPOSE_SERVICE).is_some_and(|own| *own == service.as_str()));
        Some(Instance {
            service,
            zone: label(self.zone_label()).map_or(zone, Zone),
            region: label(self.region_label()).map_or(region, Region),
            state,
            healthy,
            address,
            identity: identity(&id),
            fingerprint: fingerprint(found.image_id, defined),
            managed: true,
            kept_out: self.kept_out(&id, &labels),
            labels: Arc::new(labels),
            name,
            id: InstanceId(id),
        })
    }

    fn zone_label(&self) -> &str {
        self.spec.zone_label.as_deref().unwrap_or(ZONE)
    }

    fn region_label(&self) -> &str {
        self.spec.region_label.as_deref().unwrap_or(REGION)
    }

    /// Where a container is that does not say it: what its node's labels say, else the host's own place.
    fn home(&self, engine: &Engine, node: Option<&Node>) -> (Zone, Region) {
        let said = |key: &str| node.and_then(|node| node.label(key));
        let several = self.engines.len() > 1 && !engine.name.is_empty();
        let zone = engine.zone.clone().unwrap_or_else(|| if several { engine.name.as_str() } else { NOWHERE }.into());
        let region = engine.region.clone().unwrap_or_else(|| NOWHERE.into());
        (said(self.zone_label()).map_or(zone, Zone::from), said(self.region_label()).map_or(region, Region::from))
    }

    /// Where a node is, as far as anybody says; `host` is the place of its engine.
    pub(super) fn place_of(&self, node: &Node, host: Option<usize>) -> (Option<Zone>, Option<Region>) {
        match host.and_then(|place| self.engines.get(place)) {
            Some(engine) => {
                let (zone, region) = self.home(engine, Some(node));
                (Some(zone), Some(region))
            }
            None => (node.label(self.zone_label()).map(Zone::from), node.label(self.region_label()).map(Region::from)),
        }
    }

    /// A container that belongs to no service is one of its own, under its name.
    fn service(&self, labels: &BTreeMap<String, String>, name: &str) -> Service {
        if let Some(own) = self.spec.service_label.as_ref().and_then(|key| labels.get(key)) {
            return own.as_str().into();
        }
        if let Some(swarm) = labels.get(SWARM_SERVICE) {
            return swarm_service(swarm, labels.get(SWARM_STACK).map(String::as_str));
        }
        match labels.get(COMPOSE_SERVICE) {
            // What `docker compose run` started is no instance of the service.
            Some(service) if labels.get(COMPOSE_ONE_OFF).is_some_and(|v| v == "True") => format!("{service}.run").into(),
            Some(service) => service.as_str().into(),
            None => name.into(),
        }
    }

    fn kept_out(&self, id: &str, labels: &BTreeMap<String, String>) -> Option<String> {
        if self.own.contains(id) {
            return Some("firedrill runs in it".to_owned());
        }
        let allowed = labels.get(ALLOWED).is_some_and(|value| value == "true");
        (self.spec.opt_in && !allowed).then(|| format!("without the label {ALLOWED}=true, which this environment asks for"))
    }

    /// Why the project (or stack) is wrong, when nothing of it is there: with the names of those that are.
    pub(super) async fn unknown(&self) -> Option<PlatformError> {
        let (what, label, wanted) = match (&self.spec.project, &self.spec.stack) {
            (Some(project), _) => ("Compose project", COMPOSE_PROJECT, project),
            (None, Some(stack)) => ("Swarm stack", SWARM_STACK, stack),
            (None, None) => return None,
        };
        let lists = match try_join_all(self.engines.iter().map(|engine| list(engine, vec![label.to_owned()]))).await {
            Ok(lists) => lists,
            Err(trouble) => return Some(trouble.into()),
        };
        let names: BTreeSet<String> =
            lists.into_iter().flatten().filter_map(|found| found.labels.unwrap_or_default().remove(label)).collect();
        if names.contains(wanted) {
            return None;
        }
        let names = || names.iter().map(String::as_str);
        let there = if names().next().is_none() {
            format!("it has no {what} at all; is it up?")
        } else {
            let near = nearest(wanted, names()).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            format!("it has: {}{near}", listed(names(), "and"))
        };
        let at: Vec<String> = self.engines.iter().map(|engine| engine.endpoint.address.to_string()).collect();
        Some(PlatformError::Unavailable(format!("the Docker engine at {} has no {what} `{wanted}`; {there}", at.join(" and "))))
    }
}

/// Swarm calls a stack's service `STACK_SERVICE`; the file that it came from, `SERVICE`.
pub(super) fn swarm_service(name: &str, stack: Option<&str>) -> Service {
    let prefix = stack.map(|stack| format!("{stack}_")).unwrap_or_default();
    name.strip_prefix(&prefix).unwrap_or(name).into()
}

/// The containers of an engine that carry all these labels (`key` or `key=value`), running or not.
pub async fn list(engine: &Engine, labels: Vec<String>) -> Result<Vec<ContainerSummary>, Trouble> {
    let filters = (!labels.is_empty()).then(|| HashMap::from([("label".to_owned(), labels)]));
    let options = ListContainersOptions { all: true, filters, ..ListContainersOptions::default() };
    let mut found = engine.call("a list of containers", READ_LIMIT, engine.docker.list_containers(Some(options))).await?;
    // An id becomes the path of a request: `../images/prune` would be another request.
    found.retain(|found| found.id.as_deref().is_none_or(is_name));
    Ok(found)
}

/// Whether an engine can have named something so, or given it this id; anything else it made up.
pub fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphanumeric()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

/// A container's own name: others are links to it from other containers.
pub fn name_of(found: &ContainerSummary) -> &str {
    let mut names = found.names.iter().flatten().map(|name| name.trim_start_matches('/'));
    names.find(|name| !name.contains('/')).or(found.id.as_deref()).unwrap_or_default()
}

fn matcher(glob: Option<&str>) -> Result<Option<GlobMatcher>, PlatformError> {
    let compile = |glob: &str| globset::GlobBuilder::new(glob).build().map(|glob| glob.compile_matcher());
    glob.map(compile).transpose().map_err(|error| PlatformError::Unavailable(error.to_string()))
}

/// What the health check says, from the list's own words: `Up 5 minutes (healthy)`.
fn health(status: Option<&str>) -> Option<bool> {
    match status?.rsplit_once('(')?.1.trim_end_matches(')') {
        "healthy" => Some(true),
        "unhealthy" | "health: starting" => Some(false),
        _ => None,
    }
}

fn starting(status: Option<&str>) -> bool {
    status.is_some_and(|status| status.ends_with("(health: starting)"))
}

/// What a container was made from: its image, and the hash that Compose keeps of the rest of its service's definition. Without that, only
/// the image.
fn fingerprint(image: Option<String>, config: Option<String>) -> String {
    let image = image.unwrap_or_default();
    match config {
        Some(config) if !image.is_empty() => format!("{image} config:{config}"),
        _ => image,
    }
}

/// Where a container serves: its first published port, else its own address in the first of its networks.
fn address(engine: &Engine, found: &ContainerSummary) -> Option<String> {
    let mut ports: Vec<_> = found.ports.iter().flatten().filter(|p| matches!(p.typ, Some(PortSummaryTypeEnum::TCP))).collect();
    ports.sort_by_key(|p| (p.public_port.is_none(), p.private_port, p.public_port));
    let port = ports.first()?;
    if let Some(public) = port.public_port {
        let every = |ip: &str| ip.is_empty() || ip.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_unspecified());
        let host = match port.ip.as_deref() {
            Some(ip) if !every(ip) => ip,
            _ => match &engine.endpoint.address {
                Address::Unix(_) => "127.0.0.1",
                Address::Tcp { host, .. } => host,
            },
        };
        return Some(joined(host, public));
    }
    let networks = found.network_settings.as_ref()?.networks.as_ref()?;
    let by_name: BTreeMap<_, _> = networks.iter().collect();
    let ip = by_name.values().find_map(|network| network.ip_address.as_deref().filter(|ip| !ip.is_empty()))?;
    Some(joined(ip, port.private_port))
}

fn joined(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_is_in_the_words_of_the_list() {
        let cases = [
            ("Up 5 minutes (healthy)", Some(true), false),
            ("Up 5 minutes (unhealthy)", Some(false), false),
            ("Up 1 second (health: starting)", Some(false), true),
            ("Up About an hour", None, false),
            ("Up 2 hours (Paused)", None, false),
            ("Exited (0) 3 minutes ago", None, false),
            ("", None, false),
        ];
        for (words, healthy, begins) in cases {
            assert_eq!((health(Some(words)), starting(Some(words))), (healthy, begins), "{words}");
        }
        assert_eq!(health(None), None);
    }

    #[test]
    fn a_linked_container_has_its_own_name() {
        let found = |names: &[&str]| ContainerSummary {
            names: Some(names.iter().map(|n| (*n).to_owned()).collect()),
            ..ContainerSummary::default()
        };
        assert_eq!(name_of(&found(&["/web/db", "/shop-db-1"])), "shop-db-1");
        assert_eq!(name_of(&found(&[])), "");
    }
}
