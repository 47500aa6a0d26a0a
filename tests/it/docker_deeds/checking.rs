//! `firedrill check` says what these engines, or this machine, cannot do; no engine is asked.

use std::process::Command;

use firedrill::platform::docker::network::machine;

/// Checks a method's step on an engine at this address: whether it may run, and what was said.
fn check(address: &str, step: &str) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let environments = format!("environments:\n  staging:\n    platform: {{ docker: {{ hosts: [{{ host: '{address}', zone: a }}] }} }}\n");
    std::fs::write(folder.path().join("firedrill.yaml"), environments).unwrap();
    let experiment = format!(
        "title: checked\nprobes:\n  always: {{ command: [\"true\"], rate: 10/s }}\n\
         steady-state: [{{ probe: always, availability: '>= 10%' }}]\nmethod:\n  - {step}\n"
    );
    std::fs::write(folder.path().join("experiment.yaml"), experiment).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_firedrill"));
    let output = command.args(["check", "experiment.yaml"]).current_dir(folder.path()).env("NO_COLOR", "1").output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

const FAR: &str = "tcp://10.1.2.3:2375";
const NEAR: &str = "unix:///no/such/docker.sock";

#[test]
fn the_mode_of_a_partition_decides_where_it_can_be_done() {
    let (code, said) = check(FAR, "partition: { service: web }");
    assert_eq!(code, Some(2), "{said}");
    for words in [
        "cannot make connections hang here",
        "unless told otherwise",
        "`mode: refuse` or `mode: disconnect`",
        "10.1.2.3",
        "experiment.yaml:6:5",
    ] {
        assert!(said.contains(words), "no {words:?} in: {said}");
    }
    let (code, said) = check(FAR, "partition: { service: web, mode: hang }");
    assert!(code == Some(2) && said.contains("experiment.yaml:6:38") && !said.contains("unless told otherwise"), "{said}");
    for address in [FAR, NEAR] {
        for mode in ["refuse", "disconnect"] {
            let (code, said) = check(address, &format!("partition: {{ service: web, mode: {mode} }}"));
            assert_eq!(code, Some(0), "{said}");
        }
    }
    let (code, said) = check(NEAR, "partition: { service: web }");
    assert_eq!(code, Some(0), "{said}");
}

#[tokio::test]
async fn what_the_kernel_has_not_got_is_named() {
    let cannot = machine::cannot_delay().await;
    for step in ["slow: { service: web, latency: 100ms }", "loss: { service: web, share: 10% }"] {
        let (code, said) = check(NEAR, step);
        let flat: String = said.split_whitespace().collect::<Vec<_>>().join(" ");
        match &cannot {
            None => assert_eq!(code, Some(0), "{said}"),
            Some(why) => assert!(code == Some(2) && flat.contains("sch_netem") && flat.contains(why), "{flat} / {why}"),
        }
    }
    let (code, said) = check(NEAR, "limit: { service: web, rate: 1MB }");
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn a_stress_is_not_held_longer_than_it_lasts() {
    let (code, said) = check(NEAR, "{ stress: { service: web, cpu: 1 }, hold: 2h }");
    assert!(code == Some(2) && said.contains("ends by itself after 1h 0m") && said.contains("experiment.yaml:6:"), "{said}");
    let (code, said) = check(NEAR, "{ stress: { service: web, cpu: 1 }, hold: 1h }");
    assert_eq!(code, Some(0), "{said}");
}
