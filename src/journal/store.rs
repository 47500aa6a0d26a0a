//! The folder of journals: unfinished ones directly in it, finished ones in `done/`, of which the oldest are deleted.

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use super::{
    log::{Journal, JournalError, read, sweep, sync_folder},
    record::{Header, Record},
    replay::{Replay, replay},
};
use crate::{
    model::{
        claim::Claim,
        ids::{RunId, Scope},
    },
    state_dir,
};

const ENDING: &str = "journal";
/// So many finished journals are kept.
const KEPT: usize = 200;

/// The folder of journals.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
}

/// A journal in the folder.
#[derive(Debug)]
pub struct Found {
    /// Where.
    pub path: PathBuf,
    /// What it says, or why it cannot be read: such a one is never passed over in silence.
    pub replay: Result<Replay, JournalError>,
    /// What follows the valid records, in words.
    pub damage: Option<String>,
}

impl Store {
    /// The store of the state directory.
    ///
    /// # Errors
    /// When the folder cannot be made, or is open to others.
    pub fn open() -> io::Result<Self> {
        Ok(Self::at(state_dir::folder("journals")?))
    }

    /// A store in a folder that exists.
    pub fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The path of a run's journal, finished or not.
    ///
    /// # Errors
    /// When the run id is not a plain name.
    pub fn path(&self, run: &RunId) -> io::Result<PathBuf> {
        let name = run.as_str();
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
            return Err(io::Error::other(format!("`{}` is not a run id", name.escape_debug())));
        }
        Ok(self.folder.join(format!("{name}.{ENDING}")))
    }

    /// Begins a run's journal.
    ///
    /// # Errors
    /// When it cannot be made durable: then the run must not act.
    pub fn create(&self, header: Header) -> Result<Journal, JournalError> {
        let path = self.path(&header.run).map_err(|source| JournalError::Io { doing: "create", path: self.folder.clone(), source })?;
        sweep(&self.folder);
        Journal::create(&path, &Record::Header(Box::new(header)))
    }

    /// All journals that are not done, oldest first (run ids begin with the time).
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn unfinished(&self) -> io::Result<Vec<Found>> {
        Ok(Self::list(&self.folder)?.iter().map(|path| look(path)).collect())
    }

    /// Unfinished journals of a scope, and those that cannot be read (they may be of any scope). A new run on the scope waits for
    /// their recovery.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn unfinished_of(&self, scope: &Scope) -> io::Result<Vec<Found>> {
        let mut all = self.unfinished()?;
        all.retain(|f| f.replay.as_ref().is_ok_and(|r| r.header.scope == *scope) || f.replay.is_err());
        Ok(all)
    }

    /// Unfinished journals of other scopes that share containers with these claims. They are recovered where they were begun: on all
    /// engines that they name.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn unfinished_beside(&self, scope: &Scope, claims: &[Claim]) -> io::Result<Vec<RunId>> {
        let headers = self.unfinished()?.into_iter().filter_map(|found| found.replay.ok()).map(|replay| replay.header);
        let beside = headers.filter(|h| h.scope != *scope && h.claims.iter().any(|old| claims.iter().any(|claim| claim.against(old))));
        Ok(beside.map(|header| header.run).collect())
    }

    /// Looks at a journal by its path or its run's id.
    pub fn find(&self, path_or_run: &str) -> Found {
        let by_run = self.path(&RunId::from(path_or_run)).ok().filter(|p| p.exists());
        look(&by_run.unwrap_or_else(|| PathBuf::from(path_or_run)))
    }

    /// Moves a journal that owes nothing to `done/`, and deletes the oldest ones there.
    ///
    /// # Errors
    /// When it cannot be moved. It then stays listed as unfinished, which is harmless: it owes nothing.
    pub fn finish(&self, journal: Journal) -> Result<(), JournalError> {
        let path = journal.path().to_owned();
        drop(journal);
        let done = self.folder.join("done");
        let move_it = || -> io::Result<PathBuf> {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&done)?;
            let to = done.join(path.file_name().unwrap_or_default());
            fs::rename(&path, &to)?;
            Ok(to)
        };
        let to = move_it().map_err(|source| JournalError::Io { doing: "move away", path: path.clone(), source })?;
        sync_folder(&to)?;
        sync_folder(&path)?;
        if let Ok(old) = Self::list(&done) {
            for path in old.iter().take(old.len().saturating_sub(KEPT)) {
                let _ = fs::remove_file(path);
            }
        }
        Ok(())
    }

    fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|e| e == ENDING) {
                paths.push(path);
            }
        }
        paths.sort();
        Ok(paths)
    }
}

fn look(path: &Path) -> Found {
    match read(path) {
        Err(error) => Found { path: path.to_owned(), replay: Err(error), damage: None },
        Ok(found) => Found {
            path: path.to_owned(),
            replay: replay(&found.records)
                .ok_or_else(|| JournalError::NotAJournal { path: path.to_owned(), why: "it does not begin with a header".to_owned() }),
            damage: found.damage,
        },
    }
}
