//! `firedrill halt`: tells running drills to stop and undo, by the signal that Ctrl-C sends.

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::{args::HaltArgs, chaostoolkit, say};
use crate::{journal::Store, lock, model::verdict::Verdict, report::words::whole};

/// Halts one run, or all of this user's.
pub fn halt(args: &HaltArgs) -> u8 {
    let unfinished = match Store::open().and_then(|store| store.unfinished()) {
        Ok(unfinished) => unfinished,
        Err(error) => {
            say::problem(format!("the journals cannot be read: {error}"));
            return Verdict::Error.exit_code();
        }
    };
    let headers = unfinished.into_iter().filter_map(|found| Some(found.replay.ok()?.header));
    let mut halted = 0;
    let mut code = 0;
    for header in headers.filter(|header| args.run.as_ref().is_none_or(|run| header.run.as_str() == run)) {
        match interrupt(header.pid, header.pid_started) {
            Ok(true) => {
                halted += 1;
                say::out(&format!("{}: told to stop and undo (process {})\n", whole(header.run.as_str()), header.pid));
            }
            Ok(false) => {
                let run = whole(header.run.as_str());
                say::out(&format!("{run}: its process is gone; `firedrill recover {run}` undoes what it left behind\n"));
            }
            Err(error) => {
                say::problem(format!("{}: process {} could not be signalled: {error}", header.run, header.pid));
                code = Verdict::Error.exit_code();
            }
        }
    }
    for note in chaostoolkit::halt().into_iter().filter(|note| args.run.as_ref().is_none_or(|run| note.run.as_str() == run)) {
        match interrupt(note.pid, note.pid_started) {
            Ok(true) => {
                halted += 1;
                say::out(&format!("{}: told to stop and undo (process {})\n", whole(note.run.as_str()), note.pid));
            }
            Ok(false) => {}
            Err(error) => {
                say::problem(format!("{}: process {} could not be signalled: {error}", note.run, note.pid));
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

/// Sends Ctrl-C's signal to the very process that holds the run; `false` when it is gone. The pidfd is opened before the start time
/// is compared, so that a number that was given to another process in between is not signalled.
fn interrupt(number: u32, began: u64) -> rustix::io::Result<bool> {
    let Some(pid) = Pid::from_raw(number.cast_signed()) else { return Ok(false) };
    let handle = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(handle) => handle,
        Err(rustix::io::Errno::SRCH) => return Ok(false),
        Err(error) => return Err(error),
    };
    if lock::started(number) != Some(began) {
        return Ok(false);
    }
    match pidfd_send_signal(&handle, Signal::INT) {
        Err(rustix::io::Errno::SRCH) => Ok(false),
        other => other.map(|()| true),
    }
}
