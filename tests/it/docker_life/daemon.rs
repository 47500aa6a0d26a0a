//! The engine itself is killed in the middle of a drill and started again: the run is an error, and nothing is left behind.

use rustix::process::Signal;

use super::rig::{User, eventually, world};
use crate::support::engine::Engine;

fn engine_dies(flags: &[&str]) {
    let engine = Engine::start_with(flags);
    let project = engine.project("daemon");
    for _ in 0..3 {
        project.container("web").zone("a").restart("always").start();
    }
    let before = world(&project);
    let user = User::new(&project, "  - pause: { service: web, take: 1 }\n  - kill: { service: web, take: 1 }\n  - wait: 60s\n");
    let text = || std::fs::read_to_string(user.folder().join("said")).unwrap_or_default();
    let mut child = user.in_the_middle("step 3");
    engine.end_daemon(Signal::KILL);
    std::thread::sleep(std::time::Duration::from_secs(2));
    engine.start_daemon();
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(5), "{}", text());
    eventually("all run again", || engine.docker(&["ps", "-q", "--filter", "status=running"]).lines().count() == 3);
    let after = world(&project);
    after.is(&before, &text());
    let (code, said) = user.says(&["recover"]);
    assert_eq!(code, Some(0), "{said}");
    world(&project).is(&before, &said);
}

#[test]
fn an_engine_that_dies_and_leaves_its_containers_running() {
    engine_dies(&["--live-restore"]);
}

#[test]
fn an_engine_that_dies_and_takes_its_containers_with_it() {
    engine_dies(&[]);
}
