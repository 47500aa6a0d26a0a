//! The file of a history: opened, created, and brought to the version of this build.

use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags};
use rustix::fs::OFlags;

use super::{
    HistoryError,
    schema::{self, Found, VERSION},
};
use crate::{clock, state_dir};

/// The name in the state directory.
pub const FILE_NAME: &str = "history.db";
/// So long another process is waited for.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);

/// An open history. It may be sent to another thread, and is used by one at a time.
#[derive(Debug)]
pub struct Store {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
}

impl Store {
    /// Opens the history of a state directory to write to it. One that is not there is begun, an older one is brought to this version.
    ///
    /// # Errors
    /// When it is a newer firedrill's, damaged, held by somebody for too long, or cannot be written.
    pub fn open(state: &Path) -> Result<Self, HistoryError> {
        let path = state.join(FILE_NAME);
        let unusable = |error: io::Error| HistoryError::io(&path, &error);
        state_dir::folder_of(state, "").map_err(unusable)?;
        // What SQLite puts beside it has the same mode.
        let no_link = OFlags::NOFOLLOW.bits().cast_signed();
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).custom_flags(no_link).open(&path).map_err(unusable)?;
        let failed = |error: rusqlite::Error| HistoryError::of(&path, &error);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(&path, flags).map_err(failed)?;
        connection.busy_timeout(PATIENCE).map_err(failed)?;
        // Looked at before anything is changed.
        schema::look(&connection, &path)?;
        write_ahead(&connection).map_err(failed)?;
        // A row that is lost with the power is read from its folder again; the database is whole all the same.
        connection.pragma_update(None, "synchronous", "normal").map_err(failed)?;
        schema::migrate(&mut connection, &path)?;
        Ok(Self { connection, path })
    }

    /// Opens the history of a state directory to read it, which waits for nobody who writes; none when there is none yet.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_to_read(state: &Path) -> Result<Option<Self>, HistoryError> {
        let path = state.join(FILE_NAME);
        match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(HistoryError::io(&path, &error)),
            // Somebody is just making it.
            Ok(file) if file.len() == 0 => return Ok(None),
            Ok(_) => {}
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let failed = |error: rusqlite::Error| HistoryError::of(&path, &error);
        let mut connection = Connection::open_with_flags(&path, flags).map_err(failed)?;
        connection.busy_timeout(PATIENCE).map_err(failed)?;
        if let Err(error) = connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0)) {
            if !sealed(&error, &path) {
                return Err(failed(error));
            }
            let flags = flags | OpenFlags::SQLITE_OPEN_URI;
            connection = Connection::open_with_flags(unchanging(&path), flags).map_err(failed)?;
        }
        match schema::look(&connection, &path)? {
            Found::Version(VERSION) => Ok(Some(Self { connection, path })),
            Found::Empty => Ok(None),
            Found::Version(_) => {
                drop(connection);
                Self::open(state).map(Some)
            }
        }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn failed(&self) -> impl Fn(rusqlite::Error) -> HistoryError + use<> {
        let path = self.path.clone();
        move |error| HistoryError::of(&path, &error)
    }
}

/// Puts the database into WAL mode. SQLite does not wait for others when it changes the mode: we do.
fn write_ahead(connection: &Connection) -> rusqlite::Result<()> {
    let begun = clock::now();
    loop {
        match connection.pragma_update(None, "journal_mode", "wal") {
            Err(rusqlite::Error::SqliteFailure(failure, _))
                if failure.code == ErrorCode::DatabaseBusy && clock::now().since(begun) < PATIENCE =>
            {
                thread::sleep(Duration::from_millis(20));
            }
            other => return other,
        }
    }
}

/// Whether a database cannot be read only because nothing may be written beside it, and nothing is missing from it: a read-only disk.
fn sealed(error: &rusqlite::Error, path: &Path) -> bool {
    let refused = matches!(error.sqlite_error_code(), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly));
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    refused && fs::metadata(&log).map_or(true, |file| file.len() == 0)
}

/// The name of a database that does not change while it is read.
fn unchanging(path: &Path) -> String {
    let path = path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    format!("file:{path}?immutable=1")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn nobody_else_reads_it_and_no_link_is_followed() {
        let state = tempfile::tempdir().unwrap();
        assert!(Store::open_to_read(state.path()).unwrap().is_none());
        let store = Store::open(state.path()).unwrap();
        for name in [FILE_NAME, "history.db-wal", "history.db-shm"] {
            let mode = fs::metadata(state.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}: {mode:o}");
        }
        drop(store);
        let other = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(state.path().join(FILE_NAME), other.path().join(FILE_NAME)).unwrap();
        assert!(matches!(Store::open(other.path()), Err(HistoryError::Unusable { .. })));
    }

    #[test]
    fn what_is_no_database_is_told_and_left() {
        let state = tempfile::tempdir().unwrap();
        let file = state.path().join(FILE_NAME);
        fs::write(&file, "not a database, and long enough to be looked at as one\n".repeat(40)).unwrap();
        let before = fs::read(&file).unwrap();
        for error in [Store::open(state.path()).unwrap_err(), Store::open_to_read(state.path()).unwrap_err()] {
            assert!(matches!(error, HistoryError::Damaged { .. }), "{error}");
        }
        assert_eq!(fs::read(&file).unwrap(), before);
    }
}
