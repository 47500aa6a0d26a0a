//! A drill that is scheduled: the daemon fires it on an engine by itself, and people follow and stop it in the browser.

use std::fs;

use firedrill::clock;
use serde_json::Value;

use crate::{
    cli::{
        page::{browser::Browser, site::Site},
        rig::{Rig, eventually},
    },
    support::{
        engine::{Engine, WHAT_TIME},
        quiet::quiet,
    },
};

/// The one experiment of the folder, which is due in a moment.
fn schedule(rig: &Rig, url: &str) {
    let at = jiff::Timestamp::from_second(clock::moment().as_second() + 5).unwrap().strftime("%Y-%m-%dT%H:%M:%S");
    let experiment = format!(
        "title: A web server dies on Docker\nprobes:\n  door: {{ http: '{url}', rate: 100/s, timeout: 1s }}\nsteady-state:\n  \
         - {{ probe: door, availability: '>= 90%' }}\nwarm-up: 500ms\nbaseline: 2s\nrecovery: {{ hold: 1s, limit: 20s }}\nmethod:\n  \
         - kill: {{ service: web, take: 1 }}\n    hold: 2m\nschedule: {{ at: {at} }}\n"
    );
    fs::write(rig.path("drills/web.yaml"), experiment).unwrap();
}

/// The run that was fired by its schedule and acts; anew where the machine was too busy for a baseline.
fn fired(rig: &Rig, site: &Site, url: &str, acts: impl Fn() -> bool) -> String {
    for _ in 0..5 {
        schedule(rig, url);
        let before = site.get("/api/v1/runs").code(200).json()["runs"].as_array().unwrap().len();
        let mut found = None;
        eventually("it fires, and acts or ends", || {
            let runs = site.get("/api/v1/runs").code(200).json();
            found = runs["running"][0]["run"].as_str().map(str::to_owned);
            found.is_some() && acts() || runs["runs"].as_array().unwrap().len() > before && found.is_none()
        });
        if let Some(run) = found {
            return run;
        }
    }
    panic!("this machine is too busy for a drill: five in a row did not begin");
}

#[test]
fn a_scheduled_drill_fires_by_itself_is_followed_and_halted_in_the_browser_and_is_in_the_history() {
    let _quiet = quiet();
    let engine = Engine::shared();
    let project = engine.project("served");
    let servers: Vec<_> = (0..3).map(|_| project.container("web").image(WHAT_TIME).port(8080).start()).collect();
    let started = || -> Vec<String> { servers.iter().map(|server| server.inspect("{{.State.Running}} {{.State.StartedAt}}")).collect() };
    let before = started();
    let rig = Rig::new();
    let docker = format!("{{ docker: {{ project: {}, hosts: [{{ host: \"{}\" }}] }} }}", project.name(), engine.address());
    rig.write("firedrill.yaml", &format!("environments:\n  lab:\n    platform: {docker}\n"));
    fs::create_dir(rig.path("drills")).unwrap();
    let url = format!("http://{}/", servers[0].port(8080));
    let site = Site::of(&rig, "drills");
    let dead = || started().iter().filter(|now| now.starts_with("false")).count();
    let run = fired(&rig, &site, &url, || dead() == 1);

    let browser = Browser::open();
    browser.go(&site.link);
    assert_eq!(browser.run("return document.querySelector('.now a').innerText"), "web", "{}", browser.text());
    browser.run("document.querySelector('.now a').click()");
    eventually("the overview leads to what runs", || browser.run("return location.pathname") == format!("/runs/{run}"));
    let ticks = "return document.querySelectorAll('#probes rect').length";
    let first = browser.run(ticks).as_u64().unwrap();
    eventually("the strip grows", || browser.run(ticks).as_u64().unwrap_or(0) > first);
    assert_eq!(dead(), 1, "it lasts");
    browser.press(&["s", "\u{e007}", "\u{e004}", "\u{e007}"]);
    eventually("it is told, and undone", || browser.text().contains("aborted") && browser.text().contains("✓ undone"));
    let after = started();
    assert!(after.iter().all(|now| now.starts_with("true")), "{after:?}");
    assert_eq!(after.iter().zip(&before).filter(|(now, then)| now != then).count(), 1, "the victim alone has another life");

    eventually("the history has it", || site.get("/api/v1/history").json().as_array().is_some_and(|runs| !runs.is_empty()));
    browser.go(&format!("http://{}/history", site.address));
    assert!(browser.text().contains("A web server dies on Docker") && browser.text().contains("aborted"), "{}", browser.text());
    browser.run(&format!("document.querySelector('a[href*=\"{run}\"]').click()"));
    eventually("its report is one step away", || {
        browser.text().contains("aborted") && browser.run("return location.pathname") != "/history"
    });
    site.get(&format!("/runs/{run}/report")).code(200);
    assert_eq!(browser.complaints(), Vec::<Value>::new());
    drop(browser);
    site.end();
}
