//! Where a ledger's values are written and read back.

use std::{rc::Rc, time::Duration};

use futures_util::TryStreamExt;
use redis::{Value, cmd};
use tokio_postgres::{
    error::SqlState,
    types::{ToSql, Type},
};

use super::http::{HttpStore, PreparedHttpStore};
use crate::{
    model::{
        probe::Connections,
        sample::SampleOutcome,
        store::{LedgerProbe, LedgerStore},
    },
    probe::{
        pacer::Shared,
        stage::Trace,
        store::{
            policy,
            postgres::{NotMet, Postgres, Servers},
            redis::{Redis, Server, text},
        },
    },
};

/// How long the table may take to be made.
const PREPARE_WITHIN: Duration = Duration::from_secs(10);
/// From one try to the next, while the database starts up.
const AGAIN: Duration = Duration::from_millis(100);
/// The most of a page of values.
const LARGEST_PAGE: u64 = 8 << 20;
/// The most of a list of all values.
pub(super) const LARGEST_LIST: u64 = 64 << 20;

/// A store, ready to move to the pacing thread.
pub enum PreparedStore {
    /// An application.
    Http(Box<PreparedHttpStore>),
    /// Redis: where to write, where to read, the hash's key.
    Redis(Box<Server>, Box<Server>, String),
    /// Postgres: where to write, where to read, the table.
    Postgres(Box<Servers>, Box<Servers>, String),
}

impl PreparedStore {
    /// Words for the user when it cannot be used. A table that is not there is made.
    pub fn new(spec: &LedgerProbe, rate: f64, timeout: Duration) -> Result<Self, String> {
        Ok(match &spec.store {
            LedgerStore::Http(http) => Self::Http(Box::new(PreparedHttpStore::new(http, rate, timeout)?)),
            LedgerStore::Redis { url, read_from, key } => {
                let from = read_from.as_ref().unwrap_or(url);
                Self::Redis(Box::new(Server::new(url)?), Box::new(Server::new(from)?), key.clone())
            }
            LedgerStore::Postgres { url, read_from, table } => {
                let from = read_from.as_ref().unwrap_or(url);
                let servers = Servers::new(url)?;
                make_table(&servers, table)?;
                Self::Postgres(Box::new(servers), Box::new(Servers::new(from)?), table.clone())
            }
        })
    }

    /// On the pacing thread.
    pub fn into_store(self, rate: f64) -> Store {
        match self {
            Self::Http(http) => Store::Http(Box::new(http.into_store())),
            Self::Redis(to, from, key) => {
                Store::Redis { to: Box::new(Redis::new(*to, rate)), from: Box::new(Redis::new(*from, rate)), key }
            }
            Self::Postgres(to, from, table) => Store::Postgres {
                to: Box::new(Postgres::new(*to, rate)),
                from: Box::new(Postgres::new(*from, rate)),
                write: format!("INSERT INTO {table} (value) VALUES ($1)"),
                read: format!("SELECT 1 FROM {table} WHERE value = $1 LIMIT 1"),
                list: format!("SELECT value, count(*) FROM {table} WHERE starts_with(value, $1) GROUP BY value"),
            },
        }
    }
}

/// On a thread and a runtime of its own: the caller may be inside another one.
fn make_table(servers: &Servers, table: &str) -> Result<(), String> {
    let statements = format!(
        "CREATE TABLE IF NOT EXISTS {table} (value text NOT NULL, at timestamptz NOT NULL DEFAULT now()); CREATE INDEX IF NOT EXISTS {}_value ON {table} (value)",
        table.replace('.', "_")
    );
    let made = std::thread::scope(|scope| {
        let making = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
            runtime.block_on(async {
                let patient = async {
                    loop {
                        match servers.meet(&statements).await {
                            // It is there, and not ready yet.
                            Err(NotMet { code: Some(code), .. }) if code == SqlState::CANNOT_CONNECT_NOW => tokio::time::sleep(AGAIN).await,
                            done => return done,
                        }
                    }
                };
                let done = tokio::time::timeout(PREPARE_WITHIN, patient).await;
                done.map_err(|_| format!("no answer within {PREPARE_WITHIN:?}"))?.map_err(|error| error.why)
            })
        });
        making.join().unwrap_or_else(|_| Err("a defect".to_owned()))
    });
    made.map_err(|why| format!("the table `{table}` cannot be made in Postgres: {why}"))
}

/// A store on the pacing thread.
pub enum Store {
    /// An application.
    Http(Box<HttpStore>),
    /// A hash: each write counts its value up, so that one that was done twice shows.
    Redis {
        /// Where values are written.
        to: Box<Redis>,
        /// Where they are read.
        from: Box<Redis>,
        /// The hash's key.
        key: String,
    },
    /// A table.
    Postgres {
        /// Where values are written.
        to: Box<Postgres>,
        /// Where they are read.
        from: Box<Postgres>,
        /// The statement that writes.
        write: String,
        /// The one that reads a value.
        read: String,
        /// The one that reads all values with a prefix.
        list: String,
    },
}

impl Store {
    /// How many connections it keeps.
    pub fn kept(&self) -> u64 {
        match self {
            Self::Http(_) => 0,
            Self::Redis { to, from, .. } => to.size() + from.size(),
            Self::Postgres { to, from, .. } => to.size() + from.size(),
        }
    }

    /// Whether it can give everything in one answer.
    pub fn lists(&self) -> bool {
        match self {
            Self::Http(http) => http.lists(),
            Self::Redis { .. } | Self::Postgres { .. } => true,
        }
    }

    /// Writes a value: `Ok` is the acknowledgement.
    pub async fn write(&self, shared: &Rc<Shared>, trace: &mut Trace, value: &str) -> SampleOutcome {
        match self {
            Self::Http(http) => http.write(shared, trace, value).await,
            Self::Redis { to, key, .. } => {
                trace.policy = policy(Connections::KeepAlive, shared, trace);
                match to.ask(shared, trace, cmd("HINCRBY").arg(key).arg(value).arg(1)).await {
                    Ok(_) => SampleOutcome::Ok,
                    Err(failed) => failed,
                }
            }
            Self::Postgres { to, write, .. } => {
                trace.policy = policy(Connections::KeepAlive, shared, trace);
                let parameters: [(&(dyn ToSql + Sync), Type); 1] = [(&value, Type::TEXT)];
                match to.on(shared, trace, async |client| client.execute_typed(write, &parameters).await).await {
                    Ok(1) => SampleOutcome::Ok,
                    Ok(_) => SampleOutcome::Expectation,
                    Err(failed) => failed,
                }
            }
        }
    }

    /// Whether a value is there.
    pub async fn read(&self, shared: &Rc<Shared>, trace: &mut Trace, value: &str) -> Result<bool, SampleOutcome> {
        match self {
            Self::Http(http) => http.read(shared, trace, value).await,
            Self::Redis { from, key, .. } => {
                trace.policy = policy(Connections::KeepAlive, shared, trace);
                let found = from.ask(shared, trace, cmd("HGET").arg(key).arg(value)).await?;
                Ok(found != Value::Nil)
            }
            Self::Postgres { from, read, .. } => {
                trace.policy = policy(Connections::KeepAlive, shared, trace);
                let parameters: [(&(dyn ToSql + Sync), Type); 1] = [(&value, Type::TEXT)];
                let rows = from.on(shared, trace, async |client| client.query_typed(read, &parameters).await).await?;
                Ok(!rows.is_empty())
            }
        }
    }

    /// Gives every value that begins with this, and how many of it there are.
    pub async fn list(
        &self,
        shared: &Rc<Shared>,
        trace: &mut Trace,
        prefix: &str,
        note: &mut dyn FnMut(&str, u64),
    ) -> Result<(), SampleOutcome> {
        match self {
            Self::Http(http) => http.list(shared, trace, prefix, note).await,
            Self::Redis { from, key, .. } => {
                trace.policy = policy(Connections::KeepAlive, shared, trace);
                let mut cursor = "0".to_owned();
                loop {
                    let page = cmd("HSCAN").arg(key).arg(&cursor).arg("MATCH").arg(format!("{prefix}*")).arg("COUNT").arg(1000).to_owned();
                    let Value::Array(parts) = from.ask_for(LARGEST_PAGE, shared, trace, &page).await? else {
                        return Err(SampleOutcome::Expectation);
                    };
                    let [next, Value::Array(pairs)] = parts.as_slice() else { return Err(SampleOutcome::Expectation) };
                    for pair in pairs.chunks_exact(2) {
                        note(&text(&pair[0]), text(&pair[1]).parse().unwrap_or(1));
                    }
                    cursor = text(next);
                    if cursor == "0" {
                        return Ok(());
                    }
                }
            }
            Self::Postgres { from, list, .. } => {
                trace.policy = policy(Connections::KeepAlive, shared, trace);
                let counted = from.on_for(LARGEST_LIST, shared, trace, async |client| {
                    let rows = client.query_typed_raw(list, [(prefix, Type::TEXT)]).await?;
                    let mut rows = std::pin::pin!(rows);
                    while let Some(row) = rows.try_next().await? {
                        note(row.try_get(0)?, u64::try_from(row.try_get::<_, i64>(1)?).unwrap_or(1));
                    }
                    Ok(())
                });
                counted.await
            }
        }
    }
}
