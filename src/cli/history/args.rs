//! The command line of `history`.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};
use jiff::{Timestamp, civil::Date, tz::TimeZone};

use crate::{
    cli::args::TableOrJson,
    clock,
    file::suggest::nearest,
    history::{verdict_of, verdict_word},
    model::{quantity, verdict::Verdict},
};

/// `firedrill history`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct HistoryArgs {
    /// What else to do than to list.
    #[command(subcommand)]
    pub verb: Option<HistoryVerb>,
    /// Which runs to list.
    #[command(flatten)]
    pub list: List,
}

/// Which runs to list.
#[derive(Debug, Args)]
pub struct List {
    /// Only of this experiment: its title, or a pattern of it such as `*zone*`.
    #[arg(long, value_name = "PATTERN")]
    pub experiment: Option<String>,
    /// Only in this environment.
    #[arg(long, value_name = "NAME")]
    pub env: Option<String>,
    /// Only with this verdict: passed, failed, not-started, aborted, error, residue.
    #[arg(long, value_parser = verdict)]
    pub verdict: Option<Verdict>,
    /// Only since this day (UTC), this moment, or for so long: 2026-11-01, 2026-11-01T09:00:00Z, 7d.
    #[arg(long, value_name = "DATE|AGE", value_parser = moment)]
    pub since: Option<Timestamp>,
    /// Only the newest so many.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    pub last: u64,
    /// How they are printed.
    #[arg(long, value_enum, default_value_t = TableOrJson::Table)]
    pub format: TableOrJson,
}

/// The verbs of the history.
#[derive(Debug, Subcommand)]
pub enum HistoryVerb {
    /// All that is known of one run, and where its report lies.
    Show(Show),
    /// The runs of one experiment, oldest first, and how the last one stands among them.
    Trend(TrendArgs),
    /// Hold the later of two runs against the earlier one. Exit code 1 when something got worse than is tolerated.
    Compare(CompareRuns),
    /// Remove old rows. Only says what it would remove, unless `--yes` is given.
    Prune(Prune),
    /// Read run folders that are not in the history yet. Doing so twice changes nothing.
    Import(ImportRuns),
}

/// `firedrill history show`.
#[derive(Debug, Args)]
pub struct Show {
    /// The run's id, or the beginning of it.
    #[arg(value_name = "RUN")]
    pub run: String,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = TableOrJson::Table)]
    pub format: TableOrJson,
}

/// `firedrill history trend`.
#[derive(Debug, Args)]
pub struct TrendArgs {
    /// The experiment's title, or a pattern that only it fits.
    #[arg(value_name = "EXPERIMENT")]
    pub experiment: String,
    /// Only its newest so many runs.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    pub last: u64,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = TableOrJson::Table)]
    pub format: TableOrJson,
}

/// `firedrill history compare`.
#[derive(Debug, Args)]
pub struct CompareRuns {
    /// One run.
    #[arg(value_name = "RUN")]
    pub one: String,
    /// The other one.
    #[arg(value_name = "RUN")]
    pub other: String,
    /// How much worse is borne: availability=1%, p99=50%, longest-outage=1s, lost=0, recovery=3s, capacity=5s.
    #[arg(long = "tolerance", value_name = "NAME=VALUE", value_delimiter = ',')]
    pub tolerances: Vec<String>,
}

/// `firedrill history prune`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("beyond").required(true))]
pub struct Prune {
    /// Keep the newest so many.
    #[arg(long, value_name = "N", group = "beyond")]
    pub keep: Option<u64>,
    /// Remove those that began before this: 90d, 2026-01-01.
    #[arg(long, value_name = "DATE|AGE", group = "beyond", value_parser = moment)]
    pub older_than: Option<Timestamp>,
    /// Remove their run folders, too.
    #[arg(long)]
    pub folders: bool,
    /// Do it.
    #[arg(long, short = 'y')]
    pub yes: bool,
}

/// `firedrill history import`.
#[derive(Debug, Args)]
pub struct ImportRuns {
    /// A folder of run folders, such as firedrill-runs, or one run folder.
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
}

fn verdict(text: &str) -> Result<Verdict, String> {
    // What is invalid never ran.
    let words = || Verdict::ALL.into_iter().filter(|verdict| *verdict != Verdict::Invalid).map(verdict_word);
    let known: Vec<String> = words().collect();
    verdict_of(text).filter(|_| known.iter().any(|word| word == text)).ok_or_else(|| {
        let meant = nearest(text, known.iter().map(String::as_str)).map(|word| format!("; did you mean `{word}`?")).unwrap_or_default();
        format!("expected {}{meant}", known.join(", "))
    })
}

/// A day, a moment, or how long ago.
fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(age) = quantity::age(text) {
        return clock::moment().checked_sub(age).map_err(|error| error.to_string());
    }
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    let day = text.parse::<Date>().ok().filter(|_| !text.contains(['T', ' ']));
    let begin = day.and_then(|day| day.to_zoned(TimeZone::UTC).ok());
    begin
        .map(|begin| begin.timestamp())
        .ok_or_else(|| "expected a day, a moment or an age: 2026-11-01, 2026-11-01T09:00:00Z, 7d".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_moments_and_ages_are_moments() {
        assert_eq!(moment("2026-11-01").unwrap().to_string(), "2026-11-01T00:00:00Z");
        assert_eq!(moment("2026-11-01T09:00:00+01:00").unwrap().to_string(), "2026-11-01T08:00:00Z");
        let ago = moment("400d").unwrap();
        assert_eq!(clock::moment().duration_since(ago).as_hours(), 9_600);
        for text in ["", "yesterday", "7", "2026-13-01", "2026-11-01T09:00", "99999d"] {
            assert!(moment(text).is_err(), "{text}");
        }
        assert_eq!(verdict("not-started"), Ok(Verdict::NotStarted));
        assert!(verdict("fialed").unwrap_err().contains("did you mean `failed`?"));
        assert!(verdict("invalid").is_err());
    }
}
