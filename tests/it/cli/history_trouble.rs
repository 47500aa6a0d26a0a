//! A history that is newer, damaged, held by somebody, on a full disk, or used by many at once: one warning, and the verdict of each run is
//! what it would be without.

use std::{fs, path::PathBuf};

use rusqlite::Connection;
use serde_json::Value;

use super::{
    crash_points::disturbed,
    foreign::Foreign,
    full_disk::{apart, code, text},
    history::{drill, rows},
    rig::{Rig, Said},
};

fn file(rig: &Rig) -> PathBuf {
    rig.path("state/history.db")
}

/// A run whose history is in trouble: its one warning.
fn warned(drill: &Foreign, words: &str) -> Said {
    let rig = &drill.rig;
    let before = rig.run_folders();
    let said = rig.firedrill(["run", "experiment.yaml"]);
    let new = rig.run_folders().into_iter().find(|folder| !before.contains(folder)).expect("a run folder");
    let result: Value = serde_json::from_str(&fs::read_to_string(new.join("result.json")).unwrap()).unwrap();
    assert_eq!(said.status.code().map(i64::from), result["exit_code"].as_i64(), "{}{}", said.out, said.err);
    let warnings: Vec<&str> = said.err.lines().filter(|line| line.contains("this run is not in the history")).collect();
    assert!(warnings.len() == 1 && warnings[0].contains(words), "`{words}`: {}", said.err);
    said
}

#[test]
fn a_history_that_cannot_be_used_costs_a_warning_and_is_left_as_it_is() {
    let _quiet = crate::support::quiet::quiet();
    let drill = drill();
    let rig = &drill.rig;
    rig.firedrill(["run", "experiment.yaml"]);
    assert_eq!(rows(rig, &[]).len(), 1);

    // Held in the middle of a change: who reads sees what was there, who writes gives up in time.
    let holder = Connection::open(file(rig)).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    warned(&drill, "another process holds the history, and did not let go of it within 3 s");
    assert_eq!(rows(rig, &[]).len(), 1);
    rig.firedrill(["history", "prune", "--keep", "0", "--yes"]).code(5).says("another process holds the history");
    holder.execute_batch("ROLLBACK").unwrap();

    holder.execute_batch("PRAGMA user_version = 99").unwrap();
    drop(holder);
    let before = fs::read(file(rig)).unwrap();
    warned(&drill, "a newer firedrill wrote this history (format 99");
    for args in [&["history"][..], &["history", "prune", "--keep", "0", "--yes"], &["history", "import", "firedrill-runs"]] {
        rig.firedrill(args.iter().copied()).code(5).says("a newer firedrill wrote this history");
    }
    assert_eq!(fs::read(file(rig)).unwrap(), before);

    // All pages but the first are something else.
    let mut damaged = before;
    let pages = damaged.len();
    damaged[96..100].fill(0);
    damaged[60..64].copy_from_slice(&1_u32.to_be_bytes());
    damaged[4096..pages].fill(0x5a);
    fs::write(file(rig), &damaged).unwrap();
    warned(&drill, "the history is damaged");
    rig.firedrill(["history"]).code(5).says("the history is damaged").says("firedrill history import FOLDER");
    fs::write(file(rig), "no database at all\n".repeat(400)).unwrap();
    warned(&drill, "the history is damaged");
    // What the words say helps.
    fs::rename(file(rig), rig.path("moved-away")).unwrap();
    rig.firedrill(["history", "import", "firedrill-runs"]).code(0);
    assert_eq!(rows(rig, &[]).len(), rig.run_folders().len());
    rig.nothing_runs();
}

#[test]
fn a_full_disk_costs_a_warning_and_with_room_it_goes_on() {
    let _quiet = crate::support::quiet::quiet();
    let drill = drill();
    drill.rig.firedrill(["recover"]).code(0);
    // The journal has room there; the history, and what SQLite needs beside it, has not.
    let words = "
        mount -t tmpfs -o size=64k,mode=700 tmpfs state
        \"$F\" run experiment.yaml && echo \"full: 0\" || echo \"full: $?\"
        mount -o remount,size=8m state
        \"$F\" run experiment.yaml && echo \"room: 0\" || echo \"room: $?\"
        \"$F\" history --format json";
    let said = (0..12).find_map(|_| {
        let said = text(&apart(&drill, words));
        (!disturbed(&said)).then_some(said)
    });
    let said = said.expect("this machine is not too busy for a drill");
    assert_eq!((code(&said, "full: "), code(&said, "room: ")), (0, 0), "{said}");
    assert_eq!(said.matches("this run is not in the history").count(), 1, "{said}");
    assert!(said.contains("there is no room for the history"), "{said}");
    assert_eq!(said.matches("\"verdict\": \"passed\"").count(), 1, "{said}");
}

#[test]
fn many_at_once_are_all_in_it() {
    let _quiet = crate::support::quiet::quiet();
    let drill = drill();
    let rig = &drill.rig;
    // One has the lock of the machine; the others are refused at the same moment, and begin the history together.
    let started: Vec<_> = (0..6).map(|_| rig.start(["run", "experiment.yaml"])).collect();
    for run in started {
        let said = run.end();
        assert!(!said.err.contains("history"), "{}", said.err);
    }
    let rows = rows(rig, &[]);
    assert_eq!(rows.len(), 6, "{rows:?}");
}
