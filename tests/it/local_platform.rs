//! The local platform on real processes.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use firedrill::{
    model::{
        act::{Act, EffectStatus, Group, Prepared, Target},
        fault::{Fault, PartitionMode},
        ids::ActId,
        instance::{Instance, InstanceState},
        selector::ProcessMatch,
        undo::Undo,
    },
    platform::{
        Platform, Reverted,
        local::{LocalOptions, LocalPlatform, client::Client, process, rendezvous::Rendezvous},
    },
};

const BINARY: &str = env!("CARGO_BIN_EXE_firedrill");

/// A system under `firedrill up`, ended with SIGKILL at the latest when the test ends.
struct Up {
    child: Child,
    file: PathBuf,
    folder: tempfile::TempDir,
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// All tests of this process share one state directory, set by the child's environment and read here through `rendezvous`.
fn state() -> &'static Path {
    static STATE: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    STATE.get_or_init(firedrill::state_dir::path)
}

async fn up(text: &str, containment: &str) -> (Up, LocalPlatform) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("system.yaml");
    std::fs::write(&file, text).unwrap();
    let child = Command::new(BINARY)
        .arg("up")
        .arg(&file)
        .env("FIREDRILL_CONTAINMENT", containment)
        .env("FIREDRILL_STATE_DIR", state())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let up = Up { child, file: file.clone(), folder };
    let client = Client::new(Rendezvous::of(&file, &std::collections::BTreeMap::default()).unwrap().socket());
    for _ in 0..200 {
        if client.status().await.is_ok_and(|s| s.ready) {
            let options = LocalOptions { system: Some(file), ..LocalOptions::default() };
            return (up, LocalPlatform::attach_or_start(options).await.unwrap());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the system did not come up");
}

/// How many processes live that a supervisor of this system started.
fn marked(key: &str) -> usize {
    let mark = format!("FIREDRILL_SYSTEM={key}-");
    let carries = |pid: i32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|b| *b == 0).any(|entry| entry.starts_with(mark.as_bytes()))
    };
    process::all().iter().filter(|s| s.alive() && carries(s.pid)).count()
}

async fn find(platform: &LocalPlatform, id: &str) -> Option<Arc<Instance>> {
    platform.inventory().await.unwrap().instances.into_iter().find(|i| i.id.as_str() == id)
}

async fn prepared(platform: &LocalPlatform, number: u32, fault: Fault, target: Target) -> Prepared {
    let act = Act { id: ActId { step: 1, act: number }, fault, target };
    let undo = platform.prepare(&act).await.unwrap();
    Prepared { act, undo }
}

async fn on(platform: &LocalPlatform, fault: Fault, id: &str) -> Prepared {
    let instance = find(platform, id).await.unwrap();
    prepared(platform, 1, fault, Target::Instance(instance)).await
}

async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..200 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never: {what}");
}

const FAMILY: &str = r#"
name: family
services:
  web:
    command: [sh, -c, "sleep 1000 & setsid sleep 1001 & (setsid sh -c 'sleep 1003 & exec true' &) ; exec sleep 1002"]
    zones: { a: 1, b: 1 }
"#;

fn kill() -> Fault {
    Fault::Kill { signal: None }
}

#[tokio::test]
async fn a_kill_takes_the_whole_tree_and_the_victim_is_started_again() {
    for containment in ["namespace", "keeper"] {
        let (up, platform) = up(FAMILY, containment).await;
        let key = Rendezvous::of(&up.file, &std::collections::BTreeMap::default()).unwrap().key;
        let before = marked(&key);
        assert_eq!(before, 8, "two instances of four processes ({containment})");
        let act = on(&platform, kill(), "web-a-1").await;
        let acts = [act.clone()];
        let effects = platform.inject(&acts).await;
        let effects = platform.verify(&acts, effects).await;
        assert_eq!(effects[0].status, EffectStatus::Happened, "{effects:?}");
        let bracket = effects[0].took_effect.unwrap();
        assert!(bracket.by > bracket.after && bracket.width() < Duration::from_secs(5));
        assert_eq!(marked(&key), 4, "no member of the tree is left, the neighbour is whole ({containment})");

        let again = platform.inject(&acts).await;
        assert!(matches!(again[0].status, EffectStatus::Vanished { .. }), "{again:?}");
        assert!(matches!(platform.revert(&act).await.unwrap(), Reverted::Restored { .. }));
        let back = find(&platform, "web-a-1").await.unwrap();
        assert_eq!(back.state, InstanceState::Running);
        assert!(matches!(platform.revert(&act).await.unwrap(), Reverted::NothingToUndo { .. }));
        // The new incarnation is not the one that was chosen.
        let again = platform.inject(&acts).await;
        assert!(matches!(again[0].status, EffectStatus::Vanished { .. }), "{again:?}");
        assert_eq!(find(&platform, "web-a-1").await.unwrap().identity, back.identity);
    }
}

#[tokio::test]
async fn nothing_outlives_a_supervisor_that_is_killed() {
    for containment in ["namespace", "keeper"] {
        let (mut up, platform) = up(FAMILY, containment).await;
        let place = Rendezvous::of(&up.file, &std::collections::BTreeMap::default()).unwrap();
        assert!(marked(&place.key) > 0);
        let act = on(&platform, kill(), "web-a-1").await;
        up.child.kill().unwrap();
        up.child.wait().unwrap();
        eventually(&format!("no process is left ({containment})"), async || marked(&place.key) == 0).await;
        // A killed supervisor leaves its socket, unless another system that began meanwhile has removed it.
        if !place.socket().exists() {
            drop(std::os::unix::net::UnixListener::bind(place.socket()).unwrap());
        }
        assert!(matches!(platform.revert(&act).await.unwrap(), Reverted::NothingToUndo { .. }));
        // The stale socket does not stop the next one, which a run starts and ends.
        let options = LocalOptions { system: Some(up.file.clone()), start: true, program: Some(BINARY.into()), ..LocalOptions::default() };
        let platform = LocalPlatform::attach_or_start(options).await.unwrap();
        assert!(platform.started());
        assert!(marked(&place.key) > 0);
        platform.shutdown().await.unwrap();
        assert_eq!(marked(&place.key), 0);
        assert!(up.folder.path().exists());
    }
}

#[tokio::test]
async fn a_second_supervisor_is_refused_with_the_first_ones_number() {
    let (up, _platform) = up(FAMILY, "namespace").await;
    let second = Command::new(BINARY).arg("up").arg(&up.file).env("FIREDRILL_STATE_DIR", state()).output().unwrap();
    assert!(!second.status.success());
    let text = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(text.contains(&format!("its supervisor is process {}", up.child.id())), "{text}");
}

#[tokio::test]
async fn a_paused_tree_stands_still_and_goes_on() {
    let (_up, platform) = up(FAMILY, "namespace").await;
    let act = on(&platform, Fault::Pause, "web-b-1").await;
    let acts = [act.clone()];
    for _ in 0..2 {
        let effects = platform.inject(&acts).await;
        let effects = platform.verify(&acts, effects).await;
        assert_eq!(effects[0].status, EffectStatus::Happened, "{effects:?}");
        assert_eq!(find(&platform, "web-b-1").await.unwrap().state, InstanceState::Paused);
    }
    for _ in 0..2 {
        platform.revert(&act).await.unwrap();
        assert_eq!(find(&platform, "web-b-1").await.unwrap().state, InstanceState::Running);
    }
}

#[tokio::test]
async fn the_dead_are_replaced_after_the_delay_unless_replacement_is_suspended() {
    let text = FAMILY.trim_end().to_owned() + "\n    replace: { after: 400ms }\n";
    let (_up, platform) = up(&text, "namespace").await;
    let group = Group { zone: Some("a".into()), ..Group::default() };
    let victims = [find(&platform, "web-a-1").await.unwrap()];
    let acts = platform.acts(&Fault::ZONE_OUTAGE, &victims, &group);
    assert_eq!(acts.len(), 2);
    let mut done = Vec::new();
    for (number, (fault, target)) in acts.into_iter().enumerate() {
        let act = prepared(&platform, number as u32 + 1, fault, target).await;
        let effects = platform.inject(std::slice::from_ref(&act)).await;
        let effects = platform.verify(std::slice::from_ref(&act), effects).await;
        assert!(effects[0].status.happened(), "{effects:?}");
        done.push(act);
    }
    let neighbour = on(&platform, kill(), "web-b-1").await;
    assert!(platform.inject(std::slice::from_ref(&neighbour)).await[0].status.happened());
    assert!(find(&platform, "web-b-2").await.is_none(), "not before its delay");
    eventually("the neighbour's replacement", async || find(&platform, "web-b-2").await.is_some()).await;
    assert_eq!(find(&platform, "web-a-1").await.unwrap().state, InstanceState::Stopped, "no replacement in the dead zone");
    assert!(matches!(platform.revert(&neighbour).await.unwrap(), Reverted::NothingToUndo { .. }), "it was replaced");
    assert!(matches!(platform.revert(&done[1]).await.unwrap(), Reverted::Restored { .. }));
    assert!(matches!(platform.revert(&done[0]).await.unwrap(), Reverted::Restored { .. }));
    assert!(matches!(platform.revert(&done[0]).await.unwrap(), Reverted::NothingToUndo { .. }));
    assert!(find(&platform, "web-a-1").await.unwrap().serving());
}

#[tokio::test]
async fn a_fault_at_the_balancer_is_refused_for_an_instance_behind_none() {
    let (_up, platform) = up(FAMILY, "namespace").await;
    let instance = find(&platform, "web-a-1").await.unwrap();
    let fault = Fault::Partition { mode: PartitionMode::Hang };
    let act = Act { id: ActId { step: 1, act: 1 }, fault, target: Target::Instance(instance) };
    let error = platform.prepare(&act).await.unwrap_err().to_string();
    assert!(error.contains("web-a-1 is behind no balancer"), "{error}");
}

#[tokio::test]
async fn a_foreign_process_is_found_by_its_pid_file_and_cannot_be_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
    let file = folder.path().join("db.pid");
    std::fs::write(&file, format!("{}\n", child.id())).unwrap();
    let foreign = vec![ProcessMatch::PidFile(file.to_string_lossy().into_owned())];
    let platform = LocalPlatform::attach_or_start(LocalOptions { foreign, ..LocalOptions::default() }).await.unwrap();
    let found = platform.inventory().await.unwrap().instances;
    assert_eq!(found.len(), 1);
    assert!(!found[0].managed);
    let act = prepared(&platform, 1, kill(), Target::Instance(found[0].clone())).await;
    assert!(matches!(&act.undo, Undo::Impossible { why } if why.contains("not started by firedrill")), "{:?}", act.undo);
    let mut stale = act.clone();
    let Target::Instance(instance) = &mut stale.act.target else { unreachable!() };
    Arc::make_mut(instance).identity += "9";
    let effects = platform.inject(&[stale]).await;
    assert!(matches!(effects[0].status, EffectStatus::Vanished { .. }), "{effects:?}");
    assert!(child.try_wait().unwrap().is_none(), "another incarnation is left alone");
    let acts = [act];
    let effects = platform.inject(&acts).await;
    assert!(platform.verify(&acts, effects).await[0].status.happened());
    child.wait().unwrap();
}

#[tokio::test]
async fn what_does_not_start_says_why_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        ("[no-such-command-here]", "its command `no-such-command-here` was not found in PATH"),
        ("[sh, -c, 'echo out of luck; exit 3']", "exited with status 3; its last output:\n      out of luck"),
        ("[sleep, '1000']\n    health: { tcp: true, every: 20ms, starts-within: 300ms }", "did not become healthy within 300ms"),
    ];
    for (number, (command, expected)) in cases.into_iter().enumerate() {
        let file = folder.path().join(format!("s{number}.yaml"));
        std::fs::write(&file, format!("name: bad\nservices:\n  web:\n    command: {command}\n")).unwrap();
        let options = LocalOptions { system: Some(file.clone()), start: true, program: Some(BINARY.into()), ..LocalOptions::default() };
        let error = LocalPlatform::attach_or_start(options).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert_eq!(marked(&Rendezvous::of(&file, &std::collections::BTreeMap::default()).unwrap().key), 0);
    }
}

#[tokio::test]
async fn an_error_at_the_start_names_what_is_wrong_and_says_once_that_it_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("system.yaml");
    let attach = async |file: &Path, state: Option<PathBuf>, program: &str| {
        let program = Some(program.into());
        let options = LocalOptions { system: Some(file.to_owned()), state, start: true, program, ..LocalOptions::default() };
        LocalPlatform::attach_or_start(options).await.unwrap_err().to_string()
    };
    let error = attach(&file, None, BINARY).await;
    assert!(error.starts_with(&file.display().to_string()), "{error}");

    std::fs::write(&file, "name: bad\nservices:\n  web: { comand: [sleep, '1000'] }\n").unwrap();
    let error = attach(&file, None, BINARY).await;
    assert!(error.starts_with("unknown key `comand` in a service\n"), "{error}");

    std::fs::write(&file, FAMILY).unwrap();
    // A file where the state directory should be.
    let state = folder.path().join("state");
    std::fs::write(&state, "").unwrap();
    let error = attach(&file, Some(state.clone()), BINARY).await;
    assert!(error.starts_with(&format!("the state directory {} cannot be used", state.display())), "{error}");
    assert!(!error.contains("system.yaml"), "{error}");
    let up = Command::new(BINARY).arg("up").arg(&file).env("FIREDRILL_STATE_DIR", &state).output().unwrap();
    let said = String::from_utf8_lossy(&up.stderr).into_owned();
    assert!(said.starts_with("firedrill: ") && said.contains(&error), "{said}");
    assert_eq!(up.status.code(), Some(3));

    let error = attach(&file, None, "/no/such/firedrill").await;
    assert!(error.starts_with("the supervisor `/no/such/firedrill` cannot be started: "), "{error}");
}

#[tokio::test]
async fn behind_a_balancer_traffic_is_cut_and_flows_again_and_replacements_are_admitted() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = format!(
        r#"
name: balanced
vars: {{ edge: "{free}" }}
services:
  web:
    command: ["${{firedrill}}", what-time, --listen, "${{instance.address}}", --instance, "${{instance.id}}", --zone, "${{instance.zone}}"]
    zones: {{ a: 1, b: 1 }}
    health: {{ http: /health, every: 50ms }}
    replace: {{ after: 200ms }}
balancers:
  edge:
    listen: "${{edge}}"
    service: web
    check: {{ http: /health, every: 50ms, timeout: 300ms, rise: 1, fall: 1 }}
"#
    );
    let (_up, platform) = up(&text, "namespace").await;
    let mut observed = platform.observe().await.unwrap();
    let cut = on(&platform, Fault::Partition { mode: PartitionMode::Refuse }, "web-a-1").await;
    let acts = [cut.clone()];
    let effects = platform.inject(&acts).await;
    let effects = platform.verify(&acts, effects).await;
    assert!(effects[0].status.happened(), "{effects:?}");
    heard(&mut observed, r#""observed":"ejected","balancer":"edge","instance":"web-a-1""#).await;
    assert!(matches!(platform.revert(&cut).await.unwrap(), Reverted::Restored { .. }));
    heard(&mut observed, r#""observed":"admitted","balancer":"edge","instance":"web-a-1""#).await;

    let dead = [on(&platform, kill(), "web-b-1").await];
    let effects = platform.inject(&dead).await;
    let effects = platform.verify(&dead, effects).await;
    assert!(effects[0].status.happened(), "{effects:?}");
    for text in [
        r#""observed":"launched","instance":"web-b-2","service":"web","zone":"b","replaces":"web-b-1""#,
        r#""observed":"admitted","balancer":"edge","instance":"web-b-2""#,
    ] {
        heard(&mut observed, text).await;
    }
    // The balancer is a target too.
    let edge = [on(&platform, kill(), "edge").await];
    let effects = platform.inject(&edge).await;
    assert!(platform.verify(&edge, effects).await[0].status.happened());
    assert!(matches!(platform.revert(&edge[0]).await.unwrap(), Reverted::Restored { .. }));
    tokio::net::TcpStream::connect(free).await.unwrap();
}

/// Reads observations until one holds this text.
async fn heard(observed: &mut tokio::sync::mpsc::Receiver<firedrill::model::observation::Observation>, text: &str) {
    let wait = async {
        while let Some(observation) = observed.recv().await {
            if serde_json::to_string(&observation).unwrap().contains(text) {
                return true;
            }
        }
        false
    };
    assert!(tokio::time::timeout(Duration::from_secs(10), wait).await.unwrap_or(false), "never heard: {text}");
}
