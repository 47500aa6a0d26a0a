//! A tool that is killed in the middle of a drill: another process puts back the world as it was.

use super::rig::{User, four, world};
use crate::support::{alone, engine::Engine, residue};

const METHOD: &str = "
  - suspend-replacement: { service: web, zone: b }
  - kill: { service: web, zone: a, take: 1 }
  - pause: { service: web, zone: a, take: 1 }
  - remove: { service: web, zone: b, take: 1 }
  - zone-outage: a
  - wait: 60s
";

#[test]
fn a_drill_that_is_killed_is_recovered_by_another_process() {
    let engine = Engine::shared();
    let project = engine.project("recovering");
    let _all = four(&project);
    let before = world(&project);
    let user = User::new(&project, METHOD);
    let mut child = user.in_the_middle("wait 1m");
    let of_this = format!("label=com.docker.compose.project={}", project.name());
    let running = engine.docker(&["ps", "-q", "--filter", "status=running", "--filter", &of_this]);
    assert_eq!(running.lines().count(), 1, "everything in zone a is down, and one in zone b is gone");
    alone::end(&mut child);
    assert!(world(&project) != before);
    let (code, said) = user.says(&["recover"]);
    residue::same(&code, &Some(0), &said);
    world(&project).is(&before, &said);
    let after = project.ids();
    let (code, said) = user.says(&["recover"]);
    residue::same(&code, &Some(0), &said);
    residue::same(&project.ids(), &after, "recovered once more");
    world(&project).is(&before, &said);
}

#[test]
fn a_container_that_is_off_its_networks_is_put_back_by_another_process() {
    let engine = Engine::shared();
    let project = engine.project("recovering");
    let _all = four(&project);
    let before = world(&project);
    let user = User::new(&project, "  - partition: { service: web, zone: a, take: 2, mode: disconnect }\n  - wait: 60s\n");
    let (code, plan) = user.says(&["plan", "experiment.yaml"]);
    assert_eq!(code, Some(0), "{plan}");
    for words in
        ["partition by disconnection", "its names are gone, its published ports answer nobody", "undo: connect", "under the same names"]
    {
        assert!(plan.contains(words), "no {words:?} in: {plan}");
    }
    let mut child = user.in_the_middle("wait 1m");
    let network = format!("{}_default", project.name());
    let on = || engine.docker(&["ps", "-q", "--filter", &format!("network={network}")]).lines().count();
    assert_eq!(on(), 3, "two are off");
    alone::end(&mut child);
    let (code, said) = user.says(&["recover"]);
    residue::same(&code, &Some(0), &said);
    residue::same(&on(), &5, "all are on their network");
    world(&project).is(&before, &said);
    let (code, said) = user.says(&["recover"]);
    residue::same(&code, &Some(0), &said);
    world(&project).is(&before, &said);
}

#[test]
fn two_at_once_on_one_project_exclude_each_other() {
    let engine = Engine::shared();
    let project = engine.project("recovering");
    let web = project.container("web").start();
    project.container("web").start();
    let user = User::new(&project, "  - pause: { service: web, take: 1 }\n  - wait: 60s\n");
    let mut child = user.in_the_middle("wait 1m");
    let paused =
        || engine.docker(&["ps", "-q", "--filter", "status=paused", "--filter", &format!("name={}", web.name.trim_end_matches("-1"))]);
    let hit = paused();
    assert!(!hit.is_empty(), "one is paused");
    let (code, said) = user.says(&["run", "experiment.yaml", "--yes"]);
    assert!(code != Some(0) && said.contains(&child.id().to_string()), "{code:?}: {said}");
    residue::same(&paused(), &hit, "the second touched nothing");
    // Its owner asks it to end.
    let pid = rustix::process::Pid::from_raw(child.id().cast_signed()).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("asked");
    child.wait().expect("ended");
    residue::same(&paused().as_str(), &"", "it was halted");
}
