//! Dependencies, single points of failure, drift and phoenix drills, on real processes behind the built-in balancer.

use super::rig::Rig;

/// Two `web` behind `edge`, and an `api` that nobody needs.
const SYSTEM: &str = r#"
name: cli-test
vars: { port: 8080, alone: 8081 }
services:
  web:
    command: ["${firedrill}", what-time, --listen, "${instance.address}", --instance, "${instance.id}", --zone, "${instance.zone}"]
    zones: { a: 2 }
    health: { http: /health, every: 50ms, timeout: 1s, starts-within: 20s }
  api:
    command: ["${firedrill}", what-time, --listen, "${instance.address}"]
    zones: { a: 1 }
    address: "127.0.0.1:${alone}"
    health: { http: /health, every: 50ms, timeout: 1s, starts-within: 20s }
balancers:
  edge:
    listen: "127.0.0.1:${port}"
    service: web
    check: { http: /health, every: 50ms, timeout: 500ms, rise: 1, fall: 2 }
"#;

const DEPENDENCIES: &str = r#"
title: Each service in turn
probes:
  front: { http: "${url}/", rate: 100/s, service: edge }
  clock: { http: "${url}/", rate: 100/s, service: web }
  other: { http: "http://127.0.0.1:${alone}/", rate: 100/s, service: api }
steady-state:
  - { probe: other, availability: ">= 90%" }
warm-up: 500ms
baseline: 2s
recovery: { hold: 1s, limit: 20s }
guardrails: { max-affected: { service: 100% } }
method:
  - kill: { service: web, take: all }
    hold: 2s
  - wait: 2s
  - kill: edge
    hold: 2s
"#;

#[test]
fn each_service_in_turn_names_its_dependants() {
    let alone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let rig = Rig::with(&SYSTEM.replace("8081", &alone.to_string()), &DEPENDENCIES.replace("${alone}", &alone.to_string()));
    let said = rig.judged(&["run", "experiment.yaml"], 0);
    let findings = findings(&rig);
    let of = |kind: &str, holds: &[&str]| {
        findings.iter().filter(|(is, says)| is == kind && holds.iter().all(|part| says.contains(part))).count()
    };
    assert_eq!(of("dependency", &["without `web` (kill of web-a-1 and web-a-2) `edge` fails: probe `front` was 0 %"]), 1, "{findings:#?}");
    assert_eq!(of("independent", &["without `web`", "`api` went on: 100 % available"]), 1, "{findings:#?}");
    assert_eq!(of("single-point-of-failure", &["`edge` is a single point of failure for `web`: there is one of it"]), 1, "{findings:#?}");
    assert_eq!(of("dependency", &["without `edge` (kill of edge) `web` fails: probe `clock` was 0 %"]), 1, "{findings:#?}");
    assert_eq!(of("independent", &["without `edge`", "`api` went on"]), 1, "{findings:#?}");
    assert_eq!(findings.len(), 5, "{findings:#?}");
    assert!(said.out.contains("single point of failure: `edge`"), "{}", said.out);
}

/// What was found: kind and sentence.
fn findings(rig: &Rig) -> Vec<(String, String)> {
    let result = rig.result();
    let found = result["measurement"]["findings"].as_array().unwrap();
    found.iter().map(|f| (f["kind"].as_str().unwrap().to_owned(), f["says"].as_str().unwrap().to_owned())).collect()
}

/// Three servers that are replaced; a script starts them, and says the version that stands in a file.
const PHOENIX_SYSTEM: &str = r#"
name: cli-test
vars: { port: 8080 }
services:
  web:
    command: [sh, web.sh, "${firedrill}", "${instance.address}", "${instance.id}", "${instance.zone}"]
    zones: { a: 2, b: 1 }
    health: { http: /health, every: 50ms, timeout: 1s, starts-within: 20s }
    replace: { after: 300ms }
balancers:
  edge:
    listen: "127.0.0.1:${port}"
    service: web
    check: { http: /health, every: 50ms, timeout: 500ms, rise: 1, fall: 2 }
"#;

const SCRIPT: &str = "exec \"$1\" what-time --listen \"$2\" --instance \"$3\" --zone \"$4\" --app-version \"$(cat version)\"\n";

const PHOENIX: &str = r#"
title: Every server is replaced
probes:
  home: { http: "${url}/", rate: 100/s, served-by: { header: x-served-by } }
versions: { web: /version }
steady-state:
  - { probe: home, availability: ">= 60%" }
  - { replacements: alike }
warm-up: 500ms
baseline: 1s
recovery: { hold: 1s, limit: 20s }
method:
  - run: [sh, change.sh]
  - phoenix: { service: web, wait: 20s }
"#;

/// The system with what happens to the machine before its servers are replaced.
fn phoenix(change: &str, system: &str) -> Rig {
    let rig = Rig::with(system, PHOENIX);
    rig.write("web.sh", SCRIPT);
    rig.write("version", "5\n");
    rig.write("change.sh", change);
    rig
}

#[test]
fn a_phoenix_drill_passes_where_all_are_replaced_by_their_like() {
    let rig = phoenix("exit 0", PHOENIX_SYSTEM);
    let said = rig.judged(&["run", "experiment.yaml"], 0);
    let measurement = &rig.result()["measurement"];
    let phoenix = &measurement["phoenixes"][0];
    assert_eq!((phoenix["of"].as_u64(), phoenix["replaced_after_s"].as_array().map(Vec::len)), (Some(3), Some(3)), "{phoenix}");
    assert_eq!(measurement["replacements"].as_array().map(Vec::len), Some(3));
    assert!(measurement["replacements"].as_array().unwrap().iter().all(|new| new["version"] == "alike" && new["fingerprint"] == "alike"));
    assert_eq!(findings(&rig), []);
    assert!(said.out.contains("3 of 3 replaced, each in service after"), "{}", said.out);
}

#[test]
fn a_new_version_is_drift_though_it_is_built_from_the_same() {
    let rig = phoenix("echo 4 > version", PHOENIX_SYSTEM);
    rig.judged(&["run", "experiment.yaml"], 1);
    let findings = findings(&rig);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert!(findings[0].1.contains("are not like their siblings: of the version 4, not 5 like 3 others"), "{findings:#?}");
}

#[test]
fn a_script_that_was_changed_is_drift_though_it_says_the_same_version() {
    let rig = phoenix("echo '# by hand' >> web.sh", PHOENIX_SYSTEM);
    rig.judged(&["run", "experiment.yaml"], 1);
    let findings = findings(&rig);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert!(findings[0].0 == "drift" && findings[0].1.contains("are not like their siblings: built from"), "{findings:#?}");
}

#[test]
fn a_replacement_that_never_serves_stops_the_drill_and_the_others_are_left_alone() {
    let rig = phoenix("echo 'exit 3' > web.sh", PHOENIX_SYSTEM);
    let experiment = PHOENIX.replace("wait: 20s", "wait: 2s").replace("method:", "watch: 1s\nmethod:");
    rig.write("experiment.yaml", &experiment.replace("  - { replacements: alike }\n", ""));
    let said = rig.judged(&["run", "experiment.yaml"], 1);
    let happened: Vec<_> =
        rig.events().into_iter().filter(|e| e["event"] == "acted" && e["effect"]["status"]["status"] == "spared").collect();
    assert_eq!(happened.len(), 2, "{}", said.out);
    assert!(said.out.contains("phoenix of web: each replaced within 2 s") && said.out.contains("0 of 3 replaced"), "{}", said.out);
}

#[test]
fn a_phoenix_drill_of_what_nobody_replaces_is_refused_before_it_begins() {
    let rig = phoenix("exit 0", &PHOENIX_SYSTEM.replace("    replace: { after: 300ms }\n", ""));
    let said = rig.firedrill(["run", "experiment.yaml"]).code(2);
    assert!(said.err.contains("nobody puts a new instance in the place of a dead one of `web`"), "{}", said.err);
}
