//! Fail points: places where a test ends the process or makes a call fail. Only with the feature `failpoints`; without it every
//! function here is empty.
//!
//! `FIREDRILL_FAILPOINT=PLACE:N:WHAT` fails at the N-th visit (from 1) of PLACE in this process, `PLACE:N+:WHAT` from then on; several are
//! separated by commas.
//! PLACE is `journal` for appends, or a name a platform gives its calls: `engine` is every request to a Docker engine that changes
//! something, `host-tool` every program that changes a container's network. WHAT is `before` and `after` (the process is killed by SIGKILL), `torn`
//! (half a record is written, then the same), `enospc`, `eio` and `short` (the write, or the call, fails and nothing was done), `lost` (it was
//! done, and its answer does not come). `deadman` is the beginning of an undo by the dead-man's switch.
//!
//! The helper of a run has fail points of its own, in `FIREDRILL_DEADMAN_FAILPOINT`: what befalls the run does not befall both.

/// What is to go wrong at this visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fail {
    /// End the process before the call.
    Before,
    /// End the process after the call.
    After,
    /// Write half of it, then end the process.
    Torn,
    /// The disk is full.
    NoSpace,
    /// The disk is broken.
    Io,
    /// Only a part is written, then the disk is full.
    Short,
    /// It is done, and the answer is lost.
    Lost,
}

/// Counts a visit of `place`, and says what is to go wrong at it.
#[cfg(feature = "failpoints")]
pub fn visit(place: &str) -> Option<Fail> {
    use std::{
        collections::BTreeMap,
        sync::{LazyLock, Mutex, PoisonError},
    };
    static VISITS: LazyLock<Mutex<BTreeMap<String, u64>>> = LazyLock::new(Mutex::default);
    let asked = std::env::var("FIREDRILL_FAILPOINT").ok()?;
    let count = {
        let mut visits = VISITS.lock().unwrap_or_else(PoisonError::into_inner);
        let count = visits.entry(place.to_owned()).or_default();
        *count += 1;
        *count
    };
    asked.split(',').find_map(|one| {
        let mut parts = one.split(':');
        let (where_, when) = (parts.next()?, parts.next()?);
        let here = where_ == place
            && match when.strip_suffix('+') {
                Some(from) => from.parse().is_ok_and(|from: u64| from <= count),
                None => when.parse() == Ok(count),
            };
        let what = parts.next()?;
        if !here {
            return None;
        }
        tracing::info!("fail point {one} is met");
        match what {
            "before" => Some(Fail::Before),
            "after" => Some(Fail::After),
            "torn" => Some(Fail::Torn),
            "enospc" => Some(Fail::NoSpace),
            "eio" => Some(Fail::Io),
            "short" => Some(Fail::Short),
            "lost" => Some(Fail::Lost),
            _ => None,
        }
    })
}

/// Nothing ever goes wrong on purpose in this build.
#[cfg(not(feature = "failpoints"))]
pub fn visit(_place: &str) -> Option<Fail> {
    None
}

/// Gives a helper process its own fail points in place of ours.
#[cfg(feature = "failpoints")]
pub fn hand_on(command: &mut std::process::Command) {
    command.env_remove("FIREDRILL_FAILPOINT");
    if let Some(points) = std::env::var_os("FIREDRILL_DEADMAN_FAILPOINT") {
        command.env("FIREDRILL_FAILPOINT", points);
    }
}

/// A helper process has no fail points either.
#[cfg(not(feature = "failpoints"))]
pub fn hand_on(_command: &mut std::process::Command) {}

/// Ends the process as `kill -9` does, if the visit asks for it here.
pub fn crash(at: Option<Fail>, here: Fail) {
    if at == Some(here) {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        // It does not come so far.
        std::process::abort();
    }
}
