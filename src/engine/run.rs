//! Sets a run up and drives it: lock → recovery of a dead predecessor → plan → journal → probes → script → conclusion.

use std::{panic::AssertUnwindSafe, path::PathBuf, sync::Arc};

use futures_util::FutureExt;

use tokio::sync::{mpsc, watch};

use super::{
    conclude::{Finished, blind, conclude},
    deadman::{Deadman, Lease},
    dispatcher::{Dispatcher, Status},
    emit::Emitter,
    guards::Guards,
    halt::Halt,
    ledger::Ledger,
    mitigated::Mitigated,
    planning, recover,
    script::Script,
    state::RunState,
};
use crate::{
    clock::{self, Clock},
    event::{EVENT_VERSION, Event, EventKind},
    journal::{Header, JOURNAL_VERSION, JournalError, Store},
    lock::{self, Holder, Lock},
    measure::Live,
    model::{
        claim::Claim,
        environment::Environment,
        experiment::Experiment,
        ids::{RunId, Scope},
        outcome::Ended,
        plan::Plan,
        time::Mono,
    },
    plan::recheck,
    platform::Platform,
    probe::{Launch, Prober},
};

/// What is to be run.
pub struct Request {
    /// The experiment.
    pub experiment: Experiment,
    /// The run's id.
    pub run: RunId,
    /// The file it came from, for the report.
    pub file: Option<String>,
    /// Where it runs; kept in the journal, so that `recover` reaches the platform again.
    pub environment: Environment,
    /// A plan made earlier; its victims and no others. Made now when absent.
    pub plan: Option<Plan>,
    /// The seed of a plan that is made now.
    pub seed: u64,
    /// The run's folder; exists.
    pub folder: PathBuf,
    /// Where journals are kept.
    pub store: Store,
    /// The folder of locks.
    pub locks: PathBuf,
    /// Who may end a fault that people mitigate.
    pub mitigated: Mitigated,
    /// Who undoes when this process cannot; nobody where everything ends with it.
    pub deadman: Option<Arc<dyn Deadman>>,
}

/// Runs an experiment. Events go into `events` as they happen; the last one carries the verdict.
pub async fn run(
    request: Request,
    platform: &dyn Platform,
    prober: &dyn Prober,
    halt: &Halt,
    clock: Clock,
    events: mpsc::UnboundedSender<Event>,
) -> Finished {
    let mut emitter = Emitter::new(clock, events);
    emitter.emit(
        clock.now(),
        EventKind::RunStarted {
            version: EVENT_VERSION,
            run: request.run.clone(),
            tool: concat!("firedrill ", env!("CARGO_PKG_VERSION")).to_owned(),
            file: request.file.clone(),
            environment: Some(request.environment.name.clone()),
            experiment: Box::new(request.experiment.clone()),
        },
    );
    match set_up(&request, platform, clock, &mut emitter).await {
        // Boxed: the whole run is a large future, and callers would carry it in theirs.
        Ok(ready) => Box::pin(drive(request, ready, platform, prober, halt, clock, emitter)).await,
        Err(why) => {
            let finished = Finished::not_started(why);
            emitter.emit(clock.now(), finished.event());
            finished
        }
    }
}

/// What a run holds before its first act.
struct Ready {
    plan: Arc<Plan>,
    ledger: Ledger,
    store: Store,
    /// Held until the end of the run: dropping it frees the scope.
    lock: Lock,
    lease: Lease,
    state: RunState,
}

async fn set_up(request: &Request, platform: &dyn Platform, clock: Clock, emitter: &mut Emitter) -> Result<Ready, String> {
    platform.begin(&request.run);
    let scope = platform.scope().await.map_err(|error| error.to_string())?;
    let store = request.store.clone();
    let claims = platform.claims().await.map_err(|error| error.to_string())?;
    let lock = take_lock(request, &scope, &claims, clock).await?;
    nothing_beside(&store, &scope, &claims)?;
    recover_predecessors(&store, &scope, platform, clock, emitter).await?;

    let plan = match &request.plan {
        Some(plan) => plan.clone(),
        None => planning::plan(&request.experiment, platform, request.seed).await.map_err(|refused| refused.to_string())?,
    };
    if plan.scope != scope {
        return Err(format!("the plan was made for another place ({}) than this ({scope})", plan.scope));
    }
    if request.plan.is_some() {
        still_there(&plan, platform).await?;
    }
    let ledger = begin_journal(request, &store, (&scope, claims), &plan).map_err(|error| format!("nothing is done: {error}"))?;
    // Before anything can be in effect, and before anything is measured.
    let lease = match Lease::begin(request.deadman.clone(), ledger.path(), clock).await {
        Ok(lease) => lease,
        Err(why) => {
            close(ledger, &store, emitter, clock);
            return Err(format!("nothing is done: the dead-man's switch cannot be started: {why}"));
        }
    };
    let mut state = RunState::default();
    let plan = Arc::new(plan);
    let planned = EventKind::Planned { plan: Arc::clone(&plan) };
    state.apply(clock.now(), &planned);
    emitter.emit(clock.now(), planned);
    Ok(Ready { plan, ledger, store, lock, lease, state })
}

/// The victims of a plan that was made earlier are looked for at once: it would be a pity to find out after the baseline. The check at
/// the moment of the act comes all the same.
async fn still_there(plan: &Plan, platform: &dyn Platform) -> Result<(), String> {
    let now = platform.inventory().await.map_err(|error| error.to_string())?;
    let gone: Vec<String> = plan
        .acts()
        .filter_map(|prepared| prepared.act.target.instance())
        .filter_map(|victim| recheck(victim, &now).err().map(|why| why.to_string()))
        .collect();
    if gone.is_empty() {
        return Ok(());
    }
    Err(format!(
        "the plan no longer fits what runs here, make it anew (for a local system, while `firedrill up` keeps it): {}",
        gone.join("; ")
    ))
}

async fn take_lock(request: &Request, scope: &Scope, claims: &[Claim], clock: Clock) -> Result<Lock, String> {
    let pid = std::process::id();
    let holder = Holder {
        scope: scope.clone(),
        claims: claims.to_vec(),
        pid,
        pid_started: lock::started(pid).unwrap_or_default(),
        run: request.run.clone(),
        purpose: request.file.as_ref().map_or_else(|| "drill".to_owned(), |file| format!("run {file}")),
        since: clock::wall(),
    };
    recover::locked(&request.locks, &holder, clock).await.map_err(|error| error.to_string())
}

fn begin_journal(request: &Request, store: &Store, (scope, claims): (&Scope, Vec<Claim>), plan: &Plan) -> Result<Ledger, JournalError> {
    let pid = std::process::id();
    let header = Header {
        version: JOURNAL_VERSION,
        run: request.run.clone(),
        scope: scope.clone(),
        claims,
        plan_digest: plan.experiment.clone(),
        environment: request.environment.clone(),
        pid,
        pid_started: lock::started(pid).unwrap_or_default(),
        working_directory: std::env::current_dir().unwrap_or_default(),
    };
    let mut ledger = Ledger::new(store.create(header)?);
    ledger.planned(plan.acts())?;
    Ok(ledger)
}

/// A run that died on a scope which overlaps this one may have left something in it, but is not undone from here: it may have acted on
/// engines that this run does not know.
fn nothing_beside(store: &Store, scope: &Scope, claims: &[Claim]) -> Result<(), String> {
    let beside = store.unfinished_beside(scope, claims);
    match beside.map_err(|error| format!("the journals of earlier runs cannot be read: {error}"))?.first() {
        None => Ok(()),
        Some(run) => {
            Err(format!("run {run}, on a place that overlaps this one, was interrupted: undo it first (`firedrill recover {run}`)"))
        }
    }
}

/// A run that died on this scope is undone before another one begins. The lock is ours, so none of them lives.
async fn recover_predecessors(
    store: &Store,
    scope: &Scope,
    platform: &dyn Platform,
    clock: Clock,
    emitter: &mut Emitter,
) -> Result<(), String> {
    let unfinished = store.unfinished_of(scope).map_err(|error| format!("the journals of earlier runs cannot be read: {error}"))?;
    for found in unfinished {
        let (run, recovered) = recover::recover(store, &found.path, platform, clock).await.map_err(|error| error.to_string())?;
        if let Some(first) = recovered.stuck.first() {
            return Err(format!("run {run} left something behind that cannot be undone: {} ({})", first.what, first.why));
        }
        if let Some(why) = recovered.unwritten {
            return Err(format!("run {run} had been interrupted and is undone, but that cannot be written down: {why}"));
        }
        let undone = match recovered.restored.len() {
            1 => "1 act".to_owned(),
            n => format!("{n} acts"),
        };
        let text = format!("run {run} had been interrupted; it was recovered first ({undone} undone)");
        emitter.emit(clock.now(), EventKind::Warning { text });
    }
    let orphans = recover::recover_orphans(platform, clock).await;
    let orphans = orphans.map_err(|error| format!("it cannot be told what earlier runs left behind: {error}"))?;
    if let Some(first) = orphans.stuck.first() {
        return Err(format!("what an earlier run left behind cannot be undone: {} ({})", first.what, first.why));
    }
    for undone in orphans.restored {
        emitter.emit(clock.now(), EventKind::Warning { text: format!("undone first: {undone}") });
    }
    Ok(())
}

async fn drive(
    request: Request,
    ready: Ready,
    platform: &dyn Platform,
    prober: &dyn Prober,
    halt: &Halt,
    clock: Clock,
    mut emitter: Emitter,
) -> Finished {
    let Ready { plan, ledger, store, lock, lease, state } = ready;
    let experiment = &request.experiment;
    let launch = Launch { probes: experiment.probes.clone(), seed: plan.seed, folder: request.folder.join("samples") };
    let guards = Guards::begin(experiment, prober, plan.seed, &request.folder.join("guards"), platform);
    let started = match (platform.observe().await, guards) {
        (Ok(observations), Ok(guards)) => {
            prober.launch(launch).map(|running| (observations, guards, running)).map_err(|error| error.to_string())
        }
        (Err(error), _) => Err(error.to_string()),
        (_, Err(why)) => Err(why),
    };
    let (observations, guards, running) = match started {
        Ok(started) => started,
        Err(why) => {
            let finished = Finished::not_started(why);
            close(ledger, &store, &mut emitter, clock);
            lease.ended();
            emitter.emit(clock.now(), finished.event());
            return finished;
        }
    };
    let origin = running.origin();
    let live = Live::new(experiment, origin);
    let watched = lease.clone();
    let mut dispatcher = Dispatcher::new(clock, emitter, state, live, guards, running);
    let (facts, heard) = mpsc::unbounded_channel();
    let status: watch::Receiver<Status> = dispatcher.status.subscribe();
    let mut script = Script {
        clock,
        origin,
        experiment,
        plan: &plan,
        platform,
        halt,
        mitigated: &request.mitigated,
        journal: ledger,
        lease,
        facts,
        status,
        pending: Vec::new(),
        watch_until: None,
        recover_with: format!("firedrill recover {}", request.run),
    };
    let ended = dispatcher.drive(guarded(&mut script), heard, observations, halt, &watched).await;
    let ledger = script.journal;
    let span = (origin, clock.now());
    // Everything is undone, or named as residue, which keeps the journal open: from here on nothing can hurt the system.
    if dispatcher.state.residue.is_empty() {
        close(ledger, &store, &mut dispatcher.emitter, clock);
    }
    watched.ended();
    drop(lock);
    finish(&request, &plan, dispatcher, ended, span).await
}

/// Plays the script; a defect of ours in the middle of it still ends in an undo.
async fn guarded(script: &mut Script<'_>) -> Ended {
    if let Ok(ended) = AssertUnwindSafe(script.play()).catch_unwind().await {
        ended
    } else {
        // The same defect may wait in the undo. Whatever that still owes is named, and keeps the journal open.
        if AssertUnwindSafe(script.undo_all()).catch_unwind().await.is_err() {
            for act in script.journal.owed() {
                let why = "its undo was interrupted by a defect of firedrill".to_owned();
                script.tell(EventKind::Stuck { act: *act, why, command: script.recover_with.clone() });
            }
        }
        Ended::Broke { why: "a defect of firedrill stopped the run (it panicked); what was done is undone".to_owned() }
    }
}

/// Stops the probes, computes, judges, tells.
async fn finish(request: &Request, plan: &Plan, dispatcher: Dispatcher, ended: Ended, span: (Mono, Mono)) -> Finished {
    let Dispatcher { clock, mut emitter, state, prober, .. } = dispatcher;
    let residue = state.residue.clone();
    let (experiment, plan) = (request.experiment.clone(), plan.clone());
    let computed = tokio::task::spawn_blocking(move || {
        let recorded = prober.stop();
        conclude(&experiment, &plan, &state, ended, &recorded, span)
    })
    .await;
    let finished = match computed {
        Ok(finished) => finished,
        Err(error) => Finished::broke(format!("the numbers could not be computed: {error}"), residue),
    };
    for text in blind(&finished) {
        emitter.emit(clock.now(), EventKind::Warning { text });
    }
    if let Some(measurement) = &finished.measurement {
        emitter.emit(clock.now(), EventKind::Measured { measurement: Box::new(measurement.clone()) });
        emitter.emit(clock.now(), EventKind::Judged { conditions: finished.judged.clone() });
    }
    emitter.emit(clock.now(), finished.event());
    finished
}

fn close(ledger: Ledger, store: &Store, emitter: &mut Emitter, clock: Clock) {
    if let Err(error) = ledger.close(store) {
        emitter.emit(clock.now(), EventKind::Warning { text: format!("the journal could not be put away: {error}") });
    }
}
