//! Systems that cannot be: each a clear message, the right exit code, and nothing left running.

use std::net::TcpListener;

use super::rig::{EXPERIMENT, Rig, SYSTEM};

/// `run`, `plan` and `up` of a system that does not come up: exit 3, the words, nothing left.
fn refused(rig: &Rig, words: &[&str]) {
    for args in [&["run", "experiment.yaml"][..], &["plan", "experiment.yaml"], &["targets"], &["up", "system.yaml"]] {
        let mut args = args.to_vec();
        let port = format!("port={}", rig.port());
        if args[0] == "up" {
            args.extend(["--var", &port]);
        }
        let mut said = rig.firedrill(&args).code(3);
        for words in words {
            said = said.says(words);
        }
        rig.nothing_runs();
    }
    assert!(rig.run_folders().is_empty(), "no run began");
}

#[test]
fn a_port_in_use() {
    let rig = Rig::new();
    let _taken = TcpListener::bind(("127.0.0.1", rig.port())).unwrap();
    refused(&rig, &["in use", &rig.port().to_string()]);
}

#[test]
fn a_command_that_does_not_exist() {
    let rig = Rig::with(&SYSTEM.replace("\"${firedrill}\", what-time", "no-such-program-of-anybody"), EXPERIMENT);
    refused(&rig, &["no-such-program-of-anybody"]);
}

#[test]
fn a_service_that_dies_at_once() {
    let command = "command: [sh, -c, \"echo the reason it gives >&2; exit 7\"]\n    #";
    let rig = Rig::with(&SYSTEM.replace("command:", command), EXPERIMENT);
    refused(&rig, &["web-", "7", "the reason it gives"]);
}

#[test]
fn a_service_that_never_becomes_healthy() {
    let system = SYSTEM.replace("command:", "command: [sleep, \"1000\"]\n    #").replace("starts-within: 20s", "starts-within: 1s");
    let rig = Rig::with(&system, EXPERIMENT);
    refused(&rig, &["web-", "healthy", "1s"]);
}

#[test]
fn a_system_file_that_is_wrong_or_missing() {
    let rig = Rig::with(&SYSTEM.replace("zones:", "zoness:"), EXPERIMENT);
    for verb in ["check", "run", "plan"] {
        rig.firedrill([verb, "experiment.yaml"]).code(2).says("system.yaml:7:5").says("did you mean `zones`?");
    }
    rig.firedrill(["up", "system.yaml"]).code(2).says("did you mean `zones`?");
    rig.firedrill(["targets"]).code(2).says("did you mean `zones`?");
    std::fs::remove_file(rig.path("system.yaml")).unwrap();
    rig.firedrill(["up", "system.yaml"]).code(2).says("system.yaml");
    rig.firedrill(["run", "experiment.yaml"]).code(2).says("system.yaml");
}

#[test]
fn a_fault_and_a_platform_that_are_not_there() {
    let rig = Rig::with(SYSTEM, &EXPERIMENT.replace("kill:", "crash:"));
    rig.firedrill(["run", "experiment.yaml"]).code(2).says("crash").says("local");
    rig.write(
        "firedrill.yaml",
        "environments:\n  cloud:\n    platform: { aws: { region: eu-west-1 } }\n    vars: { url: \"http://127.0.0.1:1\" }\n",
    );
    rig.firedrill(["run", "experiment.yaml"]).code(2).says("aws");
}
