//! Connections that stay open, through the built-in balancer, while one of three servers is killed.

use super::rig::{Rig, SYSTEM};

const EXPERIMENT: &str = r#"
title: One server of three dies under open connections
probes:
  chat:
    websocket: ws://127.0.0.1:${port}/
    sockets: 6
    rate: 100/s
    timeout: 1s
    served-by: { header: x-served-by, zone-header: x-zone }
steady-state:
  - { probe: chat, availability: ">= 70%" }
warm-up: 1s
baseline: 2500ms
recovery: { hold: 2500ms, limit: 10s }
method:
  - kill: { service: web, take: 1 }
    hold: 2500ms
"#;

#[test]
fn the_connections_of_the_killed_server_are_cut_and_come_back() {
    let _quiet = crate::support::quiet::quiet();
    let rig = Rig::with(SYSTEM, EXPERIMENT);
    rig.firedrill(["run", "experiment.yaml"]).code(0);
    let result = rig.result();
    let runs = result.get("runs").and_then(|runs| runs.get(0)).unwrap_or(&result);
    let measured = &runs["measurement"];
    let state = &measured["probes"][0]["state"];
    // Each server has two of the six.
    assert_eq!((state["of"].as_str(), state["cut"].as_u64(), state["opened"].as_u64()), (Some("sockets"), Some(2), Some(8)), "{state}");
    assert_eq!(state["never_back"].as_u64(), Some(0), "{state}");
    let effect = measured["phases"].as_array().unwrap().iter().find(|phase| phase["phase"] == "fault").unwrap()["from_s"].as_f64().unwrap();
    let cut = state["cut_within"]["from_s"].as_f64().unwrap();
    assert!(cut > effect - 0.2 && cut < effect + 1.0, "cut at {cut}, the fault began at {effect}");
    // Who was connected where is known by name.
    let backends: std::collections::BTreeSet<&str> = measured["probes"][0]["groups"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|group| group["by"] == "backend" && group["phase"] == "baseline")
        .filter_map(|group| group["key"].as_str())
        .collect();
    assert_eq!(backends.len(), 3, "{backends:?}");
    rig.nothing_runs();
}
