//! `crash`: the restart policy applies, as it does not after a `kill`.

use std::time::Duration;

use firedrill::model::fault::Fault;

use super::rig::{Far, done, instance, nothing, platform, prepare, refused, undone};
use crate::{
    conformance::conforms,
    support::{engine::Engine, project::Container},
};

fn runs_again(container: &Container<'_>) {
    for _ in 0..200 {
        if container.status() == "running" && container.inspect("{{.RestartCount}}") == "1" {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{} is {} after {} restarts", container.name, container.status(), container.inspect("{{.RestartCount}}"));
}

#[tokio::test]
async fn a_crash_without_a_policy_stays_down_and_conforms() {
    let engine = Engine::shared();
    let project = engine.project("crash");
    let container = project.container("web").start();
    let platform = platform(&project).await;
    let act = prepare(&platform, Fault::Crash, &instance(&platform, &container.name).await).await;
    let effect = done(&platform, &act).await;
    assert_eq!(effect.source, "State.FinishedAt; no restart policy: it stays down");
    assert_eq!((container.status().as_str(), container.inspect("{{.State.ExitCode}}").as_str()), ("exited", "137"));
    assert!(undone(&platform, &act).await.contains("started"));
    assert_eq!(container.status(), "running");
    conforms(&platform, 11, &Fault::Crash).await;
}

#[tokio::test]
async fn a_policy_acts_on_a_crash_and_not_on_a_kill() {
    let engine = Engine::shared();
    let project = engine.project("policy");
    let platform = platform(&project).await;
    for policy in ["always", "unless-stopped"] {
        let container = project.container(policy).restart(policy).start();
        let victim = instance(&platform, &container.name).await;
        let crash = prepare(&platform, Fault::Crash, &victim).await;
        assert!(crash.undo.says().contains(&format!("unless its restart policy ({policy}) did")), "{}", crash.undo.says());
        let effect = done(&platform, &crash).await;
        assert!(effect.source.starts_with("State.FinishedAt; ") && effect.source.contains("again"), "{}", effect.source);
        runs_again(&container);
        assert!(nothing(&platform, &crash).await.contains("started again already"));

        let kill = prepare(&platform, Fault::Kill { signal: None }, &victim).await;
        assert!(kill.undo.says().contains(policy) && kill.undo.says().contains("does not act"), "{}", kill.undo.says());
        done(&platform, &kill).await;
        // Longer than the policy waits before a start.
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(container.status(), "exited");
        undone(&platform, &kill).await;
        assert_eq!(container.status(), "running");
    }
}

#[tokio::test]
async fn what_cannot_crash_is_refused() {
    let engine = Engine::shared();
    let project = engine.project("uncrashed");
    let container = project.container("web").start();
    let far = Far::of(&project).await;
    let why = refused(&far.platform, Fault::Crash, &instance(&far.platform, &container.name).await).await;
    assert!(why.contains("tcp://127.0.0.1") && why.contains("on that machine alone"), "{why}");
    engine.docker(&["pause", &container.id]);
    let platform = platform(&project).await;
    let why = refused(&platform, Fault::Crash, &instance(&platform, &container.name).await).await;
    assert!(why.contains("is paused"), "{why}");
}
