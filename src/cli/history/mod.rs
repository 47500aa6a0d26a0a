//! `firedrill history`: what became of past runs. Reading it touches no run and no target.
//!
//! | file | what |
//! | --- | --- |
//! | `note` | the row of a run that ends now: the only one that writes while somebody waits for a verdict |
//! | `row` | from the record of a run to its row |
//! | `list`, `show`, `trend`, `compare` | what is in it |
//! | `prune`, `folder` | what goes, and which folders may go with it |
//! | `import` | rows from the run folders of before |

pub mod args;
mod compare;
mod folder;
mod import;
mod list;
mod note;
mod prune;
mod row;
mod show;
mod trend;

use super::say;
use crate::{
    file::suggest::nearest,
    history::{HistoryError, Run, Store},
    model::{ids::RunId, quantity::plural, verdict::Verdict},
    report::words::whole,
    state_dir,
};
use args::{HistoryArgs, HistoryVerb};
pub use note::Note;

/// Does what was asked for; gives the exit code.
pub fn history(args: &HistoryArgs) -> u8 {
    let done = match &args.verb {
        None => list::list(&args.list),
        Some(HistoryVerb::Show(args)) => show::show(args),
        Some(HistoryVerb::Trend(args)) => trend::trend(args),
        Some(HistoryVerb::Compare(args)) => compare::compare(args),
        Some(HistoryVerb::Prune(args)) => prune::prune(args),
        Some(HistoryVerb::Import(args)) => import::import(&args.folder),
    };
    match done {
        Ok(code) => code,
        Err(Trouble::Asked(why)) => {
            say::problem(why);
            Verdict::Invalid.exit_code()
        }
        Err(Trouble::Store(error)) => {
            say::problem(error);
            Verdict::Error.exit_code()
        }
    }
}

/// Why it could not be done.
enum Trouble {
    /// What was asked for is not there, or wrong.
    Asked(String),
    /// The history cannot be used.
    Store(HistoryError),
}

impl From<HistoryError> for Trouble {
    fn from(error: HistoryError) -> Self {
        Self::Store(error)
    }
}

/// What there is to read; words for who has no history yet.
fn opened() -> Result<Option<Store>, Trouble> {
    Ok(Store::open_to_read(&state_dir::path())?)
}

const NONE_YET: &str = "no run is in the history yet; `firedrill history import FOLDER` reads run folders of before";

fn needed() -> Result<Store, Trouble> {
    opened()?.ok_or_else(|| Trouble::Asked(NONE_YET.to_owned()))
}

/// The run that is meant by an id, or by the beginning of one.
fn find(store: &Store, text: &str) -> Result<Run, Trouble> {
    if let Some(run) = store.get(&RunId::from(text))? {
        return Ok(run);
    }
    let mut like = if text.is_empty() { Vec::new() } else { store.like(text)? };
    match (like.pop(), like.as_slice()) {
        (Some(run), []) => Ok(run),
        (Some(first), others) => {
            let all: Vec<&str> = std::iter::once(&first).chain(others).map(|run| run.run.as_str()).collect();
            Err(Trouble::Asked(format!("`{text}` is the beginning of {}: {}", plural(all.len(), "run"), all.join(", "))))
        }
        (None, _) => {
            let all = store.list(&crate::history::Filter { last: Some(1_000), ..Default::default() })?;
            let meant = nearest(text, all.iter().map(|run| run.run.as_str()));
            let meant = meant.map(|run| format!("; did you mean `{run}`?")).unwrap_or_default();
            Err(Trouble::Asked(format!("there is no run `{text}` in the history{meant}")))
        }
    }
}

/// When a run began, as the clock in UTC shows it.
fn when(run: &Run) -> String {
    run.began.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A title that leaves room for others.
fn short(title: &str) -> String {
    const MOST: usize = 48;
    let title = whole(title);
    match title.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", &title[..at]),
        None => title.into_owned(),
    }
}
