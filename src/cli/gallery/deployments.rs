//! `examples/deployments`.

use super::{
    super::trial::Expected::{self, Fails, Passes},
    row::{Example, Row, embedded},
};

/// The example.
pub const DEPLOYMENTS: Example = Example {
    name: "deployments",
    asks: "Which deployment loses requests?",
    files: embedded!("deployments": "firedrill.yaml", "system.yaml", "rolling.yaml", "rolling-abrupt.yaml", "blue-green.yaml", "canary.yaml", "all-at-once.yaml"),
    rows: &[
        row("rolling", "rolling upgrade, drained", "rolling.yaml", "good", Passes),
        row("rolling-abrupt", "rolling upgrade, killed", "rolling-abrupt.yaml", "good", Fails("home failures")),
        row("blue-green", "blue/green switch and back", "blue-green.yaml", "good", Passes),
        row("canary", "bad version as a canary of 10 %", "canary.yaml", "bad", Passes),
        row("all-at-once", "bad version for everybody", "all-at-once.yaml", "bad", Fails("home availability")),
    ],
};

const fn row(name: &'static str, what: &'static str, file: &'static str, environment: &'static str, expected: Expected) -> Row {
    Row { name, what, file, environment, ports: &["port"], expected, needs: &[] }
}
