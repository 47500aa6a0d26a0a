//! Chaos Toolkit's experiments on the command line: recognised by their shape, checked, run, and brought back.

pub mod args;
mod record;
mod recovering;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::{
    args::{Output, Place},
    fresh, history, say,
};
use crate::{
    chaostoolkit::{
        json,
        model::{Experiment, HypothesisStrategy, RollbackStrategy},
        read::{self, Read},
        run::{self, Dry, Mode, Options, Request},
        settle::settle,
        substitute::Values,
        unfinished,
    },
    clock,
    engine::halt::Halt,
    file::{self, Diagnostics, Sink, Source},
    lock::{self, Holder},
    model::{
        ids::{RunId, Scope},
        verdict::Verdict,
    },
    redact,
    report::{RunRecord, words::whole},
};
use args::ToolkitArgs;
pub use recovering::recover;

/// An experiment that is ready to run.
pub struct Job {
    /// Its file.
    pub file: String,
    experiment: Arc<Experiment>,
    values: Values,
    overrides: Vec<(String, String)>,
    options: Options,
    journal_path: Option<std::path::PathBuf>,
}

/// What a run left for the summary.
pub struct Ran {
    /// The verdict; as Chaos Toolkit has it, passed or failed.
    pub verdict: Verdict,
    /// For the reports over several files.
    pub record: RunRecord,
    /// Its folder.
    folder: PathBuf,
}

/// The source of a file that is such an experiment; `None` when it is something else, or cannot be read: then others say so.
pub fn recognise(path: &Path) -> Option<Arc<Source>> {
    let source = Source::read(path).ok()?;
    let mut quiet = Sink::new(&source);
    let root = if read::is_json(&source.name) { json::parse(&source, &mut quiet) } else { file::parse(&source, &mut quiet) };
    let is_one = match root {
        Some(root) => read::is_one(&root),
        // What cannot be parsed is known by what only such files hold.
        None => source.text.contains("steady-state-hypothesis") || source.text.contains("\"provider\""),
    };
    is_one.then_some(source)
}

/// What is said about such a file, for `firedrill check`: as if it were to run strictly. Secrets and variables need not be there.
pub fn check(source: &Arc<Source>, place: &Place) -> Diagnostics {
    let Read { experiment, mut findings } = match read::read(source) {
        Ok(read) => read,
        Err(findings) => return findings,
    };
    let values = match settle(&experiment, &place.vars) {
        Ok(values) => values,
        Err(missing) => {
            findings.extend(missing);
            return findings;
        }
    };
    findings.extend(run::check::check(&experiment, &values, &options(&ToolkitArgs::default())));
    findings
}

/// Checks such a file for a run.
///
/// # Errors
/// Everything that is wrong with it.
pub fn job(source: &Arc<Source>, place: &Place, args: &ToolkitArgs) -> Result<(Job, Diagnostics), Diagnostics> {
    let Read { experiment, mut findings } = read::read(source)?;
    let values = match settle(&experiment, &place.vars) {
        Ok(values) => values,
        Err(missing) => {
            findings.extend(missing);
            return Err(findings);
        }
    };
    let options = options(args);
    findings.extend(run::check::check(&experiment, &values, &options));
    if findings.has_errors() {
        return Err(findings);
    }
    let job = Job {
        file: source.name.clone(),
        experiment: Arc::new(experiment),
        values,
        overrides: place.vars.clone(),
        options,
        journal_path: args.journal_path.clone(),
    };
    Ok((job, findings))
}

fn options(args: &ToolkitArgs) -> Options {
    let named = |name: &Option<String>, names: &[(&str, HypothesisStrategy)]| {
        name.as_ref().and_then(|name| names.iter().find(|(n, _)| n == name)).map(|(_, strategy)| *strategy)
    };
    let rollbacks = args.rollback_strategy.as_ref().and_then(|name| RollbackStrategy::NAMES.iter().find(|(n, _)| n == name));
    Options {
        mode: if args.compatible { Mode::Compatible } else { Mode::Strict },
        hypothesis: named(&args.hypothesis_strategy, &HypothesisStrategy::NAMES),
        rollbacks: rollbacks.map(|(_, strategy)| *strategy),
        frequency: Duration::from_secs_f64(args.hypothesis_frequency),
        fail_fast: args.fail_fast,
        dry: args.dry.as_deref().map(|dry| match dry {
            "probes" => Dry::Probes,
            "actions" => Dry::Actions,
            "activities" => Dry::Activities,
            _ => Dry::Pause,
        }),
    }
}

/// Runs one, and writes into the history what came of it; `scheduled` says whether a schedule fired it.
///
/// # Errors
/// When nothing could be begun.
pub async fn run_one(job: Job, output: &Output, halt: &Halt, scheduled: bool) -> Result<Ran, String> {
    let note = history::Note::new(&job.experiment.title, Some(&job.file)).scheduled(scheduled);
    let ran = carried_out(job, output, halt).await;
    match &ran {
        Ok(ran) => note.ended(ran.verdict, &ran.record, &ran.folder),
        Err(why) => note.not_started(why),
    }
    ran
}

async fn carried_out(job: Job, output: &Output, halt: &Halt) -> Result<Ran, String> {
    let scope = scope(&job.file);
    let run = fresh::run_id()?;
    let _lock = lock::take(&holder(&scope, run.clone(), format!("run {}", job.file))).map_err(|error| error.to_string())?;
    recovering::before(&job.file, halt).await?;
    let folder = output.out.join(run.as_str());
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let ending = if read::is_json(&job.file) { "json" } else { "yaml" };
    let kept = folder.join(format!("experiment.{ending}"));
    let begun = (clock::now(), clock::wall());
    let mode = if job.options.mode == Mode::Strict { "strictly" } else { "as Chaos Toolkit does" };
    say::out(&format!("run {run}: {} ({mode})\n", whole(&job.file)));
    let source = Arc::clone(&job.experiment.source);
    let finished = run::run(Request {
        run: run.clone(),
        experiment: Arc::clone(&job.experiment),
        values: job.values,
        overrides: job.overrides,
        options: job.options,
        halt: halt.clone(),
        tell: Arc::new(|line: &str| say::out(&format!("  {}\n", whole(line)))),
    })
    .await;
    // Known secrets are settled by now: none of them is in what is kept.
    let text = redact::hide(&source.text).into_owned();
    let journal = serde_json::to_string_pretty(&finished.journal).map_err(|error| error.to_string());
    let journal = journal.unwrap_or_else(|error| serde_json::json!({ "error": error }).to_string());
    let mut files = vec![(kept, text), (folder.join("journal.json"), journal.clone())];
    files.extend(job.journal_path.map(|path| (path, journal)));
    for (path, text) in files {
        if let Err(error) = std::fs::write(&path, text) {
            say::problem(format!("{}: {error}", path.display()));
        }
    }
    let verdict = match finished.outcome.as_ref().map(Verdict::of) {
        Some(verdict) => verdict,
        None if finished.exit_code == 0 => Verdict::Passed,
        None => Verdict::Failed,
    };
    say::out(&format!("{verdict}: {}\n", whole(&finished.reason)));
    for left in finished.outcome.iter().flat_map(|outcome| &outcome.residue) {
        say::problem(format!("left behind: {}: {}; try again with: {}", left.what, left.why, left.command));
    }
    say::out(&format!("journal: {}\n", whole(&folder.join("journal.json").display().to_string())));
    let record = record::of(&run, &job.file, begun, &job.experiment, &finished);
    Ok(Ran { verdict, record, folder })
}

/// One run of a file at a time.
fn scope(file: &str) -> Scope {
    let path = std::fs::canonicalize(file).map_or_else(|_| file.to_owned(), |path| path.display().to_string());
    Scope::from(format!("chaos-toolkit:{path}").as_str())
}

fn holder(scope: &Scope, run: RunId, purpose: String) -> Holder {
    let pid = std::process::id();
    let pid_started = lock::started(pid).unwrap_or_default();
    Holder { scope: scope.clone(), claims: Vec::new(), pid, pid_started, run, purpose, since: clock::wall() }
}
