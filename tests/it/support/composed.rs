//! A Compose project of some files, by the real Compose: its plugin of `docker`, or the program `docker-compose`.

use std::{
    ffi::OsStr,
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use super::engine::{Engine, lab};

/// A project that runs; taken down when this is dropped.
pub struct Composed<'e> {
    engine: &'e Engine,
    files: Vec<PathBuf>,
    name: String,
    variables: Vec<(String, String)>,
}

impl<'e> Composed<'e> {
    pub(super) fn up(engine: &'e Engine, files: &[PathBuf], variables: &[(&str, &str)], services: &[&str]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let name = format!("composed-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let project = Self { engine, files: files.to_vec(), name, variables };
        project.compose(&[&["up", "-d"], services].concat());
        project
    }

    /// Its name: the value of the label `com.docker.compose.project`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `compose ARGUMENTS` of this project, which must succeed: what it printed.
    pub fn compose(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() || std::thread::panicking(), "compose {arguments:?} of {:?}: {said}", self.files);
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let words = lab(&[OsStr::new("compose")]);
        let mut words = words.split_whitespace();
        let mut command = self.engine.command(words.next().unwrap());
        command
            .args(words)
            .args(self.files.iter().flat_map(|file| [OsStr::new("--file"), file.as_os_str()]))
            .arg("--project-name")
            .arg(&self.name)
            .args(arguments);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }
}

impl Drop for Composed<'_> {
    fn drop(&mut self) {
        self.compose(&["down", "--volumes", "--timeout", "2"]);
    }
}
