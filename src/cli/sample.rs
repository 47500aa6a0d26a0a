//! `firedrill sample`: the applications of the examples, and the stores that they need.

use clap::Subcommand;

use crate::sample_app;

/// `firedrill sample`.
#[derive(Debug, Subcommand)]
pub enum Sample {
    /// The shop: carts and orders.
    Shop(sample_app::shop::Options),
    /// redis-server, as a primary, a replica or a Sentinel.
    Redis(sample_app::stores::redis::Options),
    /// PostgreSQL, as a primary or a standby.
    Postgres(sample_app::stores::postgres::Options),
    /// Promotes a PostgreSQL standby when its primary is gone.
    Failover(sample_app::stores::failover::Options),
    /// A slow line between two zones.
    Link(sample_app::stores::link::Options),
    /// nginx, with settings that are filled in.
    Nginx(sample_app::stores::nginx::Options),
    /// Takes jobs, and says which are done.
    Api(sample_app::jobs::api::Options),
    /// Does jobs.
    Worker(sample_app::jobs::worker::Options),
    /// Which jobs are done, into a file.
    Backup(sample_app::jobs::backup::Options),
    /// Which jobs are done, out of a file.
    Restore(sample_app::jobs::backup::Options),
    /// One service of the chat, or all of it as one process.
    Chat(sample_app::chat::Options),
    /// Keeps HAProxy's servers as the service registry says.
    Discovery(sample_app::discovery::Options),
    /// Upgrades a service of the registry, one instance after another.
    Upgrade(sample_app::upgrade::Options),
    /// etcd, HAProxy, nginx or another program that this machine must have.
    Real(sample_app::real::Options),
}
