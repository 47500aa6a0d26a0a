//! Each fault of the local platform, seen from outside: by what the victim wrote down, by a client of the balancer, by `/proc`.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
    time::Duration,
};

use firedrill::{
    clock,
    model::{
        act::{Act, EffectStatus, Group, Prepared, Target},
        fault::Fault,
        ids::ActId,
        instance::{Instance, InstanceState},
        quantity::Share,
        undo::Undo,
    },
    platform::{Platform, PlatformError, Reverted},
};

use super::local_rig::{Rig, SITE, eventually, find, hit, on, read};

/// Writes down each TERM and ends at it, or does not (`deaf`); HUP ends the polite one.
const NOTED: &str = r#"
name: noted
services:
  polite:
    command: [sh, -c, "trap 'echo term >> ${folder}/polite; exit 0' TERM; trap 'echo hup >> ${folder}/polite; exit 7' HUP; echo up >> ${folder}/polite; while :; do sleep 0.02; done"]
  deaf:
    command: [sh, -c, "trap 'echo term >> ${folder}/deaf' TERM; echo up >> ${folder}/deaf; while :; do sleep 0.02; done"]
    stop-grace: 200ms
"#;

/// The system, once both have their traps.
async fn noted() -> (Rig, firedrill::platform::local::LocalPlatform) {
    let (rig, platform) = Rig::up(NOTED).await;
    eventually("both are up", async || read(&rig.path("polite")) == "up\n" && read(&rig.path("deaf")) == "up\n").await;
    (rig, platform)
}

#[tokio::test]
async fn a_stop_asks_first_and_kills_after_the_grace() {
    let (rig, platform) = noted().await;
    let (_, effect) = hit(&platform, Fault::Stop { grace: Duration::from_secs(20) }, "polite-local-1").await;
    assert_eq!(effect.status, EffectStatus::Happened, "{effect:?}");
    assert_eq!(read(&rig.path("polite")), "up\nterm\n", "it was asked, and ended by itself");

    let grace = Duration::from_millis(600);
    let (act, effect) = hit(&platform, Fault::Stop { grace }, "deaf-local-1").await;
    assert_eq!(effect.status, EffectStatus::Happened, "{effect:?}");
    assert!(read(&rig.path("deaf")).contains("term"), "it was asked");
    assert!(effect.took_effect.unwrap().by.since(effect.requested) >= grace, "it had its grace: {effect:?}");
    assert_eq!(find(&platform, "deaf-local-1").await.unwrap().state, InstanceState::Stopped);
    assert!(matches!(platform.revert(&act).await.unwrap(), Reverted::Restored { .. }));
}

#[tokio::test]
async fn a_kill_with_another_signal_sends_that_one() {
    let (rig, platform) = noted().await;
    let (_, effect) = hit(&platform, Fault::Kill { signal: Some("HUP".to_owned()) }, "polite-local-1").await;
    assert_eq!(effect.status, EffectStatus::Happened, "{effect:?}");
    assert_eq!(read(&rig.path("polite")), "up\nhup\n");
}

#[tokio::test]
async fn a_restart_ends_the_process_and_starts_the_same_instance() {
    let (rig, platform) = noted().await;
    let before = find(&platform, "polite-local-1").await.unwrap();
    let (_, effect) = hit(&platform, Fault::Restart { grace: Duration::from_secs(10) }, "polite-local-1").await;
    assert_eq!(effect.status, EffectStatus::Happened, "{effect:?}");
    eventually("it runs again", async || read(&rig.path("polite")) == "up\nterm\nup\n").await;
    eventually("it is seen to run", async || find(&platform, "polite-local-1").await.unwrap().state == InstanceState::Running).await;
    let after = find(&platform, "polite-local-1").await.unwrap();
    assert_ne!(after.identity, before.identity);
}

/// A request of its own connection; the body, and how long it took.
fn get(at: std::net::SocketAddr) -> (Option<String>, Duration) {
    let begun = clock::now();
    let ask = || {
        let mut stream = TcpStream::connect(at)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok::<_, std::io::Error>(text)
    };
    let text = ask().ok().filter(|text| text.starts_with("HTTP/1.1 200"));
    (text, clock::now().since(begun))
}

fn served_by(text: &str) -> String {
    text.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("x-served-by: ").map(|id| id.trim().to_owned())).unwrap_or_default()
}

#[tokio::test]
async fn slow_and_loss_are_felt_by_a_client_of_the_balancer_and_only_there() {
    let (rig, platform) = Rig::up(SITE).await;
    let edge = rig.edge;
    let latency = Duration::from_millis(700);
    let (slow, effect) = hit(&platform, Fault::Slow { latency, jitter: Duration::ZERO }, "web-a-1").await;
    assert!(effect.status.happened(), "{effect:?}");
    let (lost, effect) = hit(&platform, Fault::Loss { share: Share(1.0) }, "web-b-1").await;
    assert!(effect.status.happened(), "{effect:?}");
    let seen = tokio::task::spawn_blocking(move || (0..16).map(|_| get(edge)).collect::<Vec<_>>()).await.unwrap();
    let late: Vec<&Duration> =
        seen.iter().filter(|(text, _)| text.as_deref().is_some_and(|t| served_by(t) == "web-a-1")).map(|(_, took)| took).collect();
    assert!(!late.is_empty() && late.iter().all(|took| **took >= latency), "{late:?}");
    assert!(seen.iter().any(|(text, _)| text.is_none()), "some requests are lost");
    assert!(seen.iter().all(|(text, _)| text.as_deref().is_none_or(|t| served_by(t) != "web-b-1")), "all of web-b-1's are");
    let others = ["web-a-2", "web-b-2"];
    assert!(seen.iter().any(|(text, _)| text.as_deref().is_some_and(|t| others.contains(&served_by(t).as_str()))), "the others answer");

    for act in [slow, lost] {
        assert!(matches!(platform.revert(&act).await.unwrap(), Reverted::Restored { .. }));
    }
    let seen = tokio::task::spawn_blocking(move || (0..16).map(|_| get(edge)).collect::<Vec<_>>()).await.unwrap();
    assert!(seen.iter().all(|(text, _)| text.is_some()), "nothing is lost any more");
    for id in ["web-a-1", "web-b-1"] {
        assert!(seen.iter().any(|(text, _)| text.as_deref().is_some_and(|t| served_by(t) == id)), "{id} answers again");
    }
}

#[tokio::test]
async fn a_region_outage_takes_the_region_and_leaves_the_other() {
    let (_rig, platform) = Rig::up(SITE).await;
    let victims: Vec<_> = platform.inventory().await.unwrap().instances.into_iter().filter(|i| i.region.0 == "north").collect();
    assert_eq!(victims.len(), 2);
    let group = Group { services: vec!["web".into()], region: Some("north".into()), ..Group::default() };
    let mut acts = Vec::new();
    for (number, (fault, target)) in (1..).zip(platform.acts(&Fault::REGION_OUTAGE, &victims, &group)) {
        let act = Act { id: ActId { step: 1, act: number }, fault, target };
        acts.push(Prepared { undo: platform.prepare(&act).await.unwrap(), act });
    }
    let effects = platform.inject(&acts).await;
    let effects = platform.verify(&acts, effects).await;
    assert!(effects.iter().all(|e| e.status.happened()), "{effects:?}");
    for (id, state) in [("web-a-1", InstanceState::Stopped), ("web-a-2", InstanceState::Stopped), ("web-b-1", InstanceState::Running)] {
        assert_eq!(find(&platform, id).await.unwrap().state, state, "{id}");
    }
    for act in acts.iter().rev() {
        assert!(matches!(platform.revert(act).await.unwrap(), Reverted::Restored { .. }));
    }
    assert!(find(&platform, "web-a-2").await.unwrap().serving());
}

#[tokio::test]
async fn a_command_is_run_undone_and_stopped_at_its_limit() {
    let (rig, platform) = noted().await;
    let sh = |text: String| vec!["sh".to_owned(), "-c".to_owned(), text];
    let file = rig.path("made").display().to_string();
    let fault = Fault::Run {
        command: sh(format!("echo $FIREDRILL_INSTANCE > {file}")),
        undo: Some(sh(format!("rm {file}"))),
        timeout: Duration::from_secs(20),
    };
    let (act, effect) = hit(&platform, fault, "polite-local-1").await;
    assert!(effect.status.happened(), "{effect:?}");
    assert_eq!(read(&rig.path("made")), "polite-local-1\n");
    assert!(matches!(platform.revert(&act).await.unwrap(), Reverted::Restored { .. }));
    assert!(!rig.path("made").exists());
    let again = platform.revert(&act).await.unwrap_err().to_string();
    assert!(again.contains("`sh` ended with exit status: 1"), "what the command says is told: {again}");

    let marker = rig.path("late").display().to_string();
    let fault = Fault::Run { command: sh(format!("sleep 3; echo > {marker}")), undo: None, timeout: Duration::from_millis(300) };
    let (act, effect) = hit(&platform, fault, "polite-local-1").await;
    assert!(matches!(act.undo, Undo::Impossible { .. }));
    assert!(matches!(&effect.status, EffectStatus::Failed { why } if why.contains("did not end within 300ms")), "{effect:?}");
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(!rig.path("late").exists(), "its children were ended too");
}

#[tokio::test]
async fn what_became_protected_and_what_supervises_is_refused() {
    let text = "name: p\nservices:\n  web:\n    command: [sleep, '1000']\n    labels: { firedrill.protected: 'true' }\n";
    let (mut rig, platform) = Rig::up(text).await;
    let mut chosen = find(&platform, "web-local-1").await.unwrap();
    assert!(chosen.protected());
    // As it was when it was chosen: without the label.
    Arc::make_mut(&mut Arc::make_mut(&mut chosen).labels).clear();
    let kill = Fault::Kill { signal: None };
    let act = on(&platform, kill.clone(), chosen.clone()).await;
    let effect = platform.inject(&[act]).await.remove(0);
    assert!(matches!(&effect.status, EffectStatus::Refused { why } if why.contains("protected")), "{effect:?}");

    // The supervisor, and this process, which is the tool here, as processes that somebody chose.
    for pid in [rig.supervisor().id().cast_signed(), std::process::id().cast_signed()] {
        let mut instance = Instance::clone(&chosen);
        instance.managed = false;
        instance.identity = firedrill::platform::local::process::stat(pid).unwrap().identity();
        let act = on(&platform, kill.clone(), Arc::new(instance)).await;
        let effect = platform.inject(&[act]).await.remove(0);
        assert!(matches!(effect.status, EffectStatus::Refused { .. }), "{pid}: {effect:?}");
    }
    assert!(rig.supervisor().try_wait().unwrap().is_none());
    assert_eq!(find(&platform, "web-local-1").await.unwrap().state, InstanceState::Running);
}

#[tokio::test]
async fn a_fault_that_the_platform_does_not_have_is_refused_before_anything() {
    let (_rig, platform) = noted().await;
    let instance = find(&platform, "polite-local-1").await.unwrap();
    let fault = Fault::Slow { latency: Duration::from_secs(1), jitter: Duration::ZERO };
    let act = Act { id: ActId { step: 1, act: 1 }, fault, target: Target::Instance(instance) };
    let error = platform.prepare(&act).await.unwrap_err();
    assert!(matches!(&error, PlatformError::Refused(why) if why.contains("behind no balancer")), "{error}");
}
