//! The `command` probe: a program's exit status. An argument list, never a shell; its own process group, killed whole.

use std::{
    io,
    os::{
        fd::OwnedFd,
        unix::process::{CommandExt, ExitStatusExt},
    },
    path::Path,
    process::{Child, Command, Stdio},
    rc::Rc,
};

use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use crate::{
    model::{probe::CommandProbe, sample::SampleOutcome},
    probe::{
        pacer::Shared,
        stage::{Stage, Trace},
        wakeup::watch,
    },
};

/// A `command` probe.
pub struct CommandKind {
    command: Vec<String>,
    status: Vec<i32>,
}

impl CommandKind {
    /// Words for the user when there is no such program.
    pub fn new(spec: &CommandProbe) -> Result<Self, String> {
        let Some(program) = spec.command.first().filter(|program| !program.is_empty()) else {
            return Err("its command is empty".to_owned());
        };
        if !is_program(program) {
            return Err(format!("`{program}` is not a program that can be run"));
        }
        Ok(Self { command: spec.command.clone(), status: if spec.status.is_empty() { vec![0] } else { spec.status.clone() } })
    }

    /// One run.
    pub async fn attempt(&self, shared: &Rc<Shared>, trace: &mut Trace) -> SampleOutcome {
        let Some(_held) = shared.descriptors.take() else {
            return SampleOutcome::NotSent;
        };
        trace.stage = Stage::Waiting;
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        // Starting a program takes long enough to delay others: not on the pacing thread.
        let Ok(Ok(group)) = tokio::task::spawn_blocking(move || command.spawn().and_then(Group::new)).await else {
            return SampleOutcome::NotSent;
        };
        trace.connected();
        match group.ended().await {
            Ok(status) => {
                trace.status = status.and_then(|status| u16::try_from(status).ok()).unwrap_or(0);
                let fits = status.is_some_and(|status| self.status.contains(&status));
                if fits { SampleOutcome::Ok } else { SampleOutcome::Expectation }
            }
            Err(_) => SampleOutcome::NotSent,
        }
    }
}

/// A running program and all it started in its group. Dropped, all of it is killed.
struct Group {
    /// `None` once it is reaped: its number may be another's then.
    child: Option<Child>,
    pid: Pid,
    pidfd: OwnedFd,
}

impl Group {
    fn new(mut child: Child) -> io::Result<Self> {
        let pid = Pid::from_child(&child);
        match pidfd_open(pid, PidfdFlags::NONBLOCK) {
            Ok(pidfd) => Ok(Self { child: Some(child), pid, pidfd }),
            Err(error) => {
                let _ = kill_process_group(pid, Signal::KILL);
                child.wait()?;
                Err(error.into())
            }
        }
    }

    /// Its exit status; `None` when a signal ended it.
    async fn ended(mut self) -> io::Result<Option<i32>> {
        watch(self.pidfd.try_clone()?)?.readable().await?.retain_ready();
        // It is dead but not reaped, so its number still names its group: what it left behind goes now.
        let _ = kill_process_group(self.pid, Signal::KILL);
        let Some(mut child) = self.child.take() else { return Ok(None) };
        let status = child.wait()?;
        Ok(if status.signal().is_some() { None } else { status.code() })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = kill_process_group(self.pid, Signal::KILL);
            // Death takes a moment, which the pacing thread does not have.
            std::thread::spawn(move || child.wait());
        }
    }
}

/// Whether the program can be found: a path, or a name in `PATH`.
fn is_program(program: &str) -> bool {
    let runs = |path: &Path| path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok();
    if program.contains('/') {
        return runs(Path::new(program));
    }
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|folder| runs(&folder.join(program))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_must_exist() {
        let new = |command: &[&str]| {
            CommandKind::new(&CommandProbe { command: command.iter().map(ToString::to_string).collect(), status: vec![] })
        };
        assert!(new(&["sh", "-c", "exit 1"]).is_ok());
        assert_eq!(new(&["no-such-program-here"]).err().unwrap(), "`no-such-program-here` is not a program that can be run");
        assert_eq!(new(&["/etc/passwd"]).err().unwrap(), "`/etc/passwd` is not a program that can be run");
        assert_eq!(new(&[]).err().unwrap(), "its command is empty");
    }
}
