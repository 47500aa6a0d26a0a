//! What runs came to is there afterwards: listed, shown, compared, as a trend; and it goes when it is told to.

use std::{fs, path::Path, process::Stdio};

use serde_json::Value;

use super::{foreign::Foreign, rig::Rig};

const HEAD: &str =
    "warm-up: 0s\nbaseline: 100ms\nrecovery: { hold: 100ms, limit: 5s }\nwatch: 100ms\nguardrails: { max-affected: { service: 100% } }\n";

/// A drill of less than a second.
pub fn drill() -> Foreign {
    Foreign::new(1, HEAD, &format!("  - pause: {}\n  - wait: 150ms\n", Foreign::target(0)))
}

/// The history as JSON, the newest first.
pub fn rows(rig: &Rig, more: &[&str]) -> Vec<Value> {
    let said = rig.firedrill(["history", "--format", "json"].iter().chain(more)).code(0);
    serde_json::from_str(&said.out).unwrap()
}

/// Runs it, and gives what its `result.json` says.
fn run(rig: &Rig, args: &[&str]) -> Value {
    let before = rig.run_folders();
    let mut child = rig.command(args).stdin(Stdio::piped()).spawn().unwrap();
    // Open until it has ended: a run of the daemon's halts when its pipe is closed.
    let _pipe = child.stdin.take();
    let said = child.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(!err.contains("history"), "{err}");
    let new = rig.run_folders().into_iter().find(|folder| !before.contains(folder)).expect("a run folder");
    let result: Value = serde_json::from_str(&fs::read_to_string(new.join("result.json")).unwrap()).unwrap();
    assert_eq!(Some(i64::from(said.status.code().unwrap())), result["exit_code"].as_i64());
    result
}

fn id(row: &Value) -> &str {
    row["run"].as_str().unwrap()
}

/// Two runs that came to a verdict about the system, whatever else was going on meanwhile.
fn two_judged(rig: &Rig) -> [Value; 2] {
    let mut judged = Vec::new();
    for _ in 0..12 {
        let result = run(rig, &["run", "experiment.yaml", "--seed", "4"]);
        if matches!(result["verdict"].as_str(), Some("passed" | "failed")) {
            judged.push(result);
        }
        if judged.len() == 2 {
            return [judged.remove(0), judged.remove(0)];
        }
    }
    panic!("this machine is too busy for a drill");
}

#[test]
fn what_runs_came_to_is_listed_shown_compared_and_read_again_from_their_folders() {
    let _quiet = crate::support::quiet::quiet();
    let drill = drill();
    let rig = &drill.rig;
    rig.firedrill(["history"]).code(0).says("no run is in the history yet");
    rig.firedrill(["history", "show", "x"]).code(2).says("no run is in the history yet");
    let [first, second] = two_judged(rig);
    // What is invalid never was a run; what was not agreed to was one that did not start.
    rig.write("bad.yaml", "title: x\n");
    rig.firedrill(["run", "bad.yaml"]).code(2);
    let probe = ["drill", "pause", "--id", "0", "--probe", "http://127.0.0.1:9/"];
    rig.firedrill(probe).code(3);
    let listed = rows(rig, &[]);
    assert_eq!(listed.len(), rig.run_folders().len() + 1);
    assert_eq!((&listed[0]["verdict"], &listed[0]["folder"]), (&"not-started".into(), &Value::Null), "{}", listed[0]);
    for result in [&first, &second] {
        let row = listed.iter().find(|row| row["run"] == result["run"]).unwrap();
        for key in ["verdict", "reason", "took_s", "file", "environment", "tool"] {
            assert_eq!(row[key], result[key], "{key}");
        }
        let folder = rig.path("firedrill-runs").join(id(row));
        assert_eq!(row["folder"], fs::canonicalize(folder).unwrap().to_str().unwrap());
        assert_eq!((row["platform"].as_str(), row["seed"].as_u64(), row["scheduled"].as_bool()), (Some("local"), Some(4), Some(false)));
        let whole = &result["measurement"]["probes"][0]["whole"];
        assert_eq!(row["figures"]["requests"], whole["requests"]);
        assert!(row["figures"]["availability"]["low"].as_f64() <= row["figures"]["availability"]["value"].as_f64());
    }
    let [first, second] = [id(&first), id(&second)];
    rig.firedrill(["history"]).code(0).says("BEGAN (UTC)").says(first).says("sleepers");
    rig.firedrill(["history", "--verdict", "not-startd"]).code(2).says("did you mean `not-started`?");
    assert_eq!(rows(rig, &["--verdict", "not-started"]).len(), 1);
    assert_eq!(rows(rig, &["--experiment", "sleep*", "--since", "1d", "--env", "here", "--last", "1"]).len(), 1);
    rig.firedrill(["history", "--experiment", "sleepes"]).code(0).says("did you mean `sleepers`?");
    rig.firedrill(["history", "show", first]).code(0).says("report.html").says("the worst probe in the fault phase");
    rig.firedrill(["history", "show", "2"]).code(2).says("is the beginning of");
    rig.firedrill(["history", "trend", "sleepers"]).code(0).says("median").says("fewer than 8 say nothing");
    rig.firedrill(["history", "trend", "slepers"]).code(2).says("did you mean `sleepers`?");
    // Whichever is named first: the later one is held against the earlier one.
    let tolerant = ["--tolerance", "availability=99%,longest-outage=60s,recovery=60s,p99=1000%"];
    let compare = |runs: [&str; 2]| rig.firedrill(["history", "compare", runs[0], runs[1]].iter().chain(&tolerant)).code(0);
    let folders = compare([second, first]).says(&format!("{second} of ")).says("door, fault: availability");
    assert!(!folders.out.contains("without the run folder"), "{}", folders.out);
    let away = rig.path("away");
    fs::rename(rig.path("firedrill-runs").join(first), &away).unwrap();
    compare([first, second]).says(&format!("without the run folder of {first}")).says("fault: availability");
    rig.firedrill(["history", "show", first]).code(0).says("is gone");
    fs::rename(&away, rig.path("firedrill-runs").join(first)).unwrap();

    // Lost, and read from the folders again. Twice is once.
    for name in ["history.db", "history.db-wal", "history.db-shm"] {
        let _ = fs::remove_file(rig.path("state").join(name));
    }
    let folders = rig.run_folders().len();
    rig.firedrill(["history", "import", "firedrill-runs"]).code(0).says(&format!("{folders} runs new"));
    let imported = rows(rig, &[]);
    rig.firedrill(["history", "import", "firedrill-runs"]).code(0).says("0 runs new").says(&format!("{folders} known"));
    assert_eq!(rows(rig, &[]), imported);
    let mut of_before: Vec<Value> = listed.into_iter().filter(|row| !row["folder"].is_null()).collect();
    for row in &mut of_before {
        row["project"] = Value::Null;
    }
    assert_eq!(imported, of_before);
}

/// A copy of a run folder as another run, with another title.
fn copied(rig: &Rig, from: &str, to: &str, title: &str) {
    let folder = rig.path("other").join(to);
    fs::create_dir_all(&folder).unwrap();
    let events = fs::read_to_string(rig.path("firedrill-runs").join(from).join("events.jsonl")).unwrap();
    let title = serde_json::to_string(title).unwrap();
    fs::write(folder.join("events.jsonl"), events.replace(from, to).replace("\"sleepers\"", &title)).unwrap();
}

#[test]
fn old_runs_go_with_their_folders_and_nothing_else_does() {
    let _quiet = crate::support::quiet::quiet();
    let drill = drill();
    let rig = &drill.rig;
    // As a schedule does it: its pipe is open. And the project keeps two.
    let project = fs::read_to_string(rig.path("firedrill.yaml")).unwrap();
    rig.write("firedrill.yaml", &format!("history: {{ keep: 2, keep-for: 400d }}\n{project}"));
    let runs: Vec<String> = (0..3).map(|_| id(&run(rig, &["run", "--for-daemon", "experiment.yaml"])).to_owned()).collect();
    let kept = rows(rig, &[]);
    assert_eq!(kept.iter().map(id).collect::<Vec<_>>(), [&runs[2], &runs[1]]);
    assert!(kept.iter().all(|row| row["scheduled"] == true && row["project"].as_str().unwrap().ends_with("firedrill.yaml")));

    // Runs of elsewhere, one with a title that would rule a terminal.
    let hostile = format!("\u{1b}]0;x\u{7}<b>\n{}", "x".repeat(1_000_000));
    let others = ["20200101-000000-aaaaaa", "20200101-000001-bbbbbb", "20200101-000002-cccccc", "20200101-000003-dddddd"];
    for (n, other) in others.iter().enumerate() {
        copied(rig, &runs[2], other, if n == 0 { &hostile } else { "sleepers" });
    }
    rig.firedrill(["history", "import", "other"]).code(0).says("4 runs new");
    let list = rig.firedrill(["history"]).code(0);
    assert!(!list.out.contains('\u{1b}') && list.out.len() < 5_000, "{}", list.out.len());
    for args in [&["show", others[0]][..], &["trend", &hostile[..60]], &["prune", "--keep", "0"]] {
        let said = rig.firedrill(["history"].iter().chain(args));
        assert!(!format!("{}{}", said.out, said.err).contains('\u{1b}'), "{args:?}");
    }

    // One is not done with, one holds what no run wrote, one has become a link to something else.
    fs::write(rig.path("state/journals").join(format!("{}.journal", others[1])), "").unwrap();
    fs::write(rig.path("other").join(others[2]).join("notes.txt"), "mine").unwrap();
    let aside = rig.path("aside");
    fs::rename(rig.path("other").join(others[3]), &aside).unwrap();
    std::os::unix::fs::symlink(&aside, rig.path("other").join(others[3])).unwrap();
    let all = rows(rig, &[]).len();
    let said = rig.firedrill(["history", "prune", "--keep", "0", "--folders"]).code(0);
    said.says("would remove 6 runs").says("its journal is unfinished").says("it is a link").says("with --yes it is done");
    assert_eq!((rows(rig, &[]).len(), rig.run_folders().len()), (all, 3));
    let said = rig.firedrill(["history", "prune", "--keep", "0", "--folders", "--yes"]).code(1);
    said.says("removed 3 runs").says("unfinished").says("notes.txt").says("it is a link");
    let left: Vec<Value> = rows(rig, &[]);
    let mut left: Vec<&str> = left.iter().map(id).collect();
    left.sort_unstable();
    assert_eq!(left, others[1..]);
    assert!(!rig.path("other").join(others[0]).exists());
    assert!(rig.path("other").join(others[1]).join("events.jsonl").exists());
    assert_eq!(fs::read_to_string(rig.path("other").join(others[2]).join("notes.txt")).unwrap(), "mine");
    assert!(aside.join("events.jsonl").exists());
    // The one that the project kept no longer is on the disk still.
    assert!(Path::new(&rig.path("firedrill-runs")).join(&runs[0]).exists() && rig.run_folders().len() == 1);
    fs::remove_file(rig.path("state/journals").join(format!("{}.journal", others[1]))).unwrap();
    rig.firedrill(["history", "prune", "--older-than", "1s", "--yes"]).code(0).says("removed 3 runs");
    assert!(rows(rig, &[]).is_empty());
    rig.firedrill(["history", "prune"]).code(2).says("--older-than");
}

#[test]
fn a_run_of_the_chaos_toolkit_is_in_it_too() {
    let rig = Rig::with("", "");
    let probe = r#"{ "type": "probe", "name": "there", "tolerance": 0, "provider": { "type": "process", "path": "true" } }"#;
    let action = r#"{ "type": "action", "name": "act", "provider": { "type": "process", "path": "true" } }"#;
    rig.write(
        "toolkit.json",
        &format!(
            r#"{{ "title": "A toolkit's", "description": "x", "steady-state-hypothesis": {{ "title": "x", "probes": [{probe}] }}, "method": [{action}], "rollbacks": [] }}"#
        ),
    );
    rig.firedrill(["run", "toolkit.json"]).code(0);
    let [row] = &rows(&rig, &[])[..] else { panic!() };
    assert_eq!(
        (row["experiment"].as_str(), row["verdict"].as_str(), row["file"].as_str()),
        (Some("A toolkit's"), Some("passed"), Some("toolkit.json"))
    );
    assert!(row["took_s"].as_f64() > Some(0.0) && row["figures"]["availability"].is_null() && row["platform"].is_null(), "{row}");
    rig.firedrill(["history", "show", id(row)]).code(0).says("journal.json");
    rig.firedrill(["history", "prune", "--keep", "0", "--folders", "--yes"]).code(0);
    assert!(rig.run_folders().is_empty());
}
