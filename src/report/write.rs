//! The files of a run folder. Created without following links and swapped in whole: a reader never sees half a report, and a
//! folder that somebody prepared cannot make us write elsewhere.

use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rustix::fs::{AtFlags, Mode, OFlags};

use super::{fan_out::Reporter, html, json_lines, junit, markdown, record::RunRecord, result};
use crate::event::Event;

/// A format of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `result.json`.
    Json,
    /// `report.html`.
    Html,
    /// `report.md`.
    Markdown,
    /// `junit.xml`.
    Junit,
    /// The summary of the console, plain.
    Text,
}

impl Format {
    /// Those that are files of a run folder.
    pub const FILES: [Self; 4] = [Self::Json, Self::Html, Self::Markdown, Self::Junit];

    /// The name for `--format`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Html => "html",
            Self::Markdown => "markdown",
            Self::Junit => "junit",
            Self::Text => "text",
        }
    }

    /// The file's name in a run folder; none for the console's summary.
    pub fn file_name(self) -> Option<&'static str> {
        match self {
            Self::Json => Some("result.json"),
            Self::Html => Some("report.html"),
            Self::Markdown => Some("report.md"),
            Self::Junit => Some("junit.xml"),
            Self::Text => None,
        }
    }

    /// Renders a record.
    pub fn render(self, record: &RunRecord) -> String {
        match self {
            Self::Json => result::render(record),
            Self::Html => html::render(record),
            Self::Markdown => markdown::render(record),
            Self::Junit => junit::render(record),
            Self::Text => super::console::summary::render(record, super::console::style::Style::plain(100)),
        }
    }
}

/// Reads the record of a run folder, or of an `events.jsonl`.
pub fn load(run_folder_or_events: &Path) -> io::Result<RunRecord> {
    let path =
        if run_folder_or_events.is_dir() { run_folder_or_events.join(json_lines::FILE_NAME) } else { run_folder_or_events.to_owned() };
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let mut record = RunRecord::default();
    json_lines::read(File::open(&path).map_err(named)?, |event| record.apply(&event)).map_err(named)?;
    if record.events == 0 {
        return Err(named(io::Error::new(io::ErrorKind::InvalidData, "there is no event in it")));
    }
    Ok(record)
}

/// Renders an old run again, from its events alone.
pub fn render(run_folder_or_events: &Path, format: Format) -> io::Result<String> {
    Ok(format.render(&load(run_folder_or_events)?))
}

/// Opens a folder for work relative to it, so that nothing can be swapped in between.
fn open_folder(folder: &Path) -> io::Result<rustix::fd::OwnedFd> {
    Ok(rustix::fs::open(folder, OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY, Mode::empty())?)
}

/// Creates a file that does not exist yet, mode 0644, following no link.
pub fn create_new(folder: &Path, name: &str) -> io::Result<File> {
    let dir = open_folder(folder)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::openat(&dir, name, flags, Mode::from_raw_mode(0o644))?))
}

/// Writes a file of the folder in one step: all of it or what was there before.
pub fn replace(folder: &Path, name: &str, content: &[u8]) -> io::Result<PathBuf> {
    replace_by(folder, name, |out| out.write_all(content))
}

/// The same of what is written bit by bit.
fn replace_by(folder: &Path, name: &str, write: impl FnOnce(&mut &File) -> io::Result<()>) -> io::Result<PathBuf> {
    if name.is_empty() || name.contains('/') || name == ".." {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("`{name}` is not the name of a file")));
    }
    let dir = open_folder(folder)?;
    let temporary = format!(".{name}.{}.tmp", std::process::id());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let _ = rustix::fs::unlinkat(&dir, &temporary, AtFlags::empty());
    let file = File::from(rustix::fs::openat(&dir, &temporary, flags, Mode::from_raw_mode(0o644))?);
    let written = write(&mut &file).and_then(|()| file.sync_all());
    let renamed = written.and_then(|()| Ok(rustix::fs::renameat(&dir, &temporary, &dir, name)?));
    if renamed.is_err() {
        let _ = rustix::fs::unlinkat(&dir, &temporary, AtFlags::empty());
    }
    renamed.map(|()| folder.join(name))
}

/// Writes every file of a run folder but `events.jsonl`. One that cannot be written does not keep the others from it.
pub fn all(folder: &Path, record: &RunRecord) -> io::Result<()> {
    let mut failed = Vec::new();
    for format in Format::FILES {
        let Some(name) = format.file_name() else { continue };
        let written = match format {
            Format::Json => replace_by(folder, name, |out| result::write(record, out)),
            other => replace(folder, name, other.render(record).as_bytes()),
        };
        if let Err(error) = written {
            failed.push(format!("{name}: {error}"));
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(io::Error::other(failed.join("; "))) }
}

/// The reporter that writes a run folder's files when the run has ended.
pub struct RunFiles {
    folder: PathBuf,
    record: RunRecord,
    whole: Arc<Mutex<Option<RunRecord>>>,
}

impl RunFiles {
    /// For this folder, which exists.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, record: RunRecord::default(), whole: Arc::default() }
    }

    /// Where the record is once everything is written, as it would be read back from the folder.
    pub fn record(&self) -> Arc<Mutex<Option<RunRecord>>> {
        Arc::clone(&self.whole)
    }
}

impl Reporter for RunFiles {
    fn name(&self) -> &'static str {
        "run folder"
    }

    fn ticks(&self) -> usize {
        // Counted only. Fewer than are let go by: the record would say that events are missing.
        64
    }

    fn event(&mut self, event: &Event) -> io::Result<()> {
        if RunRecord::passes_by(&event.kind) {
            self.record.apply(event);
            return Ok(());
        }
        if json_lines::reads_back(&event.kind) {
            debug_assert!(json_lines::as_read_back(event).is_ok_and(|back| back == *event), "{event:?}");
            self.record.apply(event);
            return Ok(());
        }
        // A number that JSON cannot hold (a NaN) must not cost the reader the whole report.
        match json_lines::as_read_back(event) {
            Ok(event) => self.record.apply(&event),
            Err(error) => {
                self.record.apply(event);
                self.record.warnings.push(format!("event {} cannot be read back from events.jsonl: {error}", event.number));
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        let written = all(&self.folder, &self.record);
        *self.whole.lock().unwrap_or_else(PoisonError::into_inner) = Some(std::mem::take(&mut self.record));
        written
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_file_is_swapped_in_whole_and_links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let elsewhere = dir.path().join("elsewhere");
        std::fs::write(&elsewhere, "untouched").unwrap();
        let folder = dir.path().join("run");
        std::fs::create_dir(&folder).unwrap();
        symlink(&elsewhere, folder.join("report.md")).unwrap();
        replace(&folder, "report.md", b"new").unwrap();
        assert_eq!(std::fs::read_to_string(&elsewhere).unwrap(), "untouched");
        assert_eq!(std::fs::read_to_string(folder.join("report.md")).unwrap(), "new");
        let mode = std::fs::symlink_metadata(folder.join("report.md")).unwrap().permissions().mode();
        assert_eq!(mode & 0o7133, 0, "{mode:o}");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
        symlink(&elsewhere, folder.join("events.jsonl")).unwrap();
        assert!(create_new(&folder, "events.jsonl").is_err());
        symlink(&folder, dir.path().join("link")).unwrap();
        assert!(replace(&dir.path().join("link"), "report.md", b"x").is_err());
        for name in ["../x", "", "..", "a/b"] {
            assert!(replace(&folder, name, b"x").is_err(), "{name}");
        }
    }
}
