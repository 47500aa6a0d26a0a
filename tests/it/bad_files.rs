//! Bad files: each `tests/bad/NAME.yaml` is refused with exactly the text of `NAME.stderr`.
//!
//! `NAME.project.yaml` stands for the `firedrill.yaml` beside it; `NAME.system.yaml` is the file of a local system, `NAME.gameday.yaml` the agenda of a game day, and `NAME.chaos.json` or `NAME.chaos.yaml` an
//! experiment of the Chaos Toolkit, read as for a strict run. `UPDATE_BAD=1` writes the expectations anew; read them then:
//! each must be a message that you would be glad to get.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use firedrill::{
    chaostoolkit::{
        read,
        run::{Mode, Options, check as toolkit},
        settle::settle,
    },
    clock,
    file::{Diagnostics, Known, LoadOptions, Source, check, gameday, load_source, timetable},
    model::{capabilities::Capabilities, fault::FaultKind},
    platform::local::{self, spec_file},
};
use proptest::prelude::*;

const FOLDER: &str = "tests/bad";

fn capabilities() -> Capabilities {
    let cannot = [FaultKind::Failover, FaultKind::Limit, FaultKind::Stress, FaultKind::Crash];
    Capabilities {
        platform: "local",
        faults: FaultKind::ALL.into_iter().filter(|f| !cannot.contains(f)).collect(),
        why_not: BTreeMap::from([(FaultKind::Failover, "local processes have no managed standby".to_owned())]),
        no_mode: local::capabilities().no_mode,
        keeps_place: false,
        shifts: local::capabilities().shifts,
        foreign: true,
    }
}

fn known() -> Known {
    let names = |list: &[&str]| list.iter().map(|n| (*n).to_owned()).collect();
    Known { services: names(&["web", "api"]), zones: names(&["a", "b", "c"]), regions: names(&["here"]), replaced: names(&["web"]) }
}

/// Everything that is said about a file.
fn judge(path: &Path) -> Diagnostics {
    if is_system(path) {
        return spec_file::load(path, &BTreeMap::new()).err().unwrap_or_default();
    }
    if is_gameday(path) {
        return gameday::load(path).err().unwrap_or_default();
    }
    let source = match Source::read(path) {
        Ok(source) => source,
        Err(errors) => return errors,
    };
    if is_toolkit(path) {
        return judge_toolkit(&source);
    }
    let project = path.with_extension("project.yaml");
    match load_source(&source, project.exists().then_some(project.as_path()), &LoadOptions::default()) {
        Ok(loaded) => {
            let mut all = check(&loaded, &capabilities(), Some(&known()));
            let now = "2026-11-28T00:00:00Z".parse().unwrap();
            all.extend(timetable::entry(&loaded, path, now).err().unwrap_or_default());
            all
        }
        Err(errors) => errors,
    }
}

fn is_system(path: &Path) -> bool {
    path.to_string_lossy().ends_with(".system.yaml")
}

fn is_gameday(path: &Path) -> bool {
    path.to_string_lossy().ends_with(".gameday.yaml")
}

fn is_toolkit(path: &Path) -> bool {
    path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with(".chaos"))
}

fn judge_toolkit(source: &Arc<Source>) -> Diagnostics {
    let read::Read { experiment, mut findings } = match read::read(source) {
        Ok(read) => read,
        Err(findings) => return findings,
    };
    let options =
        Options { mode: Mode::Strict, hypothesis: None, rollbacks: None, frequency: Duration::from_secs(1), fail_fast: false, dry: None };
    findings.extend(match settle(&experiment, &[]) {
        Ok(values) => toolkit::check(&experiment, &values, &options),
        Err(missing) => missing,
    });
    findings
}

fn bad_files() -> Vec<PathBuf> {
    let all = fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().path());
    let one = |path: &PathBuf| {
        let name = path.to_string_lossy();
        name.ends_with(".yaml") && !name.ends_with(".project.yaml") || name.ends_with(".chaos.json")
    };
    let mut files: Vec<PathBuf> = all.filter(one).collect();
    files.sort();
    files
}

#[test]
fn every_bad_file_is_refused_in_exactly_these_words() {
    let files = bad_files();
    assert!(files.len() >= 106, "only {} bad files", files.len());
    let systems = files.iter().filter(|path| is_system(path)).count();
    assert!(systems >= 40, "only {systems} bad files of systems");
    let toolkit = files.iter().filter(|path| is_toolkit(path)).count();
    assert!(toolkit >= 6, "only {toolkit} bad files of the Chaos Toolkit");
    let mut wrong = Vec::new();
    for path in files {
        let said = judge(&path);
        let text = said.to_string();
        let expectation = path.with_extension("stderr");
        if !said.has_errors() {
            wrong.push(format!("{} is not refused", path.display()));
        } else if std::env::var_os("UPDATE_BAD").is_some() {
            fs::write(&expectation, text).unwrap();
        } else {
            let expected = fs::read_to_string(&expectation).unwrap_or_default();
            if expected != text {
                wrong.push(format!("{}\n--- expected\n{expected}--- found\n{text}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn every_expectation_has_its_file() {
    for entry in fs::read_dir(FOLDER).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "stderr") {
            assert!(["yaml", "json"].iter().any(|ending| path.with_extension(ending).exists()), "{} has no file", path.display());
        }
    }
}

#[test]
fn what_cannot_be_stored_as_a_file_is_refused_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.yaml");
    let cases: [(Vec<u8>, &str); 6] = [
        (vec![b'a'; (1 << 20) + 1], "too large"),
        (vec![0xff, 0xfe, 0x00, 0x41], "not UTF-8"),
        (b"\x7fELF\x02\x01\x01\x00\x00".to_vec(), "control character"),
        (vec![b'['; 200_000], "nest deeper than 64"),
        ("- ".repeat(200_000).into_bytes(), "nest deeper than 64"),
        (format!("a: &a [{}]\nb: [{}]\n", "x,".repeat(999), "*a,".repeat(50)).into_bytes(), "more than 10000 values"),
    ];
    for (bytes, says) in cases {
        fs::write(&path, bytes).unwrap();
        let text = judge(&path).to_string();
        assert!(text.contains(says), "{says}: {text}");
    }
    assert!(judge(&folder.path().join("none.yaml")).to_string().contains("no such file"));
    assert!(judge(folder.path()).to_string().contains("is a folder"));
}

/// Loads whatever it is given; only that it ends, soon, matters. The bound is far above what is seen, for a busy machine.
fn survives(text: &str) {
    let start = clock::now();
    let result = load_source(&Source::new("fuzz.yaml", text), None, &LoadOptions::default());
    if let Err(errors) = result {
        assert!(errors.has_errors());
        let rendered = errors.text(true);
        assert!(!rendered.contains("\u{1b}]"));
        errors.json();
    }
    let took = clock::now().since(start);
    assert!(took < Duration::from_secs(5), "{took:?} for {} bytes", text.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_survived(text in "\\PC{0,200}") {
        survives(&text);
    }

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        survives(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn yaml_like_noise_is_survived(text in "[-:{}\\[\\],&*!|>'\"%@`#?ab \n\t$]{0,300}") {
        survives(&text);
    }

    #[test]
    fn a_good_file_with_damage_is_survived(at in 0.0..1.0_f64, length in 0usize..40, put in "[-:{}\\[\\]&*!'\"\n \t0-9a-z%$\u{0}]{0,12}") {
        let good = include_str!("../../src/file/testdata/everything.yaml");
        let from = (0..=((good.len() as f64 * at) as usize)).rev().find(|i| good.is_char_boundary(*i)).unwrap_or(0);
        let to = (from + length).min(good.len());
        let to = (to..=good.len()).find(|i| good.is_char_boundary(*i)).unwrap_or(good.len());
        survives(&format!("{}{put}{}", &good[..from], &good[to..]));
    }
}
