//! The process is killed at every record of the journal, and the disk refuses each of them: nothing is left behind, N of N.
//!
//! A child process (this very binary) runs the drill on a world in a file; the parent recovers and compares field by field.

use std::{
    path::Path,
    process::{Command, ExitStatus, Stdio},
};

use firedrill::{
    clock::Clock,
    engine::recover::recover,
    journal::Store,
    platform::fake::{FakePlatform, World},
};

use crate::support::{
    drill::{Drill, six},
    residue,
    scripted_prober::Answer,
};

const CHILD: &str = "FIREDRILL_TEST_CRASH_FOLDER";
const FILE: &str = "
steady-state: [{ probe: home, availability: '>= 10%' }]
guardrails: { max-affected: { service: 100% } }
method:
  - zone-outage: b
  - { pause: { service: web, zone: a }, hold: 2s }
  - { remove: { service: web, zone: a }, hold: 1s }
  - partition: { service: web, zone: c }
  - wait: 1s
";

#[test]
#[ignore = "run by the other tests here, in a process of its own"]
fn in_a_child() {
    let Some(folder) = std::env::var_os(CHILD) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let clock = Clock::start();
        let folder = Path::new(&folder);
        let platform = FakePlatform::in_file(&folder.join("world.json"), six(), clock).unwrap();
        // The parent owns the folder and looks into it after the crash.
        let kept = tempfile::Builder::new().disable_cleanup(true).prefix("run").tempdir_in(folder).unwrap();
        let done = Drill::with(platform, clock, kept).file(FILE).answers(|_, _| Answer::ok("web-a-2")).run().await;
        #[expect(clippy::disallowed_methods, reason = "the child's exit code is its verdict")]
        std::process::exit(i32::from(done.verdict.exit_code()));
    });
}

/// Runs the child with a fail point; gives the folder and how it ended.
fn crash(point: &str) -> (tempfile::TempDir, ExitStatus) {
    let folder = tempfile::tempdir().unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["engine::crashes::in_a_child", "--exact", "--ignored"])
        .env(CHILD, folder.path())
        .env("FIREDRILL_FAILPOINT", point)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    (folder, status)
}

/// The world without what a journey through it leaves (numbers of incarnations, the list of acts, the record of sightings).
fn comparable(mut world: World) -> World {
    world.done.clear();
    world.unseen.clear();
    world.incarnations = 0;
    world.marks.retain(|_, marks| !marks.is_empty());
    for instance in world.instances.values_mut() {
        instance.identity.clear();
    }
    world
}

/// Nothing that is left after a recovery tells the secret of a removed instance: no file of it, and nobody else's text.
fn tells_no_secret(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            tells_no_secret(&entry);
        } else {
            let text = String::from_utf8_lossy(&std::fs::read(&entry).unwrap()).into_owned();
            residue::none(!text.contains("hunter2"), format_args!("{} tells a secret", entry.display()));
        }
    }
}

/// Recovers whatever is unfinished; gives how many acts were undone.
async fn recovered(folder: &Path) -> (World, usize) {
    let clock = Clock::start();
    let platform = FakePlatform::in_file(&folder.join("world.json"), six(), clock).unwrap();
    let mut undone = 0;
    for run in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).filter(|p| p.join("journals").is_dir()) {
        let store = Store::at(run.join("journals"));
        for found in store.unfinished().unwrap() {
            let (_, recovered) = recover(&store, &found.path, &platform, clock).await.expect("what has a journal's name is one");
            assert!(recovered.stuck.is_empty(), "{recovered:?}");
            undone += recovered.restored.len();
        }
    }
    tells_no_secret(folder);
    (platform.snapshot().unwrap(), undone)
}

#[tokio::test(start_paused = true)]
async fn killed_at_every_record_nothing_is_left_behind() {
    let before = comparable(six());
    let (mut kills, mut undone) = (0, 0);
    for way in ["before", "after", "torn"] {
        for n in 1.. {
            let (folder, status) = crash(&format!("journal:{n}:{way}"));
            if status.code() == Some(0) {
                assert!(n > 30, "only {n} records were written");
                break;
            }
            assert_eq!(status.code(), None, "killed by a signal at record {n} ({way}), not ended: {status}");
            kills += 1;
            let (world, restored) = recovered(folder.path()).await;
            residue::same(&comparable(world.clone()), &before, format_args!("killed {way} record {n}"));
            undone += restored;
            let (again, nothing) = recovered(folder.path()).await;
            residue::same(&(again, nothing), &(world, 0), format_args!("recovered twice after {way} record {n}"));
        }
    }
    assert!(kills > 75 && undone > 20, "{kills} kills, {undone} acts undone");
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_refuses_a_record_stops_the_acts_and_not_the_undo() {
    let before = comparable(six());
    for way in ["enospc", "eio", "short"] {
        for n in 1.. {
            let (folder, status) = crash(&format!("journal:{n}:{way}"));
            let code = status.code().unwrap_or_else(|| panic!("it crashed at record {n} ({way}): {status}"));
            let world = FakePlatform::in_file(&folder.path().join("world.json"), six(), Clock::start()).unwrap().snapshot().unwrap();
            residue::same(&comparable(world), &before, format_args!("record {n} refused ({way}), ended with {code}"));
            assert!([0, 3, 5].contains(&code), "record {n} refused ({way}): {code}");
            if n > 40 {
                break;
            }
        }
    }
}
