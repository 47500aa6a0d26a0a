//! The same verdict, the same status, the same activities with the same results; and a journal that Chaos Toolkit's own reports read.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::{
    CASES,
    rig::{Rig, experiments, finished, original},
    site::TOKEN,
};

/// What must be the same of a journal.
fn told(journal: &Json) -> Json {
    let entry = |entry: &Json| {
        let output = &entry["output"];
        json!({
            "name": entry["activity"]["name"],
            "status": entry["status"],
            "met": entry["tolerance_met"],
            "result": output["status"],
            // Of an answer's head the dates differ.
            "stdout": output["stdout"],
            "body": output["body"],
            "excused": entry["exception"].is_array(),
        })
    };
    let entries = |list: &Json| list.as_array().into_iter().flatten().map(entry).collect::<Vec<_>>();
    let check = |check: &Json| {
        if check.is_null() { Json::Null } else { json!({ "met": check["steady_state_met"], "probes": entries(&check["probes"]) }) }
    };
    let states = &journal["steady_states"];
    // How many there were depends on the machine; of which kinds does not.
    let during: BTreeSet<String> =
        states["during"].as_array().into_iter().flatten().map(|check| check["steady_state_met"].to_string()).collect();
    json!({
        "status": journal["status"],
        "deviated": journal["deviated"],
        "title": journal["experiment"]["title"],
        "dry": journal["experiment"]["dry"],
        "before": check(&states["before"]),
        "after": check(&states["after"]),
        "during": during,
        "run": entries(&journal["run"]),
        "rollbacks": entries(&journal["rollbacks"]),
    })
}

fn compare(file: &str, flags: &[&str]) -> Json {
    let rig = Rig::new();
    let path = experiments().join(file);
    let theirs = rig.original(&path, flags);
    let rig = Rig::new();
    let ours = rig.ours(&path, &[&["--compatible"], flags].concat());
    let both = format!("theirs: {}\nours: {}", theirs.words, ours.words);
    assert_eq!(ours.code, theirs.code, "{file}: {both}");
    let (their_journal, our_journal) = (theirs.journal.expect(&both), ours.journal.expect(&both));
    // The site of each has its own port.
    let plain = |journal: &Json| {
        let mut text = told(journal).to_string();
        for at in text.match_indices("127.0.0.1:").map(|(at, _)| at).collect::<Vec<_>>().into_iter().rev() {
            let end = at + 10 + text[at + 10..].find(|c: char| !c.is_ascii_digit()).unwrap_or(0);
            text.replace_range(at..end, "SITE");
        }
        // Theirs keeps a secret where ours does not.
        serde_json::from_str::<Json>(&text.replace(TOKEN, "(secret)")).unwrap()
    };
    let (theirs, ours) = (plain(&their_journal), plain(&our_journal));
    assert_eq!(ours, theirs, "{file}: ours on the left: {both}");
    for key in their_journal.as_object().unwrap().keys() {
        assert!(our_journal.get(key).is_some(), "{file}: our journal lacks `{key}`");
    }
    our_journal
}

/// Chaos Toolkit's own reports of our journals.
fn read(journals: &[Json]) {
    const SCRIPT: &str = "import json, sys\nfrom chaosreport import generate_report, generate_report_header\n\
                          print(generate_report_header(sys.argv[1:]))\n\
                          for name in sys.argv[1:]: print(generate_report(json.load(open(name))))";
    let rig = Rig::new();
    let names: Vec<String> = (0..journals.len()).map(|n| format!("{n}.json")).collect();
    for (name, journal) in names.iter().zip(journals) {
        std::fs::write(rig.folder.path().join(name), journal.to_string()).unwrap();
    }
    let arguments: Vec<&str> = ["-c", SCRIPT].into_iter().chain(names.iter().map(String::as_str)).collect();
    let output = finished(&mut rig.command(&original("python"), &arguments));
    let words = String::from_utf8_lossy(&output.stdout).to_lowercase();
    assert!(output.status.success(), "its reports cannot be made: {}", String::from_utf8_lossy(&output.stderr));
    for journal in journals {
        let title = journal["experiment"]["title"].as_str().unwrap().to_lowercase();
        assert!(words.contains(&title) && words.contains(journal["status"].as_str().unwrap()), "{title}: {words}");
    }
}

/// A part of the cases: each part is a test of its own, so that none is long.
fn part(number: usize) {
    let part = CASES.chunks(CASES.len().div_ceil(PARTS)).nth(number).unwrap();
    let journals: Vec<Json> = part.iter().map(|(file, flags, _)| compare(file, flags)).collect();
    read(&journals);
}

const PARTS: usize = 4;

#[test]
fn every_file_of_the_folder_is_a_case() {
    let files: BTreeSet<String> =
        std::fs::read_dir(experiments()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let known: BTreeSet<String> = CASES.iter().map(|(file, ..)| (*file).to_owned()).chain(["dry.yaml".to_owned()]).collect();
    assert_eq!(files, known);
    assert_eq!(CASES.chunks(CASES.len().div_ceil(PARTS)).len(), PARTS);
}

#[test]
fn the_first_part_comes_to_the_same_as_in_the_chaos_toolkit_itself() {
    part(0);
}

#[test]
fn the_second_part_comes_to_the_same_as_in_the_chaos_toolkit_itself() {
    part(1);
}

#[test]
fn the_third_part_comes_to_the_same_as_in_the_chaos_toolkit_itself() {
    part(2);
}

#[test]
fn the_fourth_part_comes_to_the_same_as_in_the_chaos_toolkit_itself() {
    part(3);
}

#[test]
fn a_dry_run_leaves_out_the_same() {
    let journals: Vec<Json> = ["actions", "probes", "activities"].map(|what| compare("dry.yaml", &["--dry", what])).to_vec();
    read(&journals);
}
