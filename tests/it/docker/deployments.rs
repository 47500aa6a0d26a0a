//! Deployments on Docker, brought up by the real Compose as their README says: the deployment tool stops containers, and shifts requests
//! through HAProxy's runtime API.

use std::path::{Path, PathBuf};

use super::rig::{Ran, await_answers, both, firedrill, free_port, once, undisturbed};
use crate::support::{
    composed::Composed,
    engine::{Engine, HAPROXY, WHAT_TIME},
    quiet::quiet,
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/deployments")
}

/// The two versions side by side.
struct Site<'e> {
    engine: &'e Engine,
    project: Composed<'e>,
    port: u16,
}

fn site<'e>(engine: &'e Engine, bad: &str) -> Site<'e> {
    let (port, admin) = (free_port(), free_port().to_string());
    let variables = [
        ("SITE_IMAGE", WHAT_TIME),
        ("HAPROXY_IMAGE", HAPROXY),
        ("FIREDRILL", env!("CARGO_BIN_EXE_firedrill")),
        ("BAD", bad),
        ("PORT", &port.to_string()),
        ("ADMIN_PORT", &admin),
    ];
    let project = engine.compose_all(&[folder().join("compose.yaml")], &variables);
    await_answers(port, "/", 4);
    Site { engine, project, port }
}

/// A drill on a site of its own: an upgrade ends the old servers, so that another attempt needs others.
fn upgraded<'e>(engine: &'e Engine, experiment: &str) -> (Site<'e>, Ran) {
    let attempt = || {
        let site = site(engine, "0%");
        let ran = site.with(experiment, |arguments| once(engine, &folder(), arguments));
        (site, ran)
    };
    undisturbed(experiment, attempt, |(_, ran)| ran)
}

impl Site<'_> {
    fn drill(&self, experiment: &str) -> Ran {
        self.with(experiment, |arguments| firedrill(self.engine, &folder(), arguments))
    }

    fn with(&self, experiment: &str, run: impl Fn(&[&str]) -> Ran) -> Ran {
        let (project, port) = (format!("project={}", self.project.name()), format!("port={}", self.port));
        run(&["run", experiment, "--env", "docker", "--var", &project, "--var", &port])
    }

    /// How many containers of a service run.
    fn running(&self, service: &str) -> usize {
        self.project
            .compose(&["ps", "-q", service])
            .lines()
            .filter(|id| self.engine.docker(&["inspect", "-f", "{{.State.Running}}", id]) == "true")
            .count()
    }
}

/// Requests that a version answered in the fault phase, of all.
fn share(ran: &Ran, version: &str) -> f64 {
    let groups = ran.result["measurement"]["probes"][0]["groups"].as_array().unwrap();
    let mut of = groups.iter().filter(|group| group["by"] == "backend" && group["key"] == version && group["phase"] == "fault");
    let answered = of.next().map_or(0.0, |group| group["stats"]["requests"].as_f64().unwrap());
    answered / ran.fault()["stats"]["requests"].as_f64().unwrap()
}

fn failed(ran: &Ran) -> f64 {
    let stats = &ran.fault()["stats"];
    1.0 - stats["availability"]["value"].as_f64().unwrap()
}

#[test]
fn a_drained_upgrade_costs_nothing_and_one_that_kills_what_was_in_flight() {
    let _quiet = quiet();
    let engine = Engine::shared();
    let drained = || {
        let (site, ran) = upgraded(&engine, "rolling.yaml");
        let ran = ran.expect(0, "passed");
        assert!(share(&ran, "4") > 0.1 && share(&ran, "5") > 0.1, "both served meanwhile");
        assert_eq!((site.running("blue"), site.running("green")), (0, 4));
    };
    let killed = || {
        let (site, ran) = upgraded(&engine, "rolling-abrupt.yaml");
        let ran = ran.expect(1, "failed");
        assert!(ran.broken().contains(&"home failures == 0 in fault".to_owned()), "{:?}", ran.broken());
        assert!(failed(&ran) > 0.001 && failed(&ran) < 0.5, "what was in flight, and until two checks had failed: {}", failed(&ran));
        assert_eq!((site.running("blue"), site.running("green")), (0, 4));
    };
    both(drained, killed);
}

#[test]
fn a_canary_of_a_bad_version_costs_little_all_at_once_much_and_a_switch_of_a_good_one_nothing() {
    let _quiet = quiet();
    let engine = Engine::shared();
    let canary = || {
        let ran = site(&engine, "50%").drill("canary.yaml").expect(0, "passed");
        assert!((0.05..=0.12).contains(&share(&ran, "5")), "the canary got {}", share(&ran, "5"));
        assert!(failed(&ran) > 0.0, "it is a bad version");
    };
    let at_once = || {
        let ran = site(&engine, "50%").drill("all-at-once.yaml").expect(1, "failed");
        assert_eq!(ran.broken(), ["home availability >= 90% in fault"]);
        assert!((0.25..0.7).contains(&failed(&ran)), "half of them fail: {}", failed(&ran));
    };
    both(canary, at_once);
    let site = site(&engine, "0%");
    let ran = site.drill("blue-green.yaml").expect(0, "passed");
    assert!(share(&ran, "5") > 0.5, "all went to the new version while it was switched: {}", share(&ran, "5"));
    assert_eq!((site.running("blue"), site.running("green")), (4, 4));
}
