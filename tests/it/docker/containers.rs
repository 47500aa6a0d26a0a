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
    database_port: u16,
    backup: tempfile::TempDir,
}

impl<'e> Application<'e> {
    fn start(engine: &'e Engine) -> Self {
        let (port, database_port) = (free_port(), free_port());
        let (port_text, database_text) = (port.to_string(), database_port.to_string());
        let variables = [
            ("APP_IMAGE", WHAT_TIME),
            ("NGINX_IMAGE", NGINX),
            ("REDIS_IMAGE", REDIS),
            ("POSTGRES_IMAGE", POSTGRES),
            ("FIREDRILL", env!("CARGO_BIN_EXE_firedrill")),
            ("PORT", &port_text),
            ("DATABASE_PORT", &database_text),
        ];
        let project = engine.compose_all(&[folder().join("compose.yaml")], &variables);
        // Both servers, and what they need.
        await_answers(port, "/api/jobs", 2);
        Self { engine, project, port, database_port, backup: tempfile::tempdir().unwrap() }
    }

    fn drill(&self, experiment: &str, environment: &str) -> Ran {
        let mut vars = vec![format!("project={}", self.project.name()), format!("port={}", self.port)];
        if environment == "docker" {
            vars.push(format!("database-port={}", self.database_port));
            vars.push(format!("backup={}", self.backup.path().join("backup").display()));
        }
        let mut arguments = vec!["run", experiment, "--env", environment];
        for var in &vars {
            arguments.extend(["--var", var]);
        }
        firedrill(self.engine, &folder(), &arguments)
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
    let application = Application::start(&engine);

    let ran = application.drill("worker.yaml", "production").expect(0, "passed");
    assert!(jobs(&ran)["visible_after"]["max"].as_f64().unwrap() > 2.0, "{}", jobs(&ran));

    let ran = application.drill("router.yaml", "docker").expect(1, "failed");
    let findings = ran.result["measurement"]["findings"].as_array().unwrap();
    let named = |finding: &Json| finding["kind"] == "single-point-of-failure" && finding["says"].as_str().unwrap().contains("`router`");
    assert!(findings.iter().any(named), "{findings:#?}");
    assert_eq!(jobs(&ran)["lost"], 0, "{}", jobs(&ran));

    let ran = application.drill("database.yaml", "docker").expect(1, "failed");
    assert_eq!(ran.broken(), ["jobs lost == 0 in the run"]);
    assert!(jobs(&ran)["lost"].as_u64().unwrap() >= 20, "{}", jobs(&ran));
}
