//! `--against`: runs held against earlier ones of the same experiment, and `firedrill compare`, which does it with runs that are over.

use std::path::{Path, PathBuf};

use clap::Args;

use super::say;
use crate::{
    file::suggest::nearest,
    measure::compare::{self, Comparison, Tolerance},
    model::{measurement::Measurement, quantity, verdict::Verdict},
    report::{RunRecord, against as words, words::whole, write},
};

/// What a run is held against.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Comparison with earlier runs")]
pub struct Against {
    /// Hold each run against this earlier one of the same experiment: a run's folder, its events.jsonl, or its id. Several are taken
    /// together: what they differ by among themselves is no regression.
    #[arg(long = "against", value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// How much worse is borne: availability=1%, p99=50%, longest-outage=1s, lost=0, recovery=3s, capacity=5s.
    #[arg(long = "tolerance", value_name = "NAME=VALUE", value_delimiter = ',', requires = "runs")]
    pub tolerances: Vec<String>,
}

/// `firedrill compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// The run: its folder, its events.jsonl, or its id.
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// The earlier ones.
    #[command(flatten)]
    pub against: Against,
    /// Also write the comparison here, as Markdown.
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
}

/// A comparison in words.
#[derive(Debug)]
pub struct Told {
    /// For a Markdown file.
    pub markdown: String,
    /// One sentence.
    pub reason: String,
    /// Whether something is worse than is tolerated.
    pub worse: bool,
}

/// Earlier runs, read and found to be worth a comparison.
#[derive(Debug, Default)]
pub struct Earlier {
    runs: Vec<RunRecord>,
    tolerance: Tolerance,
}

impl Earlier {
    /// Reads them.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn read(args: &Against, out: &Path) -> Result<Self, Vec<String>> {
        let (tolerance, mut wrong) = match tolerance(&args.tolerances) {
            Ok(tolerance) => (tolerance, Vec::new()),
            Err(wrong) => (Tolerance::default(), wrong),
        };
        let mut runs = Vec::new();
        for run in &args.runs {
            match write::load(&find(run, out)).map_err(|error| error.to_string()).and_then(usable) {
                Ok(record) => runs.push(record),
                Err(why) => wrong.push(format!("{}: {why}", run.display())),
            }
        }
        if wrong.is_empty() { Ok(Self { runs, tolerance }) } else { Err(wrong) }
    }

    /// Holds a run against those of the same experiment; none when there is none, or when the run itself cannot be compared.
    pub fn compare(&self, record: &RunRecord) -> Option<(Comparison, usize)> {
        let before: Vec<&Measurement> =
            self.runs.iter().filter(|run| run.title() == record.title()).filter_map(|run| run.measurement.as_deref()).collect();
        let now = record.measurement.as_deref()?;
        let judged = matches!(record.verdict(), Verdict::Passed | Verdict::Failed);
        (judged && !before.is_empty()).then(|| (compare::compare(&before, now, &self.tolerance), before.len()))
    }

    /// Holds a run against them, says what came of it, and gives its verdict: a run that is worse has failed.
    pub fn judge(&self, record: &RunRecord, verdict: Verdict) -> (Verdict, Option<Told>) {
        if self.runs.is_empty() {
            return (verdict, None);
        }
        let Some((comparison, runs)) = self.compare(record) else {
            say::out(&format!("\nnot held against earlier runs: {}\n", whole(&why_not(record))));
            return (verdict, None);
        };
        say::out(&words::text(&comparison, runs));
        let worse = comparison.worse().next().is_some();
        let verdict = if worse && verdict == Verdict::Passed { Verdict::Failed } else { verdict };
        let (markdown, reason) = (words::markdown(record.title(), &comparison, runs), words::reason(&comparison, runs));
        (verdict, Some(Told { markdown, reason, worse }))
    }

    /// Looks at them beside what is to be run. An experiment that went or came is told; when nothing at all can be compared, as after a new
    /// title, the gate would be green for ever.
    ///
    /// # Errors
    /// The exit code, all being said.
    pub fn beside(&self, titles: &[&str]) -> Result<(), u8> {
        let unused: Vec<String> = self.runs.iter().filter(|run| !titles.contains(&run.title())).map(|run| unused(run, titles)).collect();
        for why in &unused {
            say::problem(why);
        }
        let lost = !unused.is_empty() && unused.len() == self.runs.len();
        if lost { Err(Verdict::Invalid.exit_code()) } else { Ok(()) }
    }
}

fn unused(run: &RunRecord, titles: &[&str]) -> String {
    let id = run.run.as_ref().map(|id| format!("{id}: ")).unwrap_or_default();
    let meant = nearest(run.title(), titles.iter().copied()).map(|title| format!("; `{}` is", whole(title))).unwrap_or_default();
    format!("--against {id}it is of the experiment `{}`, which is not among those to be run{meant}", whole(run.title()))
}

fn why_not(record: &RunRecord) -> String {
    if matches!(record.verdict(), Verdict::Passed | Verdict::Failed) {
        format!("none of them is of the experiment `{}`", record.title())
    } else {
        format!("it ended {}", record.verdict())
    }
}

/// Whether a run can be one to hold others against: it ran to its end, and its numbers are to be trusted.
fn usable(record: RunRecord) -> Result<RunRecord, String> {
    let verdict = record.verdict();
    if !matches!(verdict, Verdict::Passed | Verdict::Failed) {
        return Err(format!("it ended {verdict}, so nothing can be held against it"));
    }
    match record.measurement.as_deref() {
        None => Err("it has no numbers".to_owned()),
        Some(numbers) => match numbers.trust.doubts.first() {
            Some(doubt) => Err(format!("its numbers are not to be trusted: {doubt}")),
            None => Ok(record),
        },
    }
}

/// A path as given, or a run's id under the folder of runs.
fn find(run: &Path, out: &Path) -> PathBuf {
    let usual = out.join(run);
    if !run.exists() && usual.exists() { usual } else { run.to_owned() }
}

/// The usual tolerance with what was written.
///
/// # Errors
/// Everything that is wrong with it.
pub fn tolerance(texts: &[String]) -> Result<Tolerance, Vec<String>> {
    let mut tolerance = Tolerance::default();
    let wrong: Vec<String> = texts.iter().filter_map(|text| set(&mut tolerance, text).err()).collect();
    if wrong.is_empty() { Ok(tolerance) } else { Err(wrong) }
}

const NAMES: [&str; 6] = ["availability", "p99", "longest-outage", "lost", "recovery", "capacity"];

/// Takes in one that was written: `availability=0.5%`, `p99=30%`, `longest-outage=500ms`, `lost=3`, `recovery=2s`, `capacity=10s`.
///
/// # Errors
/// What is wrong with it.
fn set(tolerance: &mut Tolerance, text: &str) -> Result<(), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("`{text}`: expected NAME=VALUE, such as `p99=30%`"))?;
    let (name, value) = (name.trim(), value.trim());
    let share = || quantity::share(value).map(|share| share.0).map_err(|error| format!("`{text}`: {error}"));
    let time = || quantity::duration(value).map(|time| time.as_secs_f64()).map_err(|error| format!("`{text}`: {error}"));
    match name {
        "availability" => tolerance.availability = share()?,
        "p99" => tolerance.p99 = percentage(value).ok_or_else(|| format!("`{text}`: expected a percentage, such as `30%`"))?,
        "longest-outage" => tolerance.longest_outage = time()?,
        "lost" => {
            let lost: u32 = value.parse().map_err(|_| format!("`{text}`: expected a whole number"))?;
            tolerance.lost = lost.into();
        }
        "recovery" => tolerance.recovery = time()?,
        "capacity" => tolerance.capacity = time()?,
        other => {
            let meant = nearest(other, NAMES).map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
            return Err(format!("`{other}` cannot be tolerated: expected {}{meant}", NAMES.join(", ")));
        }
    }
    Ok(())
}

/// `30%`, `150 %` as a share.
fn percentage(text: &str) -> Option<f64> {
    let number = quantity::plain_number(text.strip_suffix('%')?.trim_end())?;
    (number <= 100_000.0).then_some(number / 100.0)
}

/// Compares runs that are over.
pub fn compare_runs(args: &CompareArgs, out: &Path) -> u8 {
    let earlier = match Earlier::read(&args.against, out) {
        Ok(earlier) if !earlier.runs.is_empty() => earlier,
        Ok(_) => {
            say::problem("name an earlier run: `firedrill compare RUN --against EARLIER`");
            return Verdict::Invalid.exit_code();
        }
        Err(wrong) => return refused(&wrong),
    };
    let record = match write::load(&find(&args.run, out)) {
        Ok(record) => record,
        Err(error) => return refused(&[error.to_string()]),
    };
    let Some((comparison, runs)) = earlier.compare(&record) else {
        return refused(&[format!("{}: {}", args.run.display(), why_not(&record))]);
    };
    say::out(&words::text(&comparison, runs));
    if let Some(path) = &args.markdown
        && let Err(error) = std::fs::write(path, words::markdown(record.title(), &comparison, runs))
    {
        say::problem(format!("{}: {error}", path.display()));
        return Verdict::Error.exit_code();
    }
    if comparison.worse().next().is_some() { Verdict::Failed.exit_code() } else { 0 }
}

/// Says what is wrong; the exit code.
pub fn refused(wrong: &[String]) -> u8 {
    for why in wrong {
        say::problem(why);
    }
    Verdict::Invalid.exit_code()
}

/// The folder of runs that ids are looked for in.
pub fn usual() -> PathBuf {
    PathBuf::from("firedrill-runs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tolerances_are_read() {
        let mut tolerance = Tolerance::default();
        for text in ["availability=0.5%", "p99=150%", "longest-outage=500ms", "lost=3", "recovery = 2s", "capacity=1m"] {
            set(&mut tolerance, text).unwrap();
        }
        let expected = Tolerance { availability: 0.005, p99: 1.5, longest_outage: 0.5, lost: 3.0, recovery: 2.0, capacity: 60.0 };
        assert_eq!(tolerance, expected);
        for (text, says) in [
            ("p99", "NAME=VALUE"),
            ("p99=3", "a percentage"),
            ("lost=-1", "a whole number"),
            ("availabilty=1%", "did you mean `availability`?"),
            ("recovery=fast", "recovery=fast"),
        ] {
            let why = set(&mut tolerance, text).unwrap_err();
            assert!(why.contains(says), "{text}: {why}");
        }
        assert_eq!(tolerance, expected, "what is refused changes nothing");
    }
}
