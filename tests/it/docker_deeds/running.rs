//! `run`: a command in a container, its limit, and the command that undoes it.

use std::time::Duration;

use firedrill::model::{act::EffectStatus, fault::Fault};

use super::rig::{Far, done, inject, instance, nothing, platform, prepare, undone};
use crate::{
    conformance::conforms,
    support::{engine::Engine, project::Container},
};

fn words(line: &[&str]) -> Vec<String> {
    line.iter().map(ToString::to_string).collect()
}

fn run(command: &[&str], undo: Option<&[&str]>) -> Fault {
    Fault::Run { command: words(command), undo: undo.map(words), timeout: Duration::from_secs(10) }
}

/// What runs in a container, by its arguments.
fn processes(container: &Container<'_>) -> String {
    container.exec(&["sh", "-c", "for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline; echo; done"])
}

#[tokio::test]
async fn a_command_runs_once_and_is_undone_by_another() {
    let engine = Engine::shared();
    let project = engine.project("run");
    let container = project.container("web").start();
    let platform = platform(&project).await;
    let victim = instance(&platform, &container.name).await;
    // An argument list: what a shell would take for its own stays as it is.
    let act = prepare(&platform, run(&["mkdir", "/tmp/a b; $HOME"], Some(&["rmdir", "/tmp/a b; $HOME"])), &victim).await;
    assert!(nothing(&platform, &act).await.contains("never run"));
    let effect = done(&platform, &act).await;
    assert_eq!(effect.source, "exit code");
    assert_eq!(container.exec(&["ls", "/tmp"]), "a b; $HOME");
    let again = inject(&platform, &act).await;
    assert!(matches!(&again.status, EffectStatus::Refused { why } if why.contains("ran in")), "{again:?}");
    // Another process does not know that it ran, only that it may have.
    let other = super::rig::platform(&project).await;
    assert!(undone(&other, &act).await.contains("rmdir"));
    assert_eq!(container.exec(&["ls", "/tmp"]), "");
}

#[tokio::test]
async fn commands_conform() {
    let engine = Engine::shared();
    let project = engine.project("runs");
    project.container("web").start();
    let fault = run(&["touch", "/tmp/here"], Some(&["rm", "/tmp/here"]));
    conforms(&platform(&project).await, 1, &fault).await;
    conforms(&Far::of(&project).await.platform, 11, &fault).await;
    conforms(&platform(&project).await, 21, &run(&["true"], None)).await;
}

#[tokio::test]
async fn a_failure_says_what_the_command_said() {
    let engine = Engine::shared();
    let project = engine.project("fails");
    let container = project.container("web").start();
    let platform = platform(&project).await;
    let victim = instance(&platform, &container.name).await;
    let why = async |fault| {
        let effect = inject(&platform, &prepare(&platform, fault, &victim).await).await;
        match effect.status {
            EffectStatus::Failed { why } | EffectStatus::Refused { why } => why,
            other => panic!("{other:?}"),
        }
    };
    let said = why(run(&["sh", "-c", "echo first; printf '\\033[2Jworse\\n' >&2; exit 3"], None)).await;
    assert!(said.contains("exit code 3") && said.contains("first") && said.contains("[2Jworse"), "{said}");
    assert!(!said.contains('\u{1b}'), "{said:?}");
    let said = why(run(&["no-such-program"], None)).await;
    assert!(said.contains("no-such-program"), "{said}");
}

#[tokio::test]
async fn a_command_that_takes_too_long_is_killed_with_its_children() {
    let engine = Engine::shared();
    let project = engine.project("slow");
    let container = project.container("web").start();
    let fault = Fault::Run { command: words(&["sh", "-c", "sleep 4242 & sleep 4243"]), undo: None, timeout: Duration::from_secs(1) };
    let near = platform(&project).await;
    let act = prepare(&near, fault.clone(), &instance(&near, &container.name).await).await;
    let effect = inject(&near, &act).await;
    let why = effect.status.why().unwrap();
    assert!(why.contains("did not end within 1s and was killed"), "{why}");
    assert!(!processes(&container).contains("424"), "{}", processes(&container));

    let far = Far::of(&project).await;
    let act = prepare(&far.platform, fault, &instance(&far.platform, &container.name).await).await;
    let effect = inject(&far.platform, &act).await;
    let why = effect.status.why().unwrap();
    assert!(why.contains("still runs"), "{why}");
    assert!(processes(&container).contains("4243"), "what is said is so");
}
