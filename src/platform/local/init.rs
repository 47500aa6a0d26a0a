//! The hidden verb `firedrill init`: the process that ends a system when its supervisor is gone. See `super::containment`.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Signal, WaitOptions, set_parent_process_death_signal, setsid, wait},
};

use super::process::{self, Handle, Root};

/// How often ended orphans are collected.
const REAP_EVERY: Duration = Duration::from_millis(50);
/// How often the keeper notes which processes there are.
const NOTE_EVERY: Duration = Duration::from_millis(100);
/// How long the keeper goes on killing what still appears.
const SWEEP_AT_MOST: Duration = Duration::from_secs(10);

/// What the verb is asked for.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct InitArgs {
    /// Be the keeper of this system, outside of a namespace.
    #[arg(long, requires = "supervisor")]
    pub keeper: Option<String>,
    /// Whose children are kept.
    #[arg(long)]
    pub supervisor: Option<i32>,
}

/// Runs until the supervisor is gone, and then ends what it left.
pub fn run(arguments: &InitArgs) -> io::Result<()> {
    match (&arguments.keeper, arguments.supervisor) {
        (Some(system), Some(supervisor)) => keep(system, supervisor),
        _ => reap(),
    }
}

/// The first process of a namespace: collects orphans; its end is everybody's end.
fn reap() -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    ready()?;
    while !stdin_ended(REAP_EVERY)? {
        while matches!(wait(WaitOptions::NOHANG), Ok(Some(_))) {}
    }
    Ok(())
}

/// Remembers the descendants of the supervisor; when it is gone, kills them and whatever carries the system's mark.
fn keep(system: &str, supervisor: i32) -> io::Result<()> {
    setsid()?;
    ready()?;
    let marks = [format!("FIREDRILL_SYSTEM={system}")];
    let own = [std::process::id().cast_signed()];
    let mut known: BTreeMap<i32, u64> = BTreeMap::new();
    loop {
        let listing = process::all();
        let there = process::descendants_of(&listing, supervisor);
        known.retain(|pid, start| listing.iter().any(|s| s.pid == *pid && s.start_time == *start && s.alive()));
        known.extend(there.iter().filter(|s| s.pid != own[0]).map(|s| (s.pid, s.start_time)));
        if stdin_ended(NOTE_EVERY)? {
            break;
        }
    }
    let deadline = crate::clock::now().plus(SWEEP_AT_MOST);
    let mut quiet = 0;
    while quiet < 2 && crate::clock::now() < deadline {
        let listing = process::all();
        let mut targets: BTreeMap<i32, u64> = BTreeMap::new();
        let roots = known.iter().map(|(pid, start)| Root { process: Some((*pid, *start)), marks: &[], except: &own });
        for root in roots.chain([Root { process: None, marks: &marks, except: &own }]) {
            targets.extend(process::members(&listing, root).iter().map(|s| (s.pid, s.start_time)));
        }
        quiet = if targets.is_empty() { quiet + 1 } else { 0 };
        for (pid, start) in &targets {
            if let Ok(handle) = Handle::open(*pid, *start) {
                // One that may not be killed is found again in the next round, until the limit.
                let _ = handle.signal(Signal::KILL);
            }
        }
        known.extend(targets);
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Tells the supervisor that the watch has begun.
fn ready() -> io::Result<()> {
    let mut out = io::stdout();
    out.write_all(b"ready\n")?;
    out.flush()
}

/// Waits for the end of stdin, which the supervisor holds, for at most this long.
fn stdin_ended(limit: Duration) -> io::Result<bool> {
    let input = rustix::stdio::stdin();
    let mut fds = [PollFd::from_borrowed_fd(input, PollFlags::IN)];
    let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(limit.subsec_nanos()) };
    match poll(&mut fds, Some(&timeout)) {
        Ok(0) | Err(rustix::io::Errno::INTR) => Ok(false),
        Ok(_) => Ok(rustix::io::read(input, &mut [0_u8; 64])? == 0),
        Err(other) => Err(other.into()),
    }
}
