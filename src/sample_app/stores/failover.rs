//! `sample failover`: watches a PostgreSQL primary and promotes its standby when the primary is gone, as Patroni, `pg_auto_failover` or a
//! person at night would. One watcher of one pair, which is enough for a drill and too little for a shop.

use std::time::Duration;

use tokio_postgres::NoTls;

use super::postgres::{connection, is_primary};
use crate::{
    clock,
    model::quantity,
    sample_app::{host_port::HostPort, server::RunError},
};

/// The flags of `sample failover`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// The two servers, as HOST:PORT,HOST:PORT
    #[arg(long, value_name = "ADDRESSES", value_delimiter = ',')]
    pub pair: Vec<HostPort>,
    /// Promote when there was no primary for so long
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = quantity::duration)]
    pub after: Duration,
}

/// From one look to the next.
const EVERY: Duration = Duration::from_millis(100);

/// Watches until it is ended.
pub fn run(options: &Options) -> Result<(), RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(watch(options))
}

async fn watch(options: &Options) -> Result<(), RunError> {
    let [one, other] = options.pair.as_slice() else { return Err(RunError::Needs("`--pair` needs two addresses".to_owned())) };
    println!("watches {one} and {other}");
    // Before there was a primary there is nothing to take over.
    let mut seen: Option<crate::model::time::Mono> = None;
    loop {
        let (first, second) = tokio::join!(is_primary(one), is_primary(other));
        if first == Some(true) || second == Some(true) {
            seen = Some(clock::now());
        } else if seen.is_some_and(|seen| clock::now().since(seen) > options.after) {
            let standby = if first == Some(false) {
                Some(one)
            } else if second == Some(false) {
                Some(other)
            } else {
                None
            };
            if let Some(standby) = standby {
                match promote(standby).await {
                    Ok(()) => println!("{standby} is the primary now"),
                    Err(why) => println!("{standby} could not be promoted: {why}"),
                }
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

async fn promote(standby: &HostPort) -> Result<(), tokio_postgres::Error> {
    let (client, connection) = connection(standby).connect(NoTls).await?;
    tokio_util::task::TaskTracker::new().spawn(async move { drop(connection.await) });
    client.query_one("select pg_promote(true, 10)", &[]).await.map(drop)
}
