//! `partition` with `mode: disconnect`: the names are gone and nobody answers, and after the undo all is where it was.

use std::{net::SocketAddr, process::Command};

use firedrill::{
    model::fault::{Fault, PartitionMode},
    platform::{Platform, PlatformError},
};

use super::rig::{Far, answers, done, get, instance, nothing, platform, prepare, undone};
use crate::support::{
    engine::{Engine, SMALL, WHAT_TIME},
    project::{Container, Project, Recipe},
};

const DISCONNECT: Fault = Fault::Partition { mode: PartitionMode::Disconnect };

/// Another network of the project, with a range that somebody chose: beyond what the engine gives away by itself. Its name, and what its
/// addresses begin with.
fn own_network(project: &Project<'_>, name: &str, number: u32) -> (String, String) {
    let engine = project.engine();
    let format = "{{(index .IPAM.Config 0).Subnet}}";
    let range = engine.docker(&["network", "inspect", "--format", format, &format!("{}_default", project.name())]);
    let prefix = format!("10.{}.{}", range.split('.').nth(1).unwrap(), 160 + number);
    let full = format!("{}_{name}", project.name());
    make_network(project, &full, &prefix);
    (full, prefix)
}

fn make_network(project: &Project<'_>, full: &str, prefix: &str) {
    let label = format!("com.docker.compose.project={}", project.name());
    project.engine().docker(&["network", "create", "--label", &label, "--subnet", &format!("{prefix}.0/24"), full]);
}

/// Everything about its places: addresses, MACs, names, links, and what of it was chosen.
fn places(container: &Container<'_>) -> String {
    container.inspect(
        "{{range $name, $at := .NetworkSettings.Networks}}{{$name}} {{$at.IPAddress}} {{$at.MacAddress}} {{$at.Aliases}} {{$at.Links}} \
         {{json $at.IPAMConfig}}\n{{end}}",
    )
}

/// With names that are known or not within two seconds: what the engine's name server does not know, it asks others for, who may not be there.
fn soon(recipe: Recipe<'_>) -> Recipe<'_> {
    let flags = ["--dns-option", "timeout:1", "--dns-option", "attempts:1"];
    flags.iter().fold(recipe, |recipe, flag| recipe.flag(flag))
}

fn knows(asker: &Container<'_>, name: &str) -> bool {
    asker.try_exec(&["getent", "hosts", name])
}

#[tokio::test]
async fn its_names_and_ports_are_gone_and_come_back_as_they_were() {
    let engine = Engine::shared();
    let project = engine.project("apart");
    let (own, prefix) = own_network(&project, "own", 1);
    let recipe = project.container("web").zone("a").image(WHAT_TIME).command(&["--listen", "0.0.0.0:8080"]);
    let site = soon(recipe.port(8080).flag("--hostname").flag("clockwork")).start();
    let address = format!("{prefix}.77");
    engine.docker(&["network", "connect", "--ip", &address, "--alias", "clock", "--alias", "watch", &own, &site.id]);
    let asker = soon(project.container("asker")).start();
    engine.docker(&["network", "connect", &own, &asker.id]);
    let direct: SocketAddr = format!("{address}:8080").parse().unwrap();
    let published = site.port(8080);
    answers(direct);
    answers(published);
    let names = ["clock", "watch", "web", "clockwork", &site.name];
    assert!(names.iter().all(|name| knows(&asker, name)));
    let before = places(&site);

    let platform = platform(&project).await;
    let act = prepare(&platform, DISCONNECT, &instance(&platform, &site.name).await).await;
    let plan = act.undo.says();
    for words in [&format!("connect {} again to", site.name), &format!("{own} at {address}"), "under the same names", "8080/tcp"] {
        assert!(plan.contains(words), "no {words:?} in: {plan}");
    }
    assert!(nothing(&platform, &act).await.contains("is on its networks"), "before anything was done");
    done(&platform, &act).await;
    assert_eq!(site.inspect("{{len .NetworkSettings.Networks}}"), "0");
    assert!(get(direct).is_err() && get(published).is_err());
    assert!(names.iter().all(|name| !knows(&asker, name)), "its names are gone");
    assert!(!site.try_exec(&["getent", "hosts", "asker"]), "and it knows nobody");
    assert_eq!(site.status(), "running");

    // Another process, as a recovery would.
    let says = undone(&super::rig::platform(&project).await, &act).await;
    assert_eq!(places(&site), before, "{says}");
    answers(direct);
    // Nobody gives back a number that the engine chose; it is said.
    let now = site.port(8080);
    answers(now);
    assert!(now == published || says.contains(&format!("8080/tcp is published at {now} now instead of {published}")), "{says}");
    assert!(names.iter().all(|name| knows(&asker, name)));
    assert!(site.try_exec(&["getent", "hosts", "asker"]));
    assert!(nothing(&platform, &act).await.contains("is on its networks"));
    assert_eq!(places(&site), before);
}

#[tokio::test]
async fn it_comes_back_whatever_life_it_lives_by_then() {
    let engine = Engine::shared();
    let project = engine.project("lives");
    let (own, prefix) = own_network(&project, "own", 2);
    let site = project.container("web").zone("a").image(WHAT_TIME).command(&["--listen", "0.0.0.0:8080"]).start();
    engine.docker(&["network", "connect", "--ip", &format!("{prefix}.77"), "--alias", "clock", &own, &site.id]);
    let before = places(&site);
    let platform = platform(&project).await;
    let victim = || async { instance(&platform, &site.name).await };

    // Started anew: an engine starts it without a network.
    let act = prepare(&platform, DISCONNECT, &victim().await).await;
    done(&platform, &act).await;
    engine.docker(&["restart", "-t", "1", &site.id]);
    assert_eq!(site.inspect("{{len .NetworkSettings.Networks}}"), "0");
    let says = undone(&platform, &act).await;
    assert!(!says.contains("instead of"), "{says}");
    assert_eq!(places(&site), before);
    answers(format!("{prefix}.77:8080").parse().unwrap());

    // Paused, and then stopped: what it gets back is noted down for its next start.
    let act = prepare(&platform, DISCONNECT, &victim().await).await;
    done(&platform, &act).await;
    engine.docker(&["pause", &site.id]);
    undone(&platform, &act).await;
    assert_eq!(places(&site), before);
    engine.docker(&["unpause", &site.id]);
    let act = prepare(&platform, DISCONNECT, &victim().await).await;
    done(&platform, &act).await;
    engine.docker(&["stop", "-t", "1", &site.id]);
    let says = undone(&platform, &act).await;
    assert!(says.contains("it does not run: it is exited"), "{says}");
    assert!(nothing(&platform, &act).await.contains("is on its networks"));
    engine.docker(&["start", &site.id]);
    assert_eq!(places(&site), before);

    // Gone, with nothing in its place.
    let act = prepare(&platform, DISCONNECT, &victim().await).await;
    done(&platform, &act).await;
    engine.docker(&["rm", "-f", &site.id]);
    assert!(nothing(&platform, &act).await.contains("is gone"));
}

#[tokio::test]
async fn what_somebody_connected_already_is_left_as_it_is() {
    let engine = Engine::shared();
    let project = engine.project("some");
    let (own, prefix) = own_network(&project, "own", 3);
    let site = project.container("web").zone("a").start();
    engine.docker(&["network", "connect", "--ip", &format!("{prefix}.77"), "--alias", "clock", &own, &site.id]);
    let before = places(&site);
    let platform = platform(&project).await;
    let act = prepare(&platform, DISCONNECT, &instance(&platform, &site.name).await).await;
    done(&platform, &act).await;
    engine.docker(&["network", "connect", "--ip", &format!("{prefix}.77"), "--alias", "clock", &own, &site.id]);
    let says = undone(&platform, &act).await;
    assert!(says.contains("_default again") && !says.contains(&own), "{says}");
    assert_eq!(places(&site), before);

    let act = prepare(&platform, DISCONNECT, &instance(&platform, &site.name).await).await;
    done(&platform, &act).await;
    engine.docker(&["network", "connect", &own, &site.id]);
    let says = undone(&platform, &act).await;
    assert!(says.contains(&format!("on {own} it has not got the name clock")), "{says}");
    assert!(says.contains(&format!("instead of {prefix}.77")), "{says}");
}

#[tokio::test]
async fn an_address_that_the_engine_gave_is_tied_only_where_it_must_be() {
    let engine = Engine::shared();
    let project = engine.project("given");
    let (own, prefix) = own_network(&project, "own", 4);
    let both = [(); 2].map(|()| project.container("web").zone("a").start());
    for one in &both {
        engine.docker(&["network", "connect", "--alias", "web", &own, &one.id]);
    }
    let before = both.each_ref().map(|one| one.ip(&own));
    assert_eq!(before, [format!("{prefix}.2"), format!("{prefix}.3")]);
    let tied = |one: &Container<'_>| {
        let chosen = one.inspect(&format!("{{{{json (index .NetworkSettings.Networks {own:?}).IPAMConfig}}}}"));
        chosen.contains(&prefix)
    };
    let platform = platform(&project).await;
    let mut acts = Vec::new();
    for one in &both {
        acts.push(prepare(&platform, DISCONNECT, &instance(&platform, &one.name).await).await);
    }
    for act in &acts {
        done(&platform, act).await;
    }
    // The engine would give the first address to who comes first.
    let says = undone(&platform, &acts[1]).await;
    assert!(says.contains(&format!("tied to its address {prefix}.3")), "{says}");
    let says = undone(&platform, &acts[0]).await;
    assert!(!says.contains("tied"), "{says}");
    assert_eq!(both.each_ref().map(|one| one.ip(&own)), before);
    assert_eq!(both.each_ref().map(tied), [false, true]);

    // All at once, and each gets its own.
    for act in &acts {
        done(&platform, act).await;
    }
    let all = futures_util::future::join_all(acts.iter().map(|act| platform.revert(act))).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    assert_eq!(both.each_ref().map(|one| one.ip(&own)), before);
}

#[tokio::test]
async fn a_network_that_is_gone_is_named_and_everything_else_is_connected() {
    let engine = Engine::shared();
    let project = engine.project("lost");
    let (own, prefix) = own_network(&project, "own", 5);
    let site = project.container("web").zone("a").start();
    let asker = soon(project.container("asker")).start();
    engine.docker(&["network", "connect", "--ip", &format!("{prefix}.77"), "--alias", "clock", &own, &site.id]);
    let before = places(&site);
    let platform = platform(&project).await;
    for stopped in [false, true] {
        let act = prepare(&platform, DISCONNECT, &instance(&platform, &site.name).await).await;
        done(&platform, &act).await;
        engine.docker(&["network", "rm", &own]);
        if stopped {
            engine.docker(&["stop", "-t", "0", &site.id]);
        }
        for again in [false, true] {
            let error = platform.revert(&act).await.expect_err("a network is gone");
            let PlatformError::Refused(says) = &error else { panic!("to try once more is of no use: {error:?}") };
            assert!(says.contains(&format!("the network {own} that {} was on is gone", site.name)), "{says}");
            assert_eq!(says.contains("_default again, but"), !again, "{says}");
            assert_eq!(site.inspect("{{len .NetworkSettings.Networks}}"), "1", "nothing is noted down that is not there");
        }
        assert_eq!(knows(&asker, "web"), !stopped);
        make_network(&project, &own, &prefix);
        let says = undone(&platform, &act).await;
        assert!(says.contains(&format!("{own} again")), "{says}");
        if stopped {
            engine.docker(&["start", &site.id]);
        }
        assert_eq!(places(&site), before);
        assert!(knows(&asker, "web"));
        assert!(nothing(&platform, &act).await.contains("is on its networks"));
    }
}

#[tokio::test]
async fn who_has_its_address_is_named() {
    let engine = Engine::shared();
    let project = engine.project("thief");
    let (own, prefix) = own_network(&project, "own", 6);
    let site = project.container("web").zone("a").start();
    let thief = project.container("thief").start();
    let address = format!("{prefix}.77");
    engine.docker(&["network", "connect", "--ip", &address, &own, &site.id]);
    let before = places(&site);
    let far = Far::of(&project).await;
    let act = prepare(&far.platform, DISCONNECT, &instance(&far.platform, &site.name).await).await;
    done(&far.platform, &act).await;
    engine.docker(&["network", "connect", "--ip", &address, &own, &thief.id]);
    let error = far.platform.revert(&act).await.expect_err("somebody has the address");
    let PlatformError::Refused(says) = &error else { panic!("{error:?}") };
    assert!(says.contains("_default again, but") && says.contains(&format!("{} has {address} now", thief.name)), "{says}");
    engine.docker(&["network", "disconnect", &own, &thief.id]);
    undone(&far.platform, &act).await;
    assert_eq!(places(&site), before);
}

/// A bridge for an engine's network `bridge`, which the engines of the tests do not have: without, they would share one.
struct Bridge(String);

impl Bridge {
    fn new() -> Self {
        let pid = std::process::id();
        let bridge = Self(format!("fd{pid}"));
        ip(&["link", "add", "name", &bridge.0, "type", "bridge"]);
        ip(&["address", "add", &format!("10.{}.{}.1/24", 228 + pid % 16, pid / 16 % 250), "dev", &bridge.0]);
        ip(&["link", "set", &bridge.0, "up"]);
        bridge
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["link", "delete", &self.0]).status();
    }
}

fn ip(words: &[&str]) {
    assert!(Command::new("ip").args(words).status().unwrap().success(), "ip {words:?}");
}

#[tokio::test]
async fn the_engines_own_first_network_is_one_like_the_others() {
    let bridge = Bridge::new();
    let engine = Engine::start_with(&["--bridge", &bridge.0]);
    let project = engine.project("first");
    let label = format!("com.docker.compose.project={}", project.name());
    let id = engine.docker(&["run", "-d", "--label", &label, "--label", "com.docker.compose.service=web", SMALL]);
    let site = || engine.docker(&["inspect", "--format", "{{json .NetworkSettings.Networks.bridge}}", &id]);
    let platform = platform(&project).await;
    let victim = platform.inventory().await.unwrap().instances.remove(0);
    let told = || {
        let told: serde_json::Value = serde_json::from_str(&site()).unwrap();
        ["IPAddress", "MacAddress", "Aliases", "IPAMConfig"].map(|key| told[key].clone())
    };
    let before = told();
    assert!(before[0].as_str().is_some_and(|address| address.starts_with("10.")), "{before:?}");
    let act = prepare(&platform, DISCONNECT, &victim).await;
    done(&platform, &act).await;
    assert_eq!(site(), "null");
    undone(&platform, &act).await;
    assert_eq!(told(), before);
    // Where nobody may choose an address, another one is said.
    done(&platform, &act).await;
    engine.docker(&["run", "-d", SMALL]);
    let says = undone(&platform, &act).await;
    assert!(says.contains(&format!("instead of {}", before[0].as_str().unwrap())), "{says}");
    assert!(told()[0] != before[0] && told()[3] == before[3]);
}
