//! `firedrill schedule`: what would fire when, and why not; and switching experiments off and on.

pub mod args;
pub mod gather;
mod words;

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::{
    args::{Place, TextOrJson},
    say,
};
use crate::{
    clock,
    daemon::state::{Fired, Switches},
    file::Diagnostics,
    model::verdict::Verdict,
    report::words::whole,
    schedule::{Roster, explain::explain, simulate::simulate},
};
use args::{Explain, ScheduleVerb, Simulate, Switch};
use gather::{Gathered, gather};

/// Does what was asked for.
pub fn schedule(verb: &ScheduleVerb) -> u8 {
    let done = match verb {
        ScheduleVerb::Explain(args) => explained(args),
        ScheduleVerb::Simulate(args) => simulated(args),
        ScheduleVerb::Enable(args) => switch(args, true),
        ScheduleVerb::Disable(args) => switch(args, false),
    };
    done.unwrap_or_else(|failure| {
        match failure {
            Failure::Files(findings) => say::err(&findings.text(say::colour_on_stderr())),
            Failure::Other(verdict, why) => {
                say::problem(why);
                return verdict.exit_code();
            }
        }
        Verdict::Invalid.exit_code()
    })
}

/// Why nothing can be said.
enum Failure {
    /// Files are wrong.
    Files(Diagnostics),
    /// Something else.
    Other(Verdict, String),
}

fn explained(args: &Explain) -> Result<u8, Failure> {
    let Found { roster, fired, findings } = roster(&args.over.files, &args.over.place)?;
    let explained = explain(&roster, from(args.over.from.as_deref())?, args.count.into(), &|key| fired.last(key));
    match args.over.format {
        TextOrJson::Json => say::json(explained),
        TextOrJson::Text => say::out(&words::explained(&explained, &roster)),
    }
    say::err(&findings.text(say::colour_on_stderr()));
    if !findings.has_errors() {
        return Ok(0);
    }
    // As the daemon does with them. What a broken one would fire, nobody knows: that is not all.
    say::problem("what is broken is not among these; the daemon would leave it out too");
    Ok(Verdict::Invalid.exit_code())
}

fn simulated(args: &Simulate) -> Result<u8, Failure> {
    let Found { roster, fired, findings } = roster(&args.over.files, &args.over.place)?;
    // Half a roster would be a wrong answer to "who is hit how often?".
    if findings.has_errors() {
        return Err(Failure::Files(findings));
    }
    say::err(&findings.text(say::colour_on_stderr()));
    let simulated = simulate(&roster, from(args.over.from.as_deref())?, args.days, &|key| fired.last(key));
    match args.over.format {
        TextOrJson::Json => say::json(simulated),
        TextOrJson::Text => say::out(&words::simulated(&simulated)),
    }
    Ok(0)
}

/// What there is to look at.
struct Found {
    /// Of the files that were named, those that are right.
    roster: Roster,
    /// When its sources last fired.
    fired: Fired,
    /// What is wrong with the others, or worth a look.
    findings: Diagnostics,
}

fn roster(files: &[PathBuf], place: &Place) -> Result<Found, Failure> {
    let broken = |why| Failure::Other(Verdict::Error, why);
    let switches = Switches::read().map_err(broken)?;
    let fired = Fired::read().map_err(broken)?;
    let Gathered { mut entries, findings, .. } = gather(files, place);
    if entries.is_empty() && findings.has_errors() {
        return Err(Failure::Files(findings));
    }
    if entries.is_empty() {
        say::err(&findings.text(say::colour_on_stderr()));
        return Err(Failure::Other(Verdict::Invalid, "no experiment with a `schedule:` is there".to_owned()));
    }
    for entry in &mut entries {
        entry.enabled = switches.enabled(&entry.path);
    }
    Ok(Found { roster: Roster::new(entries), fired, findings })
}

fn from(text: Option<&str>) -> Result<Timestamp, Failure> {
    let Some(text) = text else { return Ok(clock::moment()) };
    text.parse().map_err(|_| Failure::Other(Verdict::Invalid, format!("--from {text}: expected a moment like 2026-12-01T10:30:00Z")))
}

/// Enables or disables an experiment, for every daemon of this state directory, from now on.
fn switch(args: &Switch, enabled: bool) -> Result<u8, Failure> {
    let path = found(&args.name, &args.folder).ok_or_else(|| {
        let why = format!("there is no experiment `{}` in {}", args.name, args.folder.display());
        Failure::Other(Verdict::Invalid, why)
    })?;
    let changed = Switches::change(&path, enabled).map_err(|why| Failure::Other(Verdict::Error, why))?;
    let (word, already) = (if enabled { "enabled" } else { "disabled" }, if changed { "" } else { " already" });
    say::out(&format!("{}: {word}{already}\n", whole(&path.display().to_string())));
    Ok(0)
}

/// The file of an experiment: by its path, or by its name in the folder.
fn found(name: &str, folder: &Path) -> Option<PathBuf> {
    let by_name = ["yaml", "yml"].map(|ending| folder.join(format!("{name}.{ending}")));
    [PathBuf::from(name)].into_iter().chain(by_name).find(|path| path.is_file())
}
