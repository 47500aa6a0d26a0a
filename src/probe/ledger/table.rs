//! The table of a ledger in Postgres, made before the run where it is not there. It has no unique constraint, so that what was written twice
//! is there twice.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio_postgres::{Client, error::SqlState, types::Type};

use crate::probe::{address::NoAddress, store::postgres::Servers};

/// From one try to the next, while the database starts up.
const AGAIN: Duration = Duration::from_millis(100);

/// Why a try came to nothing.
struct Failed {
    why: String,
    /// The server is there, and not ready yet.
    starts: bool,
}

fn failed(why: impl Into<String>) -> Failed {
    Failed { why: why.into(), starts: false }
}

/// A database's own words, which hold no password.
fn said(error: &tokio_postgres::Error) -> Failed {
    let why = error.as_db_error().map_or_else(|| error.to_string(), |said| said.message().to_owned());
    Failed { why, starts: error.code() == Some(&SqlState::CANNOT_CONNECT_NOW) }
}

/// On a thread and a runtime of its own: the caller may be inside another one. Gives the servers back; words for the user when the table is
/// not there and cannot be made.
pub fn make_table(servers: Servers, table: &str, within: Duration) -> Result<Servers, String> {
    let name = table.to_owned();
    let made = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
        let done = runtime.block_on(async { tokio::time::timeout(within, patiently(&servers, &name)).await });
        // A name that the resolver still looks up holds nobody up.
        runtime.shutdown_background();
        done.map_err(|_| format!("no answer within {within:?}"))?.map(|()| servers)
    });
    let made = made.join().unwrap_or_else(|_| Err("a defect".to_owned()));
    made.map_err(|why| format!("the table `{table}` cannot be made in Postgres: {why}"))
}

async fn patiently(servers: &Servers, table: &str) -> Result<(), String> {
    loop {
        match at_one_of(servers, table).await {
            Ok(()) => return Ok(()),
            Err(failed) if failed.starts => tokio::time::sleep(AGAIN).await,
            Err(failed) => return Err(failed.why),
        }
    }
}

/// At the first server that is of the kind that is asked for. What is said last, or by one that starts up, says why there was none.
async fn at_one_of(servers: &Servers, table: &str) -> Result<(), Failed> {
    let mut why = failed("there is no server");
    for host in servers.in_order(0) {
        let tried = async {
            let address = host.destination.address(0).await.map_err(|error| match error {
                NoAddress::Forbidden(address) => failed(crate::probe::address::forbidden_words(address)),
                NoAddress::Failed | NoAddress::Late => failed(format!("the name in `{}` does not resolve", host.called)),
            })?;
            let stream = tokio::net::TcpStream::connect(address).await.map_err(|error| failed(format!("{}: {error}", host.called)))?;
            let logged_in = servers
                .log_in(host, stream)
                .await
                .map_err(|refused| refused.error.as_ref().map_or_else(|| failed("the log-in came to no end"), said))?;
            let mut driven = JoinSet::new();
            driven.spawn(logged_in.driver);
            if !servers.fits(&logged_in.client).await.map_err(|error| said(&error))? {
                return Err(failed(format!("{} is not of the kind that `target_session_attrs` asks for", host.called)));
            }
            make(&logged_in.client, table).await.map_err(|error| said(&error))
        };
        match tried.await {
            Ok(()) => return Ok(()),
            Err(next) => why = Failed { starts: why.starts || next.starts, ..next },
        }
    }
    Err(why)
}

/// Nothing is made where it is there: who may write need not be allowed to make tables.
async fn make(client: &Client, table: &str) -> Result<(), tokio_postgres::Error> {
    let found = client.query_typed("SELECT to_regclass($1) IS NOT NULL", &[(&table, Type::TEXT)]).await?;
    if found.first().is_some_and(|row| row.try_get(0).unwrap_or(false)) {
        return Ok(());
    }
    let index = table.replace('.', "_");
    let statements = format!(
        "CREATE TABLE IF NOT EXISTS {table} (value text NOT NULL, at timestamptz NOT NULL DEFAULT now()); CREATE INDEX IF NOT EXISTS {index}_value ON {table} (value)"
    );
    client.batch_execute(&statements).await
}
