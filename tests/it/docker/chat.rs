//! The chat on Docker, brought up by the real Compose as its README says: HAProxy that a registry in three members of etcd drives, a queue in
//! Redis, and five services. Each drill gives the verdict that the README gives, for the reason given there.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::rig::{Ran, asked, await_answers, both, firedrill, free_port};
use crate::support::{
    composed::Composed,
    engine::{ETCD, Engine, HAPROXY, REDIS, WHAT_TIME},
    quiet::quiet,
};

/// Two instances of each of four services, and four of `messages`.
const SERVERS: usize = 12;

/// The ports that it is published on: the variable of Compose, and that of the experiments.
const PORTS: [(&str, &str); 5] =
    [("PORT", "port"), ("CRON_PORT", "cron-port"), ("QUEUE_PORT", "queue-port"), ("ETCD_PORT", "etcd-port"), ("ADMIN_PORT", "admin-port")];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/chat")
}

/// A chat that runs, on ports of its own.
struct Chat<'e> {
    engine: &'e Engine,
    project: Composed<'e>,
    ports: Vec<String>,
}

impl<'e> Chat<'e> {
    fn up(engine: &'e Engine, file: &str) -> Self {
        let ports: Vec<String> = PORTS.iter().map(|_| free_port().to_string()).collect();
        let mut variables = vec![
            ("CHAT_IMAGE", WHAT_TIME),
            ("HAPROXY_IMAGE", HAPROXY),
            ("REDIS_IMAGE", REDIS),
            ("ETCD_IMAGE", ETCD),
            ("FIREDRILL", env!("CARGO_BIN_EXE_firedrill")),
        ];
        variables.extend(PORTS.iter().zip(&ports).map(|((name, _), port)| (*name, port.as_str())));
        let project = engine.compose_all(&[folder().join(file)], &variables);
        Self { engine, project, ports }
    }

    /// Only the variables that an environment has may be given.
    fn drill(&self, experiment: &str, environment: &str, ports: usize) -> Ran {
        let mut given = vec![format!("project={}", self.project.name())];
        given.extend(PORTS.iter().zip(&self.ports).take(ports).map(|((_, name), port)| format!("{name}={port}")));
        let mut arguments = vec!["run", experiment, "--env", environment];
        arguments.extend(given.iter().flat_map(|given| ["--var", given]));
        firedrill(self.engine, &folder(), &arguments)
    }

    /// Waits until HAProxy has every instance, and finds all of them well.
    fn await_servers(&self) {
        let admin = self.ports[4].parse().unwrap();
        let mut up = 0;
        for _ in 0..300 {
            let state = asked(admin, "show servers state\n").unwrap_or_default();
            up = state.lines().filter(|line| line.split(' ').nth(5) == Some("2")).count();
            if up == SERVERS {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("HAProxy has {up} servers after 30 s:\n{}", self.project.compose(&["logs", "--no-color", "--tail", "5"]));
    }
}

/// What the report found of this kind.
fn found<'r>(ran: &'r Ran, kind: &str) -> Vec<&'r str> {
    let findings = ran.result["measurement"]["findings"].as_array().unwrap();
    findings.iter().filter(|finding| finding["kind"] == kind).map(|finding| finding["says"].as_str().unwrap()).collect()
}

/// That it went on without them.
fn independent(ran: &Ran, of: &str, services: &[&str]) {
    let says = found(ran, "independent").join("; ");
    assert!(says.contains(&format!("without `{of}`")), "{says}");
    assert!(services.iter().all(|service| says.contains(&format!("`{service}`"))), "{says}");
}

#[test]
fn a_service_of_the_chat_takes_only_those_with_it_that_depend_on_it_and_the_monolith_all() {
    let _quiet = quiet();
    let engine = Engine::shared();
    let chat = Chat::up(&engine, "compose.yaml");
    chat.await_servers();
    let drill = |experiment| chat.drill(experiment, "docker", PORTS.len());

    let ran = drill("one-user-server.yaml").expect(0, "passed");
    let [victim] = ran.victims() else { panic!("{}", ran.said) };
    assert_eq!(victim["service"], "users");
    // Until two checks have failed, HAProxy goes on sending to it.
    assert!(victim["last_seen_after_s"].as_f64().is_none_or(|after| after < 1.0), "{victim}");
    // The instances of a service are of one Compose service a zone: that is no drift.
    assert_eq!(found(&ran, "drift"), Vec::<&str>::new());

    let ran = drill("users.yaml").expect(0, "passed");
    assert_eq!(ran.victims().len(), 2);
    independent(&ran, "users", &["ui", "tokens", "messages", "push"]);

    let ran = drill("tokens.yaml").expect(1, "failed");
    let says = found(&ran, "dependency").join("; ");
    assert!(says.contains("without `tokens`") && says.contains("`messages` fails") && says.contains("`push` fails"), "{says}");
    independent(&ran, "tokens", &["ui", "users"]);

    let ran = drill("queue.yaml").expect(0, "passed");
    let says = found(&ran, "single-point-of-failure").join("; ");
    assert!(says.contains("`queue`") && says.contains("`push`"), "{says}");
    independent(&ran, "queue", &["ui", "tokens", "users", "messages"]);

    // Nothing is timed to the moment any more: the monolith is drilled beside.
    let registry = || {
        assert_eq!(drill("one-etcd.yaml").expect(0, "passed").victims().len(), 1);
        assert_eq!(drill("two-etcd.yaml").expect(0, "passed").victims().len(), 2);
    };
    both(registry, || the_monolith_takes_every_route_with_it(&engine));
}

fn the_monolith_takes_every_route_with_it(engine: &Engine) {
    let chat = Chat::up(engine, "compose.monolith.yaml");
    await_answers(chat.ports[0].parse().unwrap(), "/", 1);
    let ran = chat.drill("users.yaml", "docker-monolith", 1).expect(1, "failed");
    let broken = ran.broken();
    for route in ["home", "log-in", "say", "read", "push"] {
        assert!(broken.contains(&format!("{route} failures == 0 in fault")), "{broken:?}");
    }
    let says = found(&ran, "single-point-of-failure").join("; ");
    assert!(says.contains("`chat`"), "{says}");
}
