//! Processes that the tool did not start: found by pid file, or by executable and arguments, and never one of those that must not
//! be touched.

use std::{collections::BTreeSet, fs, sync::Arc};

use globset::{Glob, GlobMatcher};
use regex_lite::Regex;

use super::process::{self, Stat};
use crate::{
    model::{
        ids::{InstanceId, Region, Service, Zone},
        instance::{Instance, InstanceState},
        selector::ProcessMatch,
    },
    plan::select::PROCESS,
    platform::PlatformError,
};

/// How the helper is called that undoes a run: whatever is called so is left alone.
const UNDOER: [&str; 2] = ["deadman", "--journal"];

/// Why a process is never a target, if it is one of those: 1 and below, threads of the kernel, this process and what started it,
/// the helpers that undo runs, and `also` (the supervisor).
pub fn untouchable(listing: &[Stat], pid: i32, also: &[i32]) -> Option<&'static str> {
    if pid <= 1 {
        return Some("it is the machine's first process, or no process at all");
    }
    if listing.iter().any(|s| s.pid == pid && s.kernel) {
        return Some("it is a thread of the kernel");
    }
    let mut ancestor = std::process::id().cast_signed();
    if pid == ancestor {
        return Some("it is firedrill itself");
    }
    let mut seen = BTreeSet::new();
    while let Some(stat) = listing.iter().find(|s| s.pid == ancestor) {
        if !seen.insert(ancestor) {
            break;
        }
        ancestor = stat.parent;
        if pid == ancestor {
            return Some("it started firedrill");
        }
    }
    if process::arguments(pid).get(1..3).is_some_and(|words| words == UNDOER) {
        return Some("it undoes a drill should firedrill be gone");
    }
    also.contains(&pid).then_some("it supervises the system")
}

/// The processes that match, without those that are never a target.
pub fn find(matches: &[ProcessMatch], also: &[i32]) -> Result<Vec<Instance>, PlatformError> {
    let listing = process::all();
    let mut found: Vec<Instance> = Vec::new();
    for wanted in matches {
        let sought = Sought::of(wanted)?;
        for stat in listing.iter().filter(|s| s.alive()) {
            if !sought.fits(stat) || untouchable(&listing, stat.pid, also).is_some() {
                continue;
            }
            let line = wanted.to_string();
            let known =
                found.iter_mut().find(|i| i.identity == stat.identity()).and_then(|i| Arc::make_mut(&mut i.labels).get_mut(PROCESS));
            match known {
                Some(lines) if lines.lines().all(|other| other != line) => *lines = format!("{lines}\n{line}"),
                Some(_) => {}
                None => found.push(instance(wanted, stat)),
            }
        }
    }
    Ok(found)
}

/// What is looked for, read and compiled once for all processes.
enum Sought {
    /// The number in a pid file; none where there is no such file.
    Number(Option<i32>),
    Command {
        executable: GlobMatcher,
        arguments: Option<Regex>,
    },
}

impl Sought {
    fn of(wanted: &ProcessMatch) -> Result<Self, PlatformError> {
        match wanted {
            ProcessMatch::PidFile(path) => {
                let text = match fs::read_to_string(path) {
                    Ok(text) => text,
                    Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Self::Number(None)),
                    Err(e) => return Err(PlatformError::Failed(format!("the pid file {path} cannot be read: {e}"))),
                };
                let number = text.trim();
                let pid = number
                    .parse()
                    .map_err(|_| PlatformError::Failed(format!("the pid file {path} does not hold a number, but `{number}`")))?;
                Ok(Self::Number(Some(pid)))
            }
            ProcessMatch::Command { executable, arguments } => {
                let bad = |what: &str, e: String| PlatformError::Refused(format!("the {what} of `process` cannot be used: {e}"));
                let executable = Glob::new(executable).map_err(|e| bad("executable", e.to_string()))?.compile_matcher();
                let arguments = arguments.as_deref().map(Regex::new).transpose();
                Ok(Self::Command { executable, arguments: arguments.map_err(|e| bad("argument pattern", e.to_string()))? })
            }
        }
    }

    fn fits(&self, stat: &Stat) -> bool {
        match self {
            Self::Number(number) => *number == Some(stat.pid),
            Self::Command { executable, arguments } => {
                let called = !stat.kernel && process::executable(stat.pid).is_some_and(|path| executable.is_match(path));
                called
                    && arguments.as_ref().is_none_or(|pattern| {
                        let words = process::arguments(stat.pid);
                        pattern.is_match(&words.get(1..).unwrap_or_default().join(" "))
                    })
            }
        }
    }
}

fn instance(wanted: &ProcessMatch, stat: &Stat) -> Instance {
    let name = match wanted {
        ProcessMatch::PidFile(path) => path.rsplit('/').next().unwrap_or(path).trim_end_matches(".pid").to_owned(),
        ProcessMatch::Command { .. } => process::executable(stat.pid)
            .and_then(|p| Some(p.file_name()?.to_string_lossy().into_owned()))
            .unwrap_or_else(|| "process".to_owned()),
    };
    Instance {
        id: InstanceId(stat.identity()),
        name: format!("{name} (pid {})", stat.pid),
        service: Service(name),
        zone: Zone::from("local"),
        region: Region::from("local"),
        state: if stat.stopped() { InstanceState::Paused } else { InstanceState::Running },
        healthy: None,
        labels: Arc::new([(PROCESS.to_owned(), wanted.to_string())].into()),
        address: None,
        identity: stat.identity(),
        fingerprint: super::fingerprint::found(stat.pid, &process::arguments(stat.pid)),
        managed: false,
        kept_out: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: i32, parent: i32, kernel: bool) -> Stat {
        Stat { pid, state: 'S', parent, group: pid, session: pid, kernel, start_time: 1 }
    }

    #[test]
    fn what_must_not_be_touched_is_refused() {
        let own = std::process::id().cast_signed();
        let (shell, other, supervisor, thread) = (own + 1, own + 2, own + 3, own + 4);
        let listing = [
            process(1, 0, false),
            process(own, shell, false),
            process(shell, 1, false),
            process(other, 1, false),
            process(supervisor, 1, false),
            process(thread, 2, true),
        ];
        for pid in [-1, 0, 1, own, shell, supervisor, thread] {
            assert!(untouchable(&listing, pid, &[supervisor]).is_some(), "{pid}");
        }
        assert_eq!(untouchable(&listing, other, &[supervisor]), None);
    }

    #[test]
    fn a_pid_file_without_a_number_is_an_error_and_none_is_no_match() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.pid").to_string_lossy().into_owned();
        let wanted = [ProcessMatch::PidFile(path.clone())];
        assert_eq!(find(&wanted, &[]).unwrap(), []);
        fs::write(&path, "twelve\n").unwrap();
        let error = find(&wanted, &[]).unwrap_err().to_string();
        assert!(error.contains("does not hold a number, but `twelve`"), "{error}");
        fs::write(&path, format!("{}\n", std::process::id())).unwrap();
        assert_eq!(find(&wanted, &[]).unwrap(), [], "the tool itself is never a match");
    }
}
