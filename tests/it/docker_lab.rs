//! The laboratory itself: what the other tests of Docker stand on.

use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use rustix::process::Signal;

use super::support::{
    engine::{ETCD, Engine, HAPROXY, NGINX, POSTGRES, REDIS, SMALL, WHAT_TIME},
    project::Project,
};

/// The whole answer to one request on a connection of its own; nothing when there is none.
fn get(address: SocketAddr) -> String {
    get_path(address, "/")
}

fn get_path(address: SocketAddr, path: &str) -> String {
    let ask = || {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes())?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        std::io::Result::Ok(text)
    };
    ask().unwrap_or_default()
}

fn soon(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..300 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("not within 30 s: {what}");
}

/// A health check of the site with what its image has.
const HEALTH: &str = "exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /health HTTP/1.0\\r\\n\\r\\n' >&3 && head -n 1 <&3 | grep -q ' 200 '";

fn site<'p>(project: &'p Project<'_>, zone: &str, instance: &str) -> super::support::project::Container<'p> {
    let check = format!("bash -c \"{}\"", HEALTH.replace('"', "\\\""));
    let words = ["--listen", "0.0.0.0:8080", "--instance", instance, "--zone", zone];
    project.container("web").zone(zone).image(WHAT_TIME).health(&check).command(&words).start()
}

#[test]
fn three_sites_answer_through_a_balancer_in_a_container() {
    let engine = Engine::shared();
    let project = engine.project("lab");
    let settings = tempfile::tempdir().unwrap();
    std::fs::write(
        settings.path().join("haproxy.cfg"),
        "
defaults
    mode http
    timeout connect 2s
    timeout client 5s
    timeout server 5s
frontend www
    bind :80
    default_backend sites
backend sites
    option httpchk GET /health
    default-server check inter 200ms
    server a lab-a:8080
    server b lab-b:8080
    server c lab-c:8080
"
        .replace("lab-", &format!("{}-web-", project.name()))
        .replace("-a:", "-1:")
        .replace("-b:", "-2:")
        .replace("-c:", "-3:"),
    )
    .unwrap();
    let sites = ["a", "b", "c"].map(|zone| site(&project, zone, &format!("web-{zone}")));
    for site in &sites {
        site.healthy();
    }
    let mount = format!("{}:/usr/local/etc/haproxy:ro", settings.path().display());
    let balancer = project.container("balancer").image(HAPROXY).flag("--volume").flag(&mount).port(80).start();
    let www = balancer.port(80);
    assert_eq!(www.ip().to_string(), "127.0.0.1");
    let mut served = BTreeSet::new();
    for _ in 0..100 {
        let answer = get(www);
        if let Some((_, rest)) = answer.split_once("x-served-by: ") {
            assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("o'clock"), "{answer}");
            served.insert(rest.lines().next().unwrap().to_owned());
        }
        if served.len() == 3 {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("only {served:?} answered; the balancer wrote: {}", balancer.logs());
}

#[test]
fn a_project_is_what_compose_would_make_and_leaves_nothing() {
    let engine = Engine::shared();
    let project = engine.project("lab");
    let back = project.network("back");
    let one = project.container("db").zone("a").restart("always").network("back").label("x", "y").start();
    let two = project.container("db").create();
    assert_eq!((one.status().as_str(), two.status().as_str()), ("running", "created"));
    assert_eq!(one.inspect(r#"{{index .Config.Labels "com.docker.compose.container-number"}}"#), "1");
    assert_eq!(two.name, format!("{}-db-2", project.name()));
    assert!(one.ip(&back).starts_with("10."), "{}", one.ip(&back));
    assert!(std::path::Path::new(&format!("/proc/{}", one.pid())).exists());
    // The service's name is an alias on every network.
    let addresses = one.exec(&["getent", "hosts", "db"]);
    assert!(addresses.starts_with("10."), "{addresses}");
    let (name, ids) = (project.name().to_owned(), project.ids());
    assert_eq!(ids.len(), 2);
    drop(project);
    let label = format!("label=com.docker.compose.project={name}");
    assert_eq!(engine.docker(&["ps", "-aq", "--filter", &label]), "");
    assert_eq!(engine.docker(&["network", "ls", "-q", "--filter", &label]), "");
}

#[test]
fn an_engine_of_its_own_can_die_come_back_and_leaves_nothing() {
    let engine = Engine::start_with(&["--live-restore"]);
    let folder = engine.folder().to_owned();
    let project = engine.project("lab");
    let container = project.container("web").image(SMALL).port(8080).start();
    let pid = container.pid();
    engine.end_daemon(Signal::KILL);
    assert!(engine.daemon().is_none() && !engine.try_docker(&["version"]).status.success());
    engine.start_daemon();
    assert_eq!((container.status().as_str(), container.pid()), ("running", pid), "it did not live on");
    // Nobody tidies up: an engine that was killed is ended with all that it ran.
    engine.end_daemon(Signal::KILL);
    drop(project);
    drop(engine);
    let alive = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    assert!(!alive.contains("sleep") || alive.contains("State:\tZ"), "its container still runs: {alive}");
    assert!(!folder.exists());
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(folder.to_str().unwrap()), "{mounts}");
}

#[test]
fn the_real_compose_brings_a_project_up_and_takes_it_down() {
    let engine = Engine::shared();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("compose.yaml");
    let text = r#"
version: "3"
services:
  web:
    image: ${SITE_IMAGE:-nowhere.example/site}
    command: [--listen, "0.0.0.0:8080", --instance, composed]
    labels: { firedrill.zone: a }
    ports: ["127.0.0.1::8080"]
"#;
    std::fs::write(&file, text).unwrap();
    let composed = engine.compose(&file, &[("SITE_IMAGE", WHAT_TIME)]);
    let label = format!("label=com.docker.compose.project={}", composed.name());
    let ids = engine.docker(&["ps", "-q", "--filter", &label, "--filter", "label=com.docker.compose.service=web"]);
    let www: SocketAddr = engine.docker(&["port", &ids, "8080"]).parse().unwrap();
    soon("the site answers", || get(www).contains("x-served-by: composed"));
    drop(composed);
    assert_eq!(engine.docker(&["ps", "-aq", "--filter", &label]), "");
    assert_eq!(engine.docker(&["network", "ls", "-q", "--filter", &label]), "");
}

#[test]
fn every_stand_in_does_its_work() {
    let engine = Engine::shared();
    let project = engine.project("lab");
    let etcd = ["etcd", "--listen-client-urls", "http://0.0.0.0:2379", "--advertise-client-urls", "http://127.0.0.1:2379"];
    let etcd = project.container("registry").image(ETCD).port(2379).command(&etcd).start();
    let database = project.container("db").image(POSTGRES).flag("--env=POSTGRES_PASSWORD=secret").flag("--env=POSTGRES_DB=shop").start();
    let router = project.container("router").image(NGINX).port(80).start();
    let cache = project.container("cache").image(REDIS).start();
    // Through their service names, from another container: what listens on its own loopback only is found out.
    let succeeds = |words: &[&str]| engine.try_docker(&[&["exec", "-e", "PGPASSWORD=secret", &router.id], words].concat()).status.success();
    soon("redis answers", || succeeds(&["redis-cli", "-h", "cache", "ping"]));
    let sql = ["psql", "-h", "db", "-U", "postgres", "-d", "shop", "-c", "CREATE TABLE cart (id int)"];
    soon("postgres answers", || succeeds(&sql));
    soon("etcd answers", || get_path(etcd.port(2379), "/health").contains("true"));
    soon("nginx answers", || get(router.port(80)).starts_with("HTTP/1.1 200"));
    // Told to stop, each ends by itself: nobody waits for the engine's patience.
    for container in [&etcd, &database, &router, &cache] {
        engine.docker(&["stop", "--time", "30", &container.id]);
        assert_ne!(container.inspect("{{.State.ExitCode}}"), "137", "{} had to be killed: {}", container.name, container.logs());
    }
}

#[test]
fn two_engines_live_side_by_side() {
    let (one, other) = (Engine::start(), Engine::start());
    let (first, second) = (one.project("lab"), other.project("lab"));
    let site = |project: &Project<'_>| {
        let container = project.container("web").image(WHAT_TIME).port(8080).start();
        soon("it answers", || get(container.port(8080)).starts_with("HTTP/1.1 200"));
    };
    site(&first);
    site(&second);
    let range = |engine: &Engine, project: &Project<'_>| {
        let network = format!("{}_default", project.name());
        engine.docker(&["network", "inspect", "--format", "{{(index .IPAM.Config 0).Subnet}}", &network])
    };
    assert_ne!(range(&one, &first), range(&other, &second));
    // One ends; the other does not notice.
    drop(first);
    drop(one);
    site(&second);
}
