//! What makes the tool pleasant: a first experiment, completions, manual pages, a log for programs, a unit of systemd.

use std::{
    fs,
    io::Write,
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
};

use super::rig::{Rig, Said, eventually};

/// Runs a program of this machine; `None` where it has none of that name.
fn tried(program: &str, args: &[&str], input: &str) -> Option<Said> {
    let child = Command::new(program).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.ok()?;
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    Some(Said::of(child.wait_with_output().unwrap()))
}

#[test]
fn a_first_experiment_is_written_for_what_runs_here_and_never_over_what_is_there() {
    let rig = Rig::new();
    // A program that firedrill did not start, under a name of its own.
    let server = rig.path("shop-server");
    fs::copy(env!("CARGO_BIN_EXE_firedrill"), &server).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let mut child = Command::new(&server)
        .args(["what-time", "--listen", &address, "--instance", "shop-1", "--zone", "a"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    eventually("it listens", || std::net::TcpStream::connect(&address).is_ok());
    let init = |args: &[&str]| {
        let mut command = rig.command([&["init"], args].concat());
        command.env("DOCKER_HOST", "unix:///nonexistent/docker.sock").env("AWS_PROFILE", "planted-profile-4711");
        Said::of(command.output().unwrap())
    };
    let first = init(&["new"]).code(0).says(&format!("shop-server at {address} (HTTP 200)")).says("Docker: not looked at: ");
    let _ = child.kill();
    let _ = child.wait();
    assert!(first.out.contains("firedrill run new/first-drill.yaml") && first.out.contains("AWS: AWS_PROFILE is there"), "{}", first.out);
    rig.firedrill(["check", "new/firedrill.yaml", "new/first-drill.yaml"]).code(0);
    let project = fs::read_to_string(rig.path("new/firedrill.yaml")).unwrap();
    assert!(project.contains("# aws:") && project.contains("confirm: true") && !project.contains("planted-profile"), "{project}");

    let drill = rig.path("new/first-drill.yaml");
    fs::write(&drill, "mine").unwrap();
    init(&["new"]).code(2).says("there already: new/firedrill.yaml, new/first-drill.yaml; nothing was written");
    assert_eq!(fs::read_to_string(&drill).unwrap(), "mine");
    init(&["new", "--force"]).code(0);
    assert_ne!(fs::read_to_string(&drill).unwrap(), "mine");
}

#[test]
fn shells_and_manual_pages_know_the_verbs_and_none_that_is_internal() {
    let rig = Rig::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let said = rig.firedrill(["completions", shell]).code(0);
        assert!(said.out.contains("recover") && said.out.contains("log-format"), "{shell}");
        assert!(!said.out.contains("deadman") && !said.out.contains("name-server") && !said.out.contains("for-daemon"), "{shell}");
        if shell == "bash" {
            // It is read, and it completes.
            let script = format!(
                "{}\nCOMP_WORDS=(firedrill rec); COMP_CWORD=1; _firedrill firedrill rec firedrill; echo \"${{COMPREPLY[@]}}\"",
                said.out
            );
            if let Some(said) = tried("bash", &["-eu"], &script) {
                assert_eq!(said.code(0).out.trim(), "recover");
            }
        }
    }
    rig.firedrill(["man", "--out", "man"]).code(0);
    let pages = super::rig::names(&rig.path("man"));
    for page in ["firedrill.1", "firedrill-run.1", "firedrill-schedule-explain.1"] {
        assert!(pages.iter().any(|name| name == page), "{pages:?}");
    }
    assert!(!pages.iter().any(|name| name.contains("deadman") || name.contains("sample")), "{pages:?}");
    for page in &pages {
        let path = rig.path("man").join(page);
        if let Some(said) = tried("groff", &["-man", "-Tutf8", "-ww", "-z", &path.display().to_string()], "") {
            assert_eq!(said.code(0).err, "", "{page}");
        }
    }
    assert_eq!(rig.firedrill(["man"]).code(0).out, fs::read_to_string(rig.path("man/firedrill.1")).unwrap());
}

#[test]
fn for_programs_each_line_of_the_log_is_one_object() {
    let rig = Rig::new();
    rig.write("bad.yaml", "title: \"\u{1b}[31m\"\nprobs: 1\n");
    for (args, code) in [(&["plan", "experiment.yaml"][..], 0), (&["run", "bad.yaml"], 2), (&["recover", "no-such-run"], 2)] {
        let mut command = rig.command([&["--log-format", "json"], args].concat());
        let said = Said::of(command.env("FIREDRILL_LOG", "debug").output().unwrap());
        let lines: Vec<serde_json::Value> =
            said.err.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect();
        let told = |line: &serde_json::Value| line["timestamp"].is_string() && line["level"].is_string() && line["fields"].is_object();
        assert!(lines.iter().all(told), "{}", said.err);
        assert_eq!(said.status.code(), Some(code), "{}{}", said.out, said.err);
        assert!(code == 0 || lines.iter().any(|line| line["level"] == "ERROR" && line["target"] == "firedrill"), "{}", said.err);
        assert!(!said.err.contains('\u{1b}'));
    }
}

#[test]
fn systemd_takes_the_unit() {
    let rig = Rig::new();
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/deploy/firedrill.service");
    let text = fs::read_to_string(unit).unwrap();
    let start = text.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/bin/firedrill ")).unwrap().to_owned();
    // Its command line is one of this build's.
    if cfg!(feature = "daemon") {
        let mut words: Vec<&str> = start.split(' ').collect();
        words.push("--help");
        rig.firedrill(words).code(0).says("Watch a folder of experiments");
    }
    let text = text.replace("/usr/bin/firedrill", env!("CARGO_BIN_EXE_firedrill")).replace("man:firedrill(1) man:firedrill-serve(1)", "");
    rig.write("firedrill.service", &text);
    let path = rig.path("firedrill.service").display().to_string();
    if let Some(said) = tried("systemd-analyze", &["verify", "--man=no", &path], "") {
        let about: Vec<&str> = said.err.lines().filter(|line| line.contains("firedrill")).collect();
        assert!(about.is_empty() && said.status.success(), "{}", said.err);
    }
}
