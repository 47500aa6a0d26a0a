//! `firedrill history import`: rows from run folders of before. What is in the history already stays as it is.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{Trouble, folder, row, say};
use crate::{
    clock,
    history::{HistoryError, Run, Store},
    model::{ids::RunId, quantity::plural, verdict::Verdict},
    redact,
    report::{json_lines, words::whole, write},
    state_dir,
};

/// A run that says nothing for so long has no process any more: it writes each second.
const SILENT: Duration = Duration::from_mins(1);

/// Reads them.
pub fn import(folder: &Path) -> Result<u8, Trouble> {
    let folders = candidates(folder).map_err(|error| Trouble::Asked(format!("{}: {error}", folder.display())))?;
    if folders.is_empty() {
        return Err(Trouble::Asked(format!("{}: there is no run folder in it", folder.display())));
    }
    let mut store = Store::open(&state_dir::path())?;
    let (mut new, mut known, mut passed_over) = (0_u64, 0_u64, 0_u64);
    for folder in folders {
        match one(&mut store, &folder)? {
            Took::New => new += 1,
            Took::Known => known += 1,
            Took::Not(why) => {
                passed_over += 1;
                say::problem(format!("{}: not taken: {why}", folder.display()));
            }
        }
    }
    say::out(&format!("{} new in the history, {known} known already, {passed_over} not taken\n", plural(new, "run")));
    Ok(if passed_over > 0 { Verdict::Failed.exit_code() } else { 0 })
}

/// What became of a folder.
enum Took {
    New,
    Known,
    Not(String),
}

/// The run folders at a path, the oldest first: itself, or those in it. A link is none.
fn candidates(folder: &Path) -> io::Result<Vec<PathBuf>> {
    if is_one(folder) {
        return Ok(vec![folder.to_owned()]);
    }
    let mut out = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() && is_one(&entry.path()) {
            out.push(entry.path());
        }
    }
    out.sort();
    Ok(out)
}

fn is_one(folder: &Path) -> bool {
    folder.join(json_lines::FILE_NAME).is_file() || folder.join("journal.json").is_file()
}

fn one(store: &mut Store, path: &Path) -> Result<Took, HistoryError> {
    // Most are known by their name, and need not be read.
    let name = RunId(path.file_name().unwrap_or_default().to_string_lossy().into_owned());
    if store.has(&name)? {
        return Ok(Took::Known);
    }
    if !path.join(json_lines::FILE_NAME).is_file() {
        return Ok(Took::Not("a run of the Chaos Toolkit: its folder does not say what its verdict was".to_owned()));
    }
    match read(path) {
        Err(why) => Ok(Took::Not(why)),
        Ok(run) => Ok(if store.insert(&run)? { Took::New } else { Took::Known }),
    }
}

fn read(path: &Path) -> Result<Run, String> {
    let record = write::load(path).map_err(|error| error.to_string())?;
    let run = row::of(&record, Some(path)).ok_or("its events do not begin with a run")?;
    if record.outcome.is_none() {
        // It may be just now in the middle: then its row comes from itself.
        let written = fs::metadata(path.join(json_lines::FILE_NAME)).and_then(|file| file.modified());
        let age = written.ok().and_then(|at| jiff::Timestamp::try_from(at).ok()).map(|at| clock::moment().duration_since(at));
        let silent = age.is_none_or(|age| age.unsigned_abs() > SILENT);
        if folder::unfinished(&run.run) || !silent {
            return Err(format!("it still runs, or is not recovered: `firedrill recover {}` comes first", whole(run.run.as_str())));
        }
    }
    Ok(redact::without(run))
}
