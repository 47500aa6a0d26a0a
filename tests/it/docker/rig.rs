//! Runs of the binary against an engine.

use std::{
    collections::BTreeSet,
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Output, Stdio},
    time::Duration,
};

use serde_json::Value as Json;

use crate::support::engine::Engine;

/// The longest run of these tests takes about 40 s.
const LIMIT: Duration = Duration::from_mins(3);

/// A measurement that was disturbed (this machine also runs other tests) is no evidence of anything: it is made again.
const ATTEMPTS: usize = 5;

/// What a run came to.
pub struct Ran {
    pub code: i32,
    /// `result.json`.
    pub result: Json,
    /// What it printed.
    pub said: String,
    /// Keeps the run's folder until the test has looked.
    kept: tempfile::TempDir,
}

/// A run of the binary, ended at the latest when the test ends.
struct Running(Option<Child>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// Two at once: each mostly waits.
pub fn both(one: impl FnOnce() + Send, other: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        scope.spawn(one);
        scope.spawn(other);
    });
}

/// What is answered to these words, until the other side closes.
pub fn asked(port: u16, words: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    stream.write_all(words.as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

/// Waits until so many different servers have answered `GET PATH` with 200, and told their names.
pub fn await_answers(port: u16, path: &str, servers: usize) {
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    let mut seen = BTreeSet::new();
    for _ in 0..300 {
        let text = asked(port, &request).unwrap_or_default();
        if text.starts_with("HTTP/1.1 200") {
            seen.extend(text.lines().find_map(|line| line.strip_prefix("x-served-by: ").map(str::to_owned)));
        }
        if seen.len() == servers {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("only {seen:?} answered on port {port} within 30 s");
}

/// `firedrill ARGUMENTS` in a folder, on this engine; again while it is disturbed.
pub fn firedrill(engine: &Engine, within: &Path, arguments: &[&str]) -> Ran {
    undisturbed(&arguments.join(" "), || once(engine, within, arguments), |ran| ran)
}

/// Does something that runs a drill, again while its measurement is disturbed.
pub fn undisturbed<T>(what: &str, attempt: impl Fn() -> T, ran: impl Fn(&T) -> &Ran) -> T {
    for left in (0..ATTEMPTS).rev() {
        let done = attempt();
        if !ran(&done).disturbed() {
            return done;
        }
        assert!(left > 0, "{what} was disturbed {ATTEMPTS} times:\n{}", ran(&done).said);
    }
    unreachable!("there is at least one attempt")
}

/// `firedrill ARGUMENTS` in a folder, once, whatever comes of it.
pub fn once(engine: &Engine, within: &Path, arguments: &[&str]) -> Ran {
    let kept = tempfile::tempdir().unwrap();
    let child = engine
        .command(env!("CARGO_BIN_EXE_firedrill"))
        .current_dir(within)
        .args(arguments)
        .arg("--out")
        .arg(kept.path().join("runs"))
        .env("FIREDRILL_STATE_DIR", kept.path().join("state"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let output = output(Running(Some(child)));
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let text = folder(kept.path()).and_then(|run| fs::read_to_string(run.join("result.json")).ok());
    let result = serde_json::from_str(&text.unwrap_or_else(|| panic!("no result.json:\n{said}"))).unwrap();
    Ran { code: output.status.code().unwrap_or(-1), result, said, kept }
}

fn output(mut running: Running) -> Output {
    for _ in 0..LIMIT.as_millis() / 50 {
        if running.0.as_mut().unwrap().try_wait().unwrap().is_some() {
            return running.0.take().unwrap().wait_with_output().unwrap();
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("the run has not ended after {LIMIT:?}");
}

fn folder(kept: &Path) -> Option<PathBuf> {
    fs::read_dir(kept.join("runs")).ok()?.next().map(|run| run.unwrap().path())
}

impl Ran {
    /// The folder with its results.
    pub fn folder(&self) -> PathBuf {
        folder(self.kept.path()).unwrap()
    }

    /// Whether the measurement is not to be trusted, or was not in the baseline.
    fn disturbed(&self) -> bool {
        let doubts = self.result["measurement"]["trust"]["doubts"].as_array().is_some_and(|doubts| !doubts.is_empty());
        doubts || (self.code == 3 && self.said.contains("more than 10 ms late"))
    }

    /// The verdict, with everything that explains another one.
    pub fn expect(self, code: i32, verdict: &str) -> Self {
        assert_eq!((self.code, self.result["verdict"].as_str()), (code, Some(verdict)), "{}", self.said);
        self
    }

    /// The conditions that did not hold, with their phase: `home p99 <= 600 ms in fault`.
    pub fn broken(&self) -> Vec<String> {
        let judged = self.result["judged"].as_array().unwrap().iter().filter(|judged| judged["result"] == "broken");
        judged
            .map(|judged| format!("{} in {}", judged["condition"].as_str().unwrap(), judged["phase"].as_str().unwrap_or("the run")))
            .collect()
    }

    /// The numbers of the only probe in the fault phase.
    pub fn fault(&self) -> &Json {
        let phases = self.result["measurement"]["probes"][0]["phases"].as_array().unwrap();
        phases.iter().find(|numbers| numbers["phase"] == "fault").unwrap()
    }

    /// What followed each act.
    pub fn victims(&self) -> &[Json] {
        self.result["measurement"]["victims"].as_array().unwrap()
    }
}
