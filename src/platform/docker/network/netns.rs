//! A container's network namespace, held open, and programs run inside it.

use std::{fs::File, os::fd::AsRawFd};

use crate::platform::{
    PlatformError,
    docker::{host_process::HostProcess, host_tool},
};

/// A network namespace. While it is held it stays the one that was entered, whatever becomes of the process.
#[derive(Debug)]
pub struct NetNs {
    file: File,
}

impl NetNs {
    /// The namespace of a container's main process.
    ///
    /// # Errors
    /// `Refused` when it is the machine's own: what is done there is done to everybody.
    pub fn of(process: &HostProcess) -> Result<Self, PlatformError> {
        if process.shares_our_network()? {
            return Err(PlatformError::Refused("it uses the machine's own network: everything on the machine would be hit".to_owned()));
        }
        let path = format!("/proc/{}/ns/net", process.pid());
        let file = File::open(&path).map_err(|error| PlatformError::Refused(format!("{path} cannot be opened: {error}")))?;
        if process.handle().exited() {
            return Err(PlatformError::Refused("its main process has ended".to_owned()));
        }
        Ok(Self { file })
    }

    /// For tests: any open namespace.
    #[cfg(test)]
    pub fn from_file(file: File) -> Self {
        Self { file }
    }

    /// Runs a program of this machine inside the namespace.
    ///
    /// # Errors
    /// As [`host_tool::run`].
    pub async fn run(&self, words: &[&str]) -> Result<String, PlatformError> {
        let way = self.way_in();
        host_tool::run(&inside(&way, words)).await.map_err(|error| without(&way, error))
    }

    /// The same, for a program that changes something; it reads `input`.
    ///
    /// # Errors
    /// As [`host_tool::change`].
    pub async fn change(&self, words: &[&str], input: &str) -> Result<String, PlatformError> {
        let way = self.way_in();
        host_tool::change(&inside(&way, words), input).await.map_err(|error| without(&way, error))
    }

    fn way_in(&self) -> String {
        format!("--net=/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd())
    }

    /// The interfaces other than loopback, sorted.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub async fn interfaces(&self) -> Result<Vec<String>, PlatformError> {
        let text = self.run(&["tc", "-j", "qdisc", "show"]).await?;
        let all: Vec<super::shaping::Qdisc> =
            serde_json::from_str(&text).map_err(|error| PlatformError::Failed(format!("`tc` wrote something unreadable: {error}")))?;
        let mut names: Vec<String> = all.into_iter().map(|qdisc| qdisc.dev).filter(|dev| dev != "lo").collect();
        names.sort();
        names.dedup();
        Ok(names)
    }
}

fn inside<'a>(way: &'a str, words: &[&'a str]) -> Vec<&'a str> {
    ["nsenter", way, "--"].into_iter().chain(words.iter().copied()).collect()
}

/// The error as if the program had been run by itself.
fn without(way: &str, error: PlatformError) -> PlatformError {
    match error {
        PlatformError::Failed(why) => PlatformError::Failed(why.replace(&format!("nsenter {way} -- "), "")),
        other => other,
    }
}

/// A namespace for tests.
#[cfg(test)]
pub mod tests {
    use std::process::{Child, Command};

    use super::*;

    /// A namespace of its own with a loopback and one interface, kept by a sleeping process.
    pub struct Lonely {
        child: Child,
        /// The namespace.
        pub net: NetNs,
    }

    impl Lonely {
        /// Makes one. Needs root, as the faults themselves do.
        pub fn start() -> Self {
            let script = "ip link add fd0 type veth peer name fd1 && ip link set fd0 up && ip link set fd1 up && ip link set lo up && echo up && exec sleep 60";
            let mut child =
                Command::new("unshare").args(["--net", "sh", "-c", script]).stdout(std::process::Stdio::piped()).spawn().expect("unshare");
            let mut line = String::new();
            let out = child.stdout.take().expect("a pipe");
            std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).expect("a line");
            assert_eq!(line, "up\n", "a network namespace of its own can be made (as root)");
            let file = File::open(format!("/proc/{}/ns/net", child.id())).expect("a namespace");
            Self { child, net: NetNs::from_file(file) }
        }
    }

    impl Drop for Lonely {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
