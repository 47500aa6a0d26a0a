//! Names, texts and file names that mean harm to whoever reads them: a terminal, a browser, a merge request, a CI server.

use std::{ffi::OsStr, fs, io::Write, os::unix::ffi::OsStrExt};

use super::{
    gentle, ran,
    servers::{Server, head},
};
use crate::{
    cli::rig::{EXPERIMENT, Rig, SYSTEM, Said, Started},
    support::residue,
};

/// Sets a terminal's title, clears it, turns the writing direction; HTML, Markdown, a formula, the end of a CDATA section.
const EVIL: &str = "</script><img src=x onerror=alert(1)>\u{1b}]0;owned\u{7}\u{1b}[2J\u{202e}|`@all` =HYPERLINK(1) ]]>";

/// Nothing in it is obeyed by a terminal. Line ends are ours.
fn harmless(what: &str, text: &str) {
    let found = text.chars().find(|c| (c.is_control() && *c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'));
    residue::none(found.is_none(), format_args!("{what} has {found:?}:\n{}", text.escape_debug()));
}

fn said(said: &Said) {
    harmless("standard output", &said.out);
    harmless("standard error", &said.err);
}

/// Every report of the one run, and its events.
fn reports(rig: &Rig) {
    let folder = rig.run_folder();
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let (html, markdown, junit) = (read("report.html"), read("report.md"), read("junit.xml"));
    for (name, text) in [("report.html", &html), ("report.md", &markdown), ("junit.xml", &junit), ("events.jsonl", &read("events.jsonl"))] {
        harmless(name, text);
    }
    for (name, text) in [("report.html", &html), ("report.md", &markdown), ("junit.xml", &junit)] {
        residue::none(!text.contains("<img") && !text.contains("</script"), format_args!("{name} has markup of somebody else"));
    }
    assert!(!markdown.contains("@all"), "{markdown}");
    assert!(html.len() < 4 << 20 && markdown.len() < 1 << 20, "{} and {} bytes", html.len(), markdown.len());
    for line in read("events.jsonl").lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
    serde_json::from_str::<serde_json::Value>(&read("result.json")).unwrap();
    for format in ["console", "markdown", "html", "junit"] {
        said(&rig.firedrill(["report", folder.to_str().unwrap(), "--format", format]).code(0));
    }
}

#[test]
fn what_a_system_says_is_shown_and_not_obeyed() {
    // Printable, since nothing else passes in a header; a megabyte of it in the body.
    let names = "</script><img src=x onerror=alert(1)>|`@all` =HYPERLINK(1) ]]>";
    let answer =
        format!("HTTP/1.1 200 OK\r\nx-served-by: {names}{}\r\nx-zone: {names}\r\ncontent-length: 1048576\r\n\r\n", "x".repeat(20_000));
    let server = Server::start(move |stream| {
        loop {
            head(stream)?;
            stream.write_all(answer.as_bytes())?;
            stream.write_all(&b"\x1b]0;owned\x07\xff<b>".repeat(1 << 20)[..1 << 20])?;
        }
    });
    let probe = format!(
        "probes:\n  evil: {{ http: \"http://{}/\", rate: 20/s, timeout: 2s, body-limit: 2MiB, served-by: {{ header: x-served-by, zone-header: x-zone }} }}\n",
        server.address
    );
    let step = "method:\n  - run: [cat, words]\n  - run: [sh, -c, \"cat words >&2; exit 1\"]\n";
    let rig = Rig::with(SYSTEM, &gentle().replace("probes:\n", &probe).replace("method:\n", step));
    let words = [&b"y".repeat(1 << 20), EVIL.as_bytes(), b"\xff\xfe\n", EVIL.as_bytes(), EVIL.as_bytes(), EVIL.as_bytes()].concat();
    fs::write(rig.path("words"), words).unwrap();
    let run = ran(&rig, &|| rig.command(["run", "experiment.yaml"]));
    said(&run);
    assert!(run.out.contains("owned"), "the command's last words are not told:\n{}\n{}", run.out, run.err);
    reports(&rig);
    assert!(fs::read_to_string(rig.run_folder().join("result.json")).unwrap().contains("onerror"), "the server's name is not told");
}

#[test]
fn a_file_of_any_name_is_run_and_its_name_is_shown_as_text() {
    let rig = Rig::new();
    for name in [EVIL.replace('/', "_").as_bytes().to_vec(), b"line\nfiredrill: all is well\xff.yaml".to_vec()] {
        let path = rig.path(".").join(OsStr::from_bytes(&name));
        fs::copy(rig.path("experiment.yaml"), &path).unwrap();
        for verb in ["check", "plan", "run"] {
            let ran = rig.firedrill([OsStr::new(verb), path.as_os_str()]);
            said(&ran);
            assert_ne!(ran.status.code(), Some(2), "{}{}", ran.out, ran.err);
            assert!(!ran.err.lines().chain(ran.out.lines()).any(|line| line.starts_with("firedrill: all is well")), "{}", ran.err);
        }
        reports(&rig);
        fs::remove_dir_all(rig.path("firedrill-runs")).unwrap();
    }
    // And those that are not there, or no experiments, wherever a path may stand.
    fs::write(rig.path(".").join(EVIL.replace('/', "_")), EVIL).unwrap();
    for name in [EVIL.replace('/', "_"), format!("none{EVIL}")] {
        for args in
            [&["check"][..], &["run"], &["plan"], &["report"], &["recover"], &["halt"], &["up"], &["run", "experiment.yaml", "--plan"]]
        {
            let ran = rig.firedrill(args.iter().copied().chain([name.as_str()]));
            said(&ran);
            assert_ne!(ran.status.code(), Some(0), "{args:?}");
        }
        said(&rig.firedrill(["run", "experiment.yaml", "--env", &name]).code(2));
        said(&rig.firedrill(["check", "experiment.yaml", "--var", &format!("url={name}")]));
    }
}

#[test]
fn a_service_that_dies_is_quoted_and_not_obeyed() {
    let command = "command: [sh, -c, \"cat words >&2; exit 7\"]\n    working-directory: .\n    #";
    let rig = Rig::with(&SYSTEM.replace("command:", command), EXPERIMENT);
    fs::write(rig.path("words"), format!("{EVIL}\nfiredrill: all is well\n")).unwrap();
    for args in [&["run", "experiment.yaml"][..], &["targets"], &["up", "system.yaml"]] {
        let ran = rig.firedrill(args);
        said(&ran);
        let ran = ran.code(3).says("onerror");
        assert!(!ran.err.lines().any(|line| line.starts_with("firedrill: all is well")), "{}", ran.err);
    }
}

#[test]
fn labels_and_names_of_a_local_system_are_shown_as_text() {
    let yaml = EVIL.chars().fold(String::new(), |out, c| match c {
        '\u{1b}' => out + "\\e",
        '\u{7}' => out + "\\a",
        '\u{202e}' => out + "\\u202e",
        '"' => out + "\\\"",
        c => out + &c.to_string(),
    });
    // A key with what a terminal obeys is refused as a file (`bad_files`).
    let key = "<img src=x onerror=alert(1)>";
    let labels = format!("labels: {{ \"{key}\": \"{yaml}\", plain: \"{}\" }}\n    health:", "x".repeat(200_000));
    let rig = Rig::with(&SYSTEM.replace("health:", &labels), &gentle());
    let ran = super::ran(&rig, &|| rig.command(["run", "experiment.yaml"]));
    said(&ran);
    assert_ne!(ran.status.code(), Some(2), "{}{}", ran.out, ran.err);
    reports(&rig);
    for args in
        [&["targets"][..], &["targets", "--format", "json"], &["plan", "experiment.yaml"], &["plan", "experiment.yaml", "--format", "json"]]
    {
        said(&rig.firedrill(args).code(0));
    }
}

/// Logs are asked for by whoever looks for a fault; they go to a terminal as well.
#[test]
fn logs_are_harmless_too() {
    let rig = Rig::new();
    let mut command = rig.command(["check", &format!("none{EVIL}")]);
    command.env("FIREDRILL_LOG", "trace");
    said(&Started::new(command.spawn().unwrap()).end());
}
