//! A swarm of one or two engines, the platform on it, and nodes and tasks as the `docker` program tells them.

use std::{path::Path, process::Command, sync::Arc, time::Duration};

use firedrill::{
    model::{
        act::{Act, Group, Prepared},
        environment::{DockerHost, DockerSpec},
        fault::Fault,
        ids::ActId,
        instance::Instance,
    },
    platform::{Platform, docker::DockerPlatform},
};

use crate::support::engine::{Engine, SMALL};

/// The stack of every test.
pub const STACK: &str = "shop";

/// A manager and its workers; they leave the swarm when it is dropped.
pub struct Swarm {
    pub engines: Vec<Engine>,
}

impl Swarm {
    /// The first engine is the manager, the others are workers.
    pub fn of(engines: Vec<Engine>) -> Self {
        let swarm = Self { engines };
        for (place, engine) in swarm.engines.iter().enumerate() {
            // Each engine has a range of addresses of its own, 10.N; so it gets a loopback address and a bridge that no other has.
            let range = std::fs::read_to_string(engine.folder().join("range")).expect("its range");
            let number = range.split('.').nth(1).expect("a number");
            let bridge = format!("com.docker.network.bridge.name=gw{number}");
            engine.docker(&["network", "create", "--opt", &bridge, "docker_gwbridge"]);
            let (address, port) = (format!("127.{number}.0.1"), "2377");
            let listen = format!("{address}:{port}");
            let own = ["--advertise-addr", &address, "--listen-addr", &listen];
            if place == 0 {
                engine.docker(&[&["swarm", "init"], &own[..]].concat());
            } else {
                let token = swarm.manager().docker(&["swarm", "join-token", "-q", "worker"]);
                let at = swarm.manager().docker(&["info", "--format", "{{(index .Swarm.RemoteManagers 0).Addr}}"]);
                engine.docker(&[&["swarm", "join", "--token", &token], &own[..], &[&at]].concat());
            }
        }
        swarm
    }

    pub fn manager(&self) -> &Engine {
        &self.engines[0]
    }

    /// The id of an engine's node.
    pub fn node(&self, place: usize) -> String {
        self.engines[place].docker(&["info", "--format", "{{.Swarm.NodeID}}"])
    }

    /// A node's availability and labels: `active map[firedrill.zone:a]`.
    pub fn state(&self, place: usize) -> String {
        self.manager().docker(&["node", "inspect", "--format", "{{.Spec.Availability}} {{.Spec.Labels}}", &self.node(place)])
    }

    /// Changes a node, as a person would.
    pub fn update(&self, place: usize, flags: &[&str]) {
        let node = self.node(place);
        self.manager().docker(&[&["node", "update"], flags, &[&node]].concat());
    }

    /// A service of the stack whose tasks wait in a shell image, and nothing else.
    pub fn service(&self, name: &str, flags: &[&str]) {
        let namespace = format!("com.docker.stack.namespace={STACK}");
        let name = format!("{STACK}_{name}");
        let all = ["service", "create", "--detach", "--no-resolve-image", "--endpoint-mode", "dnsrr"];
        let quick = ["--restart-delay", "300ms", "--stop-grace-period", "1s"];
        let labels = ["--name", &name, "--label", &namespace, "--container-label", &namespace];
        self.manager().docker(&[&all[..], &quick, &labels, flags, &[SMALL]].concat());
    }

    /// The ids of the running tasks' containers on an engine.
    pub fn running(&self, place: usize) -> Vec<String> {
        let label = "label=com.docker.swarm.task.id";
        let told = self.engines[place].docker(&["ps", "-q", "--no-trunc", "--filter", label, "--filter", "status=running"]);
        told.lines().map(str::to_owned).collect()
    }

    /// Waits until so many tasks run on an engine.
    pub fn runs(&self, place: usize, wanted: usize) {
        eventually(&format!("{wanted} tasks run on engine {place}"), || self.running(place).len() == wanted);
    }

    /// Waits until so many tasks of a service run as Swarm wants them, and none is on its way.
    pub fn settled(&self, service: &str, wanted: usize) {
        let name = format!("{STACK}_{service}");
        eventually(&format!("{wanted} tasks of {service} run, and no more"), || {
            let format = "{{.DesiredState}} {{.CurrentState}}";
            let told = self.manager().docker(&["service", "ps", "--format", format, &name]);
            let alive: Vec<&str> = told.lines().filter(|line| !line.starts_with("Shutdown")).collect();
            let ending = told.lines().any(|line| line.starts_with("Shutdown Running"));
            !ending && alive.len() == wanted && alive.iter().all(|line| line.starts_with("Running Running"))
        });
    }

    fn spec(&self, places: &[usize]) -> DockerSpec {
        let hosts = places.iter().map(|place| DockerHost { host: Some(self.engines[*place].address()), ..DockerHost::default() });
        DockerSpec { stack: Some(STACK.to_owned()), hosts: hosts.collect(), ..DockerSpec::default() }
    }

    /// The platform on the stack, with these engines as hosts.
    pub async fn platform(&self, places: &[usize]) -> DockerPlatform {
        DockerPlatform::connect(self.spec(places)).await.expect("connected")
    }

    /// A user's folder with an experiment on the stack.
    pub fn user(&self, experiment: &str) -> User<'_> {
        let folder = tempfile::tempdir().expect("a folder");
        let environments = format!("environments:\n  staging:\n    platform: {{ docker: {{ stack: {STACK} }} }}\n");
        std::fs::write(folder.path().join("firedrill.yaml"), environments).expect("written");
        std::fs::write(folder.path().join("experiment.yaml"), experiment).expect("written");
        User { folder, engine: self.manager() }
    }
}

impl Drop for Swarm {
    fn drop(&mut self) {
        for engine in self.engines.iter().rev() {
            engine.try_docker(&["swarm", "leave", "--force"]);
            engine.try_docker(&["network", "rm", "docker_gwbridge"]);
        }
    }
}

/// Waits until something holds.
pub fn eventually(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..400 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("never: {what}");
}

/// Prepares a fault on instances.
pub async fn prepared(platform: &DockerPlatform, fault: &Fault, victims: &[Arc<Instance>], group: &Group) -> Vec<Prepared> {
    let mut acts = Vec::new();
    for (n, (fault, target)) in (1..).zip(platform.acts(fault, victims, group)) {
        let act = Act { id: ActId { step: 1, act: n }, fault, target };
        let undo = platform.prepare(&act).await.expect("it can be prepared");
        acts.push(Prepared { act, undo });
    }
    acts
}

/// Does acts one after another and looks at them; all must have happened.
pub async fn done(platform: &DockerPlatform, acts: &[Prepared]) {
    for act in acts {
        let act = std::slice::from_ref(act);
        let effects = platform.inject(act).await;
        let effects = platform.verify(act, effects).await;
        assert!(effects.iter().all(|effect| effect.status.happened() && effect.took_effect.is_some()), "{effects:?}");
    }
}

/// The binary in a folder with an experiment.
pub struct User<'e> {
    folder: tempfile::TempDir,
    engine: &'e Engine,
}

impl User<'_> {
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// `firedrill ARGUMENTS` in this folder, with a state of its own.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.engine.command(env!("CARGO_BIN_EXE_firedrill"));
        command.args(arguments).current_dir(self.folder()).env("FIREDRILL_STATE_DIR", self.folder().join("state"));
        command
    }

    /// Runs it to its end: the exit code, and all that it said.
    pub fn says(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.command(arguments).output().expect("it runs");
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    }
}
