//! A run that is fired, followed and halted over HTTP.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
};

use rustix::process::Signal;
use serde_json::Value;

use super::site::Site;
use crate::cli::rig::{EXPERIMENT, Rig, SYSTEM, eventually};
use crate::support::residue;

/// Three servers that nobody replaces, and an experiment that takes one of them for long.
pub fn rig(title: &str) -> Rig {
    let rig = Rig::with(&SYSTEM.replace("    replace: { after: 500ms }\n", ""), EXPERIMENT);
    fs::create_dir(rig.path("drills")).unwrap();
    let long = EXPERIMENT.replace("    hold: 1s", "    hold: 120s").replace("One server of three dies", title);
    rig.write("drills/long.yaml", &format!("{long}schedule: {{ cron: \"0 0 29 2 *\" }}\n"));
    rig
}

/// Fires it, and waits until it acts; gives the run's id. Anew where the machine was too busy for a baseline.
pub fn acting(rig: &Rig, site: &Site) -> String {
    for _ in 0..5 {
        eventually("its place is free", || site.post("/api/v1/experiments/long/run", "{\"confirm\":true}").status == 202);
        let mut last = Value::Null;
        eventually("it acts or ends", || {
            let runs = site.get("/api/v1/runs").json();
            last = runs.clone();
            rig.serving().len() == 2 || runs["runs"][0]["verdict"].is_string() && runs["running"].as_array().unwrap().is_empty()
        });
        if rig.serving().len() == 2 {
            let runs = site.get("/api/v1/runs").code(200).json();
            return runs["running"][0]["run"].as_str().unwrap_or_else(|| panic!("{runs}")).to_owned();
        }
    }
    panic!("this machine is too busy for a drill: five in a row did not begin");
}

/// The events that a stream gives, until one holds.
fn events(site: &Site, path: &str, headers: &str, until: impl Fn(&Value) -> bool) -> Vec<(u64, Value)> {
    let mut stream = site.connect();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n{headers}\r\n", site.address, site.token);
    stream.write_all(request.as_bytes()).unwrap();
    let (mut out, mut number) = (Vec::new(), 0);
    for line in BufReader::new(stream).lines() {
        let line = line.unwrap();
        if let Some(id) = line.strip_prefix("id: ") {
            number = id.parse().unwrap();
        } else if line == "event: end" {
            return out;
        } else if let Some(data) = line.strip_prefix("data: ") {
            let event: Value = serde_json::from_str(data).unwrap();
            out.push((number, event));
            if until(&out.last().unwrap().1) {
                return out;
            }
        }
    }
    panic!("the stream ended: {out:?}");
}

/// Holds answers against the description that the server gives of itself.
fn as_described(site: &Site, run: &str) {
    let api = site.get("/openapi.json").code(200).json();
    let paths = [
        ("/api/v1/schedule", "/api/v1/schedule?count=3"),
        ("/api/v1/experiments", "/api/v1/experiments"),
        ("/api/v1/runs", "/api/v1/runs"),
        ("/api/v1/runs/{run}", &format!("/api/v1/runs/{run}")),
        ("/api/v1/history", "/api/v1/history"),
        ("/api/v1/history/experiments", "/api/v1/history/experiments"),
        ("/api/v1/gamedays", "/api/v1/gamedays"),
    ];
    for (described, path) in paths {
        let Some(of) = api["paths"].get(described) else {
            assert!(described.contains("history") && !cfg!(feature = "history"), "{described}");
            continue;
        };
        let mut schema = of["get"]["responses"]["200"]["content"]["application/json"]["schema"].clone();
        schema["components"] = api["components"].clone();
        let answer = site.get(path).code(200).json();
        let faults: Vec<String> = jsonschema::validator_for(&schema).unwrap().iter_errors(&answer).map(|e| e.to_string()).collect();
        assert!(faults.is_empty(), "{path}: {faults:?}\n{answer}");
    }
}

#[test]
fn a_run_is_fired_followed_and_halted() {
    let _quiet = crate::support::quiet::quiet();
    let rig = rig("Long <script>alert(1)</script>");
    let up = rig.up();
    let site = Site::of(&rig, "drills");
    let run = acting(&rig, &site);
    site.post("/api/v1/experiments/long/run", "{\"confirm\":true}").code(409).says("has not ended");
    let path = format!("/api/v1/runs/{run}/events");
    // From the first event on, each once and in order; and from where a client left off.
    let first = events(&site, &path, "", |event| event["event"] == "acted");
    let numbers: Vec<u64> = first.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    assert!(first.iter().all(|(number, event)| event["number"] == *number));
    let seen = first[first.len() / 2].0;
    let again = events(&site, &path, &format!("Last-Event-ID: {seen}\r\n"), |event| event["event"] == "tick");
    assert_eq!(again[0].0, seen + 1);
    site.ask("GET", &path, &[&format!("Authorization: Bearer {}", site.token), "Last-Event-ID: x"], "").code(400);

    as_described(&site, &run);
    let page = site.get(&format!("/runs/{run}")).code(200).says("Stop this run").says("&lt;script&gt;alert(1)");
    assert!(!page.body.contains("<script>alert"), "{}", page.body);
    site.get("/metrics").code(200).says("firedrill_runs_running 1\n").says("firedrill_firings_total{by=\"hand\"}");
    site.get("/api/v1/runs/20200101-000000-aaaaaa").code(404);
    site.post("/api/v1/runs/20200101-000000-aaaaaa/halt", "").code(404);

    site.post(&format!("/api/v1/runs/{run}/halt"), "").code(202).says("stopping");
    let last = events(&site, &path, &format!("Last-Event-ID: {seen}\r\n"), |event| event["event"] == "run-ended");
    assert_eq!(last.last().unwrap().1["verdict"], "aborted");
    eventually("the daemon knows", || site.get("/api/v1/runs").json()["running"].as_array().unwrap().is_empty());
    residue::same(&rig.serving().len(), &3, "it was started again");
    site.post(&format!("/api/v1/runs/{run}/halt"), "").code(409).says("has ended");
    assert_eq!(events(&site, &path, &format!("Last-Event-ID: {}\r\n", last.last().unwrap().0), |_| false), [], "it has everything");
    assert_eq!(site.get(&format!("/api/v1/runs/{run}")).code(200).json()["verdict"], "aborted");
    site.get("/metrics").says("firedrill_runs_total{verdict=\"aborted\"} 1\n").says("firedrill_last_verdict{experiment=\"long\"} 4\n");
    as_described(&site, &run);
    let report = site.get(&format!("/runs/{run}/report")).code(200);
    assert!(report.header("content-security-policy").unwrap().starts_with("sandbox;"), "{}", report.head);
    assert!(!report.body.contains("<script>alert"));
    let said = site.end();
    assert!(said.contains(&format!("{run}: told to stop and undo, by hand")), "{said}");
    up.signal(Signal::TERM);
    up.end().code(0);
}
