//! Planning over 100,000 instances, beside its bar of 0.5 s. `cargo bench --bench plan`.

use std::{process::ExitCode, time::Duration};

use firedrill::{
    clock,
    model::{experiment::Experiment, ids::Zone},
    plan::draw_victims,
    platform::fake::World,
};

const BAR: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let zones: Vec<String> = (0..10).map(|n| format!("z{n}")).collect();
    let zones: Vec<&str> = zones.iter().map(String::as_str).collect();
    let mut world = World::builder("bench");
    for n in 0..100 {
        world = world.service(&format!("service-{n:02}"), "r", &zones, 100);
    }
    let inventory = world.build().inventory();
    let kill = |target: serde_json::Value| serde_json::json!({ "faults": [{ "fault": { "fault": "kill", "signal": null }, "target": target, "hold": { "secs": 5, "nanos": 0 } }] });
    let selector = |services: &[&str], zone: serde_json::Value, name: Option<&str>, take: serde_json::Value| serde_json::json!({ "services": services, "zone": zone, "region": null, "labels": {}, "name": name, "ids": [], "process": null, "all": false, "take": take });
    let null = serde_json::Value::Null;
    let experiment: Experiment = serde_json::from_value(serde_json::json!({
        "title": "bench", "description": null, "owner": null, "labels": {}, "environment": null, "seed": 1, "probes": [],
        "steady_state": [], "objective": null, "warm_up": { "secs": 0, "nanos": 0 }, "baseline": { "secs": 0, "nanos": 0 },
        "recovery": { "hold": { "secs": 0, "nanos": 0 }, "limit": { "secs": 0, "nanos": 0 } }, "watch": { "secs": 0, "nanos": 0 },
        "bind": "at-start", "abort_when": [],
        "caps": { "service": 0.5, "service_stated": false, "zone": null, "count": null, "min_healthy": {} },
        "method": [
            kill(selector(&["service-07"], null.clone(), None, serde_json::json!({ "percent": 0.25 }))),
            kill(selector(&[], serde_json::json!("random"), None, serde_json::json!("all"))),
            kill(selector(&[], null, Some("service-1*-z3-*"), serde_json::json!({ "count": 50 }))),
        ],
    }))
    .expect("an experiment");
    let n = inventory.instances.len();
    let mut worst = Duration::ZERO;
    for seed in 0..5 {
        let start = clock::now();
        let drawn = draw_victims(&experiment, &inventory, seed, &[]).expect("a plan");
        worst = worst.max(clock::now().since(start));
        assert_eq!(drawn.steps.len(), 3);
    }
    let zone = Zone::from(zones[0]);
    println!("plan over {n} instances in 10 zones such as {zone}, 3 steps: worst of 5 is {worst:?}, the bar is {BAR:?}");
    if worst < BAR { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
