//! `examples/names`.

use super::{
    super::trial::Expected::{self, Fails, Passes},
    row::{Example, Row, embedded},
};

/// The example.
pub const NAMES: Example = Example {
    name: "names",
    asks: "Who is still sent to a dead server by its DNS record?",
    files: embedded!("names": "firedrill.yaml", "experiment.yaml", "systems/checked.yaml", "systems/unchecked.yaml"),
    rows: &[
        row("hour", "records kept for an hour", "hour", Fails("home availability")),
        row("unchecked", "nobody takes the record out", "unchecked", Fails("home availability")),
        row("seconds", "health checks, kept for 2 s", "seconds", Passes),
    ],
};

const fn row(name: &'static str, what: &'static str, environment: &'static str, expected: Expected) -> Row {
    Row { name, what, file: "experiment.yaml", environment, ports: &["port", "dns-port"], expected, needs: &[] }
}
