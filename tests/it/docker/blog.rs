//! The blog on Docker, brought up by the real Compose as its README says: servers with a disk of their own, and with one that they share.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::rig::{Ran, await_answers, both, firedrill, free_port};
use crate::support::{
    engine::{Engine, HAPROXY, WHAT_TIME},
    quiet::quiet,
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/blog")
}

/// Drills the blog of these Compose files.
fn drill(engine: &Engine, files: &[&str], experiment: &str) -> Ran {
    let files: Vec<PathBuf> = files.iter().map(|file| folder().join(file)).collect();
    let port = free_port();
    let variables = [
        ("BLOG_IMAGE", WHAT_TIME),
        ("HAPROXY_IMAGE", HAPROXY),
        ("FIREDRILL", env!("CARGO_BIN_EXE_firedrill")),
        ("PORT", &port.to_string()),
    ];
    let project = engine.compose_all(&files, &variables);
    await_answers(port, "/health", 3);
    let (project, port) = (format!("project={}", project.name()), format!("port={port}"));
    firedrill(engine, &folder(), &["run", experiment, "--env", "docker", "--var", &project, "--var", &port])
}

fn writes(ran: &Ran) -> &Json {
    &ran.result["measurement"]["probes"][0]["state"]
}

#[test]
fn pictures_on_a_servers_own_disk_go_with_it_and_on_a_shared_one_stay() {
    let _quiet = quiet();
    let engine = Engine::shared();
    let own = || {
        let ran = drill(&engine, &["compose.yaml"], "lost-for-good.yaml").expect(1, "failed");
        assert_eq!(ran.broken(), ["pictures lost == 0 in the run"]);
        let (lost, acknowledged) = (writes(&ran)["lost"].as_u64().unwrap(), writes(&ran)["acknowledged"].as_u64().unwrap());
        assert!(lost > 0 && lost < acknowledged / 2, "what one of three took before its end: {}", writes(&ran));
        // Before anything was killed, pictures were missing now and then.
        assert!(writes(&ran)["stale_reads"].as_u64().unwrap() > 0, "{}", writes(&ran));
    };
    let shared = || {
        let ran = drill(&engine, &["compose.yaml", "compose.shared-disk.yaml"], "experiment.yaml").expect(0, "passed");
        let state = writes(&ran);
        assert_eq!((&state["lost"], &state["stale"], &state["unchecked"]), (&0.into(), &0.into(), &0.into()), "{state}");
        assert!(state["acknowledged"].as_u64().unwrap() > 100, "{state}");
    };
    both(own, shared);
}
