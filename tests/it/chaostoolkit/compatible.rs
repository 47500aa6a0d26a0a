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

fn compare(file: &str, flags: &[&str]) {
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
    read(&rig, file);
}

/// Chaos Toolkit's own report of our journal.
fn read(rig: &Rig, file: &str) {
    const SCRIPT: &str = "import json, sys\nfrom chaosreport import generate_report, generate_report_header\n\
                          header = generate_report_header(['ours.json'])\nreport = generate_report(json.load(open('ours.json')))\n\
                          print(header + report)";
    let output = finished(&mut rig.command(&original("python"), &["-c", SCRIPT]));
    let words = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{file}: its report cannot be made: {}", String::from_utf8_lossy(&output.stderr));
    let journal: Json = serde_json::from_slice(&std::fs::read(rig.folder.path().join("ours.json")).unwrap()).unwrap();
    assert!(words.contains(journal["experiment"]["title"].as_str().unwrap()), "{file}: {words}");
    assert!(words.to_lowercase().contains(journal["status"].as_str().unwrap()), "{file}: {words}");
}

#[test]
fn every_experiment_comes_to_the_same_as_in_the_chaos_toolkit_itself() {
    let files: BTreeSet<String> =
        std::fs::read_dir(experiments()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let known: BTreeSet<String> = CASES.iter().map(|(file, ..)| (*file).to_owned()).chain(["dry.yaml".to_owned()]).collect();
    assert_eq!(files, known, "every file of the folder is a case");
    for (file, flags, _) in CASES {
        compare(file, flags);
    }
}

#[test]
fn a_dry_run_leaves_out_the_same() {
    for what in ["actions", "probes", "activities"] {
        compare("dry.yaml", &["--dry", what]);
    }
}
