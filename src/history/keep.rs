//! Rows written, and which of the old ones go.

use jiff::Timestamp;
use rusqlite::{Connection, TransactionBehavior, params, params_from_iter, types::Value};

use super::{
    HistoryError, Store,
    run::{Run, columns, nanoseconds, values},
};
use crate::model::{ids::RunId, retention::Retention};

/// Rows that are to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beyond {
    /// All but the newest so many.
    Newest(u64),
    /// Those that began before.
    Before(Timestamp),
}

impl Store {
    /// Writes a run, and removes what its project keeps no longer: all or nothing. A row of the same run is replaced.
    ///
    /// # Errors
    /// When the history cannot be written.
    pub fn record(&mut self, run: &Run, retention: &Retention, now: Timestamp) -> Result<(), HistoryError> {
        let failed = self.failed();
        let mut all = || {
            let step = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            write(&step, "REPLACE", run)?;
            // The newest so many of the project; a project that is none is one too.
            step.execute(
                "DELETE FROM runs WHERE run IN (SELECT run FROM runs WHERE project IS ?1 ORDER BY began_ns DESC, run DESC LIMIT -1 OFFSET ?2)",
                params![run.project, i64::try_from(retention.keep).unwrap_or(i64::MAX)],
            )?;
            if let Some(before) = retention.keep_for.and_then(|time| now.checked_sub(time).ok()) {
                step.execute("DELETE FROM runs WHERE project IS ?1 AND began_ns < ?2", params![run.project, nanoseconds(before)])?;
            }
            step.commit()
        };
        all().map_err(failed)
    }

    /// Writes a run, unless it is there already; whether it was new.
    ///
    /// # Errors
    /// When the history cannot be written.
    pub fn insert(&mut self, run: &Run) -> Result<bool, HistoryError> {
        write(&self.connection, "IGNORE", run).map_err(self.failed())
    }

    /// What is beyond, the newest first.
    ///
    /// # Errors
    /// When the history cannot be read.
    pub fn beyond(&self, what: Beyond) -> Result<Vec<Run>, HistoryError> {
        match what {
            Beyond::Newest(keep) => {
                let keep = i64::try_from(keep).unwrap_or(i64::MAX);
                self.rows("ORDER BY began_ns DESC, run DESC LIMIT -1 OFFSET ?", vec![Value::Integer(keep)])
            }
            Beyond::Before(moment) => {
                self.rows("WHERE began_ns < ? ORDER BY began_ns DESC, run DESC", vec![Value::Integer(nanoseconds(moment))])
            }
        }
    }

    /// Removes rows; how many there were.
    ///
    /// # Errors
    /// When the history cannot be written: then none is gone.
    pub fn remove<'r>(&mut self, runs: impl IntoIterator<Item = &'r RunId>) -> Result<u64, HistoryError> {
        let failed = self.failed();
        let all = || {
            let step = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let mut gone = 0;
            for run in runs {
                gone += step.prepare("DELETE FROM runs WHERE run = ?")?.execute([run.as_str()])? as u64;
            }
            step.commit().map(|()| gone)
        };
        all().map_err(failed)
    }
}

/// Writes a row; whether anything changed.
fn write(connection: &Connection, otherwise: &str, run: &Run) -> rusqlite::Result<bool> {
    let values = values(run);
    let places = vec!["?"; values.len()].join(", ");
    let sql = format!("INSERT OR {otherwise} INTO runs ({}) VALUES ({places})", columns());
    Ok(connection.prepare(&sql)?.execute(params_from_iter(values))? > 0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::history::{Filter, run::tests::run};

    fn ids(store: &Store) -> String {
        store.list(&Filter::default()).unwrap().iter().map(|run| run.run.as_str()).collect()
    }

    #[test]
    fn each_project_keeps_what_it_says_and_leaves_the_others_alone() {
        let state = tempfile::tempdir().unwrap();
        let mut store = Store::open(state.path()).unwrap();
        let now = run("x", "x", 100, 1.0).began;
        let plain = Retention::default();
        let other = |id: &str, second| Run { project: None, ..run(id, "A zone dies", second, 0.99) };
        store.record(&other("o", -1_000_000), &plain, now).unwrap();
        for (n, id) in (0..).zip(["a", "b", "c"]) {
            store.record(&run(id, "A zone dies", n, 0.99), &plain, now).unwrap();
        }
        store.record(&run("d", "A zone dies", 9, 0.99), &Retention { keep: 3, keep_for: None }, now).unwrap();
        assert_eq!(ids(&store), "dcbo");
        // Twice is once, and the later word counts.
        let again = Run { reason: "again".to_owned(), ..run("d", "A zone dies", 9, 0.99) };
        store.record(&again, &Retention { keep: 3, keep_for: Some(Duration::from_secs(98)) }, now).unwrap();
        assert_eq!(ids(&store), "dco");
        assert_eq!(store.get(&RunId::from("d")).unwrap().unwrap().reason, "again");
        assert!(!store.insert(&other("d", 3)).unwrap() && store.insert(&other("p", 3)).unwrap());
        assert_eq!(store.get(&RunId::from("d")).unwrap().unwrap().reason, "again");
    }

    #[test]
    fn what_is_beyond_is_told_before_it_goes() {
        let state = tempfile::tempdir().unwrap();
        let mut store = Store::open(state.path()).unwrap();
        for (n, id) in (0..).zip(["a", "b", "c"]) {
            store.insert(&run(id, "A zone dies", n, 0.99)).unwrap();
        }
        let beyond: Vec<RunId> = store.beyond(Beyond::Newest(1)).unwrap().into_iter().map(|run| run.run).collect();
        assert_eq!(beyond, [RunId::from("b"), RunId::from("a")]);
        assert_eq!(store.beyond(Beyond::Before(run("x", "x", 1, 1.0).began)).unwrap().len(), 1);
        assert_eq!(ids(&store), "cba");
        assert_eq!(store.remove(&beyond).unwrap(), 2);
        assert_eq!(store.remove(&beyond).unwrap(), 0);
        assert_eq!(ids(&store), "c");
    }

    /// A reader sees what was there before, while another process is in the middle of writing.
    #[test]
    fn who_reads_waits_for_nobody() {
        let state = tempfile::tempdir().unwrap();
        let mut writer = Store::open(state.path()).unwrap();
        writer.insert(&run("a", "A zone dies", 0, 0.99)).unwrap();
        let held = writer.connection.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
        write(&held, "IGNORE", &run("b", "A zone dies", 1, 0.99)).unwrap();
        let reader = Store::open_to_read(state.path()).unwrap().unwrap();
        assert_eq!(ids(&reader), "a");
        held.commit().unwrap();
        assert_eq!(ids(&reader), "ba");
    }
}
