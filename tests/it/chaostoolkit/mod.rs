//! Chaos Toolkit's experiments: the folder `tests/chaostoolkit` is run by the real Chaos Toolkit and by ours in the compatible way, and must
//! come to the same; strictly, each comes to what firedrill promises.

mod compatible;
mod importing;
mod killed;
mod refused;
mod rig;
mod site;
mod strict;

/// Each experiment with its flags for both, and the exit code that it has strictly.
const CASES: &[(&str, &[&str], i32)] = &[
    ("met.json", &[], 0),
    ("gate-not-met.yaml", &[], 3),
    ("continuous-outage.yaml", &[], 1),
    ("action-fails.json", &[], 5),
    ("default-outage.yaml", &[], 1),
    ("fail-fast.yaml", &["--fail-fast"], 4),
    ("action-late.yaml", &[], 5),
    ("deviated.json", &[], 1),
    ("rollbacks-deviated.json", &[], 1),
    ("rollbacks-never.json", &[], 1),
    ("gate-fails.yaml", &[], 3),
    ("rollbacks-always.yaml", &[], 3),
    ("tolerances.yaml", &[], 0),
    ("two-statuses.json", &[], 3),
    ("values.yaml", &[], 0),
    ("background.yaml", &[], 0),
    ("after-only.yaml", &[], 0),
    ("skipped.yaml", &[], 2),
    ("nothing-done.json", &[], 3),
];
