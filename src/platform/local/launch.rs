//! Starting one process of a system: its command with the placeholders filled in, its environment, its pipes.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::Stdio,
};

use tokio::process::{Child, Command};

use super::spec::AddressSpec;
use crate::model::ids::{InstanceId, Region, Zone};

/// What a command's placeholders stand for.
#[derive(Debug, Clone)]
pub struct Place<'a> {
    /// The binary.
    pub program: &'a Path,
    /// The system's folder.
    pub folder: &'a Path,
    /// The folder for what the system keeps while it runs.
    pub data: &'a Path,
    /// The mark of the system.
    pub mark: &'a str,
    /// The instance.
    pub id: &'a InstanceId,
    /// Its zone.
    pub zone: &'a Zone,
    /// Its region.
    pub region: &'a Region,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Place<'_> {
    /// Fills the placeholders in.
    pub fn fill(&self, text: &str) -> String {
        text.replace("${firedrill}", &self.program.to_string_lossy())
            .replace("${system.folder}", &self.folder.to_string_lossy())
            .replace("${system.data}", &self.data.to_string_lossy())
            .replace("${instance.id}", self.id.as_str())
            .replace("${instance.zone}", self.zone.as_str())
            .replace("${instance.region}", self.region.as_str())
            .replace("${instance.address}", &self.address.to_string())
            .replace("${instance.host}", &self.address.ip().to_string())
            .replace("${instance.port}", &self.address.port().to_string())
    }

    /// Starts a command here, in a process group of its own, with pipes for its output (and its input, if asked for).
    pub fn start(&self, command: &[String], env: &BTreeMap<String, String>, directory: &Path, with_input: bool) -> Result<Child, String> {
        let words: Vec<String> = command.iter().map(|word| self.fill(word)).collect();
        let Some((name, arguments)) = words.split_first() else { return Err("its command is empty".to_owned()) };
        let mut start = Command::new(name);
        start
            .args(arguments)
            .envs(env.iter().map(|(key, value)| (key, self.fill(value))))
            .env("FIREDRILL_SYSTEM", self.mark)
            .env("FIREDRILL_INSTANCE", self.id.as_str())
            .env("FIREDRILL_ZONE", self.zone.as_str())
            .env("FIREDRILL_ADDRESS", self.address.to_string())
            .current_dir(directory)
            .stdin(if with_input { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        start.spawn().map_err(|e| match e.kind() {
            io::ErrorKind::NotFound if !directory.is_dir() => format!("its working directory {} does not exist", directory.display()),
            io::ErrorKind::NotFound if name.contains('/') => format!("its command `{name}` does not exist"),
            io::ErrorKind::NotFound => format!("its command `{name}` was not found in PATH"),
            io::ErrorKind::PermissionDenied => format!("its command `{name}` is not executable"),
            _ => format!("its command `{name}` cannot be started: {e}"),
        })
    }
}

/// The address of the instance in this slot (from 1). A fixed one must be free.
pub fn address(spec: AddressSpec, slot: u32) -> Result<SocketAddr, String> {
    match spec {
        AddressSpec::Auto => {
            // The kernel does not give the same free port twice in a short time, so the gap until the process binds it is small.
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|l| l.local_addr());
            free.map_err(|e| format!("there is no free port on 127.0.0.1: {e}"))
        }
        AddressSpec::Each { base, port } => free(each(base, port, slot)),
        AddressSpec::Fixed(at) => free(at),
    }
}

/// The address of the instance in this slot (from 1), where each has one of its own.
pub fn each(base: Ipv4Addr, port: u16, slot: u32) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::from(u32::from(base).saturating_add(slot))), port)
}

/// The address, if nobody listens there.
pub fn free(at: SocketAddr) -> Result<SocketAddr, String> {
    match TcpListener::bind(at) {
        Ok(_) => Ok(at),
        Err(e) if e.kind() == io::ErrorKind::AddrInUse => Err(format!("the address {at} is in use by another process")),
        Err(e) => Err(format!("the address {at} cannot be used: {e}")),
    }
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, b| {
        let _ = write!(text, "{b:02x}");
        text
    })
}
