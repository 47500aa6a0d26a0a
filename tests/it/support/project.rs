//! A Compose project as `docker compose` would make it: labels, names, networks with the service's name as an alias.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    net::SocketAddr,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use super::engine::{Engine, SMALL};

/// The label of a zone that needs no setting.
pub const ZONE: &str = "firedrill.zone";

/// Containers and networks with one project label on an engine; they go when this is dropped.
pub struct Project<'e> {
    engine: &'e Engine,
    name: String,
    counts: RefCell<BTreeMap<String, u32>>,
}

/// A container to be made: `project.container("web").zone("a").port(8080).start()`.
#[must_use]
pub struct Recipe<'p> {
    project: &'p Project<'p>,
    service: String,
    image: String,
    flags: Vec<String>,
    networks: Vec<String>,
    command: Vec<String>,
}

/// A container that was made.
#[derive(Clone)]
pub struct Container<'e> {
    engine: &'e Engine,
    /// The full id.
    pub id: String,
    pub name: String,
}

impl<'e> Project<'e> {
    pub(super) fn new(engine: &'e Engine, name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("{name}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let project = Self { engine, name, counts: RefCell::default() };
        project.network("default");
        project
    }

    /// The engine it is on.
    pub fn engine(&self) -> &'e Engine {
        self.engine
    }

    /// Its name: the value of the label.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Makes another network of the project; every project has `default`. Returns its full name.
    pub fn network(&self, name: &str) -> String {
        let full = format!("{}_{name}", self.name);
        let (project, network) = (format!("com.docker.compose.project={}", self.name), format!("com.docker.compose.network={name}"));
        self.engine.docker(&["network", "create", "--label", &project, "--label", &network, &full]);
        full
    }

    /// A container of a service, on the network `default`; waits in a shell image unless told otherwise.
    pub fn container<'p>(&'p self, service: &str) -> Recipe<'p>
    where
        'e: 'p,
    {
        let number = *self.counts.borrow_mut().entry(service.to_owned()).and_modify(|n| *n += 1).or_insert(1);
        let recipe = Recipe {
            project: self,
            service: service.to_owned(),
            image: SMALL.to_owned(),
            flags: vec!["--name".into(), format!("{}-{service}-{number}", self.name)],
            networks: vec!["default".into()],
            command: Vec::new(),
        };
        recipe
            .label("com.docker.compose.project", &self.name)
            .label("com.docker.compose.service", service)
            .label("com.docker.compose.container-number", &number.to_string())
            .label("com.docker.compose.oneoff", "False")
    }

    /// The ids of its containers, also of those that do not run.
    pub fn ids(&self) -> Vec<String> {
        self.listed(&["ps", "-aq", "--no-trunc"])
    }

    fn listed(&self, arguments: &[&str]) -> Vec<String> {
        let filter = format!("label=com.docker.compose.project={}", self.name);
        let output = self.engine.try_docker(&[arguments, &["--filter", &filter]].concat());
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }

    fn remove(&self, what: &[&str], ids: &[String]) {
        if !ids.is_empty() {
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            let output = self.engine.try_docker(&[what, &ids].concat());
            let said = String::from_utf8_lossy(&output.stderr);
            // A second panic would hide the first.
            assert!(output.status.success() || std::thread::panicking(), "docker {what:?} of the project {}: {said}", self.name);
        }
    }
}

impl Drop for Project<'_> {
    fn drop(&mut self) {
        // An engine that the test ended takes everything with it.
        if self.engine.daemon().is_some() {
            self.remove(&["rm", "-f", "-v"], &self.ids());
            self.remove(&["network", "rm"], &self.listed(&["network", "ls", "-q"]));
        }
    }
}

impl<'p> Recipe<'p> {
    pub fn image(mut self, image: &str) -> Self {
        image.clone_into(&mut self.image);
        self
    }

    /// The zone, by the label that needs no setting.
    pub fn zone(self, zone: &str) -> Self {
        self.label(ZONE, zone)
    }

    pub fn label(self, key: &str, value: &str) -> Self {
        self.flag("--label").flag(&format!("{key}={value}"))
    }

    /// The command of the health check, run by a shell, every 200 ms; two failures in a row make it unhealthy.
    pub fn health(self, command: &str) -> Self {
        let flags = ["--health-interval=200ms", "--health-timeout=2s", "--health-retries=2", "--health-cmd", command];
        flags.iter().fold(self, |recipe, flag| recipe.flag(flag))
    }

    /// `no`, `always`, `unless-stopped`, `on-failure`.
    pub fn restart(self, policy: &str) -> Self {
        self.flag("--restart").flag(policy)
    }

    /// Publishes a port on a free one of 127.0.0.1; [`Container::port`] tells which.
    pub fn port(self, port: u16) -> Self {
        self.flag("--publish").flag(&format!("127.0.0.1::{port}"))
    }

    /// One more network of the project (see [`Project::network`]).
    pub fn network(mut self, name: &str) -> Self {
        self.networks.push(name.to_owned());
        self
    }

    /// Any flag of `docker create`.
    pub fn flag(mut self, flag: &str) -> Self {
        self.flags.push(flag.to_owned());
        self
    }

    pub fn command(mut self, words: &[&str]) -> Self {
        self.command = words.iter().map(ToString::to_string).collect();
        self
    }

    /// Makes it and does not start it.
    pub fn create(self) -> Container<'p> {
        let engine = self.project.engine;
        let [first, others @ ..] = &self.networks[..] else { unreachable!("there is always `default`") };
        let full = |network: &str| format!("{}_{network}", self.project.name);
        let network = full(first);
        let mut words = vec!["create", "--network", &network, "--network-alias", &self.service];
        words.extend(self.flags.iter().map(String::as_str));
        words.push(&self.image);
        words.extend(self.command.iter().map(String::as_str));
        let id = engine.docker(&words);
        for other in others {
            engine.docker(&["network", "connect", "--alias", &self.service, &full(other), &id]);
        }
        Container { engine, id, name: self.flags[1].clone() }
    }

    /// Makes it and starts it.
    pub fn start(self) -> Container<'p> {
        let container = self.create();
        container.engine.docker(&["start", &container.id]);
        container
    }
}

impl Container<'_> {
    /// `docker inspect` through a template, as `{{.State.Status}}`.
    pub fn inspect(&self, template: &str) -> String {
        self.engine.docker(&["inspect", "--type", "container", "--format", template, &self.id])
    }

    /// `created`, `running`, `paused`, `restarting`, `exited` or `dead`.
    pub fn status(&self) -> String {
        self.inspect("{{.State.Status}}")
    }

    /// The pid of its main process on this machine; 0 when it does not run.
    pub fn pid(&self) -> i32 {
        self.inspect("{{.State.Pid}}").parse().unwrap()
    }

    /// Where a port of it is published.
    pub fn port(&self, port: u16) -> SocketAddr {
        self.engine.docker(&["port", &self.id, &port.to_string()]).lines().next().unwrap().parse().unwrap()
    }

    /// Its address on a network of the project, by the network's full name.
    pub fn ip(&self, network: &str) -> String {
        self.inspect(&format!("{{{{(index .NetworkSettings.Networks {network:?}).IPAddress}}}}"))
    }

    /// Runs a command in it, which must succeed: what it printed.
    pub fn exec(&self, words: &[&str]) -> String {
        self.engine.docker(&[&["exec", &self.id], words].concat())
    }

    /// Runs a command in it: whether it succeeded.
    pub fn try_exec(&self, words: &[&str]) -> bool {
        self.engine.try_docker(&[&["exec", &self.id], words].concat()).status.success()
    }

    pub fn logs(&self) -> String {
        let output = self.engine.try_docker(&["logs", &self.id]);
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    /// Waits until its health check says so.
    pub fn healthy(&self) -> &Self {
        let is = || self.inspect("{{.State.Health.Status}}");
        for _ in 0..300 {
            if is() == "healthy" {
                return self;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("{} is {} after 30 s; it wrote: {}", self.name, is(), self.logs());
    }
}
