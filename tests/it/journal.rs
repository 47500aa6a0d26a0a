//! The journal under damage: every cut, every flipped byte.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use firedrill::{
    journal::{ActRecord, ActState, Header, JOURNAL_VERSION, Journal, JournalError, Record, Store, log::parse, read, replay},
    model::{
        act::{Act, EffectStatus, Prepared, Target},
        claim::Claim,
        environment::{Environment, PlatformSpec, Require},
        fault::Fault,
        ids::ActId,
        undo::Undo,
    },
};

fn header(run: &str) -> Header {
    Header {
        version: JOURNAL_VERSION,
        run: run.into(),
        scope: "scope".into(),
        claims: vec![Claim::whole("scope"), Claim::part("engine")],
        plan_digest: "00".into(),
        environment: Environment {
            name: "laptop".into(),
            platform: PlatformSpec::Local { system: Some("system.yaml".into()) },
            vars: std::collections::BTreeMap::default(),
            require: Require::default(),
            foreign: false,
            notify: Vec::new(),
        },
        pid: 1,
        pid_started: 2,
        working_directory: "/".into(),
    }
}

fn act(n: u32, what: ActRecord) -> Record {
    Record::Act { act: ActId { step: 1, act: n }, what }
}

fn planned(n: u32) -> Record {
    let undo = Undo::restore("x", serde_json::json!({ "planned": n, "big": u64::MAX }));
    let id = ActId { step: 1, act: n };
    act(n, ActRecord::Planned { prepared: Box::new(Prepared { act: Act { id, fault: Fault::Pause, target: Target::Command }, undo }) })
}

fn armed(n: u32) -> Record {
    act(n, ActRecord::Armed { undo: Undo::restore("y", serde_json::json!({ "armed": n })), sealed: false })
}

fn story() -> Vec<Record> {
    vec![
        planned(1),
        planned(2),
        planned(3),
        planned(4),
        armed(1),
        act(1, ActRecord::Injected { status: EffectStatus::Happened }),
        armed(2),
        act(2, ActRecord::InjectFailed { status: EffectStatus::Failed { why: "no".into() } }),
        armed(3),
        act(3, ActRecord::Reverting),
        act(3, ActRecord::Reverted { says: "back".into() }),
    ]
}

fn written(dir: &Path) -> (std::path::PathBuf, Vec<Record>) {
    let path = dir.join("r.journal");
    let mut records = vec![Record::Header(Box::new(header("r")))];
    let mut journal = Journal::create(&path, &records[0]).expect("created");
    for record in story() {
        journal.append(&record).expect("appended");
        records.push(record);
    }
    (path, records)
}

#[test]
fn what_was_written_is_read_and_what_is_owed_comes_in_reverse() {
    let dir = tempfile::tempdir().expect("a folder");
    let (path, records) = written(dir.path());
    let found = read(&path).expect("readable");
    assert_eq!((found.records.as_slice(), &found.damage), (records.as_slice(), &None));
    assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    let replay = replay(&found.records).expect("a header");
    let owed: Vec<_> = replay.owed.iter().map(|o| (o.prepared.act.id.act, o.state)).collect();
    assert_eq!(owed, [(2, ActState::InjectFailed), (1, ActState::Injected)]);
    assert!(matches!(&replay.owed[0].prepared.undo, Undo::Restore { before, .. } if before["armed"] == 2), "the armed undo counts");
    assert_eq!(replay.states[&ActId { step: 1, act: 4 }], ActState::Planned);
    assert!(replay.odd.is_empty(), "{:?}", replay.odd);
}

#[test]
fn cut_anywhere_the_valid_prefix_is_used() {
    let dir = tempfile::tempdir().expect("a folder");
    let (path, records) = written(dir.path());
    let bytes = fs::read(&path).expect("bytes");
    let mut seen = std::collections::BTreeSet::new();
    for cut in 0..=bytes.len() {
        match parse(&bytes[..cut], &path) {
            Ok(found) => {
                assert_eq!(found.records, records[..found.records.len()]);
                assert_eq!(found.damage.is_some(), found.valid != cut as u64, "cut at {cut}");
                seen.insert(found.records.len());
            }
            Err(JournalError::NotAJournal { .. }) => assert!(seen.is_empty(), "cut at {cut}"),
            Err(other) => panic!("cut at {cut}: {other}"),
        }
    }
    assert_eq!(seen, (1..=records.len()).collect());
}

#[test]
fn a_batch_is_the_same_records_or_none_of_them() {
    let dir = tempfile::tempdir().expect("a folder");
    let (path, records) = written(dir.path());
    let one_by_one = fs::read(&path).expect("bytes");
    let together = dir.path().join("together.journal");
    let mut journal = Journal::create(&together, &records[0]).expect("created");
    journal.append_all(&story()).expect("appended");
    assert_eq!(fs::read(&together).expect("bytes"), one_by_one, "a reader cannot tell");

    // One record that is too large: those beside it are not written either, and the journal goes on.
    let large = act(5, ActRecord::Reverted { says: "x".repeat(17 << 20) });
    assert!(matches!(journal.append_all(&[planned(5), large, planned(6)]), Err(JournalError::Io { .. })));
    assert_eq!(fs::read(&together).expect("bytes"), one_by_one);
    journal.append_all(&[planned(5), planned(6)]).expect("it goes on");
    let found = read(&together).expect("readable");
    assert_eq!((found.records.len(), found.damage), (records.len() + 2, None));
    journal.append_all(&[]).expect("nothing is nothing");
}

#[test]
fn flip_any_byte_and_nothing_false_is_believed() {
    let dir = tempfile::tempdir().expect("a folder");
    let (path, records) = written(dir.path());
    let bytes = fs::read(&path).expect("bytes");
    for at in 0..bytes.len() {
        for mask in [0x01, 0x80, 0xff] {
            let mut bad = bytes.clone();
            bad[at] ^= mask;
            match parse(&bad, &path) {
                Ok(found) => {
                    assert!(found.damage.is_some(), "byte {at} ^ {mask:#x} was not noticed");
                    assert!(found.valid <= at as u64);
                    assert_eq!(found.records, records[..found.records.len()]);
                }
                Err(JournalError::NotAJournal { .. }) => {}
                Err(other) => panic!("byte {at}: {other}"),
            }
        }
    }
}

#[test]
fn a_torn_tail_is_cut_off_and_the_journal_goes_on() {
    let dir = tempfile::tempdir().expect("a folder");
    let (path, mut records) = written(dir.path());
    let bytes = fs::read(&path).expect("bytes");
    fs::write(&path, &bytes[..bytes.len() - 3]).expect("cut");
    let (mut journal, found) = Journal::reopen(&path).expect("reopened");
    assert!(found.damage.is_some());
    records.pop();
    for record in [act(3, ActRecord::NothingToUndo { why: "z".into() }), Record::Closed] {
        journal.append(&record).expect("appended");
        records.push(record);
    }
    let found = read(&path).expect("readable");
    assert_eq!((found.records, found.damage), (records, None));
}

#[test]
fn a_newer_version_and_a_file_open_to_others_are_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("n.journal");
    let newer = Header { version: JOURNAL_VERSION + 1, ..header("n") };
    Journal::create(&path, &Record::Header(Box::new(newer))).expect("created");
    assert!(matches!(read(&path), Err(JournalError::Version { found: 2, .. })));
    let (path, _) = written(dir.path());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("mode");
    assert!(matches!(read(&path), Err(JournalError::Unsafe { .. })));
    assert!(matches!(Journal::reopen(&path), Err(JournalError::Unsafe { .. })));
}

#[test]
fn the_store_lists_unfinished_ones_and_blocks_their_scope() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = Store::at(dir.path().to_owned());
    let journal = store.create(header("20260101-000000-aaaaaa")).expect("created");
    assert!(store.create(header("20260101-000000-aaaaaa")).is_err(), "never over another one");
    assert!(store.create(header("../x")).is_err());
    assert_eq!(store.unfinished_of(&"scope".into()).expect("listed").len(), 1);
    assert_eq!(store.unfinished_of(&"else".into()).expect("listed").len(), 0);
    let beside = |claims: &[Claim]| store.unfinished_beside(&"else".into(), claims).expect("listed").len();
    assert_eq!(beside(&[Claim::whole("else"), Claim::part("engine")]), 0, "another part of the same place");
    assert_eq!(beside(&[Claim::whole("else"), Claim::whole("engine")]), 1, "all of it");
    assert_eq!(store.unfinished_beside(&"scope".into(), &[Claim::whole("engine")]).expect("listed").len(), 0, "its own scope recovers it");
    fs::write(dir.path().join("junk.journal"), b"junk").expect("written");
    assert_eq!(store.unfinished_of(&"else".into()).expect("listed").len(), 1, "what cannot be read may be of any scope");
    assert!(store.find("20260101-000000-aaaaaa").replay.expect("readable").finished());
    store.finish(journal).expect("moved");
    assert_eq!(store.unfinished_of(&"scope".into()).expect("listed").len(), 1);
    assert!(dir.path().join("done/20260101-000000-aaaaaa.journal").exists());
}

#[test]
fn without_a_folder_there_is_no_journal() {
    let dir = tempfile::tempdir().expect("a folder");
    assert!(matches!(Journal::create(&dir.path().join("no/such/r.journal"), &Record::Closed), Err(JournalError::Io { .. })));
}

/// Fail points end the process: each case runs in a child, which is this test binary with `child` only.
#[cfg(feature = "failpoints")]
mod failpoints {
    use std::process::Command;

    use super::*;

    const FOLDER: &str = "FIREDRILL_TEST_FOLDER";

    #[test]
    fn child() {
        let Some(folder) = std::env::var_os(FOLDER) else { return };
        let path = Path::new(&folder).join("r.journal");
        let mut journal = Journal::create(&path, &Record::Header(Box::new(header("r")))).expect("created");
        for record in story() {
            // The disk is full for one append; the next try of the same record must find a healed journal.
            if journal.append(&record).is_err() {
                assert!(read(&path).expect("readable").damage.is_none(), "a failed append leaves a valid prefix");
                journal.append(&record).expect("healed");
            }
        }
    }

    fn run(folder: &Path, failpoint: &str) -> std::process::ExitStatus {
        Command::new(std::env::current_exe().expect("this binary"))
            .args(["--exact", "journal::failpoints::child"])
            .env(FOLDER, folder)
            .env("FIREDRILL_FAILPOINT", failpoint)
            .output()
            .expect("a child")
            .status
    }

    fn begun(folder: &Path) -> usize {
        let all = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file").path());
        all.filter(|path| path.extension().is_some_and(|ending| ending == "begun")).count()
    }

    #[test]
    fn a_crash_at_any_append_leaves_a_valid_prefix() {
        let all = story().len() + 1;
        for (what, written) in [("before", 0), ("torn", 0), ("after", 1)] {
            for n in 1..=all {
                let dir = tempfile::tempdir().expect("a folder");
                assert!(!run(dir.path(), &format!("journal:{n}:{what}")).success(), "{what} {n}: it did not crash");
                let path = dir.path().join("r.journal");
                if n == 1 {
                    // It has its name only with its header; what there was goes when the next one is begun.
                    assert!(!path.exists(), "{what}");
                    assert_eq!(begun(dir.path()), 1, "{what}");
                    Store::at(dir.path().to_owned()).create(header("s")).expect("created");
                    assert_eq!(begun(dir.path()), 0, "{what}");
                    continue;
                }
                let found = read(&path).unwrap_or_else(|error| panic!("{what} {n}: {error}"));
                assert_eq!(found.records.len(), n - 1 + written, "{what} {n}");
                assert_eq!(found.damage.is_some(), what == "torn");
            }
        }
    }

    #[test]
    fn a_full_or_broken_disk_is_an_error_and_heals() {
        let all = story().len() + 1;
        for what in ["enospc", "eio", "short"] {
            for n in 2..=all {
                let dir = tempfile::tempdir().expect("a folder");
                assert!(run(dir.path(), &format!("journal:{n}:{what}")).success(), "{what} {n}");
                let found = read(&dir.path().join("r.journal")).expect("readable");
                assert_eq!((found.records.len(), found.damage), (all, None), "{what} {n}");
            }
            let dir = tempfile::tempdir().expect("a folder");
            assert!(!run(dir.path(), &format!("journal:1:{what}")).success(), "no header, no journal");
            assert!(!dir.path().join("r.journal").exists());
        }
    }
}
