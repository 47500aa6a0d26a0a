//! A user's folder with a small system in it, and the binary as that user runs it: own state, own port, bounded time, and nothing
//! left running at the end.

use std::{
    fs,
    io::Read,
    net::TcpListener,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use firedrill::clock;
use rustix::process::{Pid, Signal};

use crate::support::{alone, residue};

const BINARY: &str = env!("CARGO_BIN_EXE_firedrill");
/// Longer than any call here takes, even on a machine that is busy with something else.
const LIMIT: Duration = Duration::from_secs(90);

/// Three servers in two zones behind a balancer; the dead are replaced.
pub const SYSTEM: &str = r#"
name: cli-test
vars: { port: 8080 }
services:
  web:
    command: ["${firedrill}", what-time, --listen, "${instance.address}", --instance, "${instance.id}", --zone, "${instance.zone}"]
    zones: { a: 2, b: 1 }
    health: { http: /health, every: 50ms, timeout: 1s, starts-within: 20s }
    replace: { after: 500ms }
balancers:
  edge:
    listen: "127.0.0.1:${port}"
    service: web
    check: { http: /health, every: 50ms, timeout: 500ms, rise: 1, fall: 2 }
"#;

/// An experiment on [`SYSTEM`] that passes, in about four seconds.
pub const EXPERIMENT: &str = r#"
title: One server of three dies
probes:
  home:
    http: ${url}/
    rate: 200/s
    timeout: 1s
    served-by: { header: x-served-by, zone-header: x-zone }
steady-state:
  - { probe: home, availability: ">= 70%" }
warm-up: 500ms
baseline: 1s
recovery: { hold: 1s, limit: 10s }
method:
  - kill: { service: web, take: 1 }
    hold: 1s
"#;

/// A folder with `firedrill.yaml`, `system.yaml` and `experiment.yaml`.
pub struct Rig {
    folder: tempfile::TempDir,
    port: u16,
}

impl Rig {
    /// The usual system and experiment.
    pub fn new() -> Self {
        Self::with(SYSTEM, EXPERIMENT)
    }

    /// A system and an experiment of the test.
    pub fn with(system: &str, experiment: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let rig = Self { folder, port };
        rig.write("system.yaml", system);
        rig.write("experiment.yaml", experiment);
        rig.write(
            "firedrill.yaml",
            &format!(
                "environments:\n  here:\n    platform: {{ local: system.yaml }}\n    vars: {{ port: {port}, url: \"http://127.0.0.1:{port}\" }}\n"
            ),
        );
        rig
    }

    /// Where the system's balancer listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The probe's URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file of the folder.
    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// The binary in this folder.
    pub fn command<A: AsRef<std::ffi::OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(BINARY);
        command.args(args).current_dir(self.folder.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.env("FIREDRILL_STATE_DIR", self.state()).env("NO_COLOR", "1").env_remove("FIREDRILL_LOG");
        command
    }

    /// Runs the binary to its end.
    pub fn firedrill<A: AsRef<std::ffi::OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Said {
        self.start(args).end()
    }

    /// Runs drills to a verdict about the system. On a machine that is busy with other tests, firedrill may rightly say of a run that
    /// it was itself too late to be trusted; that is not what is tested here, so the run is then made again.
    pub fn judged<A: AsRef<std::ffi::OsStr> + Clone>(&self, args: &[A], code: i32) -> Said {
        for _ in 0..8 {
            let said = self.firedrill(args.iter().cloned());
            if said.status.code() != Some(5) || !said.out.contains("more than 10 ms late") {
                return said.code(code);
            }
            fs::remove_dir_all(self.path("firedrill-runs")).unwrap();
        }
        panic!("this machine is too busy for a drill of 200 requests a second: eight in a row could not be trusted");
    }

    /// Starts the binary.
    pub fn start<A: AsRef<std::ffi::OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Started {
        Started::new(self.command(args).spawn().unwrap())
    }

    /// Starts a run and waits until its act has happened; anew where the machine was too busy for a baseline.
    pub fn acting(&self, args: &[&str]) -> Started {
        self.acting_by(|| self.command(args))
    }

    /// As [`acting`](Self::acting), by a command that is like those of this folder.
    pub fn acting_by(&self, command: impl Fn() -> Command) -> Started {
        for _ in 0..8 {
            let mut run = Started::new(command().spawn().unwrap());
            eventually("it acts or ends", || run.ended() || run.said_so_far().contains("happened"));
            let said = run.said_so_far();
            if said.contains("happened") {
                return run;
            }
            let busy = ["more than 10 ms late", "the baseline is not steady"];
            assert!(busy.iter().any(|words| said.contains(words)), "it ended before its act:\n{said}");
            if let Some(report) = said.split_once("report: ").and_then(|(_, rest)| rest.lines().next()) {
                fs::remove_dir_all(self.path(report).parent().unwrap()).unwrap();
            }
        }
        panic!("this machine is too busy for a drill: eight in a row did not begin");
    }

    /// `firedrill up`, once the system is ready.
    pub fn up(&self) -> Started {
        let port = format!("port={}", self.port);
        // Not the environment's other variables: they are none of the system's, and it is the same system without them.
        let up = self.start(["up", "system.yaml", "--var", &port]);
        let answers = || std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok();
        eventually("the system is up", || answers() && up.said_so_far().contains("cli-test is up"));
        up
    }

    /// The instances that `targets` shows.
    pub fn instances(&self) -> Vec<serde_json::Value> {
        let said = self.firedrill(["targets", "--format", "json"]).code(0);
        let inventory: serde_json::Value = serde_json::from_str(&said.out).unwrap();
        inventory["instances"].as_array().unwrap().clone()
    }

    /// The ids of the services' instances that run, with what tells one process from the next.
    pub fn serving(&self) -> Vec<(String, String)> {
        let mut out: Vec<_> = self
            .instances()
            .iter()
            .filter(|i| i["service"] == "web" && i["state"] == "running")
            .map(|i| (i["id"].as_str().unwrap().to_owned(), i["identity"].as_str().unwrap().to_owned()))
            .collect();
        out.sort();
        out
    }

    /// The one run folder.
    pub fn run_folder(&self) -> PathBuf {
        let runs = self.run_folders();
        assert_eq!(runs.len(), 1, "{runs:?}");
        runs[0].clone()
    }

    /// Every run folder.
    pub fn run_folders(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.path("firedrill-runs")) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    /// The `result.json` of the one run.
    pub fn result(&self) -> serde_json::Value {
        serde_json::from_str(&fs::read_to_string(self.run_folder().join("result.json")).unwrap()).unwrap()
    }

    /// The victims of the one run, from its events.
    pub fn events(&self) -> Vec<serde_json::Value> {
        let text = fs::read_to_string(self.run_folder().join("events.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// `recover` finds nothing that is still to be undone.
    #[track_caller]
    pub fn owes_nothing(&self) {
        let said = self.firedrill(["recover"]);
        let nothing = said.status.code() == Some(0) && format!("{}{}", said.out, said.err).contains("nothing to recover");
        residue::none(nothing, format_args!("there was something to recover ({}):\n{}\n{}", said.status, said.out, said.err));
    }

    /// Fails when a process that was started from here still runs, after a moment for those that are just ending.
    #[track_caller]
    pub fn nothing_runs(&self) {
        let start = clock::now();
        while !self.processes().is_empty() && since(start) < Duration::from_secs(10) {
            thread::sleep(Duration::from_millis(20));
        }
        residue::none(self.processes().is_empty(), format_args!("left running: {:?}", self.processes()));
    }

    /// The processes that carry this folder's state directory in their environment: all that came from here, however they were
    /// started.
    pub fn processes(&self) -> Vec<String> {
        let mark = format!("FIREDRILL_STATE_DIR={}", self.state().display());
        let mut out = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().map(Result::unwrap) {
            let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
            let read = |name: &str| fs::read(entry.path().join(name)).unwrap_or_default();
            if read("environ").split(|b| *b == 0).any(|variable| variable == mark.as_bytes()) {
                out.push(format!("{pid}: {}", String::from_utf8_lossy(&read("cmdline")).replace('\0', " ")));
            }
        }
        out
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.nothing_runs();
        }
    }
}

/// A process of the binary that runs; ended when dropped.
pub struct Started {
    child: Child,
    out: Reading,
    err: Reading,
}

/// What a stream said so far.
struct Reading {
    text: Arc<Mutex<Vec<u8>>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Reading {
    fn of(mut stream: impl Read + Send + 'static) -> Self {
        let text = Arc::<Mutex<Vec<u8>>>::default();
        let kept = text.clone();
        let thread = thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = stream.read(&mut buffer) {
                kept.lock().unwrap().extend_from_slice(&buffer[..n]);
            }
        });
        Self { text, thread: Some(thread) }
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap()).into_owned()
    }

    fn whole(&mut self) -> String {
        self.thread.take().map(thread::JoinHandle::join).transpose().unwrap();
        self.so_far()
    }
}

impl Started {
    /// Follows what a process says.
    pub fn new(mut child: Child) -> Self {
        let (out, err) = (Reading::of(child.stdout.take().unwrap()), Reading::of(child.stderr.take().unwrap()));
        Self { child, out, err }
    }

    /// Both streams until now.
    pub fn said_so_far(&self) -> String {
        format!("{}{}", self.out.so_far(), self.err.so_far())
    }

    fn ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until it has said this.
    pub fn wait_for(&self, words: &str) {
        eventually_with(&format!("it says `{words}`"), || self.said_so_far().contains(words), || self.said_so_far());
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        rustix::process::kill_process(self.pid(), signal).unwrap();
    }

    /// Its process.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Kills it and the helper that would undo for it.
    pub fn kill_with_its_helper(self) {
        alone::kill_both(self.pid());
        let _ = self.end();
    }

    /// Waits for its end.
    pub fn end(mut self) -> Said {
        let start = clock::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(since(start) < LIMIT, "it did not end; it said:\n{}", self.said_so_far());
            thread::sleep(Duration::from_millis(10));
        };
        Said { out: self.out.whole(), err: self.err.whole(), status }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a call said, and how it ended.
pub struct Said {
    pub out: String,
    pub err: String,
    pub status: ExitStatus,
}

impl Said {
    /// Of a call that was waited for with its streams.
    pub fn of(output: std::process::Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { out: text(output.stdout), err: text(output.stderr), status: output.status }
    }

    /// Requires an exit code.
    pub fn code(self, code: i32) -> Self {
        let how = self.status.signal().map(|signal| format!(" (signal {signal})")).unwrap_or_default();
        assert_eq!(self.status.code(), Some(code), "{how}\n── stdout\n{}\n── stderr\n{}", self.out, self.err);
        self
    }

    /// Requires of `recover` that it has undone all that it found.
    #[track_caller]
    pub fn recovered(self) -> Self {
        residue::none(self.status.code() == Some(0), format_args!("{}\n{}\n{}", self.status, self.out, self.err));
        self
    }

    /// Requires words on either stream.
    pub fn says(self, words: &str) -> Self {
        let all = format!("{}{}", self.out, self.err);
        // Lines are wrapped nowhere, so that words are looked for as they are.
        assert!(all.contains(words), "`{words}` is not in\n── stdout\n{}\n── stderr\n{}", self.out, self.err);
        self
    }
}

/// Waits until something holds.
pub fn eventually(what: &str, holds: impl FnMut() -> bool) {
    eventually_with(what, holds, String::new);
}

fn eventually_with(what: &str, mut holds: impl FnMut() -> bool, shown: impl Fn() -> String) {
    let start = clock::now();
    while !holds() {
        assert!(since(start) < Duration::from_secs(40), "never: {what}\n{}", shown());
        thread::sleep(Duration::from_millis(20));
    }
}

fn since(start: firedrill::model::time::Mono) -> Duration {
    clock::now().since(start)
}

/// The names in a folder, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
