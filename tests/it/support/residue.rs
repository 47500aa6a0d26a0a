//! What no drill may leave behind, hit or tell: a fault that stays, a victim outside of the plan, a secret in an output.
//!
//! A test of a whole drill is made again where the machine was busy (`.config/nextest.toml`). None of these may become green by that: the
//! first time is written down, a file each, in the folder that `FIREDRILL_TEST_RESIDUE` names, and `scripts/test` fails for it at its end,
//! whatever became of the test. So every comparison of the world before and after, and every search for a secret, goes through here.

use std::{
    fmt::{Debug, Display},
    fs::OpenOptions,
    io::Write,
    panic::Location,
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use firedrill::clock;

/// The folder of what was found; `scripts/test` makes it, and looks into it at the end.
const FOLDER: &str = "FIREDRILL_TEST_RESIDUE";
/// What is kept of a text: whole runs may have been said in it.
const LONGEST: usize = 20_000;
/// Longer than any undo here takes, also on a busy machine.
const LIMIT: Duration = Duration::from_secs(40);

/// Fails, for good.
#[track_caller]
pub fn found(what: impl Display) -> ! {
    mark(&what);
    panic!("{what}");
}

/// Fails for good unless the world is what it was.
#[track_caller]
pub fn same<T: PartialEq + Debug>(now: &T, before: &T, when: impl Display) {
    if now != before {
        found(format_args!("{when}\nis:  {now:?}\nwas: {before:?}"));
    }
}

/// Fails for good unless this holds; `what` tells what was found.
#[track_caller]
pub fn none(holds: bool, what: impl Display) {
    if !holds {
        found(what);
    }
}

/// Waits for the end of something that a drill has begun; fails for good when it does not come.
#[track_caller]
pub fn ends(what: &str, ended: impl FnMut() -> bool) {
    ends_within(LIMIT, what, ended);
}

#[track_caller]
fn ends_within(limit: Duration, what: &str, mut ended: impl FnMut() -> bool) {
    let start = clock::now();
    while !ended() {
        if clock::now().since(start) > limit {
            found(format_args!("never: {what}"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Writes down what was found, and goes on: for a test that looks at more before it fails.
#[track_caller]
pub fn mark(what: impl Display) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let at = Location::caller();
    let test = std::env::var("NEXTEST_TEST_NAME").ok().or_else(|| std::thread::current().name().map(str::to_owned));
    let name = format!("{}.{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let mut text = format!("{} ({}:{})\n{what}", test.as_deref().unwrap_or("a test"), at.file(), at.line());
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
    }
    let file = OpenOptions::new().write(true).create_new(true).open(Path::new(&folder).join(name));
    file.and_then(|mut file| writeln!(file, "{text}")).expect("what was found is written down");
}

#[test]
#[ignore = "run by the test below, in a process of its own: each of them fails"]
fn each_way_to_fail() {
    let ways: [fn(); 4] = [
        || found("a fault"),
        || same(&1, &2, "the world"),
        || none(false, "a secret"),
        || ends_within(Duration::ZERO, "its end", || false),
    ];
    let failed = ways.map(|way| std::panic::catch_unwind(way).is_err());
    assert_eq!(failed, [true; 4]);
    mark("one more");
    same(&1, &1, "the world");
    none(true, "a secret");
    ends("its end", || true);
}

#[test]
fn each_way_to_fail_is_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["support::residue::each_way_to_fail", "--exact", "--ignored"]).env(FOLDER, folder.path());
    let output = child.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let mut found: Vec<String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
        .map(|text| text.split_once('\n').expect("a place, and what was found").1.trim_end().to_owned())
        .collect();
    found.sort();
    assert_eq!(found, ["a fault", "a secret", "never: its end", "one more", "the world\nis:  1\nwas: 2"]);
}
