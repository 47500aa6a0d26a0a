//! `firedrill gameday`: an agenda of drills, with the people around them.
//!
//! Each drill is a `firedrill run` of its own, as the daemon's are: the same code with the same safety, in a process that holds a pipe to
//! the day and halts itself when the day is gone.
//!
//! | file | what |
//! | --- | --- |
//! | `agenda` | the file, and every experiment that it names, checked before anything begins |
//! | `conduct` | the one task that owns the day: goes through the agenda, hears people, writes events |
//! | `drill` | the process of a drill: started, followed, told to stop |
//! | `hear` | what people say, and what it means now |
//! | `prompt` | the same words, typed where the day runs |
//! | `look` | `check`, `plan`, `status` and `report` |
//! | `talk` | the verbs of other terminals |

mod agenda;
pub mod args;
mod conduct;
mod drill;
mod hear;
mod look;
mod prompt;
mod talk;

use args::GamedayVerb;

pub use look::check;

/// Does what was asked for.
pub async fn gameday(verb: GamedayVerb) -> u8 {
    match verb {
        GamedayVerb::Run(args) => Box::pin(conduct::run(args)).await,
        GamedayVerb::Check(args) => look::check_verb(&args),
        GamedayVerb::Plan(args) => Box::pin(look::plan(&args)).await,
        GamedayVerb::Status(args) => look::status(&args).await,
        GamedayVerb::Report(args) => look::report(&args),
        GamedayVerb::Say(said) => talk::talk(said).await,
    }
}

/// Who speaks: the name that was given, else the user's.
fn by(name: Option<&str>) -> String {
    let named = name.map(str::to_owned);
    let user = || ["USER", "LOGNAME"].into_iter().filter_map(|variable| std::env::var(variable).ok()).find(|name| !name.trim().is_empty());
    named.or_else(user).or_else(of_this_machine).unwrap_or_else(|| format!("user {}", rustix::process::getuid().as_raw()))
}

/// The user's name as this machine's own list has it: a service or a container may run without `USER`.
fn of_this_machine() -> Option<String> {
    let number = rustix::process::getuid().as_raw().to_string();
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    let fields = |line: &str| Some((line.split(':').next()?.to_owned(), line.split(':').nth(2)?.to_owned()));
    users.lines().filter_map(fields).find(|(_, id)| *id == number).map(|(name, _)| name)
}
