//! Two engines, each a zone of one system.

use rustix::process::Signal;
use serde_json::Value;

use super::rig::{User, eventually};
use crate::support::engine::{Engine, SMALL};

/// Two containers of the project `shop` on an engine.
fn shop(engine: &Engine) {
    for n in ["1", "2"] {
        let number = format!("com.docker.compose.container-number={n}");
        let labels = ["--label", "com.docker.compose.project=shop", "--label", "com.docker.compose.service=web", "--label", &number];
        let name = format!("shop-web-{n}");
        engine.docker(&[&["run", "-d", "--network", "none", "--name", &name], &labels[..], &[SMALL]].concat());
    }
}

fn told(engine: &Engine, template: &str) -> Vec<String> {
    let output = engine.try_docker(&["inspect", "--format", template, "shop-web-1", "shop-web-2"]);
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

fn all(engine: &Engine, state: &str) -> bool {
    told(engine, "{{.State.Status}}") == [state, state]
}

fn user(a: &Engine, b: &Engine) -> User {
    let host = |zone: &str, engine: &Engine| format!("{{ zone: {zone}, region: here, host: '{}' }}", engine.address());
    let (a, b) = (host("a", a), host("b", b));
    let environment = |name: &str, hosts: &str| format!("  {name}:\n    platform: {{ docker: {{ project: shop, hosts: [{hosts}] }} }}\n");
    let missing = "{ zone: c, host: 'unix:///nowhere/c.sock' }";
    let both = format!("{a}, {b}");
    User::new(&[environment("both", &both), environment("one", &a), environment("missing", &format!("{both}, {missing}"))].concat())
}

#[test]
fn a_host_is_a_zone() {
    let (a, b) = (Engine::start(), Engine::start());
    shop(&a);
    shop(&b);
    let user = user(&a, &b);

    let listed = user.says(&["targets", "--env", "both", "--format", "json"]).expect(0, &[]);
    let listed: Value = serde_json::from_str(&listed.text).unwrap();
    let mut zones: Vec<&str> = listed["instances"].as_array().unwrap().iter().map(|i| i["zone"].as_str().unwrap()).collect();
    zones.sort_unstable();
    assert_eq!(zones, ["a", "a", "b", "b"]);

    user.says(&["targets", "--env", "missing"]).expect(
        3,
        &["there is no Docker engine at unix:///nowhere/c.sock (named by firedrill.yaml): /nowhere/c.sock does not exist; start the engine"],
    );

    // One whole host is lost; the other one never notices.
    let before = told(&b, "{{.Id}} {{.State.StartedAt}}");
    let first = told(&a, "{{.State.StartedAt}}");
    user.experiment("outage.yaml", "  - zone-outage: { zone: a }\n    hold: 1s\n");
    user.passes(&["run", "outage.yaml", "--env", "both"]);
    assert_eq!(told(&b, "{{.Id}} {{.State.StartedAt}}"), before);
    assert!(all(&a, "running") && told(&a, "{{.State.StartedAt}}").iter().all(|at| !first.contains(at)), "it was lost and came back");

    // One kill across both; another drill on one of the two has to wait.
    user.experiment("across.yaml", "  - kill: { service: web, take: all }\n    hold: 4s\n");
    let across = ["run", "across.yaml", "--env", "both"];
    let mut run = user.begins_until(&across, "all are dead", || all(&a, "exited") && all(&b, "exited"));
    user.says(&["run", "outage.yaml", "--env", "one"]).expect(3, &["another drill is at work there", "across.yaml"]);
    // Passed, or too disturbed to tell; undone in any case.
    assert!(matches!(run.ends(), Some(0 | 5)), "{}", user.heard());
    assert!(all(&a, "running") && all(&b, "running"));
}

#[test]
fn a_host_that_goes_away_in_the_middle() {
    let (a, b) = (Engine::start(), Engine::start());
    shop(&a);
    shop(&b);
    let user = user(&a, &b);
    user.experiment("across.yaml", "  - kill: { service: web, take: all }\n    hold: 6s\n");
    let across = ["run", "across.yaml", "--env", "both"];
    let mut run = user.begins_until(&across, "all are dead", || all(&a, "exited") && all(&b, "exited"));
    b.end_daemon(Signal::KILL);
    eventually("what can be undone is undone", || all(&a, "running"));
    // It dies while it tries the rest again and again.
    run.kill();
    let gone = b.address();
    user.says(&["recover"]).expect(5, &["there is no Docker engine at", &gone]);
    user.says(&["run", "across.yaml", "--env", "one"]).expect(3, &["was interrupted: undo it first (`firedrill recover"]);
    b.start_daemon();
    user.says(&["recover"]).expect(0, &["shop-web-1", "recovered"]);
    assert!(all(&a, "running") && all(&b, "running"));
    user.says(&["recover"]).expect(0, &["nothing to recover"]);
}
