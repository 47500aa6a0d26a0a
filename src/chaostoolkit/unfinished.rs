//! What brings a run back, on disk before its first action: when the run is killed, `firedrill recover` ends what it left at work and
//! plays its rollbacks. Only runs that are judged strictly leave one; the other way does with an interrupted run what Chaos Toolkit does.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::{
    leftover,
    model::Experiment,
    read,
    run::{Mode, Options, Tell, bring_back_alone},
    settle::settle,
};
use crate::{
    engine::halt::Halt,
    file::Source,
    lock,
    model::{ids::RunId, outcome::Residue, quantity::plural},
    state_dir,
};

/// The version that this build writes and reads.
const VERSION: u32 = 1;
/// The most bytes of a note: a file's text, and values beside it.
const LARGEST: u64 = 16 << 20;

/// The note of one run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Note {
    version: u32,
    /// The run.
    pub run: RunId,
    /// The experiment's file.
    pub file: String,
    text: String,
    overrides: Vec<(String, String)>,
    /// Values that probes gave before the run.
    dynamic: Map<String, Json>,
    /// The process that runs it.
    pub pid: u32,
    /// That process's start time (clock ticks since boot).
    pub pid_started: u64,
    working_directory: PathBuf,
}

/// A note on disk.
#[derive(Debug)]
pub struct Written {
    path: PathBuf,
}

fn folder() -> io::Result<PathBuf> {
    state_dir::folder("chaos-toolkit")
}

impl Note {
    /// The note of a run of this process.
    ///
    /// # Errors
    /// When the working directory is not there.
    pub fn new(run: &RunId, experiment: &Experiment, overrides: Vec<(String, String)>, dynamic: Map<String, Json>) -> io::Result<Self> {
        let pid = std::process::id();
        Ok(Self {
            version: VERSION,
            run: run.clone(),
            file: experiment.source.name.clone(),
            text: experiment.source.text.clone(),
            overrides,
            dynamic,
            pid,
            pid_started: lock::started(pid).unwrap_or_default(),
            working_directory: std::env::current_dir()?,
        })
    }

    /// Makes it durable.
    ///
    /// # Errors
    /// When it cannot be: then nothing may be done.
    pub fn write(self) -> io::Result<Written> {
        let folder = folder()?;
        let path = folder.join(format!("{}.json", self.run));
        let text = serde_json::to_vec(&self)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(&text)?;
        file.sync_all()?;
        File::open(&folder)?.sync_all()?;
        Ok(Written { path })
    }

    /// Whether the process that made it still lives.
    pub fn lives(&self) -> bool {
        lock::started(self.pid).is_some_and(|started| started == self.pid_started)
    }
}

impl Written {
    /// Nothing is owed any more.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn done(self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}

/// The notes of runs that did not end, oldest first; one that cannot be read is told by its path.
///
/// # Errors
/// When the folder cannot be listed.
pub fn list() -> io::Result<Vec<Result<Note, String>>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder()?)?.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
    paths.sort();
    Ok(paths.iter().map(|path| look(path).map_err(|why| format!("{}: {why}", path.display()))).collect())
}

fn look(path: &Path) -> Result<Note, String> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(LARGEST).read_to_string(&mut text));
    read.map_err(|error| error.to_string())?;
    let note: Note = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    if note.version != VERSION {
        return Err(format!("it is of version {}, and this build reads version {VERSION}", note.version));
    }
    Ok(note)
}

/// What a recovery came to.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Rollbacks that succeeded.
    pub restored: Vec<String>,
    /// What is still there.
    pub stuck: Vec<Residue>,
}

/// Ends the programs of a run whose process is gone, and plays its rollbacks. The working directory becomes that of the run.
///
/// # Errors
/// When they cannot be played at all: the words say why, and the note stays.
pub async fn recover(note: Note, halt: &Halt, tell: Tell) -> Result<Recovered, String> {
    let ended = leftover::end(&note.run).await?;
    if !ended.is_empty() {
        tell(&format!("ended: {} that it had left at work", plural(ended.len(), "program")));
    }
    std::env::set_current_dir(&note.working_directory).map_err(|error| format!("{}: {error}", note.working_directory.display()))?;
    let source = Source::new(note.file.clone(), note.text.clone());
    let experiment = read::read(&source).map_err(|errors| errors.to_string())?.experiment;
    let mut values = settle(&experiment, &note.overrides).map_err(|errors| errors.to_string())?;
    values.configuration.extend(note.dynamic.clone());
    let options =
        Options { mode: Mode::Strict, hypothesis: None, rollbacks: None, frequency: Duration::from_secs(1), fail_fast: false, dry: None };
    let (entries, stuck) = bring_back_alone(note.run.clone(), Arc::new(experiment), values, options, halt, tell).await;
    if stuck.is_empty() {
        let path = folder().map_err(|error| error.to_string())?.join(format!("{}.json", note.run));
        Written { path }.done().map_err(|error| format!("everything is back, but that cannot be written down: {error}"))?;
    }
    let names = entries.iter().filter(|entry| entry.failed.is_none()).map(|entry| entry.name.clone());
    let restored = names.filter(|name| !stuck.iter().any(|left| left.what.contains(&format!("“{name}”")))).collect();
    Ok(Recovered { restored, stuck })
}
