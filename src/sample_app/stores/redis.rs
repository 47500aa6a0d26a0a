//! `sample redis`: becomes redis-server, as a primary, a replica, or a Sentinel that watches a primary and promotes its replica.
//!
//! Nothing is written to a disk: a Redis that is killed has lost what it held, which is what a drill of it is about.

use std::{fs, net::SocketAddr, path::PathBuf, process::Command};

use clap::ValueEnum;

use super::{become_program, fresh};
use crate::sample_app::{programs, server::RunError};

/// The flags of `sample redis`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Where to listen, as ADDRESS:PORT
    #[arg(long, value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// Whether to listen on all other addresses of this machine too
    #[arg(long, value_enum, default_value_t = Doors::Closed)]
    pub other_addresses: Doors,
    /// A folder for its files; what an earlier one left there is deleted
    #[arg(long, value_name = "FOLDER")]
    pub data: PathBuf,
    /// Begin as the replica of this one
    #[arg(long, value_name = "ADDRESS", conflicts_with = "sentinel_of")]
    pub replica_of: Option<SocketAddr>,
    /// Be a Sentinel of this primary
    #[arg(long, value_name = "ADDRESS")]
    pub sentinel_of: Option<SocketAddr>,
    /// So many Sentinels must agree that the primary is down
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub quorum: u32,
}

/// The doors that nobody needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Doors {
    /// Only the address that was given.
    Closed,
    /// All of this machine's. Redis still refuses commands from other machines as long as it has no password.
    Open,
}

/// Becomes redis-server.
pub fn run(options: &Options) -> Result<(), RunError> {
    let program = programs::REDIS.found().map_err(RunError::Needs)?;
    fresh(&options.data)?;
    let mut command = Command::new(program);
    if let Some(primary) = options.sentinel_of {
        // A Sentinel keeps what it learns in its file.
        let file = options.data.join("sentinel.conf");
        let text = sentinel(options, primary);
        fs::write(&file, text).map_err(|error| RunError::Needs(format!("{} cannot be written: {error}", file.display())))?;
        command.arg(&file).arg("--sentinel");
    } else {
        let bind = if options.other_addresses == Doors::Open { "0.0.0.0".to_owned() } else { options.listen.ip().to_string() };
        command.args(["--bind", &bind, "--port", &options.listen.port().to_string(), "--save", "", "--appendonly", "no"]);
        command.arg("--dir").arg(&options.data);
        // A replica asks for what is new only once a second unless it is told at once.
        command.args(["--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"]);
        if let Some(primary) = options.replica_of {
            command.args(["--replicaof", &primary.ip().to_string(), &primary.port().to_string()]);
        }
    }
    Err(become_program(&mut command))
}

/// A Sentinel's file. Half a second without an answer is a death: on one machine nothing is slower.
fn sentinel(options: &Options, primary: SocketAddr) -> String {
    let (listen, name) = (options.listen, crate::sample_app::shop::MASTER);
    format!(
        "bind {0}\nport {1}\nsentinel announce-ip {0}\nsentinel announce-port {1}\ndir {2}\nsentinel monitor {name} {3} {4} {5}\nsentinel down-after-milliseconds {name} 500\n\
         sentinel failover-timeout {name} 3000\nsentinel parallel-syncs {name} 1\n",
        listen.ip(),
        listen.port(),
        options.data.display(),
        primary.ip(),
        primary.port(),
        options.quorum,
    )
}
