//! `suspend-replacement` and outages: restart policies off, and back as they were.

use firedrill::{
    model::{act::Group, fault::Fault},
    platform::{Platform, PlatformError},
};

use super::rig::{done, eventually, four, instance, platform, prepared, undone, world};
use crate::support::engine::Engine;

const POLICY: &str = "{{.HostConfig.RestartPolicy.Name}}:{{.HostConfig.RestartPolicy.MaximumRetryCount}}";

#[tokio::test]
async fn the_dead_stay_dead_while_it_lasts() {
    let engine = Engine::shared();
    let project = engine.project("suspending");
    let web = project.container("web").zone("a").restart("always").start();
    let other = project.container("web").zone("b").restart("always").start();
    let platform = platform(&project).await;
    let group = Group { zone: Some("a".into()), ..Group::default() };
    let acts = prepared(&platform, &Fault::SuspendReplacement, &[], &group).await;
    assert!(acts[0].undo.says().contains(&format!("{} (always)", web.name)), "{}", acts[0].undo.says());
    done(&platform, &acts).await;
    assert_eq!((web.inspect(POLICY).as_str(), other.inspect(POLICY).as_str()), ("no:0", "always:0"));
    // Its main process dies by itself: with its policy it would run again.
    let pid = rustix::process::Pid::from_raw(web.pid()).expect("one");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("killed");
    eventually("it ended", || web.status() == "exited");
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert_eq!(web.status(), "exited");
    undone(&platform, &acts).await;
    assert_eq!(web.inspect(POLICY), "always:0");
}

#[tokio::test]
async fn an_outage_takes_the_zone_and_nothing_else() {
    let engine = Engine::shared();
    let project = engine.project("suspending");
    let all = four(&project);
    let saved = project.container("db").zone("a").restart("always").label("firedrill.protected", "true").start();
    let before = world(&project);
    let platform = platform(&project).await;
    let victims =
        [instance(&platform, &all[0].name).await, instance(&platform, &all[1].name).await, instance(&platform, &all[4].name).await];
    let group = Group { zone: Some("a".into()), ..Group::default() };
    let acts = prepared(&platform, &Fault::ZONE_OUTAGE, &victims, &group).await;
    assert_eq!(acts.len(), 4);
    for act in &acts {
        done(&platform, std::slice::from_ref(act)).await;
    }
    let status: Vec<String> = all.iter().chain([&saved]).map(crate::support::project::Container::status).collect();
    assert_eq!(status, ["exited", "exited", "running", "running", "exited", "running"]);
    assert_eq!((all[0].inspect(POLICY).as_str(), all[2].inspect(POLICY).as_str()), ("no:0", "on-failure:3"));
    assert_eq!(saved.inspect(POLICY), "always:0", "a protected one keeps its policy");
    undone(&platform, &acts).await;
    world(&project).is(&before, "undone");
}

#[tokio::test]
async fn what_somebody_else_set_is_not_overwritten() {
    let engine = Engine::shared();
    let project = engine.project("suspending");
    let one = project.container("web").restart("always").start();
    let two = project.container("web").restart("unless-stopped").start();
    let platform = platform(&project).await;
    let acts = prepared(&platform, &Fault::SuspendReplacement, &[], &Group::default()).await;
    done(&platform, &acts).await;
    engine.docker(&["update", "--restart", "on-failure:7", &one.id]);
    let refused = platform.revert(&acts[0]).await.expect_err("somebody changed it");
    assert!(matches!(&refused, PlatformError::Refused(says) if says.contains("on-failure:7") && says.contains("always")), "{refused:?}");
    assert_eq!((one.inspect(POLICY).as_str(), two.inspect(POLICY).as_str()), ("on-failure:7", "unless-stopped:0"));
    // And between plan and act.
    let acts = prepared(&platform, &Fault::SuspendReplacement, &[], &Group::default()).await;
    engine.docker(&["update", "--restart", "always", &one.id]);
    let effects = platform.inject(&acts).await;
    assert!(effects[0].status.why().is_some_and(|why| why.contains("on-failure:7")), "{effects:?}");
    assert_eq!(two.inspect(POLICY), "unless-stopped:0", "nothing was done");
}

#[tokio::test]
async fn a_container_made_again_gets_its_policy_back() {
    let engine = Engine::shared();
    let project = engine.project("suspending");
    let web = project.container("web").restart("always").start();
    let before = world(&project);
    let platform = platform(&project).await;
    let suspended = prepared(&platform, &Fault::SuspendReplacement, &[], &Group::default()).await;
    done(&platform, &suspended).await;
    let removed = prepared(&platform, &Fault::REMOVE, &[instance(&platform, &web.name).await], &Group::default()).await;
    done(&platform, &removed).await;
    undone(&platform, &removed).await;
    undone(&platform, &suspended).await;
    world(&project).is(&before, "undone");
}
