//! A real Docker engine of the tests' own, through `scripts/lab`; never the one that somebody else runs here. It is spoken to with the
//! `docker` program, so that what a test arranges and looks at does not pass through the code that it tests.
//!
//! - [`Engine::shared`]: the one that `scripts/test` started for all tests (`FIREDRILL_TEST_DOCKER` is its address), with every image.
//!   For tests that touch nothing but their own [`Project`](super::project::Project).
//! - [`Engine::start`]: one for this test alone, with the small images. For tests that kill in bulk, or end the engine itself.

use std::{
    ffi::OsStr,
    fs::File,
    io::{Read, Seek},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use super::{composed::Composed, project::Project};

/// Where `scripts/test` says which engine all tests share.
pub const SHARED: &str = "FIREDRILL_TEST_DOCKER";

/// Serves the site of the examples (`firedrill what-time`) on port 8080; its arguments are the site's.
pub const WHAT_TIME: &str = "firedrill-lab/what-time";
/// A shell and the basic programs; does nothing until it is ended, and not even then when asked politely.
pub const SMALL: &str = "firedrill-lab/small";
// Only on the shared engine. Each stands in for the public image of its name, and reads its settings from the same place.
pub const HAPROXY: &str = "firedrill-lab/haproxy";
pub const NGINX: &str = "firedrill-lab/nginx";
pub const REDIS: &str = "firedrill-lab/redis";
pub const POSTGRES: &str = "firedrill-lab/postgres";
pub const ETCD: &str = "firedrill-lab/etcd";

/// An engine; the one of [`Engine::start`] ends with this, and everything that ran on it.
pub struct Engine {
    folder: PathBuf,
    flags: Vec<String>,
    owned: bool,
}

impl Engine {
    /// The engine that all tests share.
    pub fn shared() -> Self {
        let address = std::env::var(SHARED).unwrap_or_else(|_| {
            panic!(
                "this test needs a Docker engine, and {SHARED} names none: run it with `scripts/test NAME`, or start one by hand (as root): \
                 export {SHARED}=$(scripts/lab up /tmp/lab) && scripts/lab load /tmp/lab all; `scripts/lab down /tmp/lab` ends it"
            )
        });
        let socket = address.strip_prefix("unix://").unwrap_or_else(|| panic!("{SHARED} is {address:?}, not unix://SOCKET"));
        let folder = Path::new(socket).parent().unwrap().to_owned();
        let engine = Self { folder, flags: Vec::new(), owned: false };
        engine.docker(&["version"]);
        engine
    }

    /// An engine for this test alone, with [`WHAT_TIME`] and [`SMALL`].
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// One with flags of `dockerd` (as `--live-restore`), and the small images.
    pub fn start_with(flags: &[&str]) -> Self {
        let folder = PathBuf::from(lab(&[OsStr::new("folder")]).trim_end());
        let engine = Self { folder, flags: flags.iter().map(ToString::to_string).collect(), owned: true };
        engine.start_daemon();
        engine.lab("load", &[]);
        engine
    }

    /// Gives it every image that the shared engine has.
    pub fn load_all(&self) {
        self.lab("load", &["all"]);
    }

    /// The address, for `DOCKER_HOST`.
    pub fn address(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("docker.sock")
    }

    /// The folder that holds all of it.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A Compose project on it that no other test has; all of it goes when it is dropped.
    pub fn project(&self, name: &str) -> Project<'_> {
        Project::new(self, name)
    }

    /// `docker ARGUMENTS`, which must succeed: what it printed.
    pub fn docker(&self, arguments: &[&str]) -> String {
        let output = self.try_docker(arguments);
        assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// `docker ARGUMENTS`, whatever comes of it.
    pub fn try_docker(&self, arguments: &[&str]) -> Output {
        self.command("docker").args(arguments).output().expect("there is no `docker` program: `scripts/lab install` gets it")
    }

    /// A program that finds this engine in its environment, and no other.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for variable in ["DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_CONFIG"] {
            command.env_remove(variable);
        }
        command.env("DOCKER_HOST", self.address()).stdin(Stdio::null());
        command
    }

    /// The engine's own process.
    pub fn daemon(&self) -> Option<Pid> {
        let text = std::fs::read_to_string(self.folder.join("dockerd.pid")).ok()?;
        Pid::from_raw(text.trim().parse().ok()?).filter(|pid| running(*pid))
    }

    /// Ends the engine's own process and waits for it; with SIGKILL its containers stay. Only on an engine of the test's own.
    pub fn end_daemon(&self, signal: Signal) {
        assert!(self.owned, "other tests use this engine");
        let pid = self.daemon().expect("the engine does not run");
        kill_process(pid, signal).unwrap();
        for _ in 0..600 {
            if !running(pid) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the engine (pid {}) did not end at {signal:?}", pid.as_raw_nonzero());
    }

    /// Starts it, again when it had ended, with all that it held; returns when it answers.
    pub fn start_daemon(&self) {
        let flags: Vec<&str> = self.flags.iter().map(String::as_str).collect();
        self.lab("up", &flags);
    }

    fn lab(&self, verb: &str, more: &[&str]) {
        lab(&[&[OsStr::new(verb), self.folder.as_os_str()][..], &more.iter().map(OsStr::new).collect::<Vec<_>>()].concat());
    }

    /// The project that a file describes, brought up by the real Compose.
    pub fn compose(&self, file: &Path, variables: &[(&str, &str)]) -> Composed<'_> {
        self.compose_all(&[file.to_owned()], variables)
    }

    /// The same of several files, each put over those before it.
    pub fn compose_all(&self, files: &[PathBuf], variables: &[(&str, &str)]) -> Composed<'_> {
        Composed::up(self, files, variables, &[])
    }

    /// Only these services of a file.
    pub fn compose_some(&self, file: &Path, variables: &[(&str, &str)], services: &[&str]) -> Composed<'_> {
        Composed::up(self, &[file.to_owned()], variables, services)
    }
}

/// `scripts/lab ARGUMENTS`, which must succeed: what it printed.
pub(super) fn lab(arguments: &[&OsStr]) -> String {
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/lab"));
    command.args(arguments).env("FIREDRILL_LAB_BINARY", env!("CARGO_BIN_EXE_firedrill"));
    // Files, not pipes: what `up` starts outlives it and would hold them open.
    let (printed, said) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    command.stdin(Stdio::null()).stdout(printed.try_clone().unwrap()).stderr(said.try_clone().unwrap());
    if !command.status().unwrap().success() {
        let words = format!("scripts/lab {arguments:?}: {}", whole(said));
        // A second panic would hide the first.
        assert!(std::thread::panicking(), "{words}");
        eprintln!("{words}");
    }
    whole(printed)
}

fn whole(mut file: File) -> String {
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    text
}

impl Drop for Engine {
    fn drop(&mut self) {
        if self.owned {
            self.lab("down", &[]);
        }
    }
}

/// A process that is there and not only waited for.
fn running(pid: Pid) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap_or_default();
    status.lines().any(|line| line.strip_prefix("State:").is_some_and(|state| !state.trim_start().starts_with(['Z', 'X'])))
}
