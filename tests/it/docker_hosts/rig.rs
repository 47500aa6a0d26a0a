//! A user's folder with environments and an experiment, and the binary as that user runs it.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::support::alone;

const ATTEMPTS: usize = 20;

/// The binary, with nothing in its environment that says where an engine is.
pub struct User {
    folder: tempfile::TempDir,
}

/// What a run of it came to.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub text: String,
}

impl User {
    /// `environments` is the body of that key, two spaces in.
    pub fn new(environments: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("firedrill.yaml"), format!("environments:\n{environments}")).unwrap();
        Self { folder }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes an experiment; its probe needs no port.
    pub fn experiment(&self, file: &str, method: &str) {
        let text = format!(
            "title: hosts\nprobes:\n  always: {{ command: [\"true\"], rate: 10/s }}\n\
             steady-state: [{{ probe: always, availability: '>= 10%' }}]\nguardrails: {{ max-affected: {{ service: 100%, zone: 100% }} }}\n\
             warm-up: 0s\nbaseline: 500ms\nrecovery: {{ hold: 500ms, limit: 20s }}\nmethod:\n{method}"
        );
        std::fs::write(self.folder().join(file), text).unwrap();
    }

    /// `firedrill ARGUMENTS` in this folder, with a state and a home of its own.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_of(Path::new(env!("CARGO_BIN_EXE_firedrill")), arguments)
    }

    /// As [`command`](Self::command), of a copy of the binary.
    pub fn command_of(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        for variable in ["DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_CONFIG"] {
            command.env_remove(variable);
        }
        command.args(arguments).current_dir(self.folder()).stdin(Stdio::null());
        command.env("FIREDRILL_STATE_DIR", self.folder().join("state")).env("HOME", self.folder());
        command
    }

    /// Runs it to its end.
    pub fn says(&self, arguments: &[&str]) -> Said {
        said(&mut self.command(arguments))
    }

    /// Runs an experiment to its end; again when it was disturbed before it began (this machine also runs other tests).
    pub fn passes(&self, arguments: &[&str]) {
        let mut last = None;
        for _ in 0..ATTEMPTS {
            let said = self.says(arguments);
            // What was disturbed only while it measured did all that it was to do.
            if said.code == Some(0) || (said.code == Some(5) && said.disturbed()) {
                return;
            }
            assert!(said.code == Some(3) && said.disturbed(), "{}", said.text);
            last = Some(said.text);
        }
        panic!("disturbed {ATTEMPTS} times: {last:?}");
    }

    /// Starts it, again when it was disturbed, and waits until something holds.
    pub fn begins_until(&self, arguments: &[&str], what: &str, holds: impl Fn() -> bool) -> Begun {
        for _ in 0..ATTEMPTS {
            let mut begun = self.begins(arguments);
            for _ in 0..600 {
                if holds() {
                    return begun;
                }
                if begun.0.try_wait().unwrap().is_some() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        panic!("never: {what}; it said: {}", self.heard());
    }

    /// Starts it and does not wait.
    pub fn begins(&self, arguments: &[&str]) -> Begun {
        let output = std::fs::File::create(self.folder().join("output")).unwrap();
        let mut command = self.command(arguments);
        command.stdout(output.try_clone().unwrap()).stderr(output);
        Begun(command.spawn().unwrap())
    }

    /// What the one that was begun has said so far.
    pub fn heard(&self) -> String {
        std::fs::read_to_string(self.folder().join("output")).unwrap()
    }
}

/// Runs a command to its end.
pub fn said(command: &mut Command) -> Said {
    let output = command.output().unwrap();
    Said { code: output.status.code(), text: String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned() }
}

impl Said {
    /// The prober itself could not keep its pace.
    fn disturbed(&self) -> bool {
        let flat = self.text.split_whitespace().collect::<Vec<_>>().join(" ");
        flat.contains("we sent") || flat.contains("of our own making")
    }

    /// It ended with this code and said all of these words.
    pub fn expect(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.text);
        for words in words {
            // Lines are broken to the width of a terminal.
            let flat = self.text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(flat.contains(words), "`{words}` is not in: {}", self.text);
        }
        self
    }
}

/// A run that was begun; it does not outlive the test.
pub struct Begun(Child);

impl Begun {
    /// Its exit code.
    pub fn ends(&mut self) -> Option<i32> {
        for _ in 0..1200 {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("it did not end within two minutes");
    }

    /// Ends it as the kernel would, and its helper with it.
    pub fn kill(&mut self) {
        alone::end(&mut self.0);
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until something holds.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..600 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("never within a minute: {what}");
}
