//! A drill for a gate: what it is like, what an earlier run of it leaves, and what makes it worse.

use std::fs;

use super::rig::{EXPERIMENT, Rig, SYSTEM};

/// One server of three freezes until its hold is over. A check that gives up after 100 ms takes it out.
pub fn rig() -> Rig {
    let experiment = EXPERIMENT
        .replace("kill:", "pause:")
        .replace("timeout: 1s", "timeout: 150ms")
        .replace(">= 70%", ">= 50%")
        .replace("    hold: 1s\n", "    hold: 2s\n");
    Rig::with(&SYSTEM.replace("timeout: 500ms", "timeout: 100ms"), &experiment)
}

/// The regression: a check that waits 3 s leaves it in.
pub fn slow_check(rig: &Rig) {
    rig.write("system.yaml", &SYSTEM.replace("timeout: 500ms", "timeout: 3s"));
}

/// Keeps the one run that there is under another folder: the next baseline.
pub fn keep(rig: &Rig) -> String {
    let run = rig.run_folder();
    let name = format!("baseline/{}", run.file_name().unwrap().to_str().unwrap());
    fs::create_dir_all(rig.path("baseline")).unwrap();
    fs::rename(run, rig.path(&name)).unwrap();
    name
}

/// Forgets the runs that there are.
pub fn clear(rig: &Rig) {
    fs::remove_dir_all(rig.path("firedrill-runs")).unwrap();
}
