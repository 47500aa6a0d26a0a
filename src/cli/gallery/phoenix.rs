//! `examples/phoenix`.

use super::{
    super::trial::Expected::{self, Fails, Passes},
    row::{Example, Row, embedded},
};

/// The example.
pub const PHOENIX: Example = Example {
    name: "phoenix",
    asks: "Is a replaced server the same, and does it come at all?",
    files: embedded!("phoenix": "firedrill.yaml", "system.yaml", "golden.yaml", "bootstrap.yaml", "source-down.yaml", "drift.yaml"),
    rows: &[
        row("golden", "every server replaced in turn", "golden.yaml", "golden", Passes),
        row("bootstrap", "installs at its start", "bootstrap.yaml", "golden", Fails("home time-to-capacity")),
        row("no-source", "golden, package source down", "source-down.yaml", "golden", Passes),
        row("no-source-bootstrap", "installs, package source down", "source-down.yaml", "bootstrap", Fails("phoenix of bootstrap:")),
        row("drift", "a mirror one version ahead", "drift.yaml", "golden", Fails("replacements are like their siblings")),
    ],
};

const fn row(name: &'static str, what: &'static str, file: &'static str, environment: &'static str, expected: Expected) -> Row {
    Row { name, what, file, environment, ports: &["port", "bootstrap-port", "packages", "mirror"], expected, needs: &[] }
}
