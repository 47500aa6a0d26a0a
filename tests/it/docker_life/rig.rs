//! The platform on a project, and the project's containers as `docker inspect` tells them.

use std::{
    net::TcpListener,
    path::Path,
    process::{Child, Command},
    sync::Arc,
    time::Duration,
};

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
use serde_json::{Value, json};

use crate::support::{
    engine::Engine,
    project::{Container, Project},
    residue,
};

/// The platform, as an environment with this project would connect to it.
pub async fn platform(project: &Project<'_>) -> DockerPlatform {
    let host = DockerHost { host: Some(project.engine().address()), ..DockerHost::default() };
    let spec = DockerSpec { project: Some(project.name().to_owned()), hosts: vec![host], ..DockerSpec::default() };
    DockerPlatform::connect(spec).await.expect("connected")
}

/// The instances of a project, by name.
pub async fn instance(platform: &DockerPlatform, name: &str) -> Arc<Instance> {
    let all = platform.inventory().await.expect("an inventory").instances;
    all.iter().find(|i| i.name == name).unwrap_or_else(|| panic!("{name} is not among {all:?}")).clone()
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

/// Does acts and looks at them; all must have happened.
pub async fn done(platform: &DockerPlatform, acts: &[Prepared]) {
    let effects = platform.inject(acts).await;
    let effects = platform.verify(acts, effects).await;
    assert!(effects.iter().all(|effect| effect.status.happened()), "{effects:?}");
}

/// Undoes acts, the last first; gives what each came to.
pub async fn undone(platform: &DockerPlatform, acts: &[Prepared]) -> Vec<String> {
    let mut all = Vec::new();
    for act in acts.iter().rev() {
        all.push(format!("{:?}", platform.revert(act).await.expect("it is undone")));
    }
    all
}

/// Every container of a project as the engine tells it, without what another id brings with it (the id itself, its moments, its pid, the
/// numbers of its endpoints) and without addresses that the engine draws anew at each start.
pub fn world(project: &Project<'_>) -> World {
    let ids = project.ids();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let told: Vec<Value> = serde_json::from_str(&project.engine().docker(&[&["inspect"], &ids[..]].concat())).expect("JSON");
    let mut all: Vec<Value> = told.iter().map(comparable).collect();
    all.sort_by_key(|one| one["name"].to_string());
    let lines = all.iter().flat_map(|one| {
        let name = one["name"].as_str().unwrap_or_default().to_owned();
        one.as_object().into_iter().flatten().map(move |(key, value)| format!("{name} {key}: {value}")).collect::<Vec<_>>()
    });
    World(lines.collect())
}

/// A world, line by line.
#[derive(PartialEq)]
pub struct World(Vec<String>);

impl World {
    /// Asserts that it is what it was, and names only what is not.
    #[track_caller]
    pub fn is(&self, before: &Self, when: &str) {
        let only = |these: &[String], those: &[String]| these.iter().filter(|line| !those.contains(line)).cloned().collect::<Vec<_>>();
        let (was, now) = (only(&before.0, &self.0), only(&self.0, &before.0));
        residue::none(was.is_empty() && now.is_empty(), format_args!("{when}\n\nwas: {was:#?}\n\nis: {now:#?}"));
    }
}

/// The address that somebody chose for it, or nothing.
fn chosen(at: &Value) -> Value {
    let pinned = at["IPAMConfig"]["IPv4Address"].as_str();
    // One that was made again asks for the address that it had.
    pinned.filter(|pinned| pinned.ends_with(".77")).map_or(Value::Null, |_| at["IPAddress"].clone())
}

fn comparable(told: &Value) -> Value {
    let id = told["Id"].as_str().expect("an id");
    let networks: serde_json::Map<String, Value> = told["NetworkSettings"]["Networks"]
        .as_object()
        .expect("networks")
        .iter()
        .map(|(name, at)| {
            let mut aliases: Vec<&str> = at["Aliases"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            // Its own short id, and (when it was made again) the host name that it kept.
            aliases.retain(|alias| *alias != &id[..12] && Some(*alias) != told["Config"]["Hostname"].as_str());
            (name.clone(), json!({ "aliases": aliases, "address": chosen(at), "links": at["Links"] }))
        })
        .collect();
    let mut mounts: Vec<Value> = told["Mounts"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|m| json!([m["Type"], m["Name"], m["Source"], m["Destination"], m["RW"]]))
        .collect();
    mounts.sort_by_key(Value::to_string);
    let mut host = told["HostConfig"].clone();
    // Anonymous volumes and ports of the engine's choosing are asked for by name once it is made again; what comes of it is compared.
    for key in ["Binds", "Mounts", "PortBindings"] {
        host.as_object_mut().expect("an object").remove(key);
    }
    let state = &told["State"];
    json!({
        "name": told["Name"], "image": told["Image"], "config": told["Config"], "host": host, "networks": networks, "mounts": mounts,
        "ports": told["NetworkSettings"]["Ports"],
        "state": [state["Status"], state["Running"], state["Paused"], state["Health"]["Status"]],
    })
}

/// Waits until something holds.
pub fn eventually(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..600 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("never: {what}");
}

/// A container's id by its name now.
pub fn id_of(engine: &Engine, name: &str) -> String {
    engine.docker(&["inspect", "--type", "container", "--format", "{{.Id}}", name])
}

/// A service of two in each of two zones with volumes and policies, and one of another service with a health check.
pub fn four<'p>(project: &'p Project<'_>) -> Vec<Container<'p>> {
    let mut all = Vec::new();
    for zone in ["a", "a", "b", "b"] {
        let web = project.container("web").zone(zone).restart("on-failure:3").flag("--env").flag("TOKEN=s3cret");
        all.push(web.flag("--volume").flag("/data").start());
    }
    // One health check a second and no more: this engine can dead-lock when an end meets the start of a check.
    let db = project.container("db").zone("a").restart("always").health("true").flag("--health-interval=1s").start();
    db.healthy();
    all.push(db);
    all
}

/// A user's folder with an experiment on a project, and the binary as that user runs it.
pub struct User<'p> {
    folder: tempfile::TempDir,
    project: &'p Project<'p>,
}

impl<'p> User<'p> {
    pub fn new(project: &'p Project<'p>, method: &str) -> Self {
        // A command is a probe that needs no port.
        Self::with(project, "{ command: [\"true\"], rate: 10/s }", "500ms", method)
    }

    /// One whose runs measure hardly anything, and are over soon. A probe that starts no programs is seldom late.
    pub fn in_a_hurry(project: &'p Project<'p>, method: &str) -> Self {
        let door = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let probe = format!("{{ tcp: '{}', rate: 50/s }}", door.local_addr().expect("an address"));
        std::thread::spawn(move || door.incoming().for_each(drop));
        Self::with(project, &probe, "100ms", method)
    }

    fn with(project: &'p Project<'p>, probe: &str, quiet: &str, method: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let environments = format!("environments:\n  staging:\n    platform: {{ docker: {{ project: {} }} }}\n", project.name());
        std::fs::write(folder.path().join("firedrill.yaml"), environments).expect("written");
        let experiment = format!(
            "title: lives\nprobes:\n  always: {probe}\nsteady-state: [{{ probe: always, availability: '>= 10%' }}]\n\
             guardrails: {{ max-affected: {{ service: 100% }} }}\nwarm-up: 0s\nbaseline: {quiet}\n\
             recovery: {{ hold: {quiet}, limit: 20s }}\nmethod:\n{method}"
        );
        std::fs::write(folder.path().join("experiment.yaml"), experiment).expect("written");
        Self { folder, project }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// `firedrill ARGUMENTS` in this folder, with a state of its own.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.project.engine().command(env!("CARGO_BIN_EXE_firedrill"));
        command.args(arguments).current_dir(self.folder()).env("FIREDRILL_STATE_DIR", self.folder().join("state"));
        command
    }

    /// `firedrill run` up to this word of its method, where the run's last wait has begun. On a busy machine firedrill may rightly find
    /// its own baseline too late to be trusted: then it is started again.
    pub fn in_the_middle(&self, word: &str) -> Child {
        (0..20).find_map(|_| self.started(word)).expect("this machine is not too busy for a drill of 10 requests a second")
    }

    /// A run in the middle of its faults; none when it ended before it did anything.
    fn started(&self, word: &str) -> Option<Child> {
        let said = std::fs::File::create(self.folder().join("said")).expect("a file");
        let mut run = self.command(&["run", "experiment.yaml", "--yes"]);
        let mut child = run.stdout(said.try_clone().expect("a file")).stderr(said).spawn().expect("it starts");
        let text = || std::fs::read_to_string(self.folder().join("said")).unwrap_or_default();
        eventually("it is in the middle of its faults, or ended", || [word, "report:"].iter().any(|words| text().contains(words)));
        if text().contains(word) {
            return Some(child);
        }
        child.wait().expect("ended");
        assert!(text().contains("more than 10 ms late"), "{}", text());
        None
    }

    /// Runs it to its end: the exit code, and all that it said.
    pub fn says(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.command(arguments).output().expect("it runs");
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    }
}
