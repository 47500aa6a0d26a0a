//! `firedrill drill`: an ad-hoc drill. Shows the plan and asks for a yes on a terminal; needs `--yes` otherwise.

use super::{
    args::{Drill, Output},
    ask, connect, drill_experiment, fresh, history,
    loading::{self, Purpose},
    runner::{self, Job, Ran},
    say, signals,
    threads::Threads,
};
use crate::{
    engine::{halt::Halt, mitigated::Mitigated},
    file,
    model::{environment::Environment, experiment::Experiment, verdict::Verdict},
    report::words::whole,
};

/// Runs an ad-hoc drill.
pub fn drill(args: Drill) -> u8 {
    let experiment = match drill_experiment::experiment(&args) {
        Ok(experiment) => experiment,
        Err(errors) => {
            errors.iter().for_each(say::problem);
            return Verdict::Invalid.exit_code();
        }
    };
    if let Some(path) = &args.save {
        if let Err(error) = std::fs::write(path, file::write::experiment(&experiment)) {
            say::problem(format!("{}: {error}", path.display()));
            return Verdict::Invalid.exit_code();
        }
        let needs = match (&args.system, file::project::find(path)) {
            (_, Some(project)) => format!("; it runs where {} says", project.display()),
            (Some(_), None) => format!(
                "; to run it, put a {} beside it with `environments: {{ NAME: {{ platform: {{ local: SYSTEM }} }} }}`",
                file::project::FILE
            ),
            (None, None) => String::new(),
        };
        say::out(&format!("saved as {}{}\n", whole(&path.display().to_string()), whole(&needs)));
    }
    let environment = loading::environment(&args.place, args.system.as_deref());
    let environment = match environment.and_then(|environment| loading::told(environment, Purpose::Run)) {
        Ok(environment) => environment,
        Err(diagnostics) => {
            say::err(&diagnostics.text(say::colour_on_stderr()));
            return Verdict::Invalid.exit_code();
        }
    };
    let threads = Threads::of([&environment]);
    threads.run(begun(args, experiment, environment))
}

async fn begun(args: Drill, experiment: Experiment, environment: Environment) -> u8 {
    let done = Box::pin(async {
        let seed = args.seed.map_or_else(fresh::seed, Ok)?;
        let job = Job { experiment, file: None, environment, plan: None, seed, run: None, mitigated: Mitigated::default() };
        let note = history::Note::of(&job, false);
        let ran = one(job, &args.output).await;
        match &ran {
            Ok(ran) => note.ended(ran.verdict, &ran.record, &ran.folder),
            Err(why) => note.not_started(why),
        }
        ran
    })
    .await;
    match done {
        Ok(ran) => ran.verdict.exit_code(),
        Err(why) => {
            say::problem(format!("not started: {why}"));
            Verdict::NotStarted.exit_code()
        }
    }
}

/// Connects, asks for a yes, runs, disconnects.
async fn one(mut job: Job, output: &Output) -> Result<Ran, String> {
    if let Some(why) = runner::outside_hours(&job.environment) {
        return Err(why);
    }
    let halt = Halt::default();
    let _signals = signals::listen(&halt).map_err(|error| format!("signals cannot be handled: {error}"))?;
    let platform = connect::connect(&job.environment, &job.experiment).await?;
    let agreed = if output.yes { Ok(true) } else { ask::about(&mut job, platform.platform()).await };
    let ran = match agreed {
        Ok(true) => runner::run(job, &platform, &output.out, &halt, false).await,
        Ok(false) => Err(ask::NOT_CONFIRMED.to_owned()),
        Err(why) => Err(why),
    };
    platform.disconnect().await;
    ran
}
