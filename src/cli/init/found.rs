//! What runs here, as far as a look tells.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use super::{
    door::{Door, knock},
    processes::{self, Listener},
};
use crate::{model::quantity::plural, report::words::visible};

/// So many doors are knocked at: a look is no scan.
const DOORS: usize = 20;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Compose projects with what they publish.
    pub(super) projects: Vec<Project>,
    /// Programs that listen, each with who answers.
    pub(super) programs: Vec<(Listener, Door)>,
    /// What names an account of AWS.
    pub(super) aws: Vec<&'static str>,
    /// Why Docker could not be looked at.
    pub(super) no_docker: Option<String>,
}

/// A Compose project.
#[derive(Debug, Default)]
pub(super) struct Project {
    pub(super) name: String,
    /// Instances that run, by service.
    pub(super) services: BTreeMap<String, usize>,
    /// Published ports: the service, where, and who answers.
    pub(super) doors: Vec<(String, String, Door)>,
}

impl Found {
    /// Looks around.
    pub(super) async fn look() -> Self {
        let mut found = Self { aws: aws(), ..Self::default() };
        found.docker().await;
        let published: Vec<String> = found.projects.iter().flat_map(|project| &project.doors).map(|(_, at, _)| at.clone()).collect();
        for listener in processes::listeners().into_iter().filter(|listener| !published.contains(&listener.address)).take(DOORS) {
            if let Some(door) = knock(&listener.address).await {
                found.programs.push((listener, door));
            }
        }
        // Who speaks HTTP is the better example.
        found.programs.sort_by_key(|(_, door)| *door == Door::Tcp);
        found
    }

    #[cfg(not(feature = "docker"))]
    #[expect(clippy::unused_async, reason = "the other build asks an engine")]
    async fn docker(&mut self) {
        self.no_docker = Some("this build has no Docker".to_owned());
    }

    /// Asks the engine that the `docker` command would use, once.
    #[cfg(feature = "docker")]
    async fn docker(&mut self) {
        use crate::{
            model::environment::DockerSpec,
            platform::{
                Platform,
                docker::{DockerPlatform, inventory::COMPOSE_PROJECT},
            },
        };
        let inventory = match DockerPlatform::connect(DockerSpec::default()).await {
            Ok(docker) => docker.inventory().await,
            Err(error) => Err(error),
        };
        let instances = match inventory {
            Ok(inventory) => inventory.instances,
            Err(error) => {
                self.no_docker = Some(error.to_string());
                return;
            }
        };
        let mut projects = BTreeMap::<String, Project>::new();
        let mut knocked = 0;
        for instance in instances.iter().filter(|instance| instance.serving()) {
            let Some(name) = instance.labels.get(COMPOSE_PROJECT) else { continue };
            let project = projects.entry(name.clone()).or_insert_with(|| Project { name: name.clone(), ..Project::default() });
            let service = instance.service.to_string();
            *project.services.entry(service.clone()).or_default() += 1;
            // What is not published has an address on a network of the engine's own.
            let published = instance.address.as_ref().filter(|at| at.starts_with("127.") || at.starts_with("[::1]"));
            if let Some(at) = published.filter(|_| knocked < DOORS) {
                knocked += 1;
                if let Some(door) = knock(at).await {
                    project.doors.push((service, at.clone(), door));
                }
            }
        }
        self.projects = projects.into_values().collect();
        for project in &mut self.projects {
            project.doors.sort_by_key(|(_, _, door)| *door == Door::Tcp);
        }
    }

    /// In words, for a terminal.
    pub(super) fn told(&self) -> String {
        let mut out = String::new();
        match &self.no_docker {
            Some(why) => _ = writeln!(out, "Docker: not looked at: {}", visible(why)),
            None if self.projects.is_empty() => out.push_str("Docker: no Compose project runs\n"),
            None => {}
        }
        for project in &self.projects {
            let services: Vec<String> = project.services.iter().map(|(name, n)| format!("{} × {n}", visible(name))).collect();
            let doors: Vec<String> = project.doors.iter().map(|(_, at, door)| format!("{} ({})", visible(at), says(*door))).collect();
            let doors = if doors.is_empty() { "no published port answers".to_owned() } else { doors.join(", ") };
            let _ = writeln!(out, "Docker: Compose project {}: {}; {doors}", visible(&project.name), services.join(", "));
        }
        for (listener, door) in &self.programs {
            let (program, at) = (visible(&listener.executable), &listener.address);
            let _ = writeln!(out, "This machine: {program} at {at} ({}), {}", says(*door), plural(listener.processes as u64, "process"));
        }
        if self.programs.is_empty() {
            out.push_str("This machine: no program listens that this user may see\n");
        }
        for name in &self.aws {
            let _ = writeln!(out, "AWS: {name} is there; AWS was not asked anything");
        }
        out
    }
}

fn says(door: Door) -> String {
    match door {
        Door::Http(status) => format!("HTTP {status}"),
        Door::Tcp => "TCP".to_owned(),
    }
}

/// What names an account. No value is read.
fn aws() -> Vec<&'static str> {
    let names = ["AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"];
    let mut out: Vec<&'static str> =
        names.into_iter().filter(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty())).collect();
    if std::env::var_os("HOME").is_some_and(|home| Path::new(&home).join(".aws/config").is_file()) {
        out.push("~/.aws/config");
    }
    out
}
