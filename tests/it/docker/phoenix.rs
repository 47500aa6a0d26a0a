//! Phoenix drills on Docker, brought up by the real Compose as their README says: containers are replaced one after another, and a
//! replacement that is another one than its siblings is named, by its image and by its version.

use std::path::{Path, PathBuf};

use super::rig::{Ran, await_answers, both, firedrill, free_port, once, undisturbed};
use crate::support::{
    composed::Composed,
    engine::{Engine, HAPROXY, WHAT_TIME},
    quiet::quiet,
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/phoenix")
}

struct Servers<'e> {
    engine: &'e Engine,
    project: Composed<'e>,
    ports: [u16; 2],
}

fn servers<'e>(engine: &'e Engine, golden: &str) -> Servers<'e> {
    let ports = [free_port(), free_port()];
    let socket = engine.socket();
    let variables = [
        ("GOLDEN_IMAGE", golden),
        ("SITE_IMAGE", WHAT_TIME),
        ("HAPROXY_IMAGE", HAPROXY),
        ("FIREDRILL", env!("CARGO_BIN_EXE_firedrill")),
        ("DOCKER_SOCKET", socket.to_str().unwrap()),
        ("PORT", &ports[0].to_string()),
        ("BOOTSTRAP_PORT", &ports[1].to_string()),
    ];
    let project = engine.compose_all(&[folder().join("compose.yaml")], &variables);
    for port in ports {
        await_answers(port, "/", 3);
    }
    Servers { engine, project, ports }
}

impl Servers<'_> {
    fn drill(&self, experiment: &str) -> Ran {
        self.with(experiment, |arguments| firedrill(self.engine, &folder(), arguments))
    }

    fn with(&self, experiment: &str, run: impl Fn(&[&str]) -> Ran) -> Ran {
        let given =
            [format!("project={}", self.project.name()), format!("port={}", self.ports[0]), format!("bootstrap-port={}", self.ports[1])];
        let mut arguments = vec!["run", experiment, "--env", "docker"];
        arguments.extend(given.iter().flat_map(|given| ["--var", given]));
        run(&arguments)
    }

    /// The ids of a service's containers.
    fn ids(&self, service: &str) -> Vec<String> {
        self.project.compose(&["ps", "-q", service]).lines().map(str::to_owned).collect()
    }
}

/// The findings of drift.
fn drift(ran: &Ran) -> String {
    let findings = ran.result["measurement"]["findings"].as_array().unwrap();
    let says: Vec<&str> =
        findings.iter().filter(|finding| finding["kind"] == "drift").map(|finding| finding["says"].as_str().unwrap()).collect();
    says.join("; ")
}

/// An image under a name of this test's own, which goes with it.
struct Image<'e> {
    engine: &'e Engine,
    name: String,
}

impl<'e> Image<'e> {
    fn new(engine: &'e Engine) -> Self {
        let name = format!("golden-{}:latest", std::process::id());
        engine.docker(&["tag", WHAT_TIME, &name]);
        Self { engine, name }
    }

    fn id(&self) -> String {
        self.engine.docker(&["image", "inspect", "-f", "{{.Id}}", &self.name])
    }

    /// Somebody pushes another image under the same name.
    fn built_anew(&self) {
        let container = self.engine.docker(&["create", "--network", "none", &self.name]);
        self.engine.docker(&["commit", "--change", "LABEL built=anew", &container, &self.name]);
        self.engine.docker(&["rm", &container]);
    }
}

impl Drop for Image<'_> {
    fn drop(&mut self) {
        self.engine.try_docker(&["rmi", &self.name]);
    }
}

#[test]
fn containers_are_replaced_one_after_another_and_one_of_another_image_or_version_is_named() {
    let _quiet = quiet();
    let engine = Engine::shared();
    let golden = || {
        let image = Image::new(&engine);
        let servers = servers(&engine, &image.name);
        let before = servers.ids("golden");
        let ran = servers.drill("golden.yaml").expect(0, "passed");
        let after = servers.ids("golden");
        assert!(before.len() == 3 && after.len() == 3 && after.iter().all(|id| !before.contains(id)), "{before:?} {after:?}");
        assert!(
            ran.victims().len() == 3 && ran.victims().iter().all(|victim| victim["replaced_after_s"].is_number()),
            "{:?}",
            ran.victims()
        );
        assert_eq!(drift(&ran), "", "{}", ran.said);

        let pushed = || {
            let was = image.id();
            image.built_anew();
            (was, servers.with("golden.yaml", |arguments| once(&engine, &folder(), arguments)))
        };
        let (was, ran) = undisturbed("golden.yaml with another image", pushed, |(_, ran)| ran);
        let ran = ran.expect(1, "failed");
        assert_eq!(ran.broken(), ["replacements are like their siblings in the run"], "{}", ran.said);
        let short = |id: &str| id.trim_start_matches("sha256:")[..12].to_owned();
        let says = drift(&ran);
        assert!(says.contains(&short(&was)) && says.contains(&short(&image.id())) && says.contains("golden"), "{says}");
    };
    let bootstrap = || {
        let ran = servers(&engine, WHAT_TIME).drill("drift.yaml").expect(1, "failed");
        let says = drift(&ran);
        assert!(says.contains("1.1") && says.contains("1.0") && says.contains("bootstrap"), "{says}");
    };
    both(golden, bootstrap);
}
