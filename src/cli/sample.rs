//! (internal) `firedrill sample`: the programs of the examples.

use clap::{Args, Subcommand};

use super::ended;
use crate::sample_app::{chat, discovery, real, upgrade};

/// `firedrill sample`.
#[derive(Debug, Args)]
pub struct Sample {
    /// Which.
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// One service of the chat, or all of it as one process
    Chat(chat::Options),
    /// Keeps HAProxy's servers as the service registry says
    Discovery(discovery::Options),
    /// Upgrades a service of the registry, one instance after another
    Upgrade(upgrade::Options),
    /// A real program that this machine must have: etcd, haproxy, nginx, redis-server
    Real(real::Options),
}

/// Runs it.
pub fn sample(args: &Sample) -> u8 {
    match &args.what {
        What::Chat(options) => ended(chat::run(options)),
        What::Discovery(options) => ended(discovery::run(options)),
        What::Upgrade(options) => ended(upgrade::run(options)),
        What::Real(options) => ended(real::run(options)),
    }
}
