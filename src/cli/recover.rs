//! `firedrill recover`: undoes what interrupted runs left behind. Never while their process lives.

use std::path::Path;

use super::{args::Recover, connect, say};
use crate::{
    clock::{self, Clock},
    engine::recover::{self, Recovered},
    journal::{Store, store::Found},
    lock::{self, Holder},
    model::{ids::RunId, verdict::Verdict},
    state_dir,
};

/// Recovers one run, or all.
pub async fn recover(args: Recover) -> u8 {
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
    if found.is_empty() {
        say::out("nothing to recover: every run was undone\n");
    }
    let mut code = 0;
    for found in found {
        if !found.path.exists() {
            if finished(&found.path) {
                say::out(&format!("{}: nothing to recover: it was undone\n", found.path.display()));
                continue;
            }
            say::problem(format!("`{}` is neither a journal nor the id of an unfinished run", found.path.display()));
            code = code.max(Verdict::Invalid.exit_code());
            continue;
        }
        let path = found.path.display().to_string();
        match one(&store, found).await {
            Ok((run, recovered)) => code = code.max(tell(&run, &recovered)),
            Err((verdict, why)) => {
                say::problem(format!("{path}: {why}"));
                code = code.max(verdict.exit_code());
            }
        }
    }
    code
}

/// Whether this is the id of a run that owes nothing any more.
fn finished(run: &Path) -> bool {
    let plain = run.file_name() == Some(run.as_os_str());
    plain && state_dir::path().join("journals/done").join(run).with_extension("journal").exists()
}

/// Recovers one run; a failure comes with the verdict that it means.
async fn one(store: &Store, found: Found) -> Result<(RunId, Recovered), (Verdict, String)> {
    let replay = found.replay.map_err(|error| (Verdict::Error, error.to_string()))?;
    let header = replay.header;
    let pid = std::process::id();
    // A run that lives holds this lock: there are never two actors.
    let _lock = lock::take(&Holder {
        scope: header.scope.clone(),
        pid,
        pid_started: lock::started(pid).unwrap_or_default(),
        run: header.run.clone(),
        purpose: "recover".to_owned(),
        since: clock::wall(),
    })
    .map_err(|error| (Verdict::NotStarted, error.to_string()))?;
    // Relative paths of the environment are relative to where the run was started.
    std::env::set_current_dir(&header.working_directory)
        .map_err(|error| (Verdict::Error, format!("{}: {error}", header.working_directory.display())))?;
    let platform = connect::reach(&header.environment).await.map_err(|why| (Verdict::Error, why))?;
    let recovered = recover::recover(store, &found.path, platform.platform(), Clock::start()).await;
    platform.disconnect().await;
    recovered.map_err(|error| (Verdict::Error, error.to_string()))
}

/// Says what was done; gives the exit code.
fn tell(run: &RunId, recovered: &Recovered) -> u8 {
    if let Some(damage) = &recovered.damage {
        say::problem(format!("{run}: the end of its journal was damaged ({damage}); what came before was used"));
    }
    for line in &recovered.restored {
        say::out(&format!("{run}: undone: {line}\n"));
    }
    for line in &recovered.nothing {
        say::out(&format!("{run}: nothing to undo: {line}\n"));
    }
    for residue in &recovered.stuck {
        say::problem(format!("{run}: left behind: {}: {}", residue.what, residue.why));
    }
    if recovered.stuck.is_empty() {
        say::out(&format!("{run}: recovered\n"));
        return 0;
    }
    Verdict::Residue.exit_code()
}
