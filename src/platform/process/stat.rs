//! What `/proc` says about one process.

use std::{fs, os::unix::ffi::OsStrExt, path::PathBuf};

/// The fields of `/proc/PID/stat` that are used here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Its number.
    pub pid: i32,
    /// `R`, `S`, `T` (stopped), `Z` (ended, not yet collected by its parent), ...
    pub state: char,
    /// Its parent.
    pub parent: i32,
    /// Its process group.
    pub group: i32,
    /// Its session.
    pub session: i32,
    /// Whether it is a thread of the kernel.
    pub kernel: bool,
    /// When it began, in clock ticks after boot: with the number, this is its identity.
    pub start_time: u64,
}

impl Stat {
    /// Whether it still runs (a zombie does not).
    pub fn alive(&self) -> bool {
        !matches!(self.state, 'Z' | 'X' | 'x')
    }

    /// Whether it is stopped by a signal.
    pub fn stopped(&self) -> bool {
        self.state == 'T'
    }

    /// The identity as it is written in inventories: `pid:12@3456`.
    pub fn identity(&self) -> String {
        format!("pid:{}@{}", self.pid, self.start_time)
    }
}

/// The kernel's flag of its own threads (`PF_KTHREAD`).
const KERNEL_THREAD: u64 = 0x0020_0000;

/// Reads one process; `None` when there is none of this number.
pub fn stat(pid: i32) -> Option<Stat> {
    parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The name in parentheses may hold spaces and parentheses: fields are counted from the last `)`.
fn parse(line: &str) -> Option<Stat> {
    let (head, tail) = line.rsplit_once(')')?;
    let pid = head.split(' ').next()?.parse().ok()?;
    let fields: Vec<&str> = tail.split_ascii_whitespace().collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<i64>().ok();
    Some(Stat {
        pid,
        state: fields.first()?.chars().next()?,
        parent: number(4)? as i32,
        group: number(5)? as i32,
        session: number(6)? as i32,
        kernel: number(9)? as u64 & KERNEL_THREAD != 0,
        start_time: fields.get(22 - 3)?.parse().ok()?,
    })
}

/// Every process there is now, zombies included.
pub fn all() -> Vec<Stat> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.filter_map(Result::ok).filter_map(|e| e.file_name().to_str()?.parse().ok()).filter_map(stat).collect()
}

/// The arguments of a process, the first is what it was called by. Empty for a thread of the kernel and for a zombie.
pub fn arguments(pid: i32) -> Vec<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let bytes = bytes.strip_suffix(&[0]).unwrap_or(&bytes);
    if bytes.is_empty() {
        return Vec::new();
    }
    bytes.split(|b| *b == 0).map(|part| String::from_utf8_lossy(part).into_owned()).collect()
}

/// The path of its executable, without the kernel's note that it was deleted.
pub fn executable(pid: i32) -> Option<PathBuf> {
    let path = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    let bytes = path.as_os_str().as_bytes();
    match bytes.strip_suffix(b" (deleted)") {
        Some(bare) => Some(PathBuf::from(std::ffi::OsStr::from_bytes(bare))),
        None => Some(path),
    }
}

/// Whether the process began its life with this variable. `false` when its environment cannot be read.
pub fn environment_has(pid: i32, assignment: &str) -> bool {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|b| *b == 0).any(|entry| entry == assignment.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_does_not_shift_the_fields() {
        let line = "42 (a ) (b) S 7 42 41 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 98765 1 2 3";
        let stat = parse(line).unwrap();
        assert_eq!((stat.pid, stat.state, stat.parent, stat.group, stat.session), (42, 'S', 7, 42, 41));
        assert_eq!(stat.start_time, 98765);
        assert!(!stat.kernel);
        assert_eq!(stat.identity(), "pid:42@98765");
    }

    #[test]
    fn this_process_is_found_with_its_arguments() {
        let pid = std::process::id().cast_signed();
        let own = stat(pid).unwrap();
        assert!(own.alive() && !own.kernel);
        assert!(all().iter().any(|s| s.pid == pid && s.start_time == own.start_time));
        assert_eq!(arguments(pid), std::env::args().collect::<Vec<_>>());
        assert_eq!(executable(pid), std::env::current_exe().ok());
    }

    #[test]
    fn a_torn_line_is_nothing() {
        assert_eq!(parse("42 (a) S 7"), None);
        assert_eq!(parse(""), None);
    }
}
