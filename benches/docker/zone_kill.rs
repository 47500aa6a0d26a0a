//! A zone of 50 containers is killed: by firedrill, by a bare client that sends all calls at once, and by `docker kill` one by one, in
//! turn on the same engine. Deaths are seen by pidfd, so neither the engine nor firedrill is believed.

use std::{
    fs,
    io::Write,
    net::TcpListener,
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::Path,
    thread::JoinHandle,
    time::Duration,
};

use firedrill::{clock, model::time::Mono};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, pidfd_open},
};
use serde_json::Value as Json;

use crate::support::{
    engine::Engine,
    project::{Container, Project},
};

const ZONE: usize = 50;
const ROUNDS: usize = 3;
/// This engine can dead-lock under bulk kills; nothing waits longer.
const LIMIT: Duration = Duration::from_mins(1);

/// What one round took.
struct Round {
    /// From the first call until the last process was dead.
    all_dead: Duration,
    /// firedrill's own work before the first call; none for `docker kill`.
    own: Option<Own>,
}

/// Work before the first kill.
#[derive(Clone, Copy)]
struct Own {
    /// The list, and an inspection of each.
    reading: Duration,
    /// From the beginning of the step, which comes after that: the journal, until the first call.
    arming: Duration,
}

pub fn print() {
    println!("a zone of {ZONE} containers is killed, {ROUNDS} rounds in turn; medians");
    let engine = Engine::start();
    // It goes with its engine: one that has just killed so many may be slow to let go of them one by one.
    let project = std::mem::ManuallyDrop::new(engine.project("zone"));
    let zone: Vec<Container<'_>> = (0..ZONE).map(|_| project.container("web").zone("a").start()).collect();
    let mut ours = Vec::new();
    let mut bare = Vec::new();
    let mut single = Vec::new();
    for _ in 0..ROUNDS {
        bare.push(by_bare_client(&engine, &zone));
        ours.push(by_firedrill(&engine, &project, &zone));
        single.push(one_by_one(&engine, &zone));
    }
    let all = |rounds: &[Round]| median(rounds.iter().map(|round| round.all_dead));
    let (ours_all, bare_all, single_all) = (all(&ours), all(&bare), all(&single));
    let read = |rounds: &[Round]| median(rounds.iter().filter_map(|round| round.own).map(|own| own.reading));
    let (reading, bare_reading) = (read(&ours), read(&bare));
    let arming = median(ours.iter().filter_map(|round| round.own).map(|own| own.arming));
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    println!(
        "  all dead after: firedrill {:.0} ms, a bare client {:.0} ms, one by one {:.0} ms",
        ms(ours_all),
        ms(bare_all),
        ms(single_all)
    );
    println!("  firedrill / bare client: {:.2} (bar 1.15)", ours_all.as_secs_f64() / bare_all.as_secs_f64());
    println!("  one by one / firedrill: {:.1} (bar 5)", single_all.as_secs_f64() / ours_all.as_secs_f64());
    println!(
        "  own work before the first kill: {:.1} ms (bar 15 ms): {:.1} ms to list and inspect (a bare client needs {:.1} ms), {:.1} ms for the \
         journal",
        ms(reading + arming),
        ms(reading),
        ms(bare_reading),
        ms(arming)
    );
}

fn median(times: impl Iterator<Item = Duration>) -> Duration {
    let mut times: Vec<Duration> = times.collect();
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Watches the main processes of a zone; tells when the last of them died.
fn watch(engine: &Engine, zone: &[Container<'_>]) -> JoinHandle<Mono> {
    let ids: Vec<&str> = zone.iter().map(|container| container.id.as_str()).collect();
    let pids = engine.docker(&[&["inspect", "--format", "{{.State.Pid}}"], &ids[..]].concat());
    let mut alive: Vec<OwnedFd> =
        pids.lines().map(|pid| pidfd_open(Pid::from_raw(pid.parse().unwrap()).expect("it runs"), PidfdFlags::empty()).unwrap()).collect();
    assert_eq!(alive.len(), ZONE);
    std::thread::spawn(move || {
        let deadline = clock::now().plus(LIMIT);
        let mut last = clock::now();
        while !alive.is_empty() {
            assert!(clock::now() < deadline, "{} of the processes still run after {LIMIT:?}: the engine hangs", alive.len());
            let mut polled: Vec<PollFd<'_>> = alive.iter().map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
            let _ = poll(&mut polled, Some(&Timespec { tv_sec: 1, tv_nsec: 0 }));
            let dead: Vec<bool> = polled.iter().map(|fd| !fd.revents().is_empty()).collect();
            if dead.contains(&true) {
                last = clock::now();
            }
            let mut dead = dead.into_iter();
            alive.retain(|_| !dead.next().unwrap_or(false));
        }
        last
    })
}

fn start_again(engine: &Engine, zone: &[Container<'_>]) {
    let ids: Vec<&str> = zone.iter().map(|container| container.id.as_str()).collect();
    engine.docker(&[&["start"], &ids[..]].concat());
    // What follows the start, such as the engine's tidying up, is no part of the next round.
    std::thread::sleep(Duration::from_secs(1));
}

/// A connection that asks one question after another.
fn ask(stream: &mut UnixStream, path: &str) {
    write!(stream, "GET /v1.41/containers/{path} HTTP/1.1\r\nhost: docker\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let mut piece = vec![0; 65536];
    // Long answers come in chunks, of which the last is empty.
    while !answer.ends_with(b"\r\n0\r\n\r\n") {
        let n = std::io::Read::read(stream, &mut piece).unwrap();
        assert!(n > 0, "the engine went away");
        answer.extend_from_slice(&piece[..n]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
}

/// Lists the zone, and beside that inspects each of it, over eight connections that are open already.
fn bare_reading(engine: &Engine, zone: &[Container<'_>]) -> Duration {
    let connect = || {
        let mut stream = UnixStream::connect(engine.socket()).unwrap();
        ask(&mut stream, &format!("{}/json", zone[0].id));
        stream
    };
    let (mut list, inspect) = (connect(), (0..8).map(|_| connect()).collect::<Vec<_>>());
    let begun = clock::now();
    std::thread::scope(|scope| {
        scope.spawn(|| ask(&mut list, "json?all=true&filters=%7B%22label%22%3A%5B%22com.docker.compose.service%3Dweb%22%5D%7D"));
        for (place, mut stream) in inspect.into_iter().enumerate() {
            scope.spawn(move || {
                for container in zone.iter().skip(place).step_by(8) {
                    ask(&mut stream, &format!("{}/json", container.id));
                }
            });
        }
    });
    clock::now().since(begun)
}

fn by_bare_client(engine: &Engine, zone: &[Container<'_>]) -> Round {
    let watched = watch(engine, zone);
    let reading = bare_reading(engine, zone);
    let first = clock::now();
    let calls: Vec<UnixStream> = zone
        .iter()
        .map(|container| {
            let mut stream = UnixStream::connect(engine.socket()).unwrap();
            write!(
                stream,
                "POST /v1.41/containers/{}/kill?signal=SIGKILL HTTP/1.1\r\nhost: docker\r\ncontent-length: 0\r\n\r\n",
                container.id
            )
            .unwrap();
            stream
        })
        .collect();
    let all_dead = watched.join().unwrap().since(first);
    for mut call in calls {
        call.set_read_timeout(Some(LIMIT)).unwrap();
        let mut answer = [0; 12];
        std::io::Read::read_exact(&mut call, &mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 204", "{}", String::from_utf8_lossy(&answer));
    }
    start_again(engine, zone);
    Round { all_dead, own: Some(Own { reading, arming: Duration::ZERO }) }
}

fn one_by_one(engine: &Engine, zone: &[Container<'_>]) -> Round {
    let watched = watch(engine, zone);
    let first = clock::now();
    for container in zone {
        engine.docker(&["kill", &container.id]);
    }
    let all_dead = watched.join().unwrap().since(first);
    start_again(engine, zone);
    Round { all_dead, own: None }
}

/// The binary's whole way: inventory, victims, undo data, journal, then the calls.
fn by_firedrill(engine: &Engine, project: &Project<'_>, zone: &[Container<'_>]) -> Round {
    let folder = tempfile::tempdir().unwrap();
    let door = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = door.local_addr().unwrap();
    // Somebody must be asked while the zone dies.
    std::thread::spawn(move || door.incoming().for_each(drop));
    let experiment = format!(
        "title: a zone of {ZONE}\nseed: 1\nprobes:\n  door: {{ tcp: '{address}', rate: 20/s }}\nsteady-state:\n  \
         - {{ probe: door, availability: '>= 50%' }}\nwarm-up: 0s\nbaseline: 2s\nrecovery: {{ hold: 1s, limit: 5s }}\nmethod:\n  \
         - zone-outage: {{ zone: a, service: web }}\n    hold: 3s\nguardrails:\n  max-affected: {{ service: 100% }}\n"
    );
    fs::write(folder.path().join("experiment.yaml"), experiment).unwrap();
    let project = format!("environments:\n  lab:\n    platform: {{ docker: {{ project: {} }} }}\n", project.name());
    fs::write(folder.path().join("firedrill.yaml"), project).unwrap();
    let watched = watch(engine, zone);
    let output = engine
        .command(env!("CARGO_BIN_EXE_firedrill"))
        .current_dir(folder.path())
        .args(["run", "experiment.yaml", "--env", "lab", "--out", "runs"])
        .env("FIREDRILL_STATE_DIR", folder.path().join("state"))
        .env("FIREDRILL_LOG", "firedrill::engine::inject=debug")
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // Invalid, or not started: nobody was killed.
    assert!(![Some(2), Some(3)].contains(&output.status.code()), "{said}");
    let last = watched.join().unwrap();
    let events = events(&folder.path().join("runs"));
    let moment = |value: &Json| value.as_u64().map(Mono);
    let begun = events.iter().find(|e| e["event"] == "step-started").and_then(|e| moment(&e["at"])).unwrap_or_else(|| panic!("{said}"));
    let kills = events.iter().filter(|e| e["event"] == "acted" && !e["effect"]["instance"].is_null());
    let requested: Vec<Mono> = kills.filter_map(|e| moment(&e["effect"]["requested"])).collect();
    assert_eq!(requested.len(), ZONE, "{said}");
    let first = requested.into_iter().min().unwrap();
    // Its undo has started them again.
    std::thread::sleep(Duration::from_secs(1));
    let took = said.split_once("took_ns=").map(|(_, rest)| rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default());
    let reading = Duration::from_nanos(took.and_then(|ns| ns.parse().ok()).unwrap_or_else(|| panic!("no reading in {said}")));
    Round { all_dead: last.since(first), own: Some(Own { reading, arming: first.since(begun) }) }
}

fn events(runs: &Path) -> Vec<Json> {
    let run = fs::read_dir(runs).unwrap().next().unwrap().unwrap().path();
    let text = fs::read_to_string(run.join("events.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
