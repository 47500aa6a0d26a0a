//! What PostgreSQL knows of the jobs: which are done.

use std::{sync::Arc, time::Duration};

use tokio::sync::Mutex;
use tokio_postgres::{
    Client, NoTls, Row,
    types::{ToSql, Type},
};

use crate::sample_app::{
    host_port::HostPort,
    stores::postgres::{self, in_words},
};

/// How long a statement may take, with the connection that it may need.
const STATEMENT: Duration = Duration::from_millis(1500);
/// The password, where one is asked for.
const PASSWORD: &str = "PGPASSWORD";

/// Makes the table where it is not there: in a database that begins anew.
pub(super) const TABLE: &str = "create table if not exists done (id text primary key, at timestamptz not null default now())";
/// Its name.
pub(super) const NAME: &str = "done";

/// The database: one connection, which all requests share.
pub(super) struct Database {
    at: HostPort,
    open: Mutex<Option<Arc<Client>>>,
}

impl Database {
    /// Connected to when it is needed.
    pub(super) fn new(at: &HostPort) -> Self {
        Self { at: at.clone(), open: Mutex::default() }
    }

    /// Notes that a job is done; once, however often it is told.
    pub(super) async fn note(&self, id: &str) -> Result<(), String> {
        self.ask("insert into done (id) values ($1) on conflict do nothing", &[(&id, Type::TEXT)]).await.map(drop)
    }

    /// Whether a job is done.
    pub(super) async fn is_done(&self, id: &str) -> Result<bool, String> {
        self.ask("select 1 from done where id = $1", &[(&id, Type::TEXT)]).await.map(|rows| !rows.is_empty())
    }

    /// All jobs that are done, in order.
    pub(super) async fn done(&self) -> Result<Vec<String>, String> {
        let rows = self.ask("select id from done order by at, id", &[]).await?;
        rows.iter().map(|row| row.try_get(0).map_err(|error| in_words(&error))).collect()
    }

    async fn ask(&self, statement: &str, values: &[(&(dyn ToSql + Sync), Type)]) -> Result<Vec<Row>, String> {
        let asked = async {
            let client = self.client().await?;
            let answer = client.query_typed(statement, values).await;
            if answer.is_err() {
                self.leave(&client).await;
            }
            answer.map_err(|error| in_words(&error))
        };
        let answer = tokio::time::timeout(STATEMENT, asked).await.unwrap_or_else(|_| Err("no answer in time".to_owned()));
        answer.map_err(|why| format!("PostgreSQL at {}: {why}", self.at))
    }

    async fn client(&self) -> Result<Arc<Client>, String> {
        let mut open = self.open.lock().await;
        if let Some(client) = open.as_ref().filter(|client| !client.is_closed()) {
            return Ok(client.clone());
        }
        *open = None;
        let mut config = postgres::connection(&self.at);
        // A server that is gone without a word, as a container's is, is noticed by this.
        config.tcp_user_timeout(STATEMENT);
        if let Ok(password) = std::env::var(PASSWORD) {
            config.password(password);
        }
        let (client, connection) = config.connect(NoTls).await.map_err(|error| in_words(&error))?;
        // It ends when the client is dropped.
        tokio_util::task::TaskTracker::new().spawn(async move { drop(connection.await) });
        // Two who make it at once may both fail but for one; then it is there.
        let _ = client.batch_execute(TABLE).await;
        Ok(open.insert(Arc::new(client)).clone())
    }

    /// A new connection for the next statement, unless somebody has seen to that.
    async fn leave(&self, client: &Arc<Client>) {
        let mut open = self.open.lock().await;
        if open.as_ref().is_some_and(|known| Arc::ptr_eq(known, client)) {
            *open = None;
        }
    }
}
