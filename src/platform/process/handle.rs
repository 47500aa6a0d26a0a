//! A process held so that a signal can reach it and no other: by pidfd, with the start time it had when it was chosen.

use std::{fmt, os::fd::OwnedFd, time::Duration};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};

use super::stat::{Stat, stat};
use crate::{clock, model::time::Mono};

/// Why a process could not be taken hold of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// There is none of this number, or only its zombie.
    Gone {
        /// The number.
        pid: i32,
    },
    /// The number belongs to another process now.
    Another {
        /// The number.
        pid: i32,
        /// The start time that was expected, and the one that was found.
        expected: u64,
        /// The one that was found.
        found: u64,
    },
    /// The kernel said no.
    Denied {
        /// The number.
        pid: i32,
        /// What it said.
        why: String,
    },
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone { pid } => write!(f, "process {pid} has ended"),
            Self::Another { pid, expected, found } => {
                write!(f, "pid {pid} is another process now (it began at tick {found}, the chosen one at tick {expected})")
            }
            Self::Denied { pid, why } => write!(f, "process {pid} cannot be held: {why}"),
        }
    }
}

/// A process that is held.
#[derive(Debug)]
pub struct Handle {
    /// Its number.
    pub pid: i32,
    /// When it began.
    pub start_time: u64,
    fd: OwnedFd,
}

impl Handle {
    /// Takes hold of a process, if it is still the one that began at this tick. The start time is read after the pidfd was
    /// opened, so what is held is what was compared.
    pub fn open(pid: i32, start_time: u64) -> Result<Self, Missing> {
        let handle = Self::open_any(pid)?;
        if handle.start_time != start_time {
            return Err(Missing::Another { pid, expected: start_time, found: handle.start_time });
        }
        Ok(handle)
    }

    /// Takes hold of whatever process has this number now.
    pub fn open_any(pid: i32) -> Result<Self, Missing> {
        let number = Some(pid).filter(|pid| *pid > 0).and_then(Pid::from_raw).ok_or(Missing::Gone { pid })?;
        let fd = pidfd_open(number, PidfdFlags::empty()).map_err(|e| match e {
            rustix::io::Errno::SRCH => Missing::Gone { pid },
            other => Missing::Denied { pid, why: other.to_string() },
        })?;
        let found = stat(pid).filter(Stat::alive).ok_or(Missing::Gone { pid })?;
        Ok(Self { pid, start_time: found.start_time, fd })
    }

    /// Sends a signal. A process that has ended is not an error: `Ok(false)`.
    pub fn signal(&self, signal: Signal) -> rustix::io::Result<bool> {
        match pidfd_send_signal(&self.fd, signal) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::SRCH) => Ok(false),
            Err(other) => Err(other),
        }
    }

    /// Whether it has ended.
    pub fn exited(&self) -> bool {
        let mut fds = [PollFd::new(&self.fd, PollFlags::IN)];
        matches!(poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })), Ok(n) if n > 0)
    }

    /// Its pidfd, for whoever waits for its end together with something else: readable when it has ended.
    ///
    /// # Errors
    /// When there are no more descriptors.
    pub fn fd(&self) -> std::io::Result<OwnedFd> {
        self.fd.try_clone()
    }

    /// Its line in `/proc`, if the number is still its own.
    pub fn stat(&self) -> Option<Stat> {
        stat(self.pid).filter(|s| s.start_time == self.start_time)
    }
}

/// Waits until all have ended or the limit is over; for each the moment at which its end was seen. Blocks the thread.
pub fn wait_all(handles: &[&Handle], limit: Duration) -> Vec<Option<Mono>> {
    let deadline = clock::now().plus(limit);
    let mut ended: Vec<Option<Mono>> = vec![None; handles.len()];
    loop {
        let open: Vec<usize> = (0..handles.len()).filter(|i| ended[*i].is_none()).collect();
        let left = deadline.since(clock::now());
        if open.is_empty() {
            return ended;
        }
        let mut fds: Vec<PollFd<'_>> = open.iter().map(|i| PollFd::new(&handles[*i].fd, PollFlags::IN)).collect();
        let timeout = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: i64::from(left.subsec_nanos()) };
        let answered = poll(&mut fds, Some(&timeout));
        let seen = clock::now();
        for (index, fd) in open.iter().zip(&fds) {
            if !fd.revents().is_empty() {
                ended[*index] = Some(seen);
            }
        }
        if matches!(answered, Ok(0)) || (left.is_zero() && answered.is_err()) {
            return ended;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_is_held_ended_and_then_gone() {
        let mut child = Command::new("sleep").arg("30").spawn().unwrap();
        let pid = child.id().cast_signed();
        let start = stat(pid).unwrap().start_time;
        let handle = Handle::open(pid, start).unwrap();
        assert!(!handle.exited());
        assert_eq!(wait_all(&[&handle], Duration::from_millis(1)), [None]);
        assert_eq!(Handle::open(pid, start + 1).unwrap_err(), Missing::Another { pid, expected: start + 1, found: start });

        let before = clock::now();
        assert!(handle.signal(Signal::KILL).unwrap());
        let ended = wait_all(&[&handle], Duration::from_secs(5))[0].expect("a killed process ends");
        assert!(ended >= before);
        assert!(handle.exited());
        assert_eq!(Handle::open(pid, start).unwrap_err(), Missing::Gone { pid }, "a zombie is gone");
        child.wait().unwrap();
        assert_eq!(Handle::open(pid, start).unwrap_err(), Missing::Gone { pid });
        assert!(!handle.signal(Signal::KILL).unwrap());
    }

    #[test]
    fn numbers_that_are_no_process_are_gone() {
        for pid in [0, -1, i32::MIN] {
            assert_eq!(Handle::open_any(pid).unwrap_err(), Missing::Gone { pid });
        }
    }
}
