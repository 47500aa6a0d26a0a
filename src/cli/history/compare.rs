//! `firedrill history compare`: the later of two runs held against the earlier one, as `firedrill compare` does it.

use std::path::{Path, PathBuf};

use super::{
    Trouble,
    args::CompareRuns,
    find,
    folder::{self, State},
    needed, say, short, when,
};
use crate::{
    cli::against::{self, Against, CompareArgs},
    history::Run,
    measure::compare::{Tolerance, compare_figures},
    model::verdict::Verdict,
    report::{against as words, words::whole},
};

/// Compares them; the exit code is 1 when something is worse.
pub fn compare(args: &CompareRuns) -> Result<u8, Trouble> {
    let tolerance = against::tolerance(&args.tolerances).map_err(|wrong| Trouble::Asked(wrong.join("\n")))?;
    let store = needed()?;
    let (one, other) = (find(&store, &args.one)?, find(&store, &args.other)?);
    if one.run == other.run {
        return Err(Trouble::Asked(format!("both are the run {}", one.run)));
    }
    let (before, now) = if one.began <= other.began { (one, other) } else { (other, one) };
    if before.experiment != now.experiment {
        let titles = format!("`{}` and `{}`", short(&before.experiment), short(&now.experiment));
        return Err(Trouble::Asked(format!("they are of different experiments: {titles}")));
    }
    say::out(&format!("{} of {} held against {} of {}\n", whole(now.run.as_str()), when(&now), whole(before.run.as_str()), when(&before)));
    if let (Some(earlier), Some(run)) = (there(&before), there(&now)) {
        let against = Against { runs: vec![earlier], tolerances: args.tolerances.clone() };
        return Ok(against::compare_runs(&CompareArgs { run, against, markdown: None }, &against::usual()));
    }
    by_rows(&before, &now, &tolerance)
}

/// The folder of a run, when it is there.
fn there(run: &Run) -> Option<PathBuf> {
    let folder = run.folder.as_deref()?;
    // A folder of the Chaos Toolkit's has no numbers.
    let ours = folder::state(Path::new(folder), &run.run) == State::Ours && Path::new(folder).join("events.jsonl").exists();
    ours.then(|| folder.into())
}

/// By what the history has of them.
fn by_rows(before: &Run, now: &Run, tolerance: &Tolerance) -> Result<u8, Trouble> {
    for run in [before, now] {
        if !run.judged() {
            return Err(Trouble::Asked(format!("{}: it ended {}, so it cannot be compared", run.run, run.verdict)));
        }
    }
    let comparison = compare_figures(&before.figures, &now.figures, tolerance);
    if comparison.lines.is_empty() {
        return Err(Trouble::Asked("neither of them has numbers".to_owned()));
    }
    let gone: Vec<&str> = [before, now].into_iter().filter(|run| there(run).is_none()).map(|run| run.run.as_str()).collect();
    say::out(&format!(
        "without the run folder of {}: compared by what the history keeps, of each number that of the worst probe\n",
        whole(&gone.join(" and "))
    ));
    say::out(&words::text(&comparison, 1));
    Ok(if comparison.worse().next().is_some() { Verdict::Failed.exit_code() } else { 0 })
}
