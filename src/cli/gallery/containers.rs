//! `examples/containers`.

use super::{
    super::trial::Expected::{self, Fails, Passes},
    row::{Example, Row, embedded},
};
use crate::sample_app::programs::{INITDB, NGINX, PG_DUMP, POSTGRES, PSQL, Program, REDIS};

/// The example.
pub const CONTAINERS: Example = Example {
    name: "containers",
    asks: "Which part takes which with it, and what does a backup lack?",
    files: embedded!(
        "containers": "firedrill.yaml", "router.yaml", "files.yaml", "api.yaml", "worker.yaml", "queue.yaml", "database.yaml",
        "systems/local.yaml", "router.conf", "files.conf", "files/index.html"
    ),
    rows: &[
        row("router", "the router dies", "router.yaml", "local", Fails("page availability")),
        row("files", "the server of the files dies", "files.yaml", "local", Passes),
        row("api", "one of two servers of the API dies", "api.yaml", "local", Passes),
        row("worker", "the worker dies", "worker.yaml", "local", Passes),
        row("careless", "a worker that empties the queue", "worker.yaml", "careless", Fails("jobs lost")),
        row("queue", "Redis dies, and keeps its disk", "queue.yaml", "local", Passes),
        row("queue-in-memory", "Redis dies, and its jobs with it", "queue.yaml", "queue-in-memory", Fails("jobs lost")),
        row("database", "a database from its backup", "database.yaml", "local", Fails("jobs lost")),
        row("disk-kept", "a database that keeps its disk", "database.yaml", "disk-kept", Passes),
    ],
};

const NEEDS: &[Program] = &[NGINX, REDIS, POSTGRES, INITDB, PG_DUMP, PSQL];

const fn row(name: &'static str, what: &'static str, file: &'static str, environment: &'static str, expected: Expected) -> Row {
    Row { name, what, file, environment, ports: &["port", "database-port"], expected, needs: NEEDS }
}
