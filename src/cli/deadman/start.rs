//! firedrill's side of the dead-man's switch: starts the helper and talks to it. Never waits for it for long: it may hang as well.

use std::{
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::line::{Line, READY};
use crate::{
    clock,
    engine::deadman::{Deadman, Watch},
    failpoint, lock,
    model::time::Mono,
    platform::process,
};

/// How long it gets to begin.
const READY_WITHIN: Duration = Duration::from_secs(10);
/// How long its end is waited for, so that nothing of a run is left when it is over.
const ENDS_WITHIN: Duration = Duration::from_secs(1);

/// Starts helpers.
#[derive(Debug, Clone, Copy, Default)]
pub struct Helper;

impl Deadman for Helper {
    fn watch(&self, journal: &Path) -> Result<Box<dyn Watch>, String> {
        let pid = std::process::id();
        let started = lock::started(pid).ok_or("the start time of this process cannot be read")?;
        let journal = journal.canonicalize().map_err(|error| format!("{}: {error}", journal.display()))?;
        let mut command = Command::new(program());
        command.arg("deadman").arg("--journal").arg(journal).arg("--tool").arg(pid.to_string()).arg("--began").arg(started.to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        failpoint::hand_on(&mut command);
        let mut child = command.spawn().map_err(|error| format!("its process cannot be started: {error}"))?;
        let (Some(pipe), Some(out)) = (child.stdin.take(), child.stdout.take()) else { return Err("it has no pipes".to_owned()) };
        let begun = ready(out).and_then(|()| rustix::io::ioctl_fionbio(&pipe, true).map_err(Into::into));
        if let Err(error) = begun {
            let _ = child.kill();
            let how = child.wait().map(|status| status.to_string()).unwrap_or_default();
            return Err(format!("its process did not begin to watch: {error} ({how})"));
        }
        Ok(Box::new(Watching { child, pipe: Some(pipe) }))
    }
}

/// This binary, also when its file was replaced since this process was started.
fn program() -> PathBuf {
    let own = std::env::current_exe().ok().filter(|path| path.exists());
    own.unwrap_or_else(|| PathBuf::from("/proc/self/exe"))
}

fn ready(mut out: ChildStdout) -> io::Result<()> {
    let deadline = clock::now().plus(READY_WITHIN);
    let mut said = Vec::new();
    while said != READY {
        let left = deadline.since(clock::now());
        let timeout = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: i64::from(left.subsec_nanos()) };
        match poll(&mut [PollFd::new(&out, PollFlags::IN)], Some(&timeout)) {
            Err(rustix::io::Errno::INTR) => continue,
            Err(other) => return Err(other.into()),
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => {}
        }
        let mut some = [0_u8; READY.len()];
        match out.read(&mut some)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => said.extend_from_slice(&some[..n]),
        }
    }
    Ok(())
}

/// A helper that watches.
struct Watching {
    child: Child,
    /// None once the run has ended.
    pipe: Option<ChildStdin>,
}

impl Watching {
    fn tell(&mut self, line: Line) -> Result<(), String> {
        let Some(pipe) = &mut self.pipe else { return Ok(()) };
        pipe.write_all(line.written().as_bytes()).map_err(|error| {
            // Gone, or it hangs: then it must not wake up beside the next one.
            let _ = self.child.kill();
            let _ = self.child.wait();
            format!("it does not listen: {error}")
        })
    }
}

impl Watch for Watching {
    fn until(&mut self, at: Option<Mono>) -> Result<(), String> {
        self.lives()?;
        self.tell(Line::of(at))
    }

    fn lives(&mut self) -> Result<(), String> {
        match self.child.try_wait() {
            Ok(None) => {}
            Ok(Some(status)) => return Err(format!("its process ended ({status})")),
            Err(error) => return Err(format!("its process cannot be asked: {error}")),
        }
        if process::stat(self.child.id().cast_signed()).is_some_and(|stat| stat.stopped()) {
            let _ = self.child.kill();
            let _ = self.child.wait();
            return Err("its process was suspended".to_owned());
        }
        Ok(())
    }

    fn ended(&mut self) {
        let _ = self.tell(Line::Ended);
        self.pipe = None;
        let deadline = clock::now().plus(ENDS_WITHIN);
        while matches!(self.child.try_wait(), Ok(None)) && clock::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}
