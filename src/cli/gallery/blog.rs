//! `examples/blog`.

use super::{
    super::trial::Expected::{self, NotSteady, Passes},
    row::{Example, Row, embedded},
};

/// The example.
pub const BLOG: Example = Example {
    name: "blog",
    asks: "Where do a blog's pictures lie?",
    files: embedded!("blog": "firedrill.yaml", "experiment.yaml", "lost-for-good.yaml", "systems/own-disk.yaml", "systems/shared-disk.yaml"),
    rows: &[
        row("own-disk", "each server's own disk", "experiment.yaml", "own-disk", NotSteady("pictures stale")),
        row("own-disk-lost", "own disk, what is lost for good", "lost-for-good.yaml", "own-disk", Expected::Fails("pictures lost")),
        row("shared-disk", "a disk that all servers share", "experiment.yaml", "shared-disk", Passes),
    ],
};

const fn row(name: &'static str, what: &'static str, file: &'static str, environment: &'static str, expected: Expected) -> Row {
    Row { name, what, file, environment, ports: &["port"], expected, needs: &[] }
}
