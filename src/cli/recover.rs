//! `firedrill recover`: undoes what interrupted runs left behind, known from their journals or, where those are lost, from the
//! systems themselves: local ones that run, and the environment that the flags name. Never while their process lives.

use std::path::Path;

use super::{args::Recover, chaostoolkit, connect, loading, say};
use crate::{
    clock::{self, Clock},
    engine::recover::{self, Recovered},
    file::Diagnostics,
    journal::{Store, store::Found},
    lock::{self, Holder},
    model::{
        claim::Claim,
        environment::Environment,
        ids::{RunId, Scope},
        verdict::Verdict,
    },
    platform::{Platform, PlatformError},
    report::words::whole,
    state_dir,
};

/// Recovers one run, or all.
pub async fn recover(args: Recover) -> u8 {
    let named = match environment(&args) {
        Ok(named) => named,
        Err(diagnostics) => {
            say::err(&diagnostics.text(say::colour_on_stderr()));
            return Verdict::Invalid.exit_code();
        }
    };
    let found = Store::open().and_then(|store| {
        let found = match &args.journal {
            Some(which) => vec![store.find(which)],
            None => store.unfinished()?,
        };
        Ok((store, found))
    });
    let (store, found) = match found {
        Ok(found) => found,
        Err(error) => {
            say::problem(format!("the journals cannot be read: {error}"));
            return Verdict::Error.exit_code();
        }
    };
    let toolkit = chaostoolkit::recover(args.journal.as_deref()).await;
    let none = found.is_empty() && toolkit.is_empty();
    let mut code = toolkit.iter().copied().fold(0, u8::max);
    for found in found {
        if !found.path.exists() {
            if !toolkit.is_empty() {
                continue;
            }
            if finished(&found.path) {
                say::out(&format!("{}: nothing to recover: it was undone\n", whole(&found.path.display().to_string())));
                continue;
            }
            say::problem(format!("`{}` is neither a journal nor the id of an unfinished run", found.path.display()));
            code = code.max(Verdict::Invalid.exit_code());
            continue;
        }
        let path = found.path.display().to_string();
        match one(&store, found).await {
            Ok((run, recovered)) => code = code.max(tell(run.as_str(), &recovered)),
            Err((verdict, why)) => {
                say::problem(format!("{path}: {why}"));
                code = code.max(verdict.exit_code());
            }
        }
    }
    let mut orphans = Vec::new();
    if args.journal.is_none() {
        orphans = without_journals(&store).await;
    }
    if let Some(environment) = named {
        match in_environment(&store, &environment).await {
            Ok(found) => orphans.extend(found),
            Err((verdict, why)) => {
                say::problem(format!("{}: {why}", environment.name));
                code = code.max(verdict.exit_code());
            }
        }
    }
    code = orphans.iter().map(|(system, recovered)| tell(system, recovered)).fold(code, u8::max);
    if none && orphans.is_empty() && code == 0 {
        say::out("nothing to recover: every run was undone\n");
    }
    code
}

/// The environment that the flags name; none without flags.
fn environment(args: &Recover) -> Result<Option<Environment>, Diagnostics> {
    let asked = args.place.env.is_some() || args.system.is_some() || !args.place.vars.is_empty();
    asked.then(|| loading::environment(&args.place, args.system.as_deref())).transpose()
}

/// Undoes what runs without a journal left in the local systems that run, and says what it was, system by system.
async fn without_journals(store: &Store) -> Vec<(String, Recovered)> {
    let mut out = Vec::new();
    for connected in connect::running().await {
        match orphans(store, connected.platform()).await {
            Ok(recovered) => out.extend(recovered),
            // Somebody works there, or it has just ended; nobody asked for this one.
            Err((Verdict::NotStarted, _)) => {}
            Err((_, why)) => say::problem(why),
        }
    }
    out
}

/// The same in the environment that was asked for.
async fn in_environment(store: &Store, environment: &Environment) -> Result<Option<(String, Recovered)>, (Verdict, String)> {
    let connected = connect::reach(environment).await.map_err(|why| (Verdict::NotStarted, why))?;
    let recovered = orphans(store, connected.platform()).await;
    connected.disconnect().await;
    recovered
}

/// Undoes what runs without a journal left in a platform. Where a run is at work, or a journal still owes something, nothing is touched.
async fn orphans(store: &Store, platform: &dyn Platform) -> Result<Option<(String, Recovered)>, (Verdict, String)> {
    let not_there = |error: PlatformError| (Verdict::NotStarted, error.to_string());
    let scope = platform.scope().await.map_err(not_there)?;
    let claims = platform.claims().await.map_err(not_there)?;
    let holder = holder(scope.clone(), claims.clone(), RunId::from("recover"));
    let _lock = lock::take(&holder).map_err(|error| (Verdict::NotStarted, error.to_string()))?;
    let unread = |error: std::io::Error| (Verdict::Error, format!("the journals cannot be read: {error}"));
    let owing = !store.unfinished_of(&scope).map_err(unread)?.is_empty();
    if let Some(run) = store.unfinished_beside(&scope, &claims).map_err(unread)?.first() {
        return Err((
            Verdict::NotStarted,
            format!("what is there may be of run {run}, on a place that overlaps this one: recover it first"),
        ));
    }
    if owing {
        return Err((Verdict::NotStarted, "what is there may be of the runs whose recovery is not done".to_owned()));
    }
    match recover::recover_orphans(platform, Clock::start()).await {
        Ok(recovered) if recovered.restored.is_empty() && recovered.nothing.is_empty() && recovered.stuck.is_empty() => Ok(None),
        Ok(recovered) => Ok(Some((scope.to_string(), recovered))),
        Err(error) => Err((Verdict::Error, format!("{scope}: it cannot be told what is left behind there: {error}"))),
    }
}

fn holder(scope: Scope, claims: Vec<Claim>, run: RunId) -> Holder {
    let pid = std::process::id();
    let pid_started = lock::started(pid).unwrap_or_default();
    Holder { scope, claims, pid, pid_started, run, purpose: lock::RECOVERY.to_owned(), since: clock::wall() }
}

/// Whether this is the id of a run that owes nothing any more.
pub(super) fn finished(run: &Path) -> bool {
    let plain = run.file_name() == Some(run.as_os_str());
    plain && state_dir::path().join("journals/done").join(run).with_extension("journal").exists()
}

/// Recovers one run; a failure comes with the verdict that it means: *not started* when somebody is at work there.
pub(super) async fn one(store: &Store, found: Found) -> Result<(RunId, Recovered), (Verdict, String)> {
    let replay = found.replay.map_err(|error| (Verdict::Error, error.to_string()))?;
    let header = replay.header;
    // A run that lives holds this lock: there are never two actors.
    let holder = holder(header.scope.clone(), header.claims.clone(), header.run.clone());
    let locks = state_dir::folder("locks").map_err(|error| (Verdict::Error, format!("locks cannot be taken: {error}")))?;
    let taken = recover::locked(&locks, &holder, Clock::start()).await;
    let _lock = taken.map_err(|error| (Verdict::NotStarted, error.to_string()))?;
    if !found.path.exists() {
        // Who had the lock until now undid it.
        return Ok((header.run, Recovered::default()));
    }
    // Relative paths of the environment are relative to where the run was started.
    std::env::set_current_dir(&header.working_directory)
        .map_err(|error| (Verdict::Error, format!("{}: {error}", header.working_directory.display())))?;
    let platform = connect::reach(&header.environment).await.map_err(|why| (Verdict::Error, why))?;
    let recovered = recover::recover(store, &found.path, platform.platform(), Clock::start()).await;
    platform.disconnect().await;
    recovered.map_err(|error| (Verdict::Error, error.to_string()))
}

/// Says what was done; gives the exit code.
pub(super) fn tell(run: &str, recovered: &Recovered) -> u8 {
    if let Some(damage) = &recovered.damage {
        say::problem(format!("{run}: the end of its journal was damaged ({damage}); what came before was used"));
    }
    for line in &recovered.restored {
        say::out(&format!("{}: undone: {}\n", whole(run), whole(line)));
    }
    for line in &recovered.nothing {
        say::out(&format!("{}: nothing to undo: {}\n", whole(run), whole(line)));
    }
    for residue in &recovered.stuck {
        say::problem(format!("{run}: left behind: {}: {}", residue.what, residue.why));
    }
    if !recovered.stuck.is_empty() {
        return Verdict::Residue.exit_code();
    }
    if let Some(why) = &recovered.unwritten {
        say::problem(format!("{run}: nothing is left behind, but that cannot be written down, so its journal stays: {why}"));
        return Verdict::Error.exit_code();
    }
    say::out(&format!("{}: recovered\n", whole(run)));
    0
}
