//! `firedrill run`: one or many files. All are checked before the first one runs; the exit code is that of the worst.

use std::path::Path;

use super::{
    against::{self, Earlier, Told},
    args::{Output, Run},
    ask, chaostoolkit, ci, connect, fresh, history, loading,
    runner::{self, Job, Ran},
    say, signals,
    threads::Threads,
};
use crate::{
    engine::{
        halt::{Halt, Urgency},
        mitigated::Mitigated,
    },
    file::Diagnostics,
    model::{environment::Environment, experiment::Experiment, ids::RunId, plan::Plan, verdict::Verdict},
    plan::file as plan_file,
    report::{self, words, worst},
};

/// Runs files one after another.
pub fn run(args: Run) -> u8 {
    let mitigated = Mitigated::default();
    let jobs = match jobs(&args, &mitigated) {
        Ok(jobs) => jobs,
        Err(code) => return code,
    };
    let earlier = match Earlier::read(&args.against, &args.output.out) {
        Ok(earlier) => earlier,
        Err(wrong) => return against::refused(&wrong),
    };
    let titles: Vec<&str> = jobs.iter().filter_map(Ready::title).collect();
    if let Err(code) = earlier.beside(&titles) {
        return code;
    }
    let environments: Option<Vec<&Environment>> = jobs.iter().map(Ready::environment).collect();
    let threads = Threads::of(environments.unwrap_or_default());
    threads.run(all(args, jobs, earlier, mitigated))
}

async fn all(args: Run, jobs: Vec<Ready>, earlier: Earlier, mitigated: Mitigated) -> u8 {
    let halt = Halt::default();
    let _signals = match signals::listen(&halt) {
        Ok(listeners) => listeners,
        Err(error) => {
            say::problem(format!("signals cannot be handled, so nothing is done: {error}"));
            return Verdict::NotStarted.exit_code();
        }
    };
    if args.for_daemon {
        signals::from_starter(&halt, &mitigated);
    }
    let many = jobs.len() > 1;
    let mut verdicts: Vec<(String, Verdict)> = Vec::new();
    let (mut records, mut comparisons) = (Vec::new(), Vec::<(String, Told)>::new());
    for job in jobs {
        let name = job.name();
        // A halt is for everything that this call was to run: what has not begun is not green.
        if halt.urgency() > Urgency::None {
            say::problem(format!("{name}: not run: the call was halted"));
            verdicts.push((name, Verdict::Aborted));
            continue;
        }
        let ran = match job {
            Ready::Ours(job) => one(*job, &args, &halt).await.map(|ran| {
                let (verdict, comparison) = earlier.judge(&ran.record, ran.verdict);
                comparisons.extend(comparison.map(|told| (name.clone(), told)));
                (verdict, ran.record)
            }),
            Ready::Toolkit(job) => {
                chaostoolkit::run_one(*job, &args.output, &halt, args.for_daemon).await.map(|ran| (ran.verdict, ran.record))
            }
        };
        match ran {
            Ok((verdict, record)) => {
                verdicts.push((name, verdict));
                records.push(record);
            }
            Err(why) => {
                say::problem(format!("{name}: not started: {why}"));
                verdicts.push((name, Verdict::NotStarted));
            }
        }
    }
    summaries(&args.output, &records, &comparisons);
    let worse: Vec<(String, String)> = comparisons.into_iter().map(|(name, told)| (name, told.reason)).collect();
    ci::annotate(&verdicts, &records, &worse);
    let worst = worst(verdicts.iter().map(|(_, verdict)| *verdict));
    if many {
        say::out(&format!("\n{} files; the worst verdict is {worst}\n", verdicts.len()));
        for (name, verdict) in &verdicts {
            say::out(&format!("  {verdict:<12} {}\n", words::whole(name)));
        }
    }
    worst.exit_code()
}

/// A file that is ready to run.
enum Ready {
    Ours(Box<Job>),
    Toolkit(Box<chaostoolkit::Job>),
}

impl Ready {
    fn name(&self) -> String {
        match self {
            Self::Ours(job) => job.file.clone().unwrap_or_default(),
            Self::Toolkit(job) => job.file.clone(),
        }
    }

    /// Of what can be held against earlier runs.
    fn title(&self) -> Option<&str> {
        match self {
            Self::Ours(job) => Some(&job.experiment.title),
            Self::Toolkit(_) => None,
        }
    }

    /// Where it runs, as far as that is told beforehand.
    fn environment(&self) -> Option<&Environment> {
        match self {
            Self::Ours(job) => Some(&job.environment),
            Self::Toolkit(_) => None,
        }
    }
}

/// Every file checked; one invalid file, and nothing runs.
fn jobs(args: &Run, mitigated: &Mitigated) -> Result<Vec<Ready>, u8> {
    let mut findings = Diagnostics::default();
    let mut jobs = Vec::new();
    let mut unused = Vec::new();
    if args.plan.is_some() && args.files.len() != 1 {
        say::problem("--plan goes with one file");
        return Err(Verdict::Invalid.exit_code());
    }
    for file in &args.files {
        if let Some(source) = chaostoolkit::recognise(file) {
            if args.plan.is_some() {
                say::problem(format!("{}: an experiment of the Chaos Toolkit has no plan", file.display()));
                return Err(Verdict::Invalid.exit_code());
            }
            match chaostoolkit::job(&source, &args.place, &args.toolkit) {
                Err(diagnostics) => findings.extend(diagnostics),
                Ok((job, diagnostics)) => {
                    findings.extend(diagnostics);
                    jobs.push(Ready::Toolkit(Box::new(job)));
                }
            }
            continue;
        }
        match loading::load(file, &args.place, loading::Purpose::Run) {
            Err(diagnostics) => findings.extend(diagnostics),
            Ok(checked) => {
                findings.extend(checked.findings);
                let (mut experiment, environment) = (checked.experiment, checked.environment);
                unused.push((checked.unused, environment.clone()));
                if let Some(at_most) = args.until_mitigated {
                    experiment = experiment.until_mitigated(at_most);
                }
                let plan = args.plan.as_deref().map(|path| read_plan(path, &experiment)).transpose()?;
                let seed = match args.seed.or(experiment.seed).map_or_else(fresh::seed, Ok) {
                    Ok(seed) => seed,
                    Err(why) => {
                        say::problem(why);
                        return Err(Verdict::Error.exit_code());
                    }
                };
                let run = args.run_id.clone().map(RunId);
                let (file, mitigated) = (Some(file.display().to_string()), mitigated.clone());
                jobs.push(Ready::Ours(Box::new(Job { experiment, file, environment, plan, seed, run, mitigated })));
            }
        }
    }
    // Those of a daemon are for everything in its folder, and files of other tools take theirs in other ways.
    if !args.for_daemon && unused.len() == args.files.len() {
        findings.extend(loading::unused(unused.iter().map(|(unused, environment)| (unused, environment))));
    }
    say::err(&findings.text(say::colour_on_stderr()));
    if findings.has_errors() { Err(Verdict::Invalid.exit_code()) } else { Ok(jobs) }
}

fn read_plan(path: &Path, experiment: &Experiment) -> Result<Plan, u8> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string());
    text.and_then(|text| plan_file::read(&text, experiment).map_err(|error| error.to_string())).map_err(|why| {
        say::problem(format!("{}: {why}", path.display()));
        Verdict::Invalid.exit_code()
    })
}

/// Runs one, and writes into the history what came of it. Of one that cannot begin, too, those are told who want to know verdicts.
async fn one(job: Job, args: &Run, halt: &Halt) -> Result<Ran, String> {
    let note = history::Note::of(&job, args.for_daemon);
    #[cfg(feature = "notify")]
    let (environment, experiment) = (job.environment.clone(), job.experiment.clone());
    let ran = connected(job, &args.output, halt).await;
    match &ran {
        Ok(ran) => note.ended(ran.verdict, &ran.record, &ran.folder),
        Err(why) => {
            note.not_started(why);
            #[cfg(feature = "notify")]
            if why != ask::NOT_CONFIRMED {
                super::notify::not_begun(&environment, &experiment, why).await;
            }
        }
    }
    ran
}

/// Connects, asks where the environment wants it, runs, disconnects.
async fn connected(mut job: Job, output: &Output, halt: &Halt) -> Result<Ran, String> {
    if let Some(why) = runner::outside_hours(&job.environment) {
        return Err(why);
    }
    let platform = connect::connect(&job.environment, &job.experiment).await?;
    let agreed = !job.environment.require.confirm || output.yes || ask::about(&mut job, platform.platform()).await?;
    let ran = if agreed { runner::run(job, &platform, &output.out, halt, false).await } else { Err(ask::NOT_CONFIRMED.to_owned()) };
    platform.disconnect().await;
    ran
}

/// The reports over all files of this call.
fn summaries(output: &Output, records: &[report::RunRecord], comparisons: &[(String, Told)]) {
    let write = |path: &Path, text: String| {
        if let Err(error) = std::fs::write(path, text) {
            say::problem(format!("{}: {error}", path.display()));
        }
    };
    if let Some(path) = &output.junit {
        let compared = |record: &report::RunRecord| {
            let told = comparisons.iter().find(|(file, _)| record.file.as_ref() == Some(file)).map(|(_, told)| told)?;
            Some(if told.worse { Err(told.reason.clone()) } else { Ok(told.reason.clone()) })
        };
        write(path, report::junit::render_compared(records, compared));
    }
    let markdown = || {
        let runs = report::markdown::render_all(records);
        comparisons.iter().fold(runs, |text, (_, told)| format!("{text}\n{}", told.markdown))
    };
    if let Some(path) = &output.markdown {
        write(path, markdown());
    }
    if let Some(path) = &output.summary {
        ci::summary(path, &markdown());
    }
}
