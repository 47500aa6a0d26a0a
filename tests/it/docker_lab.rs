//! The laboratory itself: what the other tests of Docker stand on.

use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use rustix::process::Signal;

use super::support::{
    engine::{Engine, HAPROXY, SMALL, WHAT_TIME},
    project::Project,
};

/// The whole answer to one request on a connection of its own; nothing when there is none.
fn get(address: SocketAddr) -> String {
    let ask = || {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        std::io::Result::Ok(text)
    };
    ask().unwrap_or_default()
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
