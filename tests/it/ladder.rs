//! The ladder through the real binary: the rung at the bottom fails and the one at the top passes, each for the reason that
//! `examples/what-time/README.md` gives. The rungs between differ in their system files only; `firedrill demo ladder` climbs all.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use serde_json::Value as Json;

/// A run takes about 17 s.
const LIMIT: Duration = Duration::from_mins(2);

/// A measurement that was disturbed (this machine also runs other tests) is no evidence of anything: it is made again.
const ATTEMPTS: usize = 3;

/// A run of the binary, ended at the latest when the test ends.
struct Running(Option<Child>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Running {
    async fn output(mut self) -> Output {
        for _ in 0..LIMIT.as_millis() / 50 {
            if self.0.as_mut().unwrap().try_wait().unwrap().is_some() {
                return self.0.take().unwrap().wait_with_output().unwrap();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the run has not ended after {LIMIT:?}");
    }
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// Runs the ladder's experiment on a rung; the exit code and `result.json`.
async fn climb(rung: &str) -> (i32, Json) {
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let (code, result, said) = drill(rung, port, folder.path()).await;
        assert!(TcpListener::bind(("127.0.0.1", port)).is_ok(), "something still listens on the port of {rung}");
        let disturbed = result["measurement"]["trust"]["doubts"].as_array().is_some_and(|doubts| !doubts.is_empty());
        if !disturbed {
            return (code, result);
        }
        last = Some(said);
    }
    panic!("{rung} was disturbed {ATTEMPTS} times:\n{}", last.unwrap_or_default());
}

async fn drill(rung: &str, port: u16, folder: &Path) -> (i32, Json, String) {
    let child = Command::new(env!("CARGO_BIN_EXE_firedrill"))
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/what-time"))
        .args(["run", "experiment.yaml", "--env", rung, "--var", &format!("port={port}"), "--out"])
        .arg(folder.join("runs"))
        .env("FIREDRILL_STATE_DIR", folder.join("state"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let output = Running(Some(child)).output().await;
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let run = fs::read_dir(folder.join("runs")).ok().and_then(|mut runs| runs.next()).unwrap_or_else(|| panic!("no run folder:\n{said}"));
    let run = run.unwrap().path();
    for file in ["result.json", "events.jsonl", "report.html", "report.md", "junit.xml"] {
        assert!(fs::metadata(run.join(file)).is_ok_and(|found| found.len() > 0), "{file} is missing or empty:\n{said}");
    }
    let result = serde_json::from_str(&fs::read_to_string(run.join("result.json")).unwrap()).unwrap();
    (output.status.code().unwrap_or(-1), result, said)
}

/// The conditions that did not hold, with their phase.
fn broken(result: &Json) -> Vec<String> {
    let judged = result["judged"].as_array().unwrap().iter().filter(|judged| judged["result"] == "broken");
    judged.map(|judged| format!("{} in {}", judged["condition"].as_str().unwrap(), judged["phase"].as_str().unwrap_or("the run"))).collect()
}

/// The numbers of the fault phase.
fn fault(result: &Json) -> &Json {
    let phases = result["measurement"]["probes"][0]["phases"].as_array().unwrap();
    phases.iter().find(|numbers| numbers["phase"] == "fault").unwrap()
}

async fn the_ground_fails() {
    let (code, result) = climb("rung-1").await;
    let broken = broken(&result);
    assert_eq!((code, &result["verdict"]), (1, &Json::from("failed")), "{broken:?}");
    assert!(broken.contains(&"home longest-outage <= 1 s in fault".to_owned()), "{broken:?}");
    assert!(broken.contains(&"home availability >= 95% in fault".to_owned()), "{broken:?}");
    assert!(!broken.iter().any(|condition| condition.ends_with("in baseline")), "{broken:?}");
    // Nobody answers while the only server is dead: through the zone's four seconds without a break.
    let longest = fault(&result)["longest_outage_s"].as_f64().unwrap();
    assert!(longest > 3.9, "{longest}");
    assert_eq!(result["measurement"]["victims"].as_array().unwrap().len(), 2, "the same server twice");
}

async fn the_top_passes() {
    let (code, result) = climb("rung-6").await;
    let broken = broken(&result);
    assert_eq!((code, &result["verdict"]), (0, &Json::from("passed")), "{broken:?}; {}", result["reason"]);
    // It was hit all the same: one server, which was replaced, and then the two of a zone, which were not until the end.
    let victims = result["measurement"]["victims"].as_array().unwrap();
    assert_eq!(victims.len(), 3);
    assert!(victims[0]["replaced_after_s"].is_number(), "{}", victims[0]);
    assert!(victims[1..].iter().all(|victim| victim["replaced_after_s"].is_null() && victim["zone"] == victims[1]["zone"]), "{victims:?}");
    assert!(victims.iter().all(|victim| victim["ejected_after_s"].as_f64().is_some_and(|s| s < 3.0)), "{victims:?}");
    assert!(fault(&result)["stats"]["requests"].as_u64().unwrap() > 1000);
}

#[tokio::test]
async fn the_bottom_of_the_ladder_fails_and_its_top_passes() {
    let _quiet = crate::support::quiet::quiet();
    tokio::join!(the_ground_fails(), the_top_passes());
}
