//! Strictly: what was not met, not done or not held is never green, and what was begun is brought back.

use std::fs;

use serde_json::json;

use super::{
    CASES,
    rig::{Rig, experiments},
};
use crate::support::residue;

#[test]
fn every_experiment_ends_with_the_exit_code_that_says_what_it_was() {
    for (file, flags, code) in CASES {
        let rig = Rig::new();
        let ran = rig.ours(&experiments().join(file), flags);
        assert_eq!(ran.code, *code, "{file}: {}", ran.words);
        let played = ran.journal.as_ref().is_some_and(|journal| journal["rollbacks"].as_array().is_some_and(|list| !list.is_empty()));
        let begun = ran.journal.as_ref().is_some_and(|journal| journal["run"].as_array().is_some_and(|list| !list.is_empty()));
        let text = fs::read_to_string(experiments().join(file)).unwrap();
        let has = text.contains("rollbacks:\n") || text.contains("\"rollbacks\": [\n");
        // Rollbacks always when something was injected, never when nothing was.
        assert_eq!(played, begun && has, "{file}: {}", ran.words);
        let notes = rig.folder.path().join("state/chaos-toolkit");
        assert!(!notes.exists() || fs::read_dir(notes).unwrap().next().is_none(), "{file}: a note is left");
    }
}

const HEAD: &str = "title: t\ndescription: d\nsteady-state-hypothesis:\n  title: h\n  probes:\n    - { type: probe, name: always, tolerance: 0, \
                    provider: { type: process, path: \"true\", timeout: 5 } }\n";

fn written(rig: &Rig, rest: &str) -> std::path::PathBuf {
    let path = rig.folder.path().join("experiment.yaml");
    fs::write(&path, format!("{HEAD}{rest}")).unwrap();
    path
}

#[test]
fn a_rollback_that_fails_is_residue_and_recover_tries_it_again() {
    let rig = Rig::new();
    let path = written(
        &rig,
        "method:\n  - { type: action, name: act, provider: { type: process, path: \"true\", timeout: 5 } }\n\
         rollbacks:\n  - { type: action, name: back, provider: { type: process, path: test, arguments: [-e, mended], timeout: 5 } }\n",
    );
    let ran = rig.ours(&path, &[]);
    assert_eq!(ran.code, 6, "{}", ran.words);
    assert!(ran.words.contains("firedrill recover"), "{}", ran.words);
    let recover = |code: i32| {
        let program = std::path::Path::new(env!("CARGO_BIN_EXE_firedrill"));
        let output = super::rig::finished(&mut rig.command(program, &["recover"]));
        let words = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{words}");
        words
    };
    // Its own process is gone by now; the rollback still fails, then it does not.
    assert!(recover(6).contains("left behind"));
    fs::write(rig.folder.path().join("mended"), "").unwrap();
    assert!(recover(0).contains("undone: back"));
    assert!(recover(0).contains("nothing to recover"));
}

#[test]
fn reports_over_several_files_hold_it_too() {
    let rig = Rig::new();
    let ran = rig.ours(&experiments().join("default-outage.yaml"), &["--junit", "junit.xml", "--markdown", "report.md"]);
    assert_eq!(ran.code, 1, "{}", ran.words);
    let junit = fs::read_to_string(rig.folder.path().join("junit.xml")).unwrap();
    assert!(junit.contains("site-answers within its tolerance during the method") && junit.contains("<failure"), "{junit}");
    assert!(!junit.contains("<error"), "{junit}");
    let markdown = fs::read_to_string(rig.folder.path().join("report.md")).unwrap();
    assert!(markdown.contains("An outage that heals is not looked at"), "{markdown}");
}

/// A program that says a secret back as it fails is heard by the journal, the reports and the console.
#[test]
fn a_secret_that_is_said_back_is_in_no_report() {
    let rig = Rig::new();
    let path = written(
        &rig,
        "secrets: { site: { token: { type: env, key: CTK_TOKEN } } }\n\
         method:\n  - { type: action, name: tell, provider: { type: process, path: sh, arguments: [-c, \"echo no $0 >&2; exit 1\", \"${token}\"], timeout: 5 } }\n",
    );
    let ran = rig.ours(&path, &["--junit", "junit.xml", "--markdown", "report.md"]);
    assert_eq!(ran.code, 5, "{}", ran.words);
    assert!(ran.words.contains("a secret is among the arguments of `tell`"), "{}", ran.words);
    for name in ["junit.xml", "report.md", "ours.json"] {
        let text = fs::read_to_string(rig.folder.path().join(name)).unwrap();
        residue::none(!text.contains(super::site::TOKEN), format_args!("{name}: {text}"));
        assert!(text.contains("no (secret)"), "{name}: {text}");
    }
    residue::none(!ran.words.contains(super::site::TOKEN), &ran.words);
}

#[test]
fn secrets_are_in_nothing_that_is_kept() {
    let rig = Rig::new();
    let ran = rig.ours(&experiments().join("values.yaml"), &[]);
    assert_eq!(ran.code, 0, "{}", ran.words);
    let journal = ran.journal.unwrap();
    assert_eq!(journal["run"][0]["output"]["stdout"], json!("word word ${unknown} 5 True 1\n"));
    let mut folders = vec![rig.folder.path().to_owned()];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                seen += 1;
                let text = String::from_utf8_lossy(&fs::read(entry.path()).unwrap()).into_owned();
                residue::none(!text.contains(super::site::TOKEN), format_args!("{} tells the token", entry.path().display()));
            }
        }
    }
    residue::none(!ran.words.contains(super::site::TOKEN), &ran.words);
    assert!(seen >= 3, "{}", ran.words);
}
