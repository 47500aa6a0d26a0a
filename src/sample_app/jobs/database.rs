//! What PostgreSQL knows of the jobs: which are done.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio_postgres::{Client, Config, NoTls, Row, types::Type};
use tokio_util::task::TaskTracker;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_millis(500);
/// How long a statement may take.
const STATEMENT: Duration = Duration::from_secs(1);
/// The password, where one is asked for.
const PASSWORD: &str = "PGPASSWORD";

/// The database.
pub(super) struct Database {
    at: String,
    open: Mutex<Option<Client>>,
}

impl Database {
    /// The database at `HOST:PORT`; connected to when it is needed.
    pub(super) fn new(at: &str) -> Self {
        Self { at: at.to_owned(), open: Mutex::new(None) }
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
        rows.iter().map(|row| row.try_get(0).map_err(|error| error.to_string())).collect()
    }

    async fn ask(&self, statement: &str, values: &[(&(dyn tokio_postgres::types::ToSql + Sync), Type)]) -> Result<Vec<Row>, String> {
        let mut open = self.open.lock().await;
        let asked = async {
            if open.as_ref().is_none_or(Client::is_closed) {
                *open = Some(self.connect().await?);
            }
            let Some(client) = &*open else { return Err("it is not connected".to_owned()) };
            client.query_typed(statement, values).await.map_err(|error| in_words(&error))
        };
        let answer = tokio::time::timeout(CONNECT + STATEMENT, asked).await.unwrap_or_else(|_| Err("no answer in time".to_owned()));
        if answer.is_err() {
            // A new one for the next statement.
            *open = None;
        }
        answer.map_err(|why| format!("PostgreSQL at {}: {why}", self.at))
    }

    async fn connect(&self) -> Result<Client, String> {
        let (host, port) = self.at.rsplit_once(':').ok_or("HOST:PORT is expected")?;
        let port = port.parse().map_err(|_| "HOST:PORT is expected")?;
        let mut config = Config::new();
        config.host(host).port(port).user("shop").dbname("postgres").connect_timeout(CONNECT);
        if let Ok(password) = std::env::var(PASSWORD) {
            config.password(password);
        }
        let (client, connection) = config.connect(NoTls).await.map_err(|error| in_words(&error))?;
        // It ends when the client is dropped.
        TaskTracker::new().spawn(async move { drop(connection.await) });
        // Two who make it at once may both fail but for one; then it is there.
        let _ = client.batch_execute("create table if not exists done (id text primary key, at timestamptz not null default now())").await;
        Ok(client)
    }
}

/// An error with its cause, which is what it is about.
fn in_words(error: &tokio_postgres::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
