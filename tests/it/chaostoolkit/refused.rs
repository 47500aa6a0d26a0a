//! What cannot be run is refused before anything is touched, with everything that is wrong at its place.

use std::{fs, path::Path};

use super::rig::{Rig, finished};

fn said(name: &str, text: &str, verb: &[&str]) -> (i32, String) {
    let rig = Rig::new();
    fs::write(rig.folder.path().join(name), text).unwrap();
    let output = finished(&mut rig.command(Path::new(env!("CARGO_BIN_EXE_firedrill")), &[verb, &[name]].concat()));
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr).into_owned())
}

const BAD: &str = "title: t
descripton: d
configuration:
  port: { type: env, key: CTK_NOT_SET }
secrets:
  site:
    token: planted-in-the-file
steady-state-hypothesis:
  title: h
  probes:
    - { type: probe, name: one, provider: { type: http, url: 'http://h/', timeout: 1 } }
    - { type: probe, name: two, tolerance: 1.5, provider: { type: http, url: 'http://h/', timeout: 1 } }
    - { type: probe, name: three, tolerance: { type: regex, pattern: 'a(', target: body }, provider: { type: http, url: 'http://h/', timeout: 1 } }
    - { type: probe, name: four, tolerance: { type: jsonpath, path: 'a.b', target: body }, provider: { type: http, url: 'http://h/', timeout: 1 } }
    - { type: probe, name: five, tolerance: { type: regex, pattern: 'a' }, provider: { type: http, url: 'http://h/', timeout: 1 } }
method:
  - { ref: on }
  - { type: actoin, name: six, provider: { type: process, path: 'true' } }
rollbacks: []
";

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    for verb in [&["check"][..], &["run"]] {
        let (code, words) = said("bad.yaml", BAD, verb);
        assert_eq!(code, 2, "{words}");
        for says in [
            "bad.yaml:2:1",
            "did you mean `description`",
            "the key `description` is missing",
            "bad.yaml:11:9",
            "says not what its result must be",
            "bad.yaml:12:44",
            "cannot be looked for",
            "is no path",
            "there is no activity `on`",
            "`actoin` is not known here",
            "the secret `token` stands in the file",
        ] {
            assert!(words.contains(says), "{says}: {words}");
        }
        crate::support::residue::none(!words.contains("planted"), &words);
    }
}

#[test]
fn what_is_not_carried_is_refused_with_the_way_out() {
    let python = r#"{"title": "t", "description": "d", "steady-state-hypothesis": {"title": "h", "probes": [
        {"type": "probe", "name": "p", "tolerance": true, "provider": {"type": "python", "module": "m", "func": "f"}}]},
        "method": [{"type": "action", "name": "a", "provider": {"type": "process", "path": "no-such-program-here"}}],
        "controls": [{"name": "c", "provider": {"type": "python", "module": "m"}}]}"#;
    let (code, words) = said("p.json", python, &["run"]);
    assert_eq!(code, 2, "{words}");
    for says in [
        "is Python (`m.f`)",
        "import chaos-toolkit",
        "`no-such-program-here` is not a program",
        "not carried: the control `c`",
        "has no time limit",
    ] {
        assert!(words.contains(says), "{says}: {words}");
    }
}

#[test]
fn broken_json_is_explained_as_json() {
    let (code, words) = said("b.json", "{\n\t\"steady-state-hypothesis\": {},\n\t\"method\": [,]\n}", &["run"]);
    assert_eq!(code, 2, "{words}");
    assert!(words.contains("b.json:3:13") && words.contains("a JSON value"), "{words}");
}

/// A `$` may be the end of a line or a value: either way it is looked at before the run.
#[test]
fn a_pattern_that_cannot_be_looked_for_is_no_system_that_is_unwell() {
    let text = "title: t\ndescription: d\nconfiguration: { what: 'a(' }\nsteady-state-hypothesis:\n  title: h\n  probes:\n\
        \x20   - { type: probe, name: one, tolerance: { type: regex, pattern: '(a$', target: stdout }, provider: { type: process, path: 'true', timeout: 1 } }\n\
        \x20   - { type: probe, name: two, tolerance: { type: regex, pattern: '^${what}', target: stdout }, provider: { type: process, path: 'true', timeout: 1 } }\n\
        \x20   - { type: probe, name: three, tolerance: { type: jsonpath, path: '${what}', target: stdout }, provider: { type: process, path: 'true', timeout: 1 } }\n\
        method: [{ type: action, name: a, provider: { type: process, path: 'true', timeout: 1 } }]\n";
    let (code, words) = said("r.yaml", text, &["run"]);
    assert_eq!(code, 2, "{words}");
    for says in ["r.yaml:7:", "`(a$` cannot be looked for", "`^${what}` cannot be looked for", "`${what}` is no path"] {
        assert!(words.contains(says), "{says}: {words}");
    }
}

#[test]
fn strictly_there_must_be_something_to_judge() {
    let nothing =
        "title: t\ndescription: d\nrollbacks: []\nmethod: [{ type: action, name: a, provider: { type: process, path: 'true' } }]\n";
    let (code, words) = said("n.yaml", nothing, &["run"]);
    assert!(code == 2 && words.contains("nothing to judge"), "{words}");
    let (code, words) = said("n.yaml", nothing, &["run", "--compatible"]);
    assert_eq!(code, 0, "{words}");
    let (code, words) = said("n.yaml", nothing, &["run", "--dry", "actions"]);
    assert!(code == 2 && words.contains("--compatible"), "{words}");
}
