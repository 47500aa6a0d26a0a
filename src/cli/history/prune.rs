//! `firedrill history prune`: old rows go, and their run folders with them when that is asked for.

use std::path::Path;

use super::{
    Trouble,
    args::Prune,
    folder::{self, State},
    opened, say, short, when,
};
use crate::{
    history::{Beyond, Run, Store},
    model::{ids::RunId, quantity::plural, verdict::Verdict},
    report::{table::table, words::whole},
    state_dir,
};

/// Removes what is beyond, or says what that would be.
pub fn prune(args: &Prune) -> Result<u8, Trouble> {
    let beyond = match (args.keep, args.older_than) {
        (Some(keep), _) => Beyond::Newest(keep),
        (None, Some(moment)) => Beyond::Before(moment),
        (None, None) => return Err(Trouble::Asked("say how much is kept: --keep N, or --older-than 90d".to_owned())),
    };
    let Some(store) = opened()? else {
        say::out("there is nothing to remove\n");
        return Ok(0);
    };
    let runs = store.beyond(beyond)?;
    if runs.is_empty() {
        say::out("there is nothing to remove\n");
        return Ok(0);
    }
    if args.yes { removed(&runs, args.folders) } else { Ok(would_be(&runs, args.folders)) }
}

fn would_be(runs: &[Run], folders: bool) -> u8 {
    let rows: Vec<Vec<String>> = runs
        .iter()
        .map(|run| {
            let mut row = vec![when(run), short(&run.experiment), whole(run.run.as_str()).into_owned()];
            row.extend(folders.then(|| fate(run)));
            row
        })
        .collect();
    say::out(&format!("would remove {}:\n{}with --yes it is done\n", plural(runs.len(), "run"), table(&rows, "  ", &[])));
    0
}

/// What would become of a run's folder.
fn fate(run: &Run) -> String {
    let Some(path) = &run.folder else { return "without a folder".to_owned() };
    match folder::state(Path::new(path), &run.run) {
        State::Ours if folder::unfinished(&run.run) => "stays: its journal is unfinished".to_owned(),
        State::Ours => format!("and {}", whole(path)),
        State::Gone => "its folder is gone".to_owned(),
        State::Refused(why) => format!("stays: {}: {}", whole(path), whole(&why)),
    }
}

fn removed(runs: &[Run], folders: bool) -> Result<u8, Trouble> {
    let mut store = Store::open(&state_dir::path())?;
    let (mut gone, mut failed) = (Vec::<&RunId>::new(), 0_u64);
    for run in runs {
        // A row whose folder stays is still needed: the next time it is tried again.
        match (&run.folder, folders) {
            (Some(path), true) => match folder::remove(Path::new(path), &run.run) {
                Ok(()) => gone.push(&run.run),
                Err(why) => {
                    failed += 1;
                    say::problem(format!("{}: {path} stays, and so does its row: {why}", run.run));
                }
            },
            _ => gone.push(&run.run),
        }
    }
    let removed = store.remove(gone)?;
    say::out(&format!("removed {}{}\n", plural(removed, "run"), if folders { " with what was left of their folders" } else { "" }));
    Ok(if failed > 0 { Verdict::Failed.exit_code() } else { 0 })
}
