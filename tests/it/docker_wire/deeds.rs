//! Deeds on an engine that answers as told: what the call says is not what is believed.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use firedrill::{
    model::{
        act::{Act, Effect, EffectStatus, Prepared, Target},
        environment::{DockerHost, DockerSpec},
        fault::Fault,
        ids::ActId,
        instance::Instance,
        undo::Undo,
    },
    platform::{Platform, PlatformError, Reverted, docker::DockerPlatform},
};
use serde_json::{Value, json};

use super::{
    fake_engine::{FakeEngine, Reply},
    inventories::id,
};

type Change = fn(&mut World);
type Answer = fn(&str) -> Option<Reply>;

/// A container, as the engine tells of it, and how many there are, all alike.
#[derive(Clone)]
struct World {
    containers: u32,
    started_at: String,
    finished_at: String,
    running: bool,
    labels: Value,
    auto_remove: bool,
}

impl World {
    fn new() -> Self {
        Self {
            containers: 1,
            started_at: "2026-01-01T00:00:00.5Z".to_owned(),
            finished_at: "0001-01-01T00:00:00Z".to_owned(),
            running: true,
            labels: json!({}),
            auto_remove: false,
        }
    }

    fn listed(&self, n: u32) -> Value {
        let state = if self.running { "running" } else { "exited" };
        json!({ "Id": id(n), "Names": ["/web"], "Image": "web", "ImageID": "i", "State": state, "Status": "Up", "Labels": self.labels })
    }

    fn inspected(&self, n: u32) -> Reply {
        Reply::Json(
            200,
            json!({
                "Id": id(n), "Name": "/web", "Config": { "Labels": self.labels }, "HostConfig": { "AutoRemove": self.auto_remove },
                "Mounts": [{ "Type": "volume", "Name": id(7), "Source": "/x", "Destination": "/data", "RW": true }],
                "State": {
                    "Status": if self.running { "running" } else { "exited" }, "Running": self.running, "Paused": false,
                    "Restarting": false, "ExitCode": 137, "StartedAt": self.started_at, "FinishedAt": self.finished_at,
                },
            }),
        )
    }
}

fn now() -> String {
    jiff::Timestamp::from_nanosecond(firedrill::clock::wall().0.into()).unwrap().to_string()
}

/// An engine with its containers; `act` decides on what changes them.
fn engine(mut world: World, mut act: impl FnMut(&str, &mut World) -> Option<Reply> + Send + 'static) -> FakeEngine {
    FakeEngine::start("e", move |line| {
        if let Some(reply) = act(line, &mut world) {
            return Some(reply);
        }
        let mut all = 1..=world.containers;
        if line.starts_with("GET /containers/json") {
            return Some(Reply::Json(200, all.map(|n| world.listed(n)).collect()));
        }
        all.find(|n| line.starts_with(&format!("GET /containers/{}/json", id(*n)))).map(|n| world.inspected(n))
    })
}

async fn connected(engine: &FakeEngine, opt_in: bool) -> DockerPlatform {
    let hosts = vec![DockerHost { host: Some(engine.address()), ..DockerHost::default() }];
    DockerPlatform::connect(DockerSpec { hosts, opt_in, ..DockerSpec::default() }).await.unwrap()
}

/// The fault on each of them.
fn acts(found: Vec<Arc<Instance>>, fault: &Fault) -> Vec<Act> {
    let one = |(n, victim)| Act { id: ActId { step: 1, act: n }, fault: fault.clone(), target: Target::Instance(victim) };
    (1..).zip(found).map(one).collect()
}

struct Drill {
    platform: DockerPlatform,
    prepared: Prepared,
}

impl Drill {
    async fn of(engine: &FakeEngine, fault: Fault, opt_in: bool) -> Self {
        let platform = connected(engine, opt_in).await;
        let act = acts(platform.inventory().await.unwrap().instances, &fault).remove(0);
        let undo = platform.prepare(&act).await.unwrap();
        Self { platform, prepared: Prepared { act, undo } }
    }

    async fn done(&self) -> Effect {
        let acts = std::slice::from_ref(&self.prepared);
        let effects = self.platform.inject(acts).await;
        self.platform.verify(acts, effects).await.remove(0)
    }
}

const KILL: Fault = Fault::Kill { signal: None };

const OK: Reply = Reply::Text(204, "");

fn killed(line: &str) -> bool {
    line.starts_with("POST") && line.contains("/kill")
}

#[tokio::test]
async fn a_kill_that_happened_has_the_engines_time() {
    let engine = engine(World::new(), |line, world| {
        if !killed(line) {
            return None;
        }
        world.running = false;
        world.finished_at = now();
        Some(OK)
    });
    let effect = Drill::of(&engine, KILL, false).await.done().await;
    assert_eq!((&effect.status, effect.source.as_str()), (&EffectStatus::Happened, "State.FinishedAt"));
    let took = effect.took_effect.unwrap();
    assert!(effect.requested <= took.after && took.after <= took.by, "{effect:?}");
    assert!(engine.asked().iter().any(|line| line.ends_with("/kill?signal=SIGKILL")));
}

#[tokio::test]
async fn a_kill_that_is_said_but_not_seen_is_unknown() {
    let engine = engine(World::new(), |line, _| killed(line).then_some(OK));
    let drill = Drill::of(&engine, KILL, false).await;
    tokio::time::pause();
    let effect = drill.done().await;
    assert!(matches!(&effect.status, EffectStatus::Unknown { why } if why.contains("web still runs")), "{effect:?}");
    assert_eq!(effect.took_effect, None);
}

#[tokio::test]
async fn a_kill_without_an_answer_is_believed_when_it_is_seen() {
    let engine = engine(World::new(), |line, world| {
        if !killed(line) {
            return None;
        }
        world.running = false;
        world.finished_at = now();
        Some(Reply::Gone)
    });
    let effect = Drill::of(&engine, KILL, false).await.done().await;
    assert_eq!(effect.status, EffectStatus::Happened);
    assert_eq!(effect.answered, None);
}

#[tokio::test]
async fn a_dead_lock_is_unknown() {
    let stuck = Arc::new(AtomicBool::new(false));
    let hangs = Arc::clone(&stuck);
    let engine = engine(World::new(), move |line, _| {
        if killed(line) {
            hangs.store(true, Ordering::Relaxed);
        }
        let silent = hangs.load(Ordering::Relaxed) && !line.starts_with("GET /containers/json");
        silent.then_some(Reply::Silence)
    });
    let drill = Drill::of(&engine, KILL, false).await;
    tokio::time::pause();
    let effect = drill.done().await;
    assert!(matches!(&effect.status, EffectStatus::Unknown { why } if why.contains("did not answer within")), "{effect:?}");
    assert!(matches!(drill.platform.revert(&drill.prepared).await, Err(PlatformError::Timeout(_))), "and its undo does not hang");
}

#[tokio::test]
async fn what_the_engine_says_no_to() {
    let cases = [(409, "vanished"), (404, "vanished"), (403, "refused"), (500, "failed")];
    for (status, word) in cases {
        let engine = engine(World::new(), move |line, _| killed(line).then(|| Reply::Json(status, json!({ "message": "no" }))));
        let effect = Drill::of(&engine, KILL, false).await.done().await;
        assert_eq!(effect.status.word(), word, "{status}: {effect:?}");
    }
}

#[tokio::test]
async fn another_life_is_not_touched() {
    let changed = Arc::new(AtomicBool::new(false));
    let changes: [(Change, &str); 4] = [
        (|w| w.started_at = "2026-02-02T00:00:00Z".to_owned(), "vanished"),
        (|w| w.running = false, "vanished"),
        (|w| w.labels = json!({ "firedrill.protected": "true", "firedrill.allowed": "true" }), "refused"),
        (|w| w.labels = json!({}), "refused"),
    ];
    for (change, word) in changes {
        changed.store(false, Ordering::Relaxed);
        let flag = Arc::clone(&changed);
        let world = World { labels: json!({ "firedrill.allowed": "true" }), ..World::new() };
        let engine = engine(world, move |line, world| {
            if flag.load(Ordering::Relaxed) {
                change(world);
            }
            assert!(!killed(line), "it was touched");
            None
        });
        let drill = Drill::of(&engine, KILL, true).await;
        changed.store(true, Ordering::Relaxed);
        // No engine ends a container and starts it again in less time, and for no longer does a look stand for another.
        tokio::time::sleep(std::time::Duration::from_millis(60)).await;
        let effect = drill.done().await;
        assert_eq!(effect.status.word(), word, "{effect:?}");
        assert!(!engine.asked().iter().any(|line| killed(line)));
    }
}

fn inspections(engine: &FakeEngine) -> usize {
    engine.asked().iter().filter(|line| line.starts_with("GET /containers/0")).count()
}

/// How often the engine was asked what happened.
fn questions(engine: &FakeEngine) -> usize {
    engine.asked().iter().filter(|line| line.starts_with("GET /events")).count()
}

#[tokio::test]
async fn the_look_of_the_preparation_is_the_look_right_before_the_act() {
    // On a machine that is busy elsewhere the looks grow stale, and it is looked at anew, as it should be.
    for _ in 0..50 {
        let engine = engine(World::new(), |line, _| killed(line).then_some(OK));
        let drill = Drill::of(&engine, KILL, false).await;
        drill.platform.inventory().await.unwrap();
        let acts = std::slice::from_ref(&drill.prepared);
        assert!(drill.platform.inject(acts).await[0].status.happened());
        if inspections(&engine) > 1 {
            continue;
        }
        // What was seen before an act says nothing after it.
        assert!(drill.platform.inject(acts).await[0].status.happened());
        assert_eq!(inspections(&engine), 2);
        return;
    }
    panic!("it was never fast enough");
}

#[tokio::test]
async fn a_look_that_a_list_contradicts_or_that_is_old_does_not_do() {
    let changes: [(Change, &str); 2] =
        [(|w| w.running = false, "vanished"), (|w| w.labels = json!({ "firedrill.protected": "true" }), "refused")];
    for (change, word) in changes {
        let changed = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&changed);
        let engine = engine(World::new(), move |line, world| {
            if flag.load(Ordering::Relaxed) {
                change(world);
            }
            assert!(!killed(line), "it was touched");
            None
        });
        let drill = Drill::of(&engine, KILL, false).await;
        changed.store(true, Ordering::Relaxed);
        drill.platform.inventory().await.unwrap();
        assert_eq!(drill.done().await.status.word(), word);
    }
    let engine = engine(World::new(), |line, _| killed(line).then_some(OK));
    let drill = Drill::of(&engine, KILL, false).await;
    tokio::time::sleep(std::time::Duration::from_millis(60)).await;
    drill.platform.inject(std::slice::from_ref(&drill.prepared)).await;
    assert_eq!(inspections(&engine), 2, "it is looked at anew");
}

/// An event of a container.
fn event(at: i64, of: u32, action: &str) -> Value {
    json!({ "Type": "container", "Action": action, "timeNano": at, "Actor": { "ID": id(of), "Attributes": {} } })
}

/// How often it was looked at when it was prepared, and prepared again a while later, and the engine's record said this at first and then.
async fn looks_when_the_record_says(first: Vec<Value>, then: Vec<Value>) -> usize {
    let mut records = [first, then].into_iter();
    let engine = engine(World::new(), move |line, _| {
        let lines = |events: Vec<Value>| events.iter().fold(String::new(), |all, event| format!("{all}{event}\n"));
        line.starts_with("GET /events").then(|| Reply::Lines(lines(records.next().unwrap_or_default())))
    });
    let drill = Drill::of(&engine, KILL, false).await;
    tokio::time::sleep(std::time::Duration::from_millis(60)).await;
    drill.platform.prepare(&drill.prepared.act).await.unwrap();
    inspections(&engine)
}

#[tokio::test]
async fn a_look_of_long_ago_stands_while_the_record_says_that_nothing_happened() {
    let before = || vec![event(1, 2, "start"), event(2, 1, "start")];
    let and = |events: &[Value]| [&before()[1..], events].concat();
    let looks = looks_when_the_record_says;
    assert_eq!(looks(before(), and(&[])).await, 1);
    assert_eq!(looks(before(), and(&[event(3, 2, "die"), event(4, 1, "exec_start: check")])).await, 1);
    assert_eq!(looks(before(), and(&[event(3, 1, "update"), event(4, 2, "start")])).await, 2, "something happened to it");
    assert_eq!(looks(before(), vec![event(3, 2, "die")]).await, 2, "the record has overflowed");
    assert_eq!(looks(before(), Vec::new()).await, 2, "the record is a new one");
    assert_eq!(looks(Vec::new(), before()).await, 2, "there was no mark");
}

#[tokio::test]
async fn a_record_that_has_overflowed_is_asked_once_for_all_looks() {
    let asked = AtomicUsize::new(0);
    let engine = engine(World { containers: 9, ..World::new() }, move |line, _| {
        line.starts_with("GET /events").then(|| {
            // The newest of the first look is gone.
            let at = if asked.fetch_add(1, Ordering::Relaxed) == 0 { 1 } else { 100 };
            Reply::Lines(format!("{}\n", event(at, 1, "start")))
        })
    });
    let platform = connected(&engine, false).await;
    let acts = acts(platform.inventory().await.unwrap().instances, &KILL);
    let prepare = || futures_util::future::join_all(acts.iter().map(|act| platform.prepare(act)));
    for (looks, most) in [(9, 1), (18, 3)] {
        assert!(prepare().await.iter().all(Result::is_ok));
        assert_eq!(inspections(&engine), looks);
        // Once for the mark, and once for a new one, however many looks there are.
        assert!(questions(&engine) <= most, "{:?}", engine.asked());
        tokio::time::sleep(std::time::Duration::from_millis(60)).await;
    }
}

#[tokio::test]
async fn an_engine_that_cannot_tell_what_happened_is_not_asked_twice() {
    let slow = |line: &str| line.starts_with("GET /events").then_some(Reply::Silence);
    let unknown = |line: &str| line.starts_with("GET /events").then(|| Reply::Json(400, json!({ "message": "no" })));
    // Another clock may be stepped at any time.
    let ahead = |line: &str| {
        let says = json!({ "ID": "e", "Name": "m", "SystemTime": "2100-01-01T00:00:00Z" });
        (line == "GET /info").then_some(Reply::Json(200, says))
    };
    // It may not write down every change.
    let other = |line: &str| {
        let says = json!({ "Version": "4.3.1", "ApiVersion": "1.41", "Components": [{ "Name": "Podman Engine", "Version": "4.3.1" }] });
        (line == "GET /version").then_some(Reply::Json(200, says))
    };
    // Its socket may lead to another machine.
    let away = |line: &str| {
        let now = now();
        (line == "GET /info").then(|| Reply::Json(200, json!({ "ID": "e", "Name": "virtual", "SystemTime": now })))
    };
    let answers: [(Answer, usize); 5] = [(slow, 1), (unknown, 1), (ahead, 0), (other, 0), (away, 0)];
    for (answer, asked) in answers {
        let engine = engine(World::new(), move |line, _| answer(line));
        let drill = Drill::of(&engine, KILL, false).await;
        tokio::time::sleep(std::time::Duration::from_millis(60)).await;
        drill.platform.prepare(&drill.prepared.act).await.unwrap();
        assert_eq!(inspections(&engine), 2);
        assert_eq!(questions(&engine), asked);
    }
}

#[tokio::test]
async fn an_end_before_the_request_is_not_ours() {
    let engine = engine(World::new(), |line, world| {
        if !(line.starts_with("POST") && line.contains("/stop")) {
            return None;
        }
        // It had ended by itself just before; the engine says that it is stopped, as asked.
        world.running = false;
        world.finished_at = "2026-01-01T00:00:07Z".to_owned();
        Some(Reply::Text(304, ""))
    });
    let grace = std::time::Duration::from_millis(1500);
    let effect = Drill::of(&engine, Fault::Stop { grace }, false).await.done().await;
    assert!(matches!(&effect.status, EffectStatus::Vanished { found } if found.contains("had ended before")), "{effect:?}");
    assert!(engine.asked().iter().any(|line| line.contains("/stop") && line.contains("t=2")), "a grace is never shortened");
}

#[tokio::test]
async fn the_way_back() {
    let engine = engine(World::new(), |line, world| {
        if killed(line) {
            world.running = false;
            world.finished_at = now();
            return Some(OK);
        }
        if line.starts_with("POST") && line.contains("/start") {
            world.running = true;
            world.started_at = now();
            return Some(OK);
        }
        None
    });
    let drill = Drill::of(&engine, KILL, false).await;
    let reverted = async || drill.platform.revert(&drill.prepared).await.unwrap();
    assert!(matches!(reverted().await, Reverted::NothingToUndo { .. }), "nothing happened yet");
    drill.done().await;
    assert_eq!(reverted().await, Reverted::Restored { says: "started web again".to_owned() });
    assert!(matches!(reverted().await, Reverted::NothingToUndo { .. }), "twice does no harm");
    assert_eq!(engine.asked().iter().filter(|line| line.contains("/start")).count(), 1);

    let other = Undo::restore("x", json!({ "edited": true }));
    let edited = Prepared { undo: other, ..drill.prepared.clone() };
    assert!(matches!(drill.platform.revert(&edited).await, Err(PlatformError::Refused(_))));
}

#[tokio::test]
async fn the_undo_finds_its_engine_or_says_so() {
    let (here, there) = (engine(World::new(), |_, _| None), FakeEngine::start("other", |_| None));
    let drill = Drill::of(&here, KILL, false).await;
    let hosts = vec![DockerHost { host: Some(there.address()), ..DockerHost::default() }];
    let wrong = DockerPlatform::connect(DockerSpec { hosts, ..DockerSpec::default() }).await.unwrap();
    let why = wrong.revert(&drill.prepared).await.unwrap_err().to_string();
    assert!(why.contains("it was done on the engine e, and connected is other at unix://"), "{why}");
}

#[tokio::test]
async fn what_cannot_come_back_is_said_in_the_plan() {
    let engine = engine(World { auto_remove: true, ..World::new() }, |_, _| None);
    let drill = Drill::of(&engine, KILL, false).await;
    assert!(matches!(&drill.prepared.undo, Undo::Impossible { why } if why.contains("--rm")), "{:?}", drill.prepared.undo);
}
