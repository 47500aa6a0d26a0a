//! One drill of the gallery, run as its README says, with free ports.

use std::{
    fs::{self, File},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use firedrill::cli::gallery::{EXAMPLES, Example, Expected, Row};
use serde_json::Value as Json;

/// A measurement that was disturbed (this machine also runs other tests) is no evidence of anything: it is made again.
const ATTEMPTS: usize = 3;

/// A verdict that a row may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    Passed,
    Failed,
    NotStarted,
}

impl Shown {
    pub fn of(expected: Expected) -> Self {
        match expected {
            Expected::Passes => Self::Passed,
            Expected::Fails(_) => Self::Failed,
            Expected::NotSteady(_) => Self::NotStarted,
        }
    }

    fn exit_code(self) -> i32 {
        match self {
            Self::Passed => 0,
            Self::Failed => 1,
            Self::NotStarted => 3,
        }
    }
}

/// An example's folder in the repository.
pub fn folder(example: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(example)
}

/// A row of the gallery by its name: `shop/sticky`.
pub fn row(name: &str) -> (&'static Example, &'static Row) {
    let all = EXAMPLES.iter().flat_map(|example| example.rows.iter().map(move |row| (example, row)));
    all.into_iter().find(|(example, row)| name == format!("{}/{}", example.name, row.name)).unwrap_or_else(|| panic!("no row {name}"))
}

/// Runs a row until it was not disturbed; its verdict and the reason must be the gallery's, and `more` must find what it looks for.
pub fn drill(name: &str, more: fn(&Json)) {
    let (example, row) = row(name);
    for program in row.needs {
        program.found().unwrap_or_else(|lacking| panic!("{name}: {lacking}"));
    }
    let _quiet = crate::support::quiet::paired();
    let mut last = String::new();
    for _ in 0..ATTEMPTS {
        let ran = run(example, row, &[]);
        if !ran.disturbed(row.expected) {
            ran.check(name, row.expected);
            more(&ran.result);
            return;
        }
        last = ran.said;
    }
    panic!("{name} was disturbed {ATTEMPTS} times:\n{last}");
}

/// A run of the binary.
pub struct Ran {
    pub code: i32,
    pub result: Json,
    pub said: String,
}

/// Runs a row once, in its own folders.
pub fn run(example: &Example, row: &Row, more: &[&str]) -> Ran {
    Drill::start(example, row, more).end()
}

/// A row that runs, in its own folders; ended at the latest when it is dropped.
pub struct Drill {
    child: Option<Child>,
    scratch: tempfile::TempDir,
    /// The row's ports, in its order.
    pub ports: Vec<u16>,
}

impl Drill {
    pub fn start(example: &Example, row: &Row, more: &[&str]) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let said = File::create(scratch.path().join("said")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_firedrill"));
        command.current_dir(folder(example.name)).args(["run", row.file, "--env", row.environment]);
        let listeners: Vec<TcpListener> = row.ports.iter().map(|_| TcpListener::bind(("127.0.0.1", 0)).unwrap()).collect();
        let ports: Vec<u16> = listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
        for (name, port) in row.ports.iter().zip(&ports) {
            command.args(["--var", &format!("{name}={port}")]);
        }
        drop(listeners);
        command.args(more).arg("--out").arg(scratch.path().join("runs")).env("FIREDRILL_STATE_DIR", scratch.path().join("state"));
        command.stdin(Stdio::null()).stdout(said.try_clone().unwrap()).stderr(said);
        Self { child: Some(command.spawn().unwrap()), scratch, ports }
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.child.as_mut().unwrap().try_wait().unwrap().is_none()
    }

    /// Waits for its end.
    pub fn end(mut self) -> Ran {
        let status = self.child.take().unwrap().wait().unwrap();
        let said = String::from_utf8_lossy(&fs::read(self.scratch.path().join("said")).unwrap()).into_owned();
        let run = fs::read_dir(self.scratch.path().join("runs")).ok().and_then(|mut runs| runs.next());
        let run = run.unwrap_or_else(|| panic!("no run:\n{said}"));
        let result = serde_json::from_slice(&fs::read(run.unwrap().path().join("result.json")).unwrap()).unwrap();
        Ran { code: status.code().unwrap_or(-1), result, said }
    }
}

impl Drop for Drill {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Ran {
    /// Whether it says more about this machine than about the system.
    pub fn disturbed(&self, expected: Expected) -> bool {
        let untrusted = self.result["measurement"]["trust"]["doubts"].as_array().is_some_and(|doubts| !doubts.is_empty());
        untrusted || (self.code == 3 && !matches!(expected, Expected::NotSteady(by) if self.reason().contains(by)))
    }

    fn reason(&self) -> &str {
        self.result["reason"].as_str().unwrap_or_default()
    }

    fn check(&self, name: &str, expected: Expected) {
        let said = &self.said;
        assert_eq!(self.code, Shown::of(expected).exit_code(), "{name}: {}\n{said}", self.reason());
        match expected {
            Expected::Passes => {}
            Expected::Fails(by) => {
                let broken = self.broken();
                assert!(broken.iter().any(|(condition, phase)| is_of(condition, by) && phase != "baseline"), "{name}: {broken:?}\n{said}");
                assert!(!broken.iter().any(|(_, phase)| phase == "baseline"), "{name}: {broken:?}\n{said}");
            }
            Expected::NotSteady(by) => assert!(self.reason().contains(by), "{name}: {}\n{said}", self.reason()),
        }
    }

    /// The conditions that did not hold, with their phase.
    fn broken(&self) -> Vec<(String, String)> {
        let judged = self.result["judged"].as_array().unwrap().iter().filter(|judged| judged["result"] == "broken");
        judged.map(|j| (j["condition"].as_str().unwrap().to_owned(), j["phase"].as_str().unwrap_or("the run").to_owned())).collect()
    }
}

fn is_of(condition: &str, by: &str) -> bool {
    condition.strip_prefix(by).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

/// The numbers of a probe in the fault phase.
pub fn fault<'r>(result: &'r Json, probe: &str) -> &'r Json {
    let probes = result["measurement"]["probes"].as_array().unwrap();
    let found = probes.iter().find(|p| p["name"] == probe).unwrap_or_else(|| panic!("no probe {probe}"));
    found["phases"].as_array().unwrap().iter().find(|numbers| numbers["phase"] == "fault").unwrap()
}
