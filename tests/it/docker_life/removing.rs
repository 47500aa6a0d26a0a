//! `remove`: what comes back is what was there, whoever looks; and what cannot come back is said in time.

use firedrill::{
    model::{act::Group, fault::Fault, undo::Undo},
    platform::{Platform, PlatformError, Reverted},
};

use super::rig::{done, id_of, instance, platform, prepared, undone, world};
use crate::support::engine::{Engine, SMALL};

#[tokio::test]
async fn everything_comes_back_but_the_id() {
    let engine = Engine::shared();
    let project = engine.project("removing");
    let back = project.network("back");
    let own = format!("{}_own", project.name());
    let label = format!("com.docker.compose.project={}", project.name());
    let range = engine.docker(&["network", "inspect", "--format", "{{(index .IPAM.Config 0).Subnet}}", &back]);
    engine.docker(&["network", "rm", &back]);
    let prefix = range.rsplit_once('.').expect("an address").0.to_owned();
    engine.docker(&["network", "create", "--label", &label, "--subnet", &range, &own]);
    let volume = format!("{}_named", project.name());
    let flags = [
        "--volume",
        "/data",
        "--volume",
        &format!("{volume}:/named:ro"),
        "--tmpfs",
        "/scratch",
        "--env",
        "TOKEN=s3cret",
        "--hostname",
        "shop",
        "--memory",
        "64m",
        "--cap-drop",
        "NET_RAW",
        "--ulimit",
        "nofile=123",
        "--label",
        "com.docker.compose.config-hash=abc",
        "--init",
        "--add-host",
        "elsewhere:10.9.9.9",
        "--stop-signal",
        "SIGQUIT",
        "--log-opt",
        "max-size=1m",
        "--workdir",
        "/tmp",
        "--user",
        "0:0",
    ];
    let recipe = flags.iter().fold(project.container("db"), |recipe, flag| recipe.flag(flag));
    let db = recipe.restart("on-failure:3").zone("a").port(5432).health("test -e /data/ready").create();
    engine.docker(&["network", "connect", "--alias", "primary", "--ip", &format!("{prefix}.77"), &own, &db.id]);
    engine.docker(&["start", &db.id]);
    db.exec(&["sh", "-c", "echo kept > /data/ready"]);
    db.healthy();

    let before = world(&project);
    let platform = platform(&project).await;
    let victim = instance(&platform, &db.name).await;
    let acts = prepared(&platform, &Fault::REMOVE, &[victim], &Group::default()).await;
    done(&platform, &acts).await;
    assert!(project.ids().is_empty(), "it is there");
    let said = undone(&platform, &acts).await;
    assert!(said[0].starts_with("Restored") && said[0].contains("made"), "{said:?}");
    world(&project).is(&before, "undone");
    let again = id_of(&engine, &db.name);
    assert_ne!(again, db.id);
    assert_eq!(engine.docker(&["exec", &again, "cat", "/data/ready"]), "kept");
    let address = format!("{{{{(index .NetworkSettings.Networks {own:?}).IPAddress}}}}");
    assert_eq!(engine.docker(&["inspect", "--format", &address, &again]), format!("{prefix}.77"));
    drop(project);
    engine.docker(&["volume", "rm", &volume]);
}

#[tokio::test]
async fn an_undo_that_died_halfway_is_finished() {
    let engine = Engine::shared();
    let project = engine.project("removing");
    project.network("back");
    let web = project.container("web").network("back").flag("--volume").flag("/data").start();
    let before = world(&project);
    let platform = platform(&project).await;
    let acts = prepared(&platform, &Fault::REMOVE, &[instance(&platform, &web.name).await], &Group::default()).await;
    done(&platform, &acts).await;
    undone(&platform, &acts).await;
    // As if it had been killed between making it and starting it, in none of its networks but one.
    let made = id_of(&engine, &web.name);
    engine.docker(&["rm", "-f", &made]);
    let half = firedrill_made(&acts[0].undo);
    let network = format!("{}_default", project.name());
    let mut words: Vec<String> = vec!["create".into(), "--name".into(), web.name.clone(), "--network".into(), network];
    words.extend(half);
    words.push(SMALL.into());
    engine.docker(&words.iter().map(String::as_str).collect::<Vec<_>>());
    let said = undone(&platform, &acts).await;
    assert!(said[0].contains("finished making"), "{said:?}");
    world(&project).is(&before, "undone");
    let said = undone(&platform, &acts).await;
    assert!(said[0].starts_with("NothingToUndo"), "{said:?}");
}

/// The flags that make what an undo would make.
fn firedrill_made(undo: &Undo) -> Vec<String> {
    let body = &undo.secret().expect("its definition").0["body"];
    let mut flags = vec!["--hostname".to_owned(), body["Hostname"].as_str().expect("one").to_owned()];
    for (key, value) in body["Labels"].as_object().expect("labels") {
        flags.extend(["--label".to_owned(), format!("{key}={}", value.as_str().expect("text"))]);
    }
    for bind in body["HostConfig"]["Binds"].as_array().expect("volumes") {
        flags.extend(["--volume".to_owned(), bind.as_str().expect("text").to_owned()]);
    }
    flags.extend(["--volume".to_owned(), "/data".to_owned()]);
    flags
}

#[tokio::test]
async fn somebody_elses_is_left_alone() {
    let engine = Engine::shared();
    let project = engine.project("removing");
    let web = project.container("web").start();
    let platform = platform(&project).await;
    let acts = prepared(&platform, &Fault::REMOVE, &[instance(&platform, &web.name).await], &Group::default()).await;
    done(&platform, &acts).await;
    let label = format!("com.docker.compose.project={}", project.name());
    let theirs = engine.docker(&["create", "--name", &web.name, "--network", "none", "--label", &label, SMALL]);
    let waits = platform.revert(&acts[0]).await.expect_err("it does not run");
    assert!(
        matches!(&waits, PlatformError::Failed(says) if says.contains("somebody made another") && says.contains("created")),
        "{waits:?}"
    );
    engine.docker(&["start", &theirs]);
    let said = platform.revert(&acts[0]).await.expect("nothing to do");
    assert!(matches!(&said, Reverted::NothingToUndo { why } if why.contains("replaced")), "{said:?}");
    assert_eq!(project.ids(), [theirs]);
}

#[tokio::test]
async fn an_image_that_is_gone_is_said_before_and_after() {
    let engine = Engine::shared();
    let project = engine.project("removing");
    let image = format!("{}:gone", project.name());
    let build = |text: &str| {
        let made = engine.docker(&["create", "--network", "none", "--label", &format!("x={text}"), SMALL]);
        engine.docker(&["commit", &made, &image]);
        engine.docker(&["rm", &made]);
    };
    build("one");
    let web = project.container("web").image(&image).start();
    let platform = platform(&project).await;
    let acts = prepared(&platform, &Fault::REMOVE, &[instance(&platform, &web.name).await], &Group::default()).await;
    done(&platform, &acts).await;
    engine.docker(&["rmi", &image]);
    // Another image has its name by now: that one is not what ran.
    build("two");
    let stuck = platform.revert(&acts[0]).await.expect_err("it cannot");
    assert!(
        matches!(&stuck, PlatformError::Refused(says) if says.contains("is gone from the engine") && says.contains(&image)),
        "{stuck:?}"
    );
    assert!(project.ids().is_empty());

    let web = project.container("web").image(&image).start();
    let victim = instance(&platform, &web.name).await;
    engine.docker(&["rmi", "-f", &image]);
    let act = firedrill::model::act::Act {
        id: firedrill::model::ids::ActId { step: 1, act: 1 },
        fault: Fault::REMOVE,
        target: firedrill::model::act::Target::Instance(victim),
    };
    let gone = platform.prepare(&act).await;
    // An engine keeps an image that a container runs from, unless it is forced; then the container lives on without it.
    match gone {
        Err(PlatformError::Refused(says)) => assert!(says.contains("is gone from the engine"), "{says}"),
        Ok(Undo::Restore { .. }) => assert_eq!(web.status(), "running"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn one_that_its_end_deletes_is_made_again() {
    let engine = Engine::shared();
    let project = engine.project("removing");
    let web = project.container("web").flag("--rm").start();
    let data = project.container("web").flag("--rm").flag("--volume").flag("/data").start();
    let before = world(&project);
    let platform = platform(&project).await;
    let acts = prepared(&platform, &Fault::Kill { signal: None }, &[instance(&platform, &web.name).await], &Group::default()).await;
    done(&platform, &acts).await;
    super::rig::eventually("it is deleted", || project.ids().len() == 1);
    let said = undone(&platform, &acts).await;
    assert!(said[0].contains("made"), "{said:?}");
    world(&project).is(&before, "undone");
    let acts = prepared(&platform, &Fault::Kill { signal: None }, &[instance(&platform, &data.name).await], &Group::default()).await;
    assert!(matches!(&acts[0].undo, Undo::Impossible { why } if why.contains("--rm")), "{:?}", acts[0].undo);
}
