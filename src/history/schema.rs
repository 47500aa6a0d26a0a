//! The versions of the database. A step, once released, is never changed: what is new comes as a new step.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::HistoryError;

/// Says that a database is ours: `fdrh`.
const APPLICATION: i64 = 0x6664_7268;

/// What leads from each version to the next: the first from an empty file to version 1.
const STEPS: [&str; 1] = ["
    CREATE TABLE runs (
        run TEXT PRIMARY KEY NOT NULL,
        experiment TEXT NOT NULL,
        file TEXT,
        project TEXT,
        environment TEXT,
        platform TEXT,
        began_ns INTEGER NOT NULL,
        took_s REAL,
        verdict TEXT NOT NULL,
        reason TEXT NOT NULL,
        seed INTEGER,
        tool TEXT NOT NULL,
        git_commit TEXT,
        folder TEXT,
        scheduled INTEGER NOT NULL,
        requests INTEGER,
        failures INTEGER,
        capacity_lost INTEGER NOT NULL,
        availability_low REAL, availability REAL, availability_high REAL,
        p99_low REAL, p99 REAL, p99_high REAL,
        longest_outage_low REAL, longest_outage REAL, longest_outage_high REAL,
        lost_low REAL, lost REAL, lost_high REAL,
        recovery_low REAL, recovery REAL, recovery_high REAL,
        capacity_low REAL, capacity REAL, capacity_high REAL
    ) STRICT;
    CREATE INDEX runs_by_time ON runs (began_ns, run);
    CREATE INDEX runs_of_experiment ON runs (experiment, began_ns, run, verdict);
    CREATE INDEX runs_of_project ON runs (project, began_ns, run);
"];

/// The version of this build.
pub const VERSION: i64 = STEPS.len().cast_signed() as i64;

/// Where a database stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// There is nothing in it yet.
    Empty,
    /// Of a version up to this build's.
    Version(i64),
}

/// Looks at whose database it is, and of which version.
///
/// # Errors
/// When it is not ours, or of a newer firedrill: then it is not to be touched.
pub fn look(connection: &Connection, path: &Path) -> Result<Found, HistoryError> {
    let number = |of: &str| {
        connection.query_row(&format!("PRAGMA {of}"), [], |row| row.get::<_, i64>(0)).map_err(|error| HistoryError::of(path, &error))
    };
    match (number("application_id")?, number("user_version")?) {
        (APPLICATION, found) if found > VERSION => Err(HistoryError::Newer { path: path.to_owned(), found, known: VERSION }),
        (APPLICATION, found) if found > 0 => Ok(Found::Version(found)),
        (0, 0) => {
            let things = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0));
            match things.map_err(|error| HistoryError::of(path, &error))? {
                0 => Ok(Found::Empty),
                _ => Err(HistoryError::NotOurs { path: path.to_owned() }),
            }
        }
        _ => Err(HistoryError::NotOurs { path: path.to_owned() }),
    }
}

/// Brings a database to the version of this build: each step in a transaction of its own, and looked at again inside it, because another
/// process may do the same now.
///
/// # Errors
/// As [`look`], and when it cannot be written.
pub fn migrate(connection: &mut Connection, path: &Path) -> Result<(), HistoryError> {
    let failed = |error: rusqlite::Error| HistoryError::of(path, &error);
    while look(connection, path)? != Found::Version(VERSION) {
        let step = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let from = match look(&step, path)? {
            Found::Empty => 0,
            Found::Version(version) => version,
        };
        if let Some(sql) = usize::try_from(from).ok().and_then(|from| STEPS.get(from)) {
            step.execute_batch(sql).map_err(failed)?;
            step.pragma_update(None, "application_id", APPLICATION).map_err(failed)?;
            step.pragma_update(None, "user_version", from + 1).map_err(failed)?;
        }
        step.commit().map_err(failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_leads_on_and_twice_is_once() {
        let mut connection = Connection::open_in_memory().unwrap();
        let path = Path::new("history.db");
        assert_eq!(look(&connection, path).unwrap(), Found::Empty);
        migrate(&mut connection, path).unwrap();
        migrate(&mut connection, path).unwrap();
        assert_eq!(look(&connection, path).unwrap(), Found::Version(VERSION));
    }

    #[test]
    fn what_is_newer_or_somebody_elses_is_left_alone() {
        let mut connection = Connection::open_in_memory().unwrap();
        let path = Path::new("history.db");
        migrate(&mut connection, path).unwrap();
        connection.pragma_update(None, "user_version", VERSION + 1).unwrap();
        assert!(matches!(migrate(&mut connection, path), Err(HistoryError::Newer { found, .. }) if found == VERSION + 1));
        let mut other = Connection::open_in_memory().unwrap();
        other.execute_batch("CREATE TABLE notes (text TEXT)").unwrap();
        assert!(matches!(migrate(&mut other, path), Err(HistoryError::NotOurs { .. })));
        other.query_row("SELECT count(*) FROM notes", [], |row| row.get::<_, i64>(0)).unwrap();
    }
}
