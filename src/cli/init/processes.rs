//! Processes of this machine that listen for connections, from `/proc`.

use std::{collections::BTreeMap, fs};

use crate::platform::{local::foreign::untouchable, process};

/// A program that listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listener {
    /// Where, as it is reached from here.
    pub(super) address: String,
    /// Its executable.
    pub(super) executable: String,
    /// How many processes run it.
    pub(super) processes: usize,
}

/// What a machine cannot be without, or what carries others: never suggested.
const CARRIERS: [&str; 10] =
    ["sshd", "systemd", "systemd-resolved", "dockerd", "docker-proxy", "containerd", "init", "dbus-daemon", "NetworkManager", "firedrill"];

/// Those whose owner may be seen by this user, each address once.
pub(super) fn listeners() -> Vec<Listener> {
    let doors: BTreeMap<u64, String> =
        ["/proc/net/tcp", "/proc/net/tcp6"].iter().filter_map(|path| fs::read_to_string(path).ok()).flat_map(|text| parse(&text)).collect();
    let listing = process::all();
    let executable = |pid: i32| process::executable(pid).map(|path| path.display().to_string());
    let mut out: Vec<Listener> = Vec::new();
    for stat in listing.iter().filter(|stat| stat.alive() && untouchable(&listing, stat.pid, &[]).is_none()) {
        let Some(program) = executable(stat.pid) else { continue };
        let name = program.rsplit('/').next().unwrap_or_default();
        // A deleted executable has no path to be found by again.
        if CARRIERS.contains(&name) || program.ends_with(" (deleted)") {
            continue;
        }
        for address in sockets(stat.pid).iter().filter_map(|inode| doors.get(inode)) {
            if out.iter().all(|known| known.address != *address) {
                let processes = listing.iter().filter(|other| executable(other.pid).as_deref() == Some(&program)).count();
                out.push(Listener { address: address.clone(), executable: program.clone(), processes });
            }
        }
    }
    out.sort_by(|a, b| a.address.cmp(&b.address));
    out
}

/// The sockets that a process holds.
fn sockets(pid: i32) -> Vec<u64> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    let inode = |entry: fs::DirEntry| fs::read_link(entry.path()).ok()?.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok();
    entries.filter_map(Result::ok).filter_map(inode).collect()
}

/// The sockets that listen where this machine reaches them, each with its address.
fn parse(table: &str) -> Vec<(u64, String)> {
    const LISTENS: &str = "0A";
    let row = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (local, inode) = (fields.get(1)?, fields.get(9)?.parse().ok()?);
        let (host, port) = local.split_once(':')?;
        let port = u16::from_str_radix(port, 16).ok()?;
        // All addresses, or the loopback ones, in the kernel's byte order.
        let host = match host {
            "00000000" | "0100007F" | "00000000000000000000000000000000" => "127.0.0.1",
            "00000000000000000000000001000000" => "[::1]",
            _ => return None,
        };
        (*fields.get(3)? == LISTENS).then(|| (inode, format!("{host}:{port}")))
    };
    table.lines().skip(1).filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_listens_here_is_a_door() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 41 1 0 100 0 0 10 0\n\
             1: 0100007F:1F91 0100007F:A000 01 00000000:00000000 00:00000000 00000000     0        0 42 1 0 100 0 0 10 0\n\
             2: 0A00000A:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 43 1 0 100 0 0 10 0\n";
        assert_eq!(parse(table), [(41, "127.0.0.1:8080".to_owned())]);
    }
}
