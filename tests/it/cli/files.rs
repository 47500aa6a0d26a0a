//! Verbs that only read files, and files that are wrong.

use super::rig::{EXPERIMENT, Rig};

/// [`super::rig::EXPERIMENT`] with a mistake in it.
const BAD: &str = "title: x\nprobes:\n  home: { http: \"${urll}/\" }\nsteady-state: [{ probe: home, availability: \">= 90%\" }]\nmethod:\n  - kil: { service: web, take: 1 }\n    hold: 1s\n";

#[test]
fn version_and_help() {
    let rig = Rig::new();
    let version = rig.firedrill(["--version"]).code(0);
    assert_eq!(version.out, format!("firedrill {}\n", env!("CARGO_PKG_VERSION")));
    for verb in ["demo", "check", "plan", "run", "drill", "targets", "report", "recover", "halt", "schema", "up"] {
        rig.firedrill(["--help"]).code(0).says(&format!("  {verb} "));
        rig.firedrill([verb, "--help"]).code(0).says("Usage:");
    }
    rig.firedrill(["nonsense"]).code(2).says("nonsense");
    rig.firedrill(["run"]).code(2).says("FILE");
}

#[test]
fn check_tells_good_from_bad() {
    let rig = Rig::new();
    rig.firedrill(["check", "experiment.yaml"]).code(0).says("1 file checked: fine");
    let good = rig.firedrill(["check", "experiment.yaml", "--format", "json"]).code(0);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&good.out).unwrap(), serde_json::json!([]));

    rig.write("bad.yaml", BAD);
    let text = rig.firedrill(["check", "bad.yaml", "experiment.yaml"]).code(2);
    let text = text.says("bad.yaml:3:18").says("did you mean `${url}`?").says("bad.yaml:6:5").says("did you mean `kill`?");
    assert!(!text.out.contains("fine"), "{}", text.out);

    let json = rig.firedrill(["check", "bad.yaml", "experiment.yaml", "--format", "json"]).code(2);
    let findings: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    let findings = findings.as_array().unwrap();
    assert!(findings.len() >= 2, "every error at once: {findings:?}");
    assert!(findings.iter().all(|f| f["file"] == "bad.yaml" && f["line"].is_u64() && f["message"].is_string()), "{findings:?}");
    assert!(rig.run_folders().is_empty());
}

#[test]
fn check_knows_project_and_system_files() {
    let rig = Rig::new();
    rig.firedrill(["check", "firedrill.yaml", "system.yaml", "experiment.yaml"]).code(0).says("3 files checked: fine");
    // Every environment, not only the one that would be chosen; and a system that one of them names.
    std::fs::create_dir(rig.path("other")).unwrap();
    rig.write(
        "other/firedrill.yaml",
        "environments:\n  a: { platform: { local: s.yaml } }\n  b: { platfrom: {} }\n  c: { platform: { local: t.yaml } }\n",
    );
    rig.write("other/s.yaml", "name: s\nservices:\n  web: { comand: [x], replicas: 1 }\n");
    let all = rig.firedrill(["check", "other/firedrill.yaml"]).code(2);
    all.says("platfrom").says("did you mean `platform`?").says("s.yaml:3").says("did you mean `command`?").says("t.yaml");
    rig.firedrill(["check", "other/s.yaml"]).code(2).says("did you mean `command`?");
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let rig = Rig::new();
    rig.write("empty.yaml", "");
    std::fs::write(rig.path("binary.yaml"), [0xff, 0xfe, 0, 1, 2]).unwrap();
    for verb in ["check", "plan", "run"] {
        rig.firedrill([verb, "missing.yaml"]).code(2).says("missing.yaml").says("no such file");
        rig.firedrill([verb, "empty.yaml"]).code(2).says("the file is empty");
        rig.firedrill([verb, "binary.yaml"]).code(2).says("binary.yaml");
        rig.firedrill([verb, "state/.."]).code(2).says("cannot be read");
    }
    assert!(rig.run_folders().is_empty());
}

#[test]
fn one_bad_file_of_two_and_nothing_runs() {
    let rig = Rig::new();
    rig.write("bad.yaml", BAD);
    rig.firedrill(["run", "experiment.yaml", "bad.yaml"]).code(2).says("bad.yaml:6:5");
    assert!(rig.run_folders().is_empty());
}

#[test]
fn unknown_environments_and_variables_are_named() {
    let rig = Rig::new();
    for verb in ["check", "plan", "run"] {
        rig.firedrill([verb, "experiment.yaml", "--env", "mars"]).code(2).says("there is no environment `mars`").says("`here`");
        rig.firedrill([verb, "experiment.yaml", "--var", "novalue"]).code(2).says("NAME=VALUE");
    }
    rig.firedrill(["targets", "--env", "mars"]).code(2).says("there is no environment `mars`");
    rig.write("unknown-var.yaml", &super::rig::EXPERIMENT.replace("${url}", "${host}"));
    rig.firedrill(["check", "unknown-var.yaml"]).code(2).says("the variable `${host}` has no value");
    rig.firedrill(["check", "unknown-var.yaml", "--var", "host=http://127.0.0.1:1"]).code(0);
    // A misspelt one would change nothing.
    for verb in ["check", "plan", "run"] {
        let said = rig.firedrill([verb, "experiment.yaml", "--var", "prt=1"]).code(2);
        assert!(said.err.contains("--var prt: nothing here takes") && said.err.contains("did you mean `port`?"), "{verb}: {}", said.err);
    }
    assert!(rig.run_folders().is_empty());
    std::fs::remove_file(rig.path("firedrill.yaml")).unwrap();
    rig.firedrill(["targets"]).code(2).says("firedrill.yaml");
}

#[test]
fn a_wrong_environment_hides_no_other_error_and_neither_does_one_of_the_project() {
    let rig = Rig::new();
    let bad = format!("environment: her\n{}", super::rig::EXPERIMENT.replace("take: 1", "tkae: 1"));
    rig.write("bad.yaml", &bad);
    let said = rig.firedrill(["check", "bad.yaml"]).code(2);
    for words in ["did you mean `here`?", "did you mean `take`?"] {
        assert!(said.err.contains(words), "{words}: {}", said.err);
    }
    // The texts with a variable in them cannot be known, and nothing is said of them.
    assert!(!said.err.contains("url") && said.err.matches("error: ").count() == 2, "{}", said.err);
    let project = std::fs::read_to_string(rig.path("firedrill.yaml")).unwrap();
    rig.write("firedrill.yaml", &format!("{}schedule: {{ timezone: Europe/Lisbn }}\n", project.replace("vars:", "vasr:")));
    let said = rig.firedrill(["check", "experiment.yaml"]).code(2);
    for words in ["did you mean `vars`?", "Europe/Lisbon"] {
        assert!(said.err.contains(words), "{words}: {}", said.err);
    }
    rig.write("firedrill.yaml", &format!("{project}\n"));
    rig.write(
        "no-calendar.yaml",
        &format!("{}schedule: {{ cron: \"0 10 * * *\", not-on: nowhere.ics }}\n", bad.replace(": her\n", ": here\n")),
    );
    let said = rig.firedrill(["check", "no-calendar.yaml"]).code(2);
    assert!(said.err.contains("nowhere.ics") && said.err.contains("did you mean `take`?"), "{}", said.err);
}

#[test]
fn each_schema_is_one() {
    let rig = Rig::new();
    for kind in ["experiment", "project", "gameday", "day-event", "system", "result", "event", "plan"] {
        let said = rig.firedrill(["schema", kind]).code(0);
        let schema: serde_json::Value = serde_json::from_str(&said.out).unwrap();
        jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert!(schema["$schema"].is_string(), "{kind}");
    }
    assert_eq!(rig.firedrill(["schema"]).code(0).out, rig.firedrill(["schema", "experiment"]).code(0).out);
    rig.firedrill(["schema", "poem"]).code(2).says("experiment");
}

#[test]
fn a_run_that_is_not_there_cannot_be_reported() {
    let rig = Rig::new();
    rig.firedrill(["report", "nowhere"]).code(2).says("nowhere");
    rig.firedrill(["halt"]).code(0).says("no drill is running");
    rig.firedrill(["halt", "nobody"]).code(2).says("no drill with the id `nobody` is running");
    rig.owes_nothing();
    rig.firedrill(["recover", "nobody"]).code(2).says("nobody");
}

#[test]
fn check_knows_a_kept_plan() {
    let rig = Rig::new();
    rig.firedrill(["plan", "experiment.yaml", "-o", "plan.json"]).code(0);
    rig.firedrill(["check", "plan.json"]).code(0).says("1 file checked: fine");
    let plan = std::fs::read_to_string(rig.path("plan.json")).unwrap();
    rig.write("newer.json", &plan.replacen("\"version\": 1", "\"version\": 999", 1));
    rig.firedrill(["check", "newer.json"]).code(2).says("newer.json").says("version 999");
    rig.write("other.json", &plan.replacen("\"seed\":", "\"sed\":", 1));
    rig.firedrill(["check", "other.json"]).code(2).says("this is not a plan file").says("`seed`");
}

/// Sent empty, a token would fail as a wrong one does, and the system would be blamed.
#[test]
fn a_secret_that_is_empty_or_not_there_is_refused_before_anything_starts() {
    let rig = Rig::new();
    let with =
        |secret: &str| EXPERIMENT.replace("    timeout: 1s", &format!("    timeout: 1s\n    headers: {{ Authorization: {secret} }}"));
    rig.write("secret.yaml", &with("{ env: FIREDRILL_TEST_TOKEN }"));
    let said = |verb: &str, file: &str, token: Option<&str>| {
        let mut command = rig.command([verb, file]);
        match token {
            Some(token) => command.env("FIREDRILL_TEST_TOKEN", token),
            None => command.env_remove("FIREDRILL_TEST_TOKEN"),
        };
        let out = command.output().unwrap();
        (out.status.code(), format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr)))
    };
    for verb in ["check", "plan", "run"] {
        for empty in ["", " "] {
            let (code, text) = said(verb, "secret.yaml", Some(empty));
            assert_eq!(code, Some(2), "{verb}: {text}");
            assert!(text.contains("the environment variable `FIREDRILL_TEST_TOKEN` is empty") && text.contains("secret.yaml:"), "{text}");
        }
    }
    let (code, text) = said("run", "secret.yaml", None);
    assert!(code == Some(2) && text.contains("`FIREDRILL_TEST_TOKEN` is not set"), "{text}");
    // A machine that only checks files need not have it.
    let (code, text) = said("check", "secret.yaml", None);
    assert!(code == Some(0) && text.contains("warning") && text.contains("a run needs it"), "{text}");
    let (code, text) = said("check", "secret.yaml", Some("let-me-in"));
    assert!(code == Some(0) && !text.contains("let-me-in") && !text.contains("warning"), "{text}");

    rig.write("empty", "\n");
    rig.write("file.yaml", &with("{ file: empty }"));
    rig.firedrill(["check", "file.yaml"]).code(2).says("file.yaml:").says("empty` is empty");
    assert!(rig.run_folders().is_empty());
}
