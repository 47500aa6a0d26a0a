//! Rows listed, and one looked up.

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, params_from_iter, types::Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    HistoryError, Store,
    run::{Run, columns, moment, nanoseconds, read, verdict_of, verdict_word},
};
use crate::model::{ids::RunId, verdict::Verdict};

/// Which rows. Everything that is said must hold; the default is all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The experiment's title, or a pattern of it: `*zone*`.
    pub experiment: Option<String>,
    /// The environment's name.
    pub environment: Option<String>,
    /// The verdict.
    pub verdict: Option<Verdict>,
    /// Only those that began then or later.
    pub since: Option<Timestamp>,
    /// Only the newest so many of these.
    pub last: Option<u64>,
}

/// An experiment of the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Experiment {
    /// Its title.
    pub experiment: String,
    /// How many of its runs are kept.
    pub runs: u64,
    /// Of which passed.
    pub passed: u64,
    /// Its last run.
    pub last: RunId,
    /// When that began.
    #[schemars(with = "String")]
    pub last_began: Timestamp,
    /// What came of it.
    pub last_verdict: Verdict,
}

impl Store {
    /// Runs, the newest first.
    ///
    /// # Errors
    /// When the history cannot be read.
    pub fn list(&self, filter: &Filter) -> Result<Vec<Run>, HistoryError> {
        let mut conditions = vec!["1"];
        let mut values = Vec::new();
        if let Some(pattern) = &filter.experiment {
            // A title with brackets in it is still a title.
            conditions.push("(experiment = ? OR experiment GLOB ?)");
            values.extend([Value::Text(pattern.clone()), Value::Text(pattern.clone())]);
        }
        if let Some(name) = &filter.environment {
            conditions.push("environment = ?");
            values.push(Value::Text(name.clone()));
        }
        if let Some(verdict) = filter.verdict {
            conditions.push("verdict = ?");
            values.push(Value::Text(verdict_word(verdict)));
        }
        if let Some(since) = filter.since {
            conditions.push("began_ns >= ?");
            values.push(Value::Integer(nanoseconds(since)));
        }
        values.push(Value::Integer(limit(filter.last)));
        self.rows(&format!("WHERE {} ORDER BY began_ns DESC, run DESC LIMIT ?", conditions.join(" AND ")), values)
    }

    /// One run.
    ///
    /// # Errors
    /// When the history cannot be read.
    pub fn get(&self, run: &RunId) -> Result<Option<Run>, HistoryError> {
        Ok(self.rows("WHERE run = ?", vec![Value::Text(run.0.clone())])?.pop())
    }

    /// The runs whose ids begin with a text, the newest first: what a person means who types the beginning of one.
    ///
    /// # Errors
    /// When the history cannot be read.
    pub fn like(&self, beginning: &str) -> Result<Vec<Run>, HistoryError> {
        let value = Value::Text(beginning.to_owned());
        self.rows("WHERE substr(run, 1, length(?1)) = ?1 ORDER BY began_ns DESC, run DESC LIMIT 20", vec![value])
    }

    /// The experiments, the one that ran last first.
    ///
    /// # Errors
    /// When the history cannot be read.
    pub fn experiments(&self) -> Result<Vec<Experiment>, HistoryError> {
        // The columns without a function are those of the row that has the largest time.
        const SQL: &str = "SELECT experiment, count(*), sum(verdict = 'passed'), run, verdict, max(began_ns) FROM runs
            GROUP BY experiment ORDER BY max(began_ns) DESC, experiment";
        let all = || {
            let mut statement = self.connection.prepare(SQL)?;
            let rows = statement.query_map([], |row| {
                let counted = |at| row.get::<_, i64>(at).map(i64::cast_unsigned);
                let began: i64 = row.get(5)?;
                Ok((row.get(0)?, counted(1)?, counted(2)?, row.get(3)?, row.get::<_, String>(4)?, began))
            })?;
            rows.collect::<rusqlite::Result<Vec<(String, u64, u64, String, String, i64)>>>()
        };
        let rows = all().map_err(self.failed())?;
        let mut out = Vec::new();
        for (experiment, runs, passed, run, word, began) in rows {
            let damaged = |why| HistoryError::Damaged { path: self.path.clone(), why };
            let last_verdict = verdict_of(&word).ok_or_else(|| damaged(format!("`{word}` is no verdict")))?;
            let last_began = moment(began).map_err(damaged)?;
            out.push(Experiment { experiment, runs, passed, last: RunId(run), last_began, last_verdict });
        }
        Ok(out)
    }

    /// Whether a run is in it.
    ///
    /// # Errors
    /// When the history cannot be read.
    pub fn has(&self, run: &RunId) -> Result<bool, HistoryError> {
        let found = self.connection.query_row("SELECT 1 FROM runs WHERE run = ?", [run.as_str()], |_| Ok(())).optional();
        found.map(|found| found.is_some()).map_err(self.failed())
    }

    pub(super) fn rows(&self, rest: &str, values: Vec<Value>) -> Result<Vec<Run>, HistoryError> {
        let all = || {
            let mut statement = self.connection.prepare(&format!("SELECT {} FROM runs {rest}", columns()))?;
            statement.query_map(params_from_iter(values), read)?.collect::<rusqlite::Result<Vec<Run>>>()
        };
        all().map_err(self.failed())
    }
}

/// The limit of a list; below zero is none.
pub(super) fn limit(last: Option<u64>) -> i64 {
    last.map_or(-1, |last| i64::try_from(last).unwrap_or(-1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::run::tests::run;

    fn store() -> (tempfile::TempDir, Store) {
        let state = tempfile::tempdir().unwrap();
        let mut store = Store::open(state.path()).unwrap();
        for (n, id) in (0..).zip(["a", "b", "c", "d"]) {
            let mut run = run(id, if n % 2 == 0 { "A zone dies" } else { "One [of] three" }, n, 0.99);
            if id == "d" {
                run.verdict = Verdict::NotStarted;
                run.environment = Some("staging".to_owned());
                run.figures = crate::measure::compare::Figures::default();
                run.reason = "x".repeat(10_000);
            }
            store.insert(&run).unwrap();
        }
        (state, store)
    }

    fn ids(runs: &[Run]) -> String {
        runs.iter().map(|run| run.run.as_str()).collect()
    }

    #[test]
    fn what_is_written_is_read_back() {
        let (state, store) = store();
        let reader = Store::open_to_read(state.path()).unwrap().unwrap();
        let read = reader.get(&RunId::from("a")).unwrap().unwrap();
        assert_eq!(read, run("a", "A zone dies", 0, 0.99));
        assert_eq!(store.get(&RunId::from("z")).unwrap(), None);
        let cut = reader.get(&RunId::from("d")).unwrap().unwrap().reason;
        assert!(cut.ends_with("x…") && cut.chars().count() == 4_001);
        assert!(reader.has(&RunId::from("b")).unwrap() && !reader.has(&RunId::from("e")).unwrap());
        assert_eq!(ids(&reader.like("c").unwrap()), "c");
        assert_eq!(ids(&reader.like("").unwrap()), "dcba");
    }

    #[test]
    fn lists_are_filtered_and_the_newest_come_first() {
        let (_state, store) = store();
        let list = |filter: Filter| ids(&store.list(&filter).unwrap());
        let pattern = |text: &str| Filter { experiment: Some(text.to_owned()), ..Filter::default() };
        assert_eq!(list(Filter::default()), "dcba");
        assert_eq!(list(Filter { last: Some(2), ..Filter::default() }), "dc");
        assert_eq!(list(pattern("*zone*")), "ca");
        assert_eq!(list(pattern("One [of] three")), "db");
        assert_eq!(list(pattern("zone")), "");
        assert_eq!(list(Filter { environment: Some("staging".to_owned()), ..Filter::default() }), "d");
        assert_eq!(list(Filter { verdict: Some(Verdict::Passed), ..pattern("One*") }), "b");
        let since = store.get(&RunId::from("c")).unwrap().unwrap().began;
        assert_eq!(list(Filter { since: Some(since), ..Filter::default() }), "dc");
        let experiments = store.experiments().unwrap();
        let told: Vec<_> = experiments.iter().map(|e| (e.experiment.as_str(), e.runs, e.passed, e.last.as_str(), e.last_verdict)).collect();
        assert_eq!(told, [("One [of] three", 2, 1, "d", Verdict::NotStarted), ("A zone dies", 2, 2, "c", Verdict::Passed)]);
    }
}
