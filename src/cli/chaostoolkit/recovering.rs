//! Runs that were killed: their rollbacks are played by `firedrill recover`, and before the next run of the same file. Runs that live are
//! told to stop by `firedrill halt`.

use std::{path::Path, sync::Arc};

use super::{holder, say, scope, unfinished};
use crate::{
    chaostoolkit::unfinished::Note,
    engine::halt::Halt,
    lock,
    model::{ids::RunId, verdict::Verdict},
    report::words::whole,
};

/// Plays the rollbacks of runs whose process is gone: of one, or of all. Gives what each came to; nothing when there was none.
pub async fn recover(run: Option<&str>) -> Vec<u8> {
    let notes = match unfinished::list() {
        Ok(notes) => notes,
        Err(error) => {
            say::problem(format!("the notes of Chaos Toolkit runs cannot be read: {error}"));
            return vec![Verdict::Error.exit_code()];
        }
    };
    let mut codes = Vec::new();
    let here = std::env::current_dir();
    for note in notes {
        let note = match note {
            Ok(note) if run.is_none_or(|run| note.run.as_str() == run) => note,
            Ok(_) => continue,
            Err(why) => {
                if run.is_none() {
                    say::problem(why);
                    codes.push(Verdict::Error.exit_code());
                }
                continue;
            }
        };
        let name = note.run.clone();
        if note.lives() {
            say::problem(format!("{name}: its process {} lives: `firedrill halt {name}` stops it", note.pid));
            codes.push(Verdict::NotStarted.exit_code());
            continue;
        }
        let held = lock::take(&holder(&scope(&note.file), name.clone(), lock::RECOVERY.to_owned()));
        codes.push(match held {
            Ok(_lock) => tell(&name, played(note, &Halt::default()).await),
            Err(error) => {
                say::problem(format!("{name}: {error}"));
                Verdict::NotStarted.exit_code()
            }
        });
        if let Ok(here) = &here {
            let _ = std::env::set_current_dir(here);
        }
    }
    codes
}

/// The same for the runs of one file, before it runs again.
pub(super) async fn before(file: &str, halt: &Halt) -> Result<(), String> {
    let notes = unfinished::list().map_err(|error| format!("the notes of earlier runs cannot be read: {error}"))?;
    let here = std::env::current_dir().map_err(|error| error.to_string())?;
    let path = |file: &str| std::fs::canonicalize(file).ok();
    for note in notes.into_iter().flatten().filter(|note| !note.lives() && path(&note.file) == path(file)) {
        let run = note.run.clone();
        say::out(&format!("run {} was killed: its rollbacks come first\n", whole(run.as_str())));
        let recovered = played(note, halt).await;
        std::env::set_current_dir(Path::new(&here)).map_err(|error| error.to_string())?;
        if tell(&run, recovered) != 0 {
            return Err(format!("what run {run} left behind is not undone"));
        }
    }
    Ok(())
}

async fn played(note: Note, halt: &Halt) -> Result<unfinished::Recovered, String> {
    unfinished::recover(note, halt, Arc::new(|line: &str| say::out(&format!("  {}\n", whole(line))))).await
}

/// Says what was done; gives the exit code.
fn tell(run: &RunId, recovered: Result<unfinished::Recovered, String>) -> u8 {
    match recovered {
        Err(why) => {
            say::problem(format!("{run}: {why}"));
            Verdict::Error.exit_code()
        }
        Ok(recovered) => {
            for name in &recovered.restored {
                say::out(&format!("{}: undone: {}\n", whole(run.as_str()), whole(name)));
            }
            for left in &recovered.stuck {
                say::problem(format!("{run}: left behind: {}: {}", left.what, left.why));
            }
            if !recovered.stuck.is_empty() {
                return Verdict::Residue.exit_code();
            }
            say::out(&format!("{}: recovered\n", whole(run.as_str())));
            0
        }
    }
}
