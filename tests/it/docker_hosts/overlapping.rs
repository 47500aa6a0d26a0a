//! Two drills on one engine at the same time: side by side on two projects, and never on what may share containers.

use super::rig::User;
use crate::support::engine::Engine;

#[test]
fn only_what_shares_no_container_is_drilled_at_the_same_time() {
    let engine = Engine::shared();
    let (shop, blog) = (engine.project("shop"), engine.project("blog"));
    let (ours, others) = (shop.container("web").start(), blog.container("web").start());
    let host = format!("hosts: [{{ host: '{}' }}]", engine.address());
    let environment = |name: &str, which: &str| format!("  {name}:\n    platform: {{ docker: {{ {which}, {host} }} }}\n");
    let user = User::new(
        &[
            environment("shop", &format!("project: {}", shop.name())),
            environment("blog", &format!("project: {}", blog.name())),
            // May be containers of any project: here it is another one's, which nobody can know before the act.
            environment("named", &format!("name: '{}-*'", blog.name())),
        ]
        .concat(),
    );
    user.experiment("long.yaml", "  - kill: { service: web, take: all }\n    hold: 60s\n");
    user.experiment("short.yaml", "  - kill: { service: web, take: all }\n    hold: 500ms\n");
    let run = |environment: &str| user.says(&["run", "short.yaml", "--env", environment]);
    let passes = |environment: &str| user.passes(&["run", "short.yaml", "--env", environment]);

    let mut long = user.begins_until(&["run", "long.yaml", "--env", "shop"], "it is dead", || ours.status() == "exited");
    run("shop").expect(3, &["another drill is at work there", "run long.yaml"]);
    run("named").expect(3, &["another drill is at work there", "run long.yaml"]);
    let first = others.inspect("{{.State.StartedAt}}");
    passes("blog");
    assert_ne!(others.inspect("{{.State.StartedAt}}"), first, "it was killed and came back");

    // A dead run's lock is free; what it left is not.
    long.kill();
    run("named").expect(3, &["was interrupted: undo it first (`firedrill recover"]);
    passes("blog");
    assert_eq!(ours.status(), "exited");
    user.says(&["recover"]).expect(0, &["recovered"]);
    assert_eq!(ours.status(), "running");
    passes("named");
}
