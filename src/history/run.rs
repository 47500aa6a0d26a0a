//! A row: what a run came to.

use jiff::Timestamp;
use rusqlite::{
    Row,
    types::{FromSqlError, Type, Value},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    measure::compare::{Aspect, Figures, Range},
    model::{ids::RunId, verdict::Verdict},
};

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// Its id.
    pub run: RunId,
    /// The experiment's title.
    pub experiment: String,
    /// The experiment's file; none for a drill without one.
    pub file: Option<String>,
    /// The `firedrill.yaml` that it ran with: its whole path. Old runs go by project.
    pub project: Option<String>,
    /// The environment.
    pub environment: Option<String>,
    /// The platform.
    pub platform: Option<String>,
    /// When it began, by the wall clock.
    #[schemars(with = "String")]
    pub began: Timestamp,
    /// How long it took, seconds.
    pub took_s: Option<f64>,
    /// The verdict on the run itself, as its reports have it. A comparison with earlier ones (`--against`) may fail the call all the same.
    pub verdict: Verdict,
    /// One sentence: why.
    pub reason: String,
    /// The key figures.
    pub figures: Figures,
    /// The seed of all draws.
    pub seed: Option<u64>,
    /// The tool and its version.
    pub tool: String,
    /// The commit that was tested, when whoever started the run said so.
    pub commit: Option<String>,
    /// Its folder: the whole path. None when it never had one.
    pub folder: Option<String>,
    /// Whether a schedule fired it.
    pub scheduled: bool,
}

impl Run {
    /// Whether it ran to its end with numbers that are to be trusted: others are not held against it, and it not against others.
    pub fn judged(&self) -> bool {
        matches!(self.verdict, Verdict::Passed | Verdict::Failed)
    }
}

/// A verdict as the database and command lines have it: `not-started`.
pub fn verdict_word(verdict: Verdict) -> String {
    verdict.word().replace(' ', "-")
}

/// The verdict of a word.
pub fn verdict_of(word: &str) -> Option<Verdict> {
    Verdict::ALL.into_iter().find(|verdict| verdict_word(*verdict) == word)
}

/// The columns but for the ranges.
const PLAIN: [&str; 18] = [
    "run",
    "experiment",
    "file",
    "project",
    "environment",
    "platform",
    "began_ns",
    "took_s",
    "verdict",
    "reason",
    "seed",
    "tool",
    "git_commit",
    "folder",
    "scheduled",
    "requests",
    "failures",
    "capacity_lost",
];

fn column(aspect: Aspect) -> &'static str {
    match aspect {
        Aspect::Availability => "availability",
        Aspect::P99 => "p99",
        Aspect::LongestOutage => "longest_outage",
        Aspect::Lost => "lost",
        Aspect::Recovery => "recovery",
        Aspect::Capacity => "capacity",
    }
}

/// All columns, in the order of [`values`] and [`read`].
pub(super) fn columns() -> String {
    let ranges = Aspect::ALL.map(column).map(|name| format!("{name}_low, {name}, {name}_high"));
    format!("{}, {}", PLAIN.join(", "), ranges.join(", "))
}

/// The most characters of a sentence that are kept: all of it is in the reports.
const LONGEST: usize = 4_000;

/// The values of a row.
pub(super) fn values(run: &Run) -> Vec<Value> {
    let text = |text: &Option<String>| text.clone().map_or(Value::Null, Value::Text);
    let number = |number: Option<u64>| number.map_or(Value::Null, |number| Value::Integer(number.cast_signed()));
    let mut reason = run.reason.clone();
    if let Some((at, _)) = reason.char_indices().nth(LONGEST) {
        reason.truncate(at);
        reason.push('…');
    }
    let mut out = vec![
        Value::Text(run.run.0.clone()),
        Value::Text(run.experiment.clone()),
        text(&run.file),
        text(&run.project),
        text(&run.environment),
        text(&run.platform),
        Value::Integer(nanoseconds(run.began)),
        real(run.took_s),
        Value::Text(verdict_word(run.verdict)),
        Value::Text(reason),
        number(run.seed),
        Value::Text(run.tool.clone()),
        text(&run.commit),
        text(&run.folder),
        Value::Integer(run.scheduled.into()),
        number(run.figures.requests),
        number(run.figures.failures),
        Value::Integer(run.figures.capacity_lost.into()),
    ];
    for aspect in Aspect::ALL {
        let range = run.figures.get(aspect);
        out.extend([range.map(|range| range.low), range.map(|range| range.value), range.map(|range| range.high)].map(real));
    }
    out
}

fn real(number: Option<f64>) -> Value {
    number.filter(|number| number.is_finite()).map_or(Value::Null, Value::Real)
}

/// A moment as the database has it.
pub(super) fn nanoseconds(at: Timestamp) -> i64 {
    i64::try_from(at.as_nanosecond()).unwrap_or(if at < Timestamp::UNIX_EPOCH { i64::MIN } else { i64::MAX })
}

/// A row as it was written.
pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Run> {
    let bad = |at: usize, kind: Type, what: String| {
        rusqlite::Error::FromSqlConversionFailure(at, kind, Box::new(FromSqlError::Other(what.into())))
    };
    let unsigned = |at: usize| row.get::<_, Option<i64>>(at).map(|number| number.map(i64::cast_unsigned));
    let word: String = row.get(8)?;
    let verdict = verdict_of(&word).ok_or_else(|| bad(8, Type::Text, format!("`{word}` is no verdict")))?;
    let began = moment(row.get(6)?).map_err(|why| bad(6, Type::Integer, why))?;
    let mut figures = Figures { requests: unsigned(15)?, failures: unsigned(16)?, capacity_lost: row.get(17)?, ..Figures::default() };
    for (n, aspect) in Aspect::ALL.into_iter().enumerate() {
        let at = PLAIN.len() + 3 * n;
        let [low, value, high]: [Option<f64>; 3] = [row.get(at)?, row.get(at + 1)?, row.get(at + 2)?];
        *figures.get_mut(aspect) = value.map(|value| Range { low: low.unwrap_or(value), value, high: high.unwrap_or(value) });
    }
    Ok(Run {
        run: RunId(row.get(0)?),
        experiment: row.get(1)?,
        file: row.get(2)?,
        project: row.get(3)?,
        environment: row.get(4)?,
        platform: row.get(5)?,
        began,
        took_s: row.get(7)?,
        verdict,
        reason: row.get(9)?,
        figures,
        seed: unsigned(10)?,
        tool: row.get(11)?,
        commit: row.get(12)?,
        folder: row.get(13)?,
        scheduled: row.get(14)?,
    })
}

/// A moment of the database.
///
/// # Errors
/// When no calendar has it.
pub(super) fn moment(nanoseconds: i64) -> Result<Timestamp, String> {
    Timestamp::from_nanosecond(nanoseconds.into()).map_err(|error| error.to_string())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A run of the test's, so many seconds after the first.
    pub fn run(id: &str, experiment: &str, second: i64, availability: f64) -> Run {
        let figures = Figures {
            requests: Some(1_000),
            failures: Some(7),
            availability: Some(Range { low: availability - 0.01, value: availability, high: availability + 0.01 }),
            recovery: Some(Range { low: 1.5, value: 1.5, high: 1.5 }),
            ..Figures::default()
        };
        Run {
            run: RunId::from(id),
            experiment: experiment.to_owned(),
            file: Some("web.yaml".to_owned()),
            project: Some("/srv/firedrill.yaml".to_owned()),
            environment: Some("here".to_owned()),
            platform: Some("local".to_owned()),
            began: Timestamp::from_second(1_790_000_000 + second).unwrap(),
            took_s: Some(12.25),
            verdict: Verdict::Passed,
            reason: "1 act verifiably happened.".to_owned(),
            figures,
            seed: Some(u64::MAX),
            tool: "firedrill 0.1.0".to_owned(),
            commit: None,
            folder: Some(format!("/srv/firedrill-runs/{id}")),
            scheduled: true,
        }
    }

    #[test]
    fn verdicts_have_one_word_each() {
        for verdict in Verdict::ALL {
            assert_eq!(verdict_of(&verdict_word(verdict)), Some(verdict));
        }
        assert_eq!(verdict_of("not started"), None);
    }
}
