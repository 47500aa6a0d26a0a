//! The journal of a drill on real processes, torn at every byte from its first intent on: whatever the last line says or does not say, what was
//! done is undone.

use std::{fs, os::unix::fs::OpenOptionsExt, path::Path};

use firedrill::{
    clock::Clock,
    engine::recover::recover,
    journal::Store,
    platform::local::{LocalOptions, LocalPlatform},
};
use serde_json::Value;

use super::{foreign::Foreign, rig::names};
use crate::support::residue;

const HEAD: &str =
    "warm-up: 0s\nbaseline: 100ms\nrecovery: { hold: 100ms, limit: 5s }\nwatch: 100ms\nguardrails: { max-affected: { service: 100% } }\n";

/// A record of a journal: where it ends, which act it is about (`1.1`), and what it says of it.
struct Line {
    begins: usize,
    ends: usize,
    act: Option<String>,
    state: String,
}

/// Reads a journal as its format is written down: a length of four bytes, a checksum of eight, and JSON.
fn lines(journal: &[u8]) -> Vec<Line> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < journal.len() {
        let length = u32::from_le_bytes(journal[at..at + 4].try_into().unwrap()) as usize;
        let ends = at + 12 + length;
        let told: Value = serde_json::from_slice(&journal[at + 12..ends]).unwrap();
        let act = told.get("act").map(|act| format!("{}.{}", act["step"], act["act"]).replace("null", ""));
        out.push(Line { begins: at, ends, act, state: told["state"].as_str().unwrap_or_default().to_owned() });
        at = ends;
    }
    out
}

/// Whether an act may be in effect where the journal ends: its intent is whole, and the end of its undo is not.
fn in_effect(all: &[Line], act: &str, cut: usize) -> bool {
    let whole = |state: &str| all.iter().any(|line| line.act.as_deref() == Some(act) && line.state == state && line.ends <= cut);
    whole("armed") && !whole("reverted") && !whole("nothing-to-undo")
}

#[tokio::test]
async fn torn_at_every_byte_nothing_is_left_behind() {
    let step = |n| format!("  - pause: {}\n", Foreign::target(n));
    let drill = Foreign::new(2, HEAD, &format!("{}{}  - wait: 10ms\n", step(0), step(1)));
    let before = drill.world();
    // A whole drill; one whose own requests were late has undone all the same, or did not begin.
    let journal = (0..12)
        .find_map(|_| {
            let said = drill.rig.firedrill(["run", "experiment.yaml"]);
            let done = drill.rig.path("state").join("journals/done");
            let journal = fs::read(done.join(names(&done).pop()?)).unwrap();
            fs::remove_dir_all(done).unwrap();
            said.out.contains("undone 2.1").then_some(journal)
        })
        .expect("this machine is not too busy for a drill");
    let all = lines(&journal);
    let mut acts: Vec<String> = all.iter().filter(|line| line.state == "armed").filter_map(|line| line.act.clone()).collect();
    acts.dedup();
    assert_eq!(acts.len(), 2, "{acts:?}");
    let first = all.iter().find(|line| line.state == "armed").unwrap().begins;

    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let store = Store::at(folder.path().to_owned());
    let platform = LocalPlatform::attach_or_start(LocalOptions::default()).await.unwrap();
    let (mut torn, mut undone) = (0, 0);
    for cut in first..=journal.len() {
        for (n, act) in acts.iter().enumerate() {
            if in_effect(&all, act, cut) {
                drill.stop(n);
            }
        }
        let stopped = drill.stopped();
        let path = folder.path().join("torn.journal");
        write(&path, &journal[..cut]);
        let (_, recovered) = recover(&store, &path, &platform, Clock::start()).await.unwrap();
        residue::none(recovered.stuck.is_empty() && recovered.unwritten.is_none(), format_args!("cut at {cut}: {recovered:?}"));
        residue::same(&drill.world(), &before, format_args!("cut at {cut}: {recovered:?}"));
        assert_eq!(recovered.restored.len(), stopped, "cut at {cut}: {recovered:?}");
        residue::none(!path.exists(), format_args!("cut at {cut}: it owes nothing any more"));
        // Once more, from what was written now.
        let path = folder.path().join("done/torn.journal");
        let (_, again) = recover(&store, &path, &platform, Clock::start()).await.unwrap();
        assert!(again.restored.is_empty() && again.nothing.is_empty(), "cut at {cut}, once more: {again:?}");
        torn += 1;
        undone += stopped;
    }
    println!("torn at {torn} of {torn} bytes without residue, {undone} processes were in the middle of a fault");
    assert!(torn > 600 && undone > 600, "{torn} {undone}");
}

fn write(path: &Path, bytes: &[u8]) {
    use std::io::Write;
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).unwrap();
    file.write_all(bytes).unwrap();
}
