//! One experiment from loaded file to run folder: what `run`, `drill` and `demo` share.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError},
    time::Duration,
};

use tokio::{sync::mpsc, task::JoinSet};

#[cfg(feature = "notify")]
use super::notify::Telling;
use super::{connect, deadman::Helper, fresh, say};
use crate::{
    clock::{self, Clock},
    engine::{
        halt::Halt,
        mitigated::Mitigated,
        run::{self, Request},
    },
    journal::Store,
    model::{environment::Environment, experiment::Experiment, hours::Hours, ids::RunId, plan::Plan, verdict::Verdict},
    probe::NetworkProber,
    report::{
        FanOut, Reporter, RunRecord,
        console::Console,
        json_lines::JsonLines,
        write::{self, RunFiles},
    },
    state_dir,
};

/// How long reports may take after the end of a run.
const REPORTS: Duration = Duration::from_secs(30);

/// An experiment that is ready to run.
pub struct Job {
    /// The experiment, checked.
    pub experiment: Experiment,
    /// Its file, for the report.
    pub file: Option<String>,
    /// Where it runs.
    pub environment: Environment,
    /// A plan made earlier.
    pub plan: Option<Plan>,
    /// The seed, when no plan was made earlier.
    pub seed: u64,
    /// The run's id, when who started this gave it one.
    pub run: Option<RunId>,
    /// Who may end a fault that people mitigate.
    pub mitigated: Mitigated,
}

/// What a run left for the summary.
pub struct Ran {
    /// The verdict.
    pub verdict: Verdict,
    /// Everything, for the reports over several files.
    pub record: RunRecord,
    /// The run's folder.
    pub folder: PathBuf,
}

/// Creates the folder of a new run.
fn folder_of(out: &Path, run: RunId) -> Result<(RunId, PathBuf), String> {
    let folder = out.join(run.as_str());
    fs::create_dir_all(folder.join("samples")).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok((run, folder))
}

/// Why the environment does not let a run begin now; `None` when it does.
pub fn outside_hours(environment: &Environment) -> Option<String> {
    let text = environment.require.hours.as_deref()?;
    let now = clock::moment().to_zoned(jiff::tz::TimeZone::UTC);
    match Hours::parse(text) {
        Ok(hours) if hours.contain(&now) => None,
        Ok(_) => Some(format!("environment `{}` allows runs only within {text}; now it is {now}", environment.name)),
        Err(why) => Some(why),
    }
}

/// What sends the run as a trace; none when nothing says where to. What is wrong with that is said, and keeps no run from its work.
#[cfg(feature = "otel")]
fn traces() -> Option<Box<dyn Reporter>> {
    use crate::report::traces::{Exporter, Settings, Traces};
    let exporter = Settings::read(|name| std::env::var(name).ok()).and_then(|settings| settings.map(Exporter::new).transpose());
    match exporter {
        Ok(exporter) => exporter.map(|exporter| Box::new(Traces::new(exporter)) as Box<dyn Reporter>),
        Err(why) => {
            say::problem(format!("no traces are sent: {why}"));
            None
        }
    }
}

/// Runs one job on a platform, with reports to the console and into the run's folder.
///
/// # Errors
/// When nothing could be begun: the run folder cannot be created.
pub async fn run(job: Job, platform: &connect::Connected, out: &Path, halt: &Halt, quiet: bool) -> Result<Ran, String> {
    let (run, folder) = folder_of(out, job.run.map_or_else(fresh::run_id, Ok)?)?;
    let mut reporters: Vec<Box<dyn Reporter>> = Vec::new();
    if !quiet {
        reporters.push(Box::new(Console::on_stdout(Some(folder.join("report.html")))));
    }
    reporters.push(Box::new(JsonLines::create(&folder).map_err(|error| format!("{}: {error}", folder.display()))?));
    let files = RunFiles::new(folder.clone());
    let whole = files.record();
    reporters.push(Box::new(files));
    #[cfg(feature = "notify")]
    let telling = Telling::start(&job.environment.notify);
    #[cfg(feature = "notify")]
    reporters.extend(telling.reporter(&folder));
    #[cfg(feature = "otel")]
    reporters.extend(traces());
    let fan_out = FanOut::start(reporters);

    let (events, mut heard) = mpsc::unbounded_channel();
    let mut forwarder = JoinSet::new();
    forwarder.spawn(async move {
        while let Some(event) = heard.recv().await {
            fan_out.send(event);
        }
        fan_out
    });
    let request = Request {
        experiment: job.experiment,
        run,
        file: job.file,
        environment: job.environment,
        plan: job.plan,
        seed: job.seed,
        folder: folder.clone(),
        store: Store::open().map_err(|error| format!("the journals cannot be kept, so nothing is done: {error}"))?,
        locks: state_dir::folder("locks").map_err(|error| format!("locks cannot be taken, so nothing is done: {error}"))?,
        mitigated: job.mitigated,
        deadman: Some(Arc::new(Helper)),
    };
    let prober = NetworkProber::new();
    let finished = Box::pin(run::run(request, platform.platform(), &prober, halt, Clock::start(), events)).await;

    if let Some(Ok(fan_out)) = forwarder.join_next().await {
        let failures = tokio::task::spawn_blocking(move || fan_out.finish(REPORTS)).await.unwrap_or_default();
        for failure in failures {
            say::problem(failure);
        }
    }
    #[cfg(feature = "notify")]
    telling.finish().await;
    // Where the run folder could not be finished, what is in it says as much as there is.
    let record = whole.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_else(|| write::load(&folder).unwrap_or_default());
    Ok(Ran { verdict: finished.verdict, record, folder })
}
