//! `firedrill halt`: tells running drills to stop and undo, by the signal that Ctrl-C sends.

use super::{args::HaltArgs, say};
use crate::{
    daemon::running::{self, Told},
    model::verdict::Verdict,
    report::words::whole,
};

/// Halts one run, or all of this user's.
pub fn halt(args: &HaltArgs) -> u8 {
    let ours = match running::ours() {
        Ok(ours) => ours,
        Err(error) => {
            say::problem(format!("the journals cannot be read: {error}"));
            return Verdict::Error.exit_code();
        }
    };
    let mut halted = 0;
    let mut code = 0;
    let all = ours.into_iter().chain(running::toolkit());
    for found in all.filter(|found| args.run.as_ref().is_none_or(|run| found.run.as_str() == run)) {
        match found.halt() {
            Told::Stopping => {
                halted += 1;
                say::out(&format!("{}: told to stop and undo (process {})\n", whole(found.run.as_str()), found.pid));
            }
            Told::Gone => {
                let run = whole(found.run.as_str());
                say::out(&format!("{run}: its process is gone; `firedrill recover {run}` undoes what it left behind\n"));
            }
            Told::Refused(error) => {
                say::problem(format!("{}: process {} could not be signalled: {error}", found.run, found.pid));
                code = Verdict::Error.exit_code();
            }
        }
    }
    match &args.run {
        Some(run) if halted == 0 && code == 0 => {
            say::problem(format!("no drill with the id `{run}` is running"));
            Verdict::Invalid.exit_code()
        }
        None if halted == 0 && code == 0 => {
            say::out("no drill is running\n");
            0
        }
        _ => code,
    }
}
