//! The application of many parts on Docker, brought up by the real Compose as its README says: in development all of it, in production without
//! its stores, which are somewhere else.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::rig::{Ran, await_answers, firedrill, free_port};
use crate::support::{
    composed::Composed,
    engine::{Engine, NGINX, POSTGRES, REDIS, WHAT_TIME},
    quiet::quiet,
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/containers")
}

struct Application<'e> {
    engine: &'e Engine,
    project: Composed<'e>,
    port: u16,
    backup: tempfile::TempDir,
}

impl<'e> Application<'e> {
    /// Starts these services; all when none is named.
    fn start(engine: &'e Engine, settings: &[(&str, &str)], services: &[&str]) -> Self {
        let port = free_port();
        let text = port.to_string();
        let mut variables = vec![
            ("APP_IMAGE", WHAT_TIME),
            ("NGINX_IMAGE", NGINX),
            ("REDIS_IMAGE", REDIS),
            ("POSTGRES_IMAGE", POSTGRES),
            ("FIREDRILL", env!("CARGO_BIN_EXE_firedrill")),
            ("PORT", &text),
        ];
        variables.extend(settings);
        let project = engine.compose_some(&folder().join("compose.yaml"), &variables, services);
        Self { engine, project, port, backup: tempfile::tempdir().unwrap() }
    }

    /// Waits for both servers of the API, and what they need.
    fn await_all(&self) {
        await_answers(self.port, "/api/jobs", 2);
    }

    fn drill(&self, experiment: &str, environment: &str) -> Ran {
        let mut vars = vec![format!("project={}", self.project.name()), format!("port={}", self.port)];
        if environment == "docker" {
            vars.push(format!("backup={}", self.backup.path().join("backup.sql").display()));
            // Compose calls its containers in its own way from version to version; the file knows the newest.
            vars.push(format!("tools=docker exec -i {}", self.project.compose(&["ps", "--quiet", "database"])));
        }
        let mut arguments = vec!["run", experiment, "--env", environment];
        for var in &vars {
            arguments.extend(["--var", var]);
        }
        firedrill(self.engine, &folder(), &arguments)
    }

    /// Its store is reached under this name by another one, as a managed one would be.
    fn lends(&self, service: &str, name: &str, to: &Self) {
        let id = self.project.compose(&["ps", "--quiet", service]);
        self.engine.docker(&["network", "connect", "--alias", name, &format!("{}_default", to.project.name()), &id]);
    }
}

/// The books of the jobs.
fn jobs(ran: &Ran) -> &Json {
    &ran.result["measurement"]["probes"].as_array().unwrap().iter().find(|probe| probe["name"] == "jobs").unwrap()["state"]
}

#[test]
fn jobs_outlive_the_worker_not_the_database_and_the_router_is_a_single_point_of_failure() {
    let _quiet = quiet();
    let engine = Engine::shared();
    let stores = [("QUEUE", "cache.example:6379"), ("DATABASE", "db.example:5432")];
    // Declared first, so that it ends last: nobody else's containers are on its network then.
    let production = Application::start(&engine, &stores, &["router", "files", "api", "worker"]);
    let development = Application::start(&engine, &[], &[]);
    development.await_all();

    let ran = development.drill("router.yaml", "docker").expect(1, "failed");
    let findings = ran.result["measurement"]["findings"].as_array().unwrap();
    let named = |finding: &Json| finding["kind"] == "single-point-of-failure" && finding["says"].as_str().unwrap().contains("`router`");
    assert!(findings.iter().any(named), "{findings:#?}");
    assert_eq!(jobs(&ran)["lost"], 0, "{}", jobs(&ran));

    let ran = development.drill("database.yaml", "docker").expect(1, "failed");
    assert_eq!(ran.broken(), ["jobs lost == 0 in the run"]);
    assert!(jobs(&ran)["lost"].as_u64().unwrap() >= 20, "{}", jobs(&ran));
    // What was done before the backup came back with it.
    assert!(jobs(&ran)["lost"].as_u64().unwrap() < jobs(&ran)["acknowledged"].as_u64().unwrap() * 2 / 3, "{}", jobs(&ran));

    // What the two share from here on are the stores; their workers take each other's jobs.
    development.project.compose(&["stop", "worker"]);
    development.lends("queue", "cache.example", &production);
    development.lends("database", "db.example", &production);
    production.await_all();
    let ran = production.drill("worker.yaml", "production").expect(0, "passed");
    assert!(jobs(&ran)["visible_after"]["max"].as_f64().unwrap() > 2.0, "{}", jobs(&ran));
}
