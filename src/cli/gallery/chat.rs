//! `examples/chat`.

use super::row::{Example, Row, embedded};
use crate::{
    cli::trial::Expected::{self, Fails, Passes},
    sample_app::programs::{ETCD, HAPROXY, REDIS},
};

/// The example.
pub const CHAT: Example = Example {
    name: "chat",
    asks: "Which part of a chat of small services takes which with it?",
    files: embedded!(
        "chat": "firedrill.yaml", "haproxy.cfg", "robot.token", "users.yaml", "one-user-server.yaml", "tokens.yaml", "balancer.yaml",
        "one-etcd.yaml", "two-etcd.yaml", "queue.yaml", "upgrade.yaml", "upgrade-abrupt.yaml", "server.yaml", "systems/services.yaml",
        "systems/monolith.yaml", "systems/one-server.yaml"
    ),
    rows: &[
        row("one-user-server", "one of two `users` dies", "one-user-server.yaml", "services", Passes),
        row("lease-only", "the same, without health checks", "one-user-server.yaml", "lease-only", Fails("profile availability")),
        row("users", "all of `users` die", "users.yaml", "services", Passes),
        row("tokens", "`tokens` dies", "tokens.yaml", "services", Fails("say failures")),
        row("upgrade", "rolling upgrade, drained", "upgrade.yaml", "services", Passes),
        row("upgrade-abrupt", "rolling upgrade, not drained", "upgrade-abrupt.yaml", "services", Fails("say failures")),
        row("balancer", "the load balancer dies", "balancer.yaml", "services", Fails("home availability")),
        row("one-etcd", "one of three etcd members dies", "one-etcd.yaml", "services", Passes),
        row("two-etcd", "two of three etcd members die", "two-etcd.yaml", "services", Passes),
        row("queue", "the message queue dies", "queue.yaml", "services", Passes),
        row("server", "a server of three is lost", "server.yaml", "services", Passes),
        row("monolith", "one process is all, and crashes", "users.yaml", "monolith", Fails("home failures")),
        row("one-server", "everything on one server, lost", "server.yaml", "one-server", Fails("home")),
    ],
};

const fn row(name: &'static str, what: &'static str, file: &'static str, environment: &'static str, expected: Expected) -> Row {
    Row { name, what, file, environment, ports: &["port", "peers"], expected, needs: &[ETCD, HAPROXY, REDIS] }
}
