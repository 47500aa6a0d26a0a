//! Run folders: which there are, what each came to, and whether a name that somebody sends is one.
//!
//! Of a run that is over only the first and the last event are read, and kept as long as the file has the same length: a shelf of a thousand
//! runs is listed without opening one of them twice.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rustix::fs::{Mode, OFlags};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    event::{Event, EventKind},
    model::verdict::Verdict,
    report::{RunRecord, json_lines, words::wall},
};

/// The longest first event that is read for a list.
const LONGEST_FIRST: u64 = 8 << 20;
/// The last event lies within so many bytes of the end.
const LAST: u64 = 256 << 10;
/// The longest id of a run.
const LONGEST_ID: usize = 80;

/// What a list says of a run.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Summary {
    /// The run's id.
    pub run: String,
    /// The experiment's title.
    pub title: String,
    /// Its file.
    pub file: Option<String>,
    /// Its environment.
    pub environment: Option<String>,
    /// When it began: wall clock, UTC.
    pub began: Option<String>,
    /// How long it took, seconds; none when it has not ended.
    pub took_s: Option<f64>,
    /// Its verdict; none when it has not ended.
    pub verdict: Option<Verdict>,
}

/// The folder of run folders.
#[derive(Debug)]
pub struct Shelf {
    out: PathBuf,
    // By run: the length of its events, and what they say.
    known: Mutex<BTreeMap<String, (u64, Arc<Summary>)>>,
}

impl Shelf {
    /// Of a folder, which need not exist yet.
    pub fn new(out: PathBuf) -> Self {
        Self { out, known: Mutex::default() }
    }

    /// The newest runs, the newest first. Ids begin with the time.
    ///
    /// # Errors
    /// When the folder is there and cannot be listed.
    pub fn newest(&self, most: usize) -> io::Result<Vec<Arc<Summary>>> {
        let entries = match std::fs::read_dir(&self.out) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut names: Vec<String> = names.filter(|name| is_id(name)).collect();
        names.sort_unstable_by(|a, b| b.cmp(a));
        Ok(names.iter().filter_map(|name| self.summary(name)).take(most).collect())
    }

    /// What a list says of one; none when there is no such run.
    pub fn summary(&self, run: &str) -> Option<Arc<Summary>> {
        let file = self.events(run)?;
        let length = file.metadata().ok()?.len();
        let known = |known: &Mutex<BTreeMap<String, (u64, Arc<Summary>)>>| {
            let known = known.lock().unwrap_or_else(PoisonError::into_inner);
            known.get(run).filter(|(then, _)| *then == length).map(|(_, summary)| summary.clone())
        };
        if let Some(summary) = known(&self.known) {
            return Some(summary);
        }
        let summary = Arc::new(read(run, file, length)?);
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(run.to_owned(), (length, summary.clone()));
        Some(summary)
    }

    /// The events of a run: opened without following links out of the folder. None when there is no such run.
    pub fn events(&self, run: &str) -> Option<File> {
        self.open(run, json_lines::FILE_NAME)
    }

    /// A file of a run's folder, whose name is ours.
    pub fn open(&self, run: &str, name: &str) -> Option<File> {
        if !is_id(run) {
            return None;
        }
        let flags = OFlags::CLOEXEC | OFlags::RDONLY | OFlags::NOFOLLOW;
        let folder = rustix::fs::open(self.out.join(run), flags | OFlags::DIRECTORY, Mode::empty()).ok()?;
        // Not blocked by what is no file, such as a pipe.
        let file = File::from(rustix::fs::openat(&folder, name, flags | OFlags::NONBLOCK, Mode::empty()).ok()?);
        file.metadata().ok()?.is_file().then_some(file)
    }

    /// Everything that is known of a run; none when there is no such run.
    ///
    /// # Errors
    /// When its events cannot be read.
    pub fn record(&self, run: &str) -> Option<io::Result<RunRecord>> {
        let file = self.events(run)?;
        let mut record = RunRecord::default();
        Some(json_lines::read(file, |event| record.apply(&event)).map(|()| record))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.out
    }
}

/// Whether a text can be the id of a run: a plain name, which leads nowhere else.
pub fn is_id(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    !text.is_empty() && text.len() <= LONGEST_ID && text.chars().all(plain)
}

fn read(run: &str, mut file: File, length: u64) -> Option<Summary> {
    let mut line = Vec::new();
    BufReader::new((&file).take(LONGEST_FIRST)).read_until(b'\n', &mut line).ok()?;
    let first: Event = serde_json::from_slice(&line).ok()?;
    let EventKind::RunStarted { file: of, environment, experiment, .. } = first.kind else { return None };
    let last = last(&mut file, length);
    let ended = last.and_then(|event| match event.kind {
        EventKind::RunEnded { verdict, .. } => Some((event.at, verdict)),
        _ => None,
    });
    Some(Summary {
        run: run.to_owned(),
        title: experiment.title,
        file: of,
        environment,
        began: Some(wall(first.wall)),
        took_s: ended.map(|(at, _)| at.seconds_from(first.at)),
        verdict: ended.map(|(_, verdict)| verdict),
    })
}

/// The last event of a file, if it lies near its end.
fn last(file: &mut File, length: u64) -> Option<Event> {
    file.seek(SeekFrom::Start(length.saturating_sub(LAST))).ok()?;
    let mut tail = Vec::new();
    file.take(LAST).read_to_end(&mut tail).ok()?;
    let whole = tail.strip_suffix(b"\n")?;
    let line = whole.rsplit(|byte| *byte == b'\n').next()?;
    serde_json::from_slice(line).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere_are_no_runs() {
        let folder = tempfile::tempdir().unwrap();
        let (out, secret) = (folder.path().join("runs"), folder.path().join("secret"));
        std::fs::create_dir_all(&secret).unwrap();
        std::fs::create_dir_all(out.join("linked")).unwrap();
        std::fs::write(secret.join("events.jsonl"), "x").unwrap();
        std::os::unix::fs::symlink(&secret, out.join("20260101-000000-aaaaaa")).unwrap();
        std::os::unix::fs::symlink(secret.join("events.jsonl"), out.join("linked/events.jsonl")).unwrap();
        let shelf = Shelf::new(out);
        for run in ["../secret", "..", ".", "", "/etc", "20260101-000000-aaaaaa", "linked", "a\0b", &"x".repeat(LONGEST_ID + 1)] {
            assert!(shelf.events(run).is_none(), "{run:?}");
        }
        assert_eq!(shelf.newest(10).unwrap(), []);
        assert_eq!(Shelf::new(folder.path().join("missing")).newest(10).unwrap(), []);
    }
}
