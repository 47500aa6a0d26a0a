//! What may be wrong with a history. Each says what to do about it.

use std::{
    io,
    path::{Path, PathBuf},
};

use rusqlite::{Error, ErrorCode, ffi};

/// What is wrong with a history.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// A newer firedrill has changed its format.
    #[error(
        "{}: a newer firedrill wrote this history (format {found}; this one knows up to {known}): use that one, or another FIREDRILL_STATE_DIR",
        .path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest that this build knows.
        known: i64,
    },
    /// It is something else.
    #[error("{}: this is a database, but no history of firedrill; it is left as it is", .path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be understood any more.
    #[error(
        "{}: the history is damaged ({why}); move the file away, and `firedrill history import FOLDER` reads the runs from their folders again",
        .path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was seen.
        why: String,
    },
    /// Another process did not let go of it in time.
    #[error("{}: another process holds the history, and did not let go of it within {seconds} s", .path.display())]
    Locked {
        /// The file.
        path: PathBuf,
        /// How long was waited.
        seconds: u64,
    },
    /// There is no room.
    #[error("{}: there is no room for the history: {why}", .path.display())]
    Full {
        /// The file.
        path: PathBuf,
        /// What was seen.
        why: String,
    },
    /// Anything else.
    #[error("{}: the history cannot be used: {why}", .path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What was seen.
        why: String,
    },
}

impl HistoryError {
    /// What SQLite said, about a file.
    pub(super) fn of(path: &Path, error: &Error) -> Self {
        let (path, why) = (path.to_owned(), error.to_string());
        let Error::SqliteFailure(failure, _) = error else {
            return match error {
                // A value that no firedrill writes.
                Error::FromSqlConversionFailure(..) | Error::IntegralValueOutOfRange(..) | Error::InvalidColumnType(..) => {
                    Self::Damaged { path, why }
                }
                _ => Self::Unusable { path, why },
            };
        };
        match failure.code {
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Self::Locked { path, seconds: super::store::PATIENCE.as_secs() },
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Self::Damaged { path, why },
            ErrorCode::DiskFull => Self::Full { path, why },
            // The index that all processes share could not become larger.
            _ if failure.extended_code == ffi::SQLITE_IOERR_SHMSIZE => Self::Full { path, why },
            _ => Self::Unusable { path, why },
        }
    }

    /// What the system said, about a file.
    pub(super) fn io(path: &Path, error: &io::Error) -> Self {
        let (path, why) = (path.to_owned(), error.to_string());
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path, why },
            _ => Self::Unusable { path, why },
        }
    }
}
