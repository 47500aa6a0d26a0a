//! The deployments of `examples/deployments` through the real binary: each gives the verdict of its README, for the reason given there.

use std::{fs, net::TcpListener, process::Command};

use serde_json::Value as Json;

/// A measurement that was disturbed (this machine also runs other tests) is no evidence of anything: it is made again.
const ATTEMPTS: usize = 3;

/// Runs an experiment of the folder; the exit code and `result.json`.
fn deploy(file: &str, environment: &str) -> (i32, Json) {
    for _ in 0..ATTEMPTS {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let output = Command::new(env!("CARGO_BIN_EXE_firedrill"))
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/deployments"))
            .args(["run", file, "--env", environment, "--var", &format!("port={port}"), "--out"])
            .arg(folder.path().join("runs"))
            .env("FIREDRILL_STATE_DIR", folder.path().join("state"))
            .output()
            .unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let run = fs::read_dir(folder.path().join("runs")).ok().and_then(|mut runs| runs.next()).unwrap_or_else(|| panic!("{said}"));
        let result: Json = serde_json::from_slice(&fs::read(run.unwrap().path().join("result.json")).unwrap()).unwrap();
        let disturbed = result["measurement"]["trust"]["doubts"].as_array().is_some_and(|doubts| !doubts.is_empty());
        if !disturbed {
            return (output.status.code().unwrap(), result);
        }
    }
    panic!("{file} was disturbed {ATTEMPTS} times");
}

fn fault(result: &Json) -> &Json {
    let phases = result["measurement"]["probes"][0]["phases"].as_array().unwrap();
    &phases.iter().find(|phase| phase["phase"] == "fault").unwrap()["stats"]
}

/// Requests that a version answered in the fault phase.
fn answered(result: &Json, version: &str) -> u64 {
    let groups = result["measurement"]["probes"][0]["groups"].as_array().unwrap();
    let mut of = groups.iter().filter(|g| g["by"] == "backend" && g["key"] == version && g["phase"] == "fault");
    of.next().map_or(0, |group| group["stats"]["requests"].as_u64().unwrap())
}

#[test]
fn a_drained_rolling_upgrade_loses_nothing_and_a_killing_one_does() {
    let (code, result) = deploy("rolling.yaml", "good");
    assert_eq!(code, 0, "{}", result["reason"]);
    assert!(answered(&result, "4") > 0 && answered(&result, "5") > 0, "both versions served meanwhile");
    let (code, result) = deploy("rolling-abrupt.yaml", "good");
    assert_eq!(code, 1, "{}", result["reason"]);
    let (failed, all) = (fault(&result)["failures"]["status"].as_u64().unwrap(), fault(&result)["requests"].as_u64().unwrap());
    assert!(failed >= 4 && failed < all / 2, "{failed} of {all}");
}

#[test]
fn a_switch_and_back_loses_nothing() {
    let (code, result) = deploy("blue-green.yaml", "good");
    assert_eq!(code, 0, "{}", result["reason"]);
    assert!(answered(&result, "5") > answered(&result, "4"), "the new version served while it was switched");
}

#[test]
fn a_bad_version_costs_what_it_was_given() {
    let (code, result) = deploy("canary.yaml", "bad");
    assert_eq!(code, 0, "{}", result["reason"]);
    let share = answered(&result, "5") as f64 / fault(&result)["requests"].as_u64().unwrap() as f64;
    assert!((0.05..=0.12).contains(&share), "the canary got {share}");
    let (code, result) = deploy("all-at-once.yaml", "bad");
    assert_eq!(code, 1, "{}", result["reason"]);
    let availability = fault(&result)["availability"]["value"].as_f64().unwrap();
    assert!((0.3..0.75).contains(&availability), "{availability}");
}
