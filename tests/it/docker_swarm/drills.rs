//! The binary on a stack: a drill with numbers through a real balancer, and a tool that is killed in the middle.

use std::{
    io::{Read, Write},
    time::Duration,
};

use super::rig::{STACK, Swarm, eventually};
use crate::support::{
    alone,
    engine::{Engine, HAPROXY, WHAT_TIME},
    quiet::quiet,
    residue,
};

const ALWAYS: &str = "title: swarm\nprobes:\n  always: { command: [\"true\"], rate: 10/s }\n\
    steady-state: [{ probe: always, availability: '>= 10%' }]\nguardrails: { max-affected: { service: 100% } }\n\
    warm-up: 0s\nbaseline: 500ms\nrecovery: { hold: 500ms, limit: 30s }\nmethod:\n";

/// Three sites behind HAProxy, which finds them by the name service; its port is published by its host.
fn site(swarm: &Swarm, folder: &std::path::Path) -> String {
    let engine = swarm.manager();
    engine.docker(&["network", "create", "--driver", "overlay", "front"]);
    let settings = format!("{}/examples/what-time/balancer/haproxy.cfg", env!("CARGO_MANIFEST_DIR"));
    let file = format!(
        "version: '3.8'
services:
  web:
    image: {WHAT_TIME}
    command: [--listen, '0.0.0.0:8080']
    networks: [front]
    deploy: {{ replicas: 3, endpoint_mode: dnsrr, restart_policy: {{ delay: 1s }} }}
  balancer:
    image: {HAPROXY}
    networks: [front]
    ports: [{{ target: 8080, mode: host }}]
    volumes: ['{settings}:/usr/local/etc/haproxy/haproxy.cfg:ro']
    deploy: {{ endpoint_mode: dnsrr }}
networks:
  front: {{ external: true }}
"
    );
    let path = folder.join("stack.yaml");
    std::fs::write(&path, file).expect("written");
    engine.docker(&["stack", "deploy", "--resolve-image", "never", "-c", path.to_str().expect("a path"), STACK]);
    swarm.runs(0, 4);
    let balancer = engine.docker(&["ps", "-q", "--filter", "label=com.docker.swarm.service.name=shop_balancer"]);
    let published = engine.docker(&["port", &balancer, "8080"]);
    let port = published.lines().next().expect("a port").rsplit(':').next().expect("a port");
    let address = format!("127.0.0.1:{port}");
    eventually("the site answers", || answers(&address));
    address
}

fn answers(address: &str) -> bool {
    let ask = || {
        let mut stream = std::net::TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        std::io::Result::Ok(text)
    };
    ask().is_ok_and(|text| text.starts_with("HTTP/1.") && text.contains(" 200 "))
}

#[test]
fn a_drill_kills_a_task_and_tells_what_users_felt() {
    let engine = Engine::start();
    engine.load_all();
    let swarm = Swarm::of(vec![engine]);
    let folder = tempfile::tempdir().expect("a folder");
    let address = site(&swarm, folder.path());
    let user = swarm.user(&format!(
        "title: swarm\nprobes:\n  home: {{ http: 'http://{address}/', rate: 100/s, timeout: 2s }}\n\
         steady-state:\n  - {{ probe: home, availability: '>= 80%' }}\n  - {{ recovered-within: 20s }}\n\
         warm-up: 2s\nbaseline: 2s\nrecovery: {{ hold: 1s, limit: 30s }}\nmethod:\n  - kill: {{ service: web, take: 1 }}\n    hold: 3s\n"
    ));
    let before = swarm.running(0);
    let quiet = quiet();
    let (mut code, mut said) = user.says(&["run", "experiment.yaml", "--yes"]);
    // A machine with other work measures nothing that can be trusted; then nothing was touched.
    for _ in 0..5 {
        if !said.contains("NOT STARTED") {
            break;
        }
        (code, said) = user.says(&["run", "experiment.yaml", "--yes"]);
    }
    drop(quiet);
    assert!(code == Some(0) || said.contains("Not to be trusted"), "{code:?}: {said}");
    for words in ["happened (seen by State.FinishedAt)", "Swarm replaced shop_web.", "home availability >= 80%  fault"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let after = swarm.running(0);
    assert_eq!(after.iter().filter(|id| !before.contains(id)).count(), 1, "one new task: {said}");
    assert_eq!(after.len(), 4);
}

#[test]
fn an_outage_that_is_killed_is_recovered_by_another_process() {
    let swarm = Swarm::of(vec![Engine::start()]);
    swarm.update(0, &["--label-add", "firedrill.zone=a"]);
    swarm.service("web", &["--replicas", "3"]);
    swarm.runs(0, 3);
    let before = swarm.state(0);
    let user = swarm.user(&format!("{ALWAYS}  - zone-outage: a\n  - wait: 60s\n"));
    let said = std::fs::File::create(user.folder().join("said")).expect("a file");
    let mut run = user.command(&["run", "experiment.yaml", "--yes"]);
    let mut child = run.stdout(said.try_clone().expect("a file")).stderr(said).spawn().expect("it starts");
    let text = || std::fs::read_to_string(user.folder().join("said")).unwrap_or_default();
    eventually("nothing runs", || swarm.running(0).is_empty() || child_ended(&text()));
    std::thread::sleep(std::time::Duration::from_secs(4));
    assert!(child.try_wait().expect("it is ours").is_none(), "it ended: {}", text());
    assert!(swarm.running(0).is_empty(), "something came back while it lasts: {}", text());
    assert!(swarm.state(0).starts_with("pause "), "{}", swarm.state(0));
    alone::end(&mut child);
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert!(swarm.running(0).is_empty() && swarm.state(0).starts_with("pause "), "nobody undid it yet");
    let (code, said) = user.says(&["recover"]);
    residue::same(&code, &Some(0), &said);
    residue::same(&swarm.state(0), &before, &said);
    assert_eq!(swarm.running(0).len(), 3, "{said}");
    let (code, said) = user.says(&["recover"]);
    residue::same(&(code, swarm.state(0)), &(Some(0), before), &said);
}

/// A run in the middle of its outage; none when it ended before it did anything.
fn outage(swarm: &Swarm, user: &super::rig::User<'_>) -> Option<std::process::Child> {
    let said = std::fs::File::create(user.folder().join("said")).expect("a file");
    let mut run = user.command(&["run", "experiment.yaml", "--yes"]);
    let mut child = run.stdout(said.try_clone().expect("a file")).stderr(said).spawn().expect("it starts");
    let text = || std::fs::read_to_string(user.folder().join("said")).unwrap_or_default();
    eventually("nothing runs, or it ended", || swarm.running(0).is_empty() || text().contains("report:"));
    if swarm.running(0).is_empty() {
        return Some(child);
    }
    child.wait().expect("ended");
    assert!(text().contains("more than 10 ms late"), "{}", text());
    None
}

#[test]
fn an_outage_whose_journal_is_lost_is_found_by_its_mark() {
    let swarm = Swarm::of(vec![Engine::start()]);
    swarm.service("web", &["--replicas", "2"]);
    swarm.runs(0, 2);
    let before = swarm.state(0);
    let experiment = format!("{ALWAYS}  - zone-outage: docker\n  - wait: 60s\n");
    let (user, other) = (swarm.user(&experiment), swarm.user(&experiment));
    let quiet = quiet();
    let mut child = (0..8).find_map(|_| outage(&swarm, &user)).expect("this machine is not too busy for a drill of 10 requests a second");
    drop(quiet);
    let held = swarm.state(0);
    assert!(held.starts_with("pause "), "{held}");
    let (code, said) = other.says(&["recover", "--env", "staging"]);
    assert!(code == Some(0) && said.contains("nothing to recover"), "{code:?}: {said}");
    residue::same(&swarm.state(0), &held, "what a run that lives did is left alone");
    alone::end(&mut child);
    std::fs::remove_dir_all(user.folder().join("state")).expect("removed");
    // What carries no mark of ours is somebody else's.
    swarm.update(0, &["--label-add", "firedrill.held=20261121-101010-abcdef/somebody"]);
    let (code, said) = other.says(&["recover", "--env", "staging"]);
    assert!(code == Some(0) && swarm.state(0).starts_with("pause "), "{code:?}: {said}");
    let mark = held.split_once("firedrill.held:").and_then(|(_, rest)| rest.strip_suffix(']')).expect("a mark");
    swarm.update(0, &["--label-add", &format!("firedrill.held={mark}")]);
    let (code, said) = other.says(&["recover", "--env", "staging"]);
    residue::same(&(code, swarm.state(0)), &(Some(0), before), &said);
    let run = mark.split_once('/').expect("a run").0;
    assert!(said.contains(&format!("suspend-replacement of all services in zone docker, which run {run} left without a")), "{said}");
    swarm.runs(0, 2);
}

fn child_ended(said: &str) -> bool {
    said.contains("verdict") || said.contains("error")
}

#[test]
fn an_outage_is_undone_at_the_end_of_its_run() {
    let swarm = Swarm::of(vec![Engine::start()]);
    swarm.service("web", &["--replicas", "3"]);
    swarm.runs(0, 3);
    let (state, before) = (swarm.state(0), swarm.running(0));
    let user = swarm.user(&format!("{ALWAYS}  - zone-outage: docker\n    hold: 3s\n"));
    let quiet = quiet();
    let (code, said) = user.says(&["run", "experiment.yaml", "--yes"]);
    drop(quiet);
    assert!(code == Some(0) || said.contains("Not to be trusted"), "{code:?}: {said}");
    assert!(said.contains("undone 1.1") && said.contains("the service shop_web runs 3 of 3 tasks"), "{said}");
    residue::same(&swarm.state(0), &state, &said);
    let after = swarm.running(0);
    assert!(after.len() == 3 && after.iter().all(|id| !before.contains(id)), "{said}");
}
