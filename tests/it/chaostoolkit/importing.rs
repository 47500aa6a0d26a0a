//! The import: what it writes is a file of ours, and it says where that differs.

use std::{collections::BTreeMap, fs, path::Path};

use firedrill::file::{LoadOptions, Source, load_source};

use super::{
    CASES,
    rig::{Rig, experiments, finished},
};

fn imported(rig: &Rig, file: &Path) -> (i32, String, String) {
    let output =
        finished(&mut rig.command(Path::new(env!("CARGO_BIN_EXE_firedrill")), &["import", "chaos-toolkit", file.to_str().unwrap()]));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// The text as our loader reads it.
fn loaded(text: &str, vars: &[(&str, &str)]) -> firedrill::model::experiment::Experiment {
    let vars: BTreeMap<String, String> = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let loaded = load_source(&Source::new("imported.yaml", text), None, &LoadOptions { vars, ..LoadOptions::default() });
    loaded.unwrap_or_else(|errors| panic!("{errors}\n{text}")).experiment
}

#[test]
fn what_is_imported_of_every_experiment_reads_back() {
    let mut whole = 0;
    for (file, ..) in CASES {
        let rig = Rig::new();
        let (code, text, words) = imported(&rig, &experiments().join(file));
        assert!(words.contains("differs: where it runs is no part of the file"), "{file}: {words}");
        if code == 0 {
            whole += 1;
            let ours = loaded(&text, &[("base", "http://127.0.0.1:1"), ("nobody", "http://127.0.0.1:1"), ("asked", "word")]);
            assert!(!ours.probes.is_empty() && !ours.method.is_empty(), "{file}: {text}");
        } else {
            assert!(code == 1 && words.contains("the result cannot run as it is"), "{file}: {words}");
        }
    }
    assert!(whole >= 15, "only {whole} can be said in our format");
}

#[test]
fn an_address_that_no_probe_may_ask_is_left_out() {
    let rig = Rig::new();
    let file = rig.folder.path().join("addresses.json");
    // A variable that is nowhere, and credentials of a machine.
    let probe = |name: &str, url: &str| {
        format!(
            r#"{{ "type": "probe", "name": "{name}", "tolerance": 200, "provider": {{ "type": "http", "url": "{url}", "timeout": 2 }} }}"#
        )
    };
    let probes =
        [probe("fine", "http://127.0.0.1:1/"), probe("nowhere", "${nowhere}/ok"), probe("inside", "http://169.254.169.254/")].join(",");
    let method = r#"[{ "type": "action", "name": "act", "provider": { "type": "process", "path": "true", "timeout": 5 } }]"#;
    let hypothesis = format!(r#"{{ "title": "h", "probes": [{probes}] }}"#);
    let text =
        format!(r#"{{ "title": "t", "description": "d", "steady-state-hypothesis": {hypothesis}, "method": {method}, "rollbacks": [] }}"#);
    fs::write(&file, text).unwrap();
    let (_, text, words) = imported(&rig, &file);
    assert_eq!(loaded(&text, &[]).probes.len(), 1, "{text}");
    for why in ["`nowhere`: `${nowhere}/ok` is not a URL", "`inside`: `169.254.169.254` serves a machine's credentials"] {
        assert!(words.contains(why), "{why}: {words}");
    }
}

const RICH: &str = r#"{
  "title": "A zone is lost",
  "description": "Everything that has its like is carried.",
  "tags": ["aws", "zone"],
  "configuration": { "base": { "type": "env", "key": "SITE" }, "path": "home" },
  "secrets": { "site": { "token": { "type": "env", "key": "SITE_TOKEN" } } },
  "controls": [{ "name": "tracing", "provider": { "type": "python", "module": "m" } }],
  "steady-state-hypothesis": { "title": "h", "probes": [
    { "type": "probe", "name": "The Home Page!", "tolerance": 200,
      "provider": { "type": "http", "url": "${base}/${path}", "headers": { "Authorization": "${token}" }, "timeout": 2, "verify_tls": false } },
    { "type": "probe", "name": "the body", "tolerance": { "type": "jsonpath", "path": "$.a[0]", "expect": 1, "target": "body" },
      "provider": { "type": "http", "url": "${base}/j", "timeout": 2 } },
    { "type": "probe", "name": "healthy", "tolerance": true,
      "provider": { "type": "python", "module": "chaosaws.asg.probes", "func": "desired_equals_healthy", "arguments": { "asg_names": ["web"] } } },
    { "type": "probe", "name": "mixed", "tolerance": 200,
      "provider": { "type": "http", "url": "${base}/m", "headers": { "Authorization": "Bearer ${token}" }, "timeout": 2 } }
  ]},
  "method": [
    { "type": "action", "name": "kill", "pauses": { "after": 5 },
      "provider": { "type": "python", "module": "chaosaws.asg.actions", "func": "terminate_random_instances",
        "arguments": { "asg_names": ["web"], "instance_count": 2 } } },
    { "type": "action", "name": "zone",
      "provider": { "type": "python", "module": "chaosaws.ec2.actions", "func": "stop_instances", "arguments": { "az": "eu-west-1a" } } },
    { "type": "action", "name": "nothing",
      "provider": { "type": "python", "module": "chaosaws.ec2.actions", "func": "stop_instances", "arguments": { "instance_ids": [] } } },
    { "type": "action", "name": "switch", "provider": { "type": "process", "path": "flip", "arguments": "--to 'b' | tee log", "timeout": 9 } },
    { "type": "action", "name": "call", "provider": { "type": "http", "url": "${base}/x", "method": "POST", "arguments": { "k": "v w" } } }
  ],
  "rollbacks": [
    { "type": "action", "name": "one", "provider": { "type": "process", "path": "flip", "arguments": ["--back", "it's"], "timeout": 9 } },
    { "type": "action", "name": "two", "provider": { "type": "process", "path": "say", "arguments": ["done"], "timeout": 9 } },
    { "type": "action", "name": "resume", "provider": { "type": "python", "module": "chaosaws.asg.actions", "func": "resume_processes" } }
  ]
}"#;

#[test]
fn each_part_becomes_what_is_like_it_and_the_rest_is_listed() {
    let rig = Rig::new();
    let file = rig.folder.path().join("rich.json");
    fs::write(&file, RICH).unwrap();
    let (code, text, words) = imported(&rig, &file);
    assert_eq!(code, 0, "{words}");
    let ours = loaded(&text, &[("base", "https://site.example")]);
    // Everything that is said of it stands in the file, too. `UPDATE_GOLDEN=1` writes it anew.
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/chaos-toolkit-import.yaml");
    let shown = text.replace(rig.folder.path().to_str().unwrap(), "FOLDER");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&golden, &shown).unwrap();
    }
    assert_eq!(shown, fs::read_to_string(&golden).unwrap());
    assert_eq!(ours.probes.len(), 3, "{text}");
    for says in [
        "not carried: the control `tracing` of the experiment",
        "a variable to set: base: it was the environment variable SITE",
        "time-to-capacity",
        "the header `Authorization` of `mixed`: a secret is only a part of it",
        "terminate_random_instances becomes the fault `kill`",
        "names no target",
        "curl sends it",
        "rollbacks are played at the end",
        "the rollback `resume`",
    ] {
        assert!(words.contains(says), "{says}: {words}");
    }
    // Never over a file that is there.
    let output = finished(
        &mut rig.command(Path::new(env!("CARGO_BIN_EXE_firedrill")), &["import", "chaos-toolkit", "rich.json", "-o", "rich.json"]),
    );
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(fs::read_to_string(&file).unwrap(), RICH);
}
