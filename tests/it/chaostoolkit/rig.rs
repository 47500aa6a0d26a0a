//! A folder with a site, in which both tools run an experiment.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
    time::Duration,
};

use firedrill::clock;
use serde_json::Value as Json;

use super::site::{Site, TOKEN};

/// Longer than any call here takes, even on a machine that is busy with something else.
const LIMIT: Duration = Duration::from_mins(2);

/// The folder of the experiments.
pub fn experiments() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/chaostoolkit")
}

/// A program of the real Chaos Toolkit. Without one the test fails: what is not compared is not known to be alike.
pub fn original(program: &str) -> PathBuf {
    let folder = std::env::var("FIREDRILL_TEST_CHAOS")
        .expect("FIREDRILL_TEST_CHAOS is not set: it is the folder that scripts/chaos-toolkit prints (scripts/test sets it)");
    let path = Path::new(&folder).join(program);
    assert!(path.exists(), "{} is not there: scripts/chaos-toolkit makes it", path.display());
    path
}

/// What a run left.
pub struct Ran {
    /// The exit code.
    pub code: i32,
    /// Both streams.
    pub words: String,
    /// The journal, if one was written.
    pub journal: Option<Json>,
}

/// A folder of one test.
pub struct Rig {
    pub folder: tempfile::TempDir,
    pub site: Site,
}

impl Rig {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), site: Site::start() }
    }

    /// A command that finds the site, and keeps what it writes in the folder.
    pub fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("CTK_BASE", &self.site.base)
            .env("CTK_NOBODY", Site::nobody())
            .env("CTK_TOKEN", TOKEN)
            .env("HOME", self.folder.path())
            .env("FIREDRILL_STATE_DIR", self.folder.path().join("state"))
            .env_remove("CTK_NOT_SET")
            .stdin(Stdio::null());
        command
    }

    fn ran(&self, mut command: Command, journal: &str) -> Ran {
        let output = finished(&mut command);
        let text = fs::read_to_string(self.folder.path().join(journal)).ok();
        let words = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        Ran { code: output.status.code().unwrap_or(-1), words, journal: text.map(|text| serde_json::from_str(&text).unwrap()) }
    }

    /// As the real Chaos Toolkit runs it.
    pub fn original(&self, file: &Path, flags: &[&str]) -> Ran {
        let program = original("chaos");
        let arguments = [&["--no-version-check", "run", "--journal-path", "theirs.json"], flags, &[file.to_str().unwrap()]].concat();
        self.ran(self.command(&program, &arguments), "theirs.json")
    }

    /// As ours runs it.
    pub fn ours(&self, file: &Path, flags: &[&str]) -> Ran {
        let program = Path::new(env!("CARGO_BIN_EXE_firedrill"));
        let arguments = [&["run", "--journal-path", "ours.json"], flags, &[file.to_str().unwrap()]].concat();
        self.ran(self.command(program, &arguments), "ours.json")
    }
}

/// Runs it to its end, within the limit.
pub fn finished(command: &mut Command) -> Output {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = rustix::process::Pid::from_raw(child.id().cast_signed()).unwrap();
    let (done, late) = std::sync::mpsc::channel::<()>();
    let guard = thread::spawn(move || {
        if late.recv_timeout(LIMIT) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    });
    let output = child.wait_with_output().unwrap();
    drop(done);
    guard.join().unwrap();
    output
}

/// Waits for something that comes soon.
pub fn wait_for(what: &str, mut there: impl FnMut() -> bool) {
    let start = clock::now();
    while !there() {
        assert!(clock::now().since(start) < LIMIT, "it did not come: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}
