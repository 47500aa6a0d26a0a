//! Orders: written to the primary, and into the cache when there is one; read from the cache, then from a standby.

use std::time::Duration;

use tokio_postgres::{Row, types::Type};

use super::{
    pool::{Pool, Wanted},
    redis_store::RedisStore,
};
use crate::sample_app::{host_port::HostPort, stores::postgres::in_words};

/// How long a statement may take. With a synchronous standby that is gone, a commit would wait for ever.
const STATEMENT: Duration = Duration::from_secs(2);

/// The orders.
pub(super) struct Orders {
    primary: Pool,
    standby: Pool,
    cache: Option<RedisStore>,
}

impl Orders {
    pub(super) fn new(members: &[HostPort], cache: Option<RedisStore>) -> Self {
        Self { primary: Pool::new(members, Wanted::Primary), standby: Pool::new(members, Wanted::Standby), cache }
    }

    /// Returns when the database has the order.
    pub(super) async fn place(&self, id: &str) -> Result<(), String> {
        ask(&self.primary, "insert into orders (id) values ($1) on conflict do nothing", Some(id)).await?;
        if let Some(cache) = &self.cache {
            // The database has it: a cache that is gone costs the next reader time, and nothing else.
            let _ = cache.keep_order(id).await;
        }
        Ok(())
    }

    /// Whether there is such an order, as far as a standby knows.
    pub(super) async fn has(&self, id: &str) -> Result<bool, String> {
        if let Some(cache) = &self.cache
            && cache.has_order(id).await == Ok(true)
        {
            return Ok(true);
        }
        Ok(!ask(&self.standby, "select 1 from orders where id = $1", Some(id)).await?.is_empty())
    }

    /// All of them, as the primary knows.
    pub(super) async fn all(&self) -> Result<Vec<String>, String> {
        let rows = ask(&self.primary, "select id from orders order by at", None).await?;
        Ok(rows.iter().filter_map(|row| row.try_get(0).ok()).collect())
    }
}

async fn ask(pool: &Pool, statement: &str, id: Option<&str>) -> Result<Vec<Row>, String> {
    let asked = async {
        let connection = pool.take().await?;
        let rows = match &id {
            Some(id) => connection.client.query_typed(statement, &[(id, Type::TEXT)]).await,
            None => connection.client.query_typed(statement, &[]).await,
        };
        let rows = rows.map_err(|error| in_words(&error))?;
        connection.give_back();
        Ok(rows)
    };
    tokio::time::timeout(STATEMENT, asked).await.unwrap_or_else(|_| Err("no answer in time".to_owned()))
}
