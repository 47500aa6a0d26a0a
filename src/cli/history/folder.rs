//! Run folders as the history knows them: whether one is there, whether it is really a run's, and whether it may go.

use std::{
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Read as _},
    path::Path,
};

use crate::{
    chaostoolkit::unfinished,
    event::{Event, EventKind},
    journal,
    model::ids::RunId,
    report::{Format, json_lines},
};

/// What there is at the path of a run folder.
#[derive(Debug, PartialEq, Eq)]
pub enum State {
    /// The run's folder.
    Ours,
    /// Nothing.
    Gone,
    /// Something else, and why it is taken for that.
    Refused(String),
}

/// The longest first event that is read: it holds an experiment, which is a file of 1 MiB at most.
const LONGEST: u64 = 64 << 20;

/// Looks at the folder of a run. A link is never followed: what it leads to is somebody else's.
pub fn state(folder: &Path, run: &RunId) -> State {
    match fs::symlink_metadata(folder) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return State::Gone,
        Err(error) => return State::Refused(error.to_string()),
        Ok(found) if found.is_symlink() => return State::Refused("it is a link".to_owned()),
        Ok(found) if !found.is_dir() => return State::Refused("it is no folder".to_owned()),
        Ok(_) => {}
    }
    let said = match begun(folder) {
        Ok(said) => said,
        Err(why) => return State::Refused(why),
    };
    match said {
        Some(other) if other == *run => State::Ours,
        Some(other) => State::Refused(format!("it is the folder of run {other}")),
        // Those of the Chaos Toolkit name no run inside: the folder does.
        None if folder.file_name().is_some_and(|name| name == run.as_str()) => State::Ours,
        None => State::Refused("it is not known to be that run's".to_owned()),
    }
}

/// The run that a folder's first event is of; none for a folder of the Chaos Toolkit's.
fn begun(folder: &Path) -> Result<Option<RunId>, String> {
    let events = folder.join(json_lines::FILE_NAME);
    if !plain_file(&events) {
        let toolkit = plain_file(&folder.join("journal.json")) && TOOLKIT.iter().any(|name| plain_file(&folder.join(name)));
        return if toolkit { Ok(None) } else { Err("it is no run folder".to_owned()) };
    }
    let mut line = Vec::new();
    let read = File::open(&events).and_then(|file| BufReader::new(file).take(LONGEST).read_until(b'\n', &mut line));
    read.map_err(|error| format!("{}: {error}", json_lines::FILE_NAME))?;
    match serde_json::from_slice::<Event>(&line).map(|event| event.kind) {
        Ok(EventKind::RunStarted { run, .. }) => Ok(Some(run)),
        _ => Err(format!("its {} does not begin with a run", json_lines::FILE_NAME)),
    }
}

const TOOLKIT: [&str; 2] = ["experiment.json", "experiment.yaml"];

fn plain_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_file())
}

/// Whether a run is not done with: it lives, or what it left behind is not undone. When that cannot be told, it is not.
pub fn unfinished(run: &RunId) -> bool {
    let journals = journal::Store::open().and_then(|store| store.path(run));
    let notes = unfinished::list().map(|notes| notes.iter().any(|note| note.as_ref().map_or(true, |note| note.run == *run)));
    journals.map_or(true, |path| path.exists()) || notes.unwrap_or(true)
}

/// Removes a run's folder, or says why not. Nothing of it goes when there is something in it that is not ours.
///
/// # Errors
/// Why it stays.
pub fn remove(folder: &Path, run: &RunId) -> Result<(), String> {
    match state(folder, run) {
        State::Gone => return Ok(()),
        State::Refused(why) => return Err(why),
        State::Ours => {}
    }
    if unfinished(run) {
        return Err("it still runs, or its journal is unfinished: `firedrill recover` comes first".to_owned());
    }
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(|error| error.to_string())?;
    if let Some(foreign) = entries.iter().find(|entry| !is_ours(&entry.file_name().to_string_lossy())) {
        return Err(format!("it holds something that no run wrote: {}", foreign.file_name().to_string_lossy()));
    }
    // Links in it are removed, and not what they lead to.
    fs::remove_dir_all(folder).map_err(|error| error.to_string())
}

fn is_ours(name: &str) -> bool {
    let reports = || Format::FILES.into_iter().filter_map(Format::file_name);
    let whole = [json_lines::FILE_NAME, "samples", "guards", "journal.json"];
    // A report that was being written when the process was killed.
    let half = name
        .strip_prefix('.')
        .and_then(|rest| rest.strip_suffix(".tmp"))
        .is_some_and(|rest| reports().any(|report| rest.starts_with(report)));
    half || whole.contains(&name) || TOOLKIT.contains(&name) || reports().any(|report| report == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_run_writes_is_ours() {
        for name in ["events.jsonl", "samples", "report.html", "result.json", "junit.xml", ".report.md.42.tmp", "experiment.yaml"] {
            assert!(is_ours(name), "{name}");
        }
        for name in ["notes.txt", "report.html.bak", ".git", ".x.tmp", "events.jsonl "] {
            assert!(!is_ours(name), "{name}");
        }
    }

    #[test]
    fn what_is_no_run_folder_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunId::from("20261128-101112-abcdef");
        let folder = dir.path().join(run.as_str());
        assert_eq!(state(&folder, &run), State::Gone);
        fs::create_dir(&folder).unwrap();
        assert_eq!(state(&folder, &run), State::Refused("it is no run folder".to_owned()));
        fs::write(folder.join("events.jsonl"), "{}\n").unwrap();
        assert!(matches!(state(&folder, &run), State::Refused(why) if why.contains("does not begin with a run")));
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&folder, &link).unwrap();
        assert_eq!(state(&link, &run), State::Refused("it is a link".to_owned()));
    }
}
