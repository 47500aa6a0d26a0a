//! Containers whose names, labels and ids mean harm, and an engine that says so itself: what a terminal shows stays text, and an id stays an
//! id wherever it is put into a request.

use std::path::Path;

use serde_json::{Value, json};

use super::fake_engine::{FakeEngine, Reply};

const EVIL: &str = "</script><img src=x onerror=alert(1)>\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}\nfiredrill: all is well|`@all`";

fn container(id: &str, labels: &Value) -> Value {
    json!({
        "Id": id, "Names": [format!("/{EVIL}")], "Image": EVIL, "ImageID": EVIL, "Labels": labels,
        "State": "running", "Status": format!("Up 2 hours ({EVIL})"), "Ports": [],
        "NetworkSettings": { "Networks": { EVIL: { "IPAddress": EVIL } } },
    })
}

async fn firedrill(folder: &Path, args: &[&str]) -> (String, String) {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_firedrill"));
    command.args(args).current_dir(folder).env("FIREDRILL_STATE_DIR", folder.join("state")).env("NO_COLOR", "1");
    let output = command.output().await.unwrap();
    (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

fn harmless(what: &str, text: &str) {
    let obeyed = text.chars().find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
    assert!(obeyed.is_none(), "{what} has {obeyed:?}: {}", text.escape_debug());
    assert!(!text.lines().any(|line| line.starts_with("firedrill: all is well")), "{what}: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_labels_and_words_of_an_engine_are_shown_as_text() {
    let labels = json!({
        "com.docker.compose.project": "shop", "com.docker.compose.service": EVIL, "firedrill.zone": EVIL, "tier": "gold", EVIL: EVIL,
        "large": "x".repeat(1 << 20),
    });
    let ids = ["a".repeat(64), "b".repeat(64), "c".repeat(64), "../images/prune?force=1#".to_owned(), format!("{EVIL}/json")];
    let listed: Vec<Value> = ids.iter().map(|id| container(id, &labels)).collect();
    let engine = FakeEngine::start("e", move |line| {
        if line.starts_with("GET /containers/json") {
            return Some(Reply::Json(200, json!(listed)));
        }
        // Whatever else is asked, about a container or not, is refused in these words.
        (!matches!(line, "GET /version" | "GET /info")).then(|| Reply::Json(500, json!({ "message": EVIL })))
    });
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
    write(
        "firedrill.yaml",
        format!("environments:\n  e: {{ platform: {{ docker: {{ project: shop, hosts: [{{ host: '{}' }}] }} }} }}\n", engine.address()),
    );
    write(
        "experiment.yaml",
        "title: t\nprobes:\n  home: { http: \"http://127.0.0.1:1/\", rate: 5/s }\nsteady-state: [{ probe: home, availability: \">= 1%\" }]\n\
         method:\n  - kill: { all: true, take: all }\n    hold: 1s\nguardrails: { max-affected: { service: 100% } }\n"
            .to_owned(),
    );
    for args in [
        &["targets"][..],
        &["targets", "--format", "json"],
        &["plan", "experiment.yaml"],
        &["plan", "experiment.yaml", "--format", "json"],
        &["run", "experiment.yaml"],
        &["recover", "--env", "e"],
    ] {
        let (out, err) = firedrill(folder.path(), args).await;
        harmless(&format!("the output of {args:?}"), &out);
        harmless(&format!("the errors of {args:?}"), &err);
        assert!(out.len() < 8 << 20 && err.len() < 1 << 20, "{args:?}: {} and {} bytes", out.len(), err.len());
        // There is nothing to recover.
        assert!(args[0] == "recover" || format!("{out}{err}").contains("onerror"), "{args:?} says nothing of it: {out}{err}");
    }
    for line in engine.asked().iter() {
        assert!(!line.contains("/images/prune"), "an id became another request: {line}");
    }
}
