//! The dead-man's switch on containers: firedrill is killed or hangs in the middle of a fault, and the world is as before.

use std::time::Duration;

use firedrill::clock;
use rustix::process::{Pid, Signal, kill_process};

use super::rig::{User, eventually, four, world};
use crate::support::{alone, engine::Engine, project::Project, quiet::quiet, residue};

/// Each kind of way back that a container has.
const METHOD: &str = "
  - pause: { service: web, zone: a, take: 1 }
  - remove: { service: web, zone: b, take: 1 }
  - zone-outage: a
  - wait: 60s
";

#[test]
fn containers_whose_firedrill_is_killed_are_as_before() {
    let engine = Engine::shared();
    let project = engine.project("deadman");
    let _all = four(&project);
    let before = world(&project);
    let _quiet = quiet();
    let user = User::new(&project, METHOD);
    let mut child = user.in_the_middle("wait 1m");
    assert!(world(&project) != before);
    let helper = alone::helpers(Pid::from_child(&child));
    assert_eq!(helper.len(), 1, "{helper:?}");
    child.kill().expect("killed");
    let killed = clock::now();
    child.wait().expect("ended");
    let gone = || !std::path::Path::new(&format!("/proc/{}", helper[0].as_raw_nonzero())).exists();
    residue::ends("the helper has undone it and ended", gone);
    println!("from the SIGKILL of firedrill to the end of its helper: {:?}", clock::now().since(killed));
    let said = std::fs::read_to_string(user.folder().join("said")).expect("what it said");
    assert!(said.contains("the dead-man's switch undoes what it did"), "{said}");
    world(&project).is(&before, &said);
    let (code, said) = user.says(&["recover"]);
    residue::none(code == Some(0) && said.contains("nothing to recover"), &said);
    world(&project).is(&before, &said);
}

#[test]
fn a_container_whose_firedrill_hangs_goes_on_after_the_deadline() {
    let engine = Engine::shared();
    let project = engine.project("deadman");
    let web = project.container("web").start();
    let before = world(&project);
    let _quiet = quiet();
    let user = User::new(&project, "  - pause: { service: web }\n    hold: 3s\n");
    let mut child = user.in_the_middle("happened");
    kill_process(Pid::from_child(&child), Signal::STOP).expect("stopped");
    assert_eq!(web.status(), "paused");
    // 3 s of hold, and 5 s in which it should have gone on.
    std::thread::sleep(Duration::from_secs(5));
    residue::same(&web.status().as_str(), &"paused", "never two who act");
    residue::ends("it goes on", || web.status() == "running");
    let ended = child.try_wait().expect("asked");
    assert!(ended.is_some(), "it was ended before anything was undone");
    let status = child.wait().expect("ended");
    assert!(!status.success(), "it was ended first: {status}");
    // Its helper speaks when all is undone, and the container goes on in the middle of that.
    let said = || std::fs::read_to_string(user.folder().join("said")).expect("what it said");
    eventually("the helper says what it did", || said().contains("did not go on in time and was ended"));
    let said = said();
    world(&project).is(&before, &said);
}

/// A user who may affect half of a service, and measures it for so long before.
fn capped<'p>(project: &'p Project<'p>, method: &str, baseline: &str) -> User<'p> {
    let user = User::new(project, method);
    let file = user.folder().join("experiment.yaml");
    let text = std::fs::read_to_string(&file).expect("read").replace("service: 100%", "service: 50%");
    std::fs::write(file, text.replace("baseline: 500ms", &format!("baseline: {baseline}"))).expect("written");
    user
}

#[test]
fn what_another_users_drill_has_taken_down_counts() {
    let engine = Engine::shared();
    let project = engine.project("deadman");
    for zone in ["a", "a", "b", "b"] {
        project.container("web").zone(zone).start();
    }
    let _quiet = quiet();
    // State directories of their own: no lock of one is seen by the other, but what it has done is.
    let first = capped(&project, "  - pause: { service: web, zone: a, take: 2 }\n  - wait: 60s\n", "500ms");
    let second = capped(&project, "  - pause: { service: web, zone: b, take: 1 }\n    hold: 500ms\n", "500ms");
    let mut child = first.in_the_middle("wait 1m");
    let (code, said) = second.says(&["run", "experiment.yaml", "--yes"]);
    assert!(code == Some(3) && said.contains("service web has 4 instances, 2 of them down already"), "{code:?}: {said}");
    kill_process(Pid::from_child(&child), Signal::INT).expect("asked");
    child.wait().expect("ended");
    let (_, said) = second.says(&["run", "experiment.yaml", "--yes"]);
    assert!(said.contains("happened") || said.contains("more than 10 ms late"), "{said}");
}

#[test]
fn what_another_users_drill_only_limits_or_stresses_counts() {
    let engine = Engine::shared();
    let project = engine.project("deadman");
    for zone in ["a", "a", "b", "b"] {
        project.container("web").zone(zone).start();
    }
    let _quiet = quiet();
    let user = |method: &str, baseline: &str| capped(&project, method, baseline);
    let pause = "  - pause: { service: web, zone: b, take: 1 }\n    hold: 500ms\n";
    // State directories of their own. All of web are up and answer; two are busy or slow.
    let first = user(
        "  - limit: { service: web, zone: a, take: 1, rate: 64KiB }\n  - stress: { service: web, zone: a, take: 2, memory: 4MB }\n  - wait: 60s\n",
        "500ms",
    );
    let (second, patient) = (user(pause, "500ms"), user(pause, "12s"));
    assert_eq!(second.says(&["plan", "experiment.yaml"]).0, Some(0));
    // One whose plan was made when nobody was at work finds them at the end of its baseline.
    let waiting = patient.command(&["run", "experiment.yaml", "--yes"]).stdout(std::process::Stdio::piped()).spawn().expect("it starts");
    let mut child = first.in_the_middle("wait 1m");
    let (code, said) = second.says(&["run", "experiment.yaml", "--yes"]);
    assert!(
        code == Some(3) && said.contains("service web has 4 instances, ") && said.contains("affected by another run's "),
        "{code:?}: {said}"
    );
    let waited = waiting.wait_with_output().expect("ended");
    let said = String::from_utf8_lossy(&waited.stdout);
    assert!(waited.status.code() == Some(3) && said.contains("another run is at work here, too"), "{:?}: {said}", waited.status);
    kill_process(Pid::from_child(&child), Signal::INT).expect("asked");
    child.wait().expect("ended");
    assert_eq!(second.says(&["plan", "experiment.yaml"]).0, Some(0));
}
