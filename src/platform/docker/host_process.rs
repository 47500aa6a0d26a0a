//! A container's main process on this machine, held by pidfd. The number alone is never trusted: the engine says it, the process may
//! have ended since, and another may have the number now. Its control group must name the container.

use std::path::Path;

use rustix::process::Signal;

use crate::platform::{
    PlatformError,
    process::{Handle, Missing},
};

/// The main process of a container.
#[derive(Debug)]
pub struct HostProcess {
    handle: Handle,
}

impl HostProcess {
    /// Takes hold of the process that the engine named, if it belongs to the container with this full id.
    ///
    /// # Errors
    /// `Refused` when it is not this container's (any more), or when the kernel forbids holding it.
    pub fn of_container(pid: i32, id: &str) -> Result<Self, PlatformError> {
        let handle = Handle::open_any(pid).map_err(|missing| match missing {
            Missing::Gone { .. } => PlatformError::Refused("its main process has ended".to_owned()),
            other => PlatformError::Refused(other.to_string()),
        })?;
        // Read after the pidfd was opened: what is held is what was compared.
        let group = std::fs::read_to_string(format!("/proc/{pid}/cgroup"))
            .map_err(|error| PlatformError::Refused(format!("/proc/{pid}/cgroup cannot be read: {error}")))?;
        if id.len() != 64 || !group.contains(id) {
            return Err(PlatformError::Refused(format!("process {pid} does not belong to the container {id} on this machine")));
        }
        if handle.exited() {
            return Err(PlatformError::Refused("its main process has ended".to_owned()));
        }
        Ok(Self { handle })
    }

    /// Its number on this machine.
    pub fn pid(&self) -> i32 {
        self.handle.pid
    }

    /// The pidfd and start time, for waiting and signalling.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Sends a signal; `Ok(false)` when it had ended.
    ///
    /// # Errors
    /// When the kernel forbids it.
    pub fn signal(&self, signal: Signal) -> Result<bool, PlatformError> {
        self.handle.signal(signal).map_err(|error| PlatformError::Failed(format!("process {} cannot be signalled: {error}", self.pid())))
    }

    /// Whether its network is this process's own: the machine's, when we run on the machine.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn shares_our_network(&self) -> Result<bool, PlatformError> {
        let own = namespace(Path::new("/proc/self/ns/net"))?;
        Ok(namespace(Path::new(&format!("/proc/{}/ns/net", self.pid())))? == own)
    }
}

fn namespace(link: &Path) -> Result<std::path::PathBuf, PlatformError> {
    std::fs::read_link(link).map_err(|error| PlatformError::Failed(format!("{} cannot be read: {error}", link.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_of_no_container_is_refused() {
        let id = "a".repeat(64);
        let own = std::process::id().cast_signed();
        let refused = HostProcess::of_container(own, &id).unwrap_err();
        assert!(refused.to_string().contains("does not belong to the container"), "{refused}");
        // Every control group contains the empty text: a short id must not match.
        assert!(HostProcess::of_container(own, "").is_err());
        assert!(HostProcess::of_container(0, &id).unwrap_err().to_string().contains("has ended"));
    }
}
