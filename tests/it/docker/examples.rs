//! The examples on Docker, brought up by the real Compose as their README says: each rung of the ladder gives its verdict, for the
//! reason that the README gives.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::rig::{Ran, both, firedrill, free_port};
use crate::support::{
    composed::Composed,
    engine::{Engine, HAPROXY, NGINX, WHAT_TIME},
    quiet::quiet,
};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/what-time")
}

/// A rung that runs: these Compose files, on a port and under a project name of its own.
struct Rung<'e> {
    engine: &'e Engine,
    project: Composed<'e>,
    port: u16,
}

fn rung<'e>(engine: &'e Engine, files: &[&str], slots: &str) -> Rung<'e> {
    let files: Vec<PathBuf> = files.iter().map(|file| examples().join(file)).collect();
    let port = free_port();
    let variables = [("WEB_IMAGE", NGINX), ("HAPROXY_IMAGE", HAPROXY), ("SLOTS", slots), ("PORT", &port.to_string())];
    let project = engine.compose_all(&files, &variables);
    await_site(if files.iter().any(|file| file.ends_with("compose.rung-3.yaml")) { "127.0.1.1" } else { "127.0.0.1" }, port);
    Rung { engine, project, port }
}

impl Rung<'_> {
    /// Runs an experiment of the example on it.
    fn climb(&self, experiment: &str, environment: &str) -> Ran {
        let (project, port) = (format!("project={}", self.project.name()), format!("port={}", self.port));
        let ran = firedrill(self.engine, &examples(), &["run", experiment, "--env", environment, "--var", &project, "--var", &port]);
        let found = self.project.compose(&["ps", "-q"]);
        for id in found.lines() {
            let state = self.engine.docker(&["inspect", "--format", "{{.State.Status}}", id]);
            assert_eq!(state, "running", "the run left a container behind: {}", ran.said);
        }
        ran
    }
}

const OUTAGE: &str = "home longest-outage <= 1 s in fault";
const TAIL: &str = "home p99 <= 600 ms in fault";

/// The drill failed because of this condition, and not because the rung was sick before.
fn fails_by(ran: Ran, condition: &str) -> Ran {
    let ran = ran.expect(1, "failed");
    let broken = ran.broken();
    assert!(broken.iter().any(|found| found == condition), "{broken:?}");
    assert!(!broken.iter().any(|found| found.ends_with("in baseline")), "{broken:?}");
    ran
}

fn longest_outage(ran: &Ran) -> f64 {
    ran.fault()["longest_outage_s"].as_f64().unwrap()
}

fn available(ran: &Ran) -> f64 {
    ran.fault()["stats"]["availability"]["value"].as_f64().unwrap()
}

#[test]
fn one_server_fails_when_it_is_killed_and_when_it_is_made_bigger() {
    let _quiet = quiet();
    let engine = Engine::shared();
    let killed = || {
        let ran = fails_by(rung(&engine, &["compose.rung-1.yaml"], "8").climb("experiment.yaml", "docker-rung-1"), OUTAGE);
        // Nobody answers while the only server is dead: through the zone's four seconds without a break.
        assert!(longest_outage(&ran) > 3.9, "{}", ran.said);
        assert_eq!(ran.victims().len(), 2, "the same server twice");
    };
    let resized = || {
        let ran = fails_by(rung(&engine, &["compose.rung-1.yaml"], "8").climb("resize.yaml", "docker-rung-2"), OUTAGE);
        assert!(longest_outage(&ran) > 4.9, "{}", ran.said);
    };
    both(killed, resized);
}

#[test]
fn servers_in_dns_and_a_balancer_over_one_zone_fail() {
    let _quiet = quiet();
    let engine = Engine::shared();
    let dns = || {
        let ran = fails_by(rung(&engine, &["compose.rung-3.yaml"], "8").climb("experiment.yaml", "docker-rung-3"), OUTAGE);
        // One address in three is dead for seven of the eight seconds; the users of the others notice nothing.
        assert!((0.6..0.85).contains(&available(&ran)), "{}", ran.said);
    };
    let one_zone = || {
        let ran = fails_by(rung(&engine, &["compose.rung-4.yaml"], "8").climb("experiment.yaml", "docker-rung-4"), OUTAGE);
        let victims = ran.victims();
        assert_eq!(victims.len(), 4, "one, and then the whole zone: {}", ran.said);
        let longest = longest_outage(&ran);
        assert!((3.0..7.0).contains(&longest), "the zone's four seconds: {}", ran.said);
    };
    both(dns, one_zone);
}

#[test]
fn three_zones_pass_with_haproxy_and_fail_without_spare_capacity() {
    let _quiet = quiet();
    let engine = Engine::shared();
    let top = || {
        let ran = rung(&engine, &["compose.yaml"], "8").climb("experiment.yaml", "staging").expect(0, "passed");
        let victims = ran.victims();
        assert_eq!(victims.len(), 3, "one, and then the two of a zone: {}", ran.said);
        assert_eq!(victims[1]["zone"], victims[2]["zone"]);
        assert!(ran.fault()["stats"]["requests"].as_u64().unwrap() > 1000);
    };
    let tight = || {
        let ran = fails_by(rung(&engine, &["compose.yaml"], "4").climb("experiment.yaml", "docker-rung-6-tight"), TAIL);
        // Nothing is refused: it is latency that shows the want of capacity.
        assert!(!ran.broken().iter().any(|found| found == OUTAGE), "{}", ran.said);
    };
    both(top, tight);
}

#[test]
fn a_group_in_one_zone_fails_and_nginx_in_front_of_three_passes() {
    let _quiet = quiet();
    let engine = Engine::shared();
    let group = || {
        let ran =
            fails_by(rung(&engine, &["compose.rung-4.yaml", "compose.rung-5.yaml"], "8").climb("crash.yaml", "docker-rung-5"), OUTAGE);
        let victims = ran.victims();
        assert_eq!((victims.len(), &victims[0]["fault"]), (4, &"crash".into()), "{}", ran.said);
        // The engine started it again, long before the step's three seconds were over.
        let back = victims[0]["in_service_after_s"].as_f64();
        assert!(back.is_some_and(|s| s < 2.5), "{back:?}: {}", ran.said);
    };
    let nginx = || {
        let ran = rung(&engine, &["compose.yaml", "compose.nginx.yaml"], "8").climb("experiment.yaml", "staging").expect(0, "passed");
        assert_eq!(ran.victims().len(), 3);
    };
    both(group, nginx);
}

/// A project that nobody ever wrote a label into, brought up by Compose; the environment says only `docker`.
#[test]
fn a_drill_works_on_a_project_that_firedrill_has_never_seen() {
    let _quiet = quiet();
    let engine = Engine::shared();
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let compose = folder.path().join("compose.yaml");
    std::fs::write(
        &compose,
        format!(
            "services:\n  web:\n    image: {WHAT_TIME}\n    scale: 3\n  front:\n    image: {HAPROXY}\n    ports: ['127.0.0.1:{port}:8080']\n    \
             volumes: ['{}:/usr/local/etc/haproxy/haproxy.cfg:ro']\n",
            examples().join("balancer/haproxy.cfg").display()
        ),
    )
    .unwrap();
    let project = engine.compose(&compose, &[]);
    std::fs::write(
        folder.path().join("firedrill.yaml"),
        format!("environments:\n  staging:\n    platform: {{ docker: {{ project: {} }} }}\n", project.name()),
    )
    .unwrap();
    let url = format!("http://127.0.0.1:{port}/");
    await_site("127.0.0.1", port);
    let ran = firedrill(
        &engine,
        folder.path(),
        &[
            "drill",
            "kill",
            "--env",
            "staging",
            "--service",
            "web",
            "--take",
            "1",
            "--hold",
            "4s",
            "--availability",
            "97%",
            "--probe",
            &url,
            "--yes",
        ],
    )
    .expect(0, "passed");
    let [victim] = ran.victims() else { panic!("{}", ran.said) };
    assert!(victim["name"].as_str().unwrap().contains("web"), "{victim}");
    let running = engine.docker(&["ps", "-q", "--filter", &format!("label=com.docker.compose.project={}", project.name())]);
    assert_eq!(running.lines().count(), 4, "all run again: {}", ran.said);
}

/// Waits until the site answers.
fn await_site(host: &str, port: u16) {
    use std::io::{Read, Write};
    let answers = || {
        let mut stream = std::net::TcpStream::connect((host, port))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        std::io::Result::Ok(text.starts_with("HTTP/1.1 200"))
    };
    for _ in 0..200 {
        if answers().unwrap_or(false) {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("the site on port {port} did not answer within 10 s");
}
