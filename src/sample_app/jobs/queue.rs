//! Jobs in Redis: a list that the API puts them in and the worker takes them from.
//!
//! A careful worker moves a job into a list of its own while it does it, and removes it there when it is done: what it had in hand when it
//! was killed is still in Redis. One that takes jobs out altogether loses them when it dies.

use std::time::Duration;

use redis::{AsyncConnectionConfig, Client, RedisResult, aio::MultiplexedConnection};
use tokio::sync::Mutex;

/// The list of what is to be done.
const JOBS: &str = "jobs";
/// A worker's wait for the next job, in seconds.
const WAIT_S: f64 = 0.5;
/// After this an order to Redis has failed.
const WITHIN: Duration = Duration::from_secs(1);

/// The queue.
pub(super) struct Queue {
    at: String,
    /// The list of what this worker has in hand.
    in_hand: String,
    open: Mutex<Option<MultiplexedConnection>>,
}

impl Queue {
    /// The queue in Redis at `HOST:PORT`, for a worker (or the API) of this name.
    pub(super) fn new(at: &str, name: &str) -> Self {
        Self { at: at.to_owned(), in_hand: format!("in-hand:{name}"), open: Mutex::new(None) }
    }

    /// Puts a job in.
    pub(super) async fn put(&self, id: &str) -> RedisResult<()> {
        self.order(redis::cmd("LPUSH").arg(JOBS).arg(id)).await
    }

    /// Takes the oldest job in hand, if one comes soon.
    pub(super) async fn take(&self) -> RedisResult<Option<String>> {
        self.order(redis::cmd("BLMOVE").arg(JOBS).arg(&self.in_hand).arg("RIGHT").arg("LEFT").arg(WAIT_S)).await
    }

    /// A job is done, and leaves the hand.
    pub(super) async fn done(&self, id: &str) -> RedisResult<()> {
        self.order(redis::cmd("LREM").arg(&self.in_hand).arg(1).arg(id)).await
    }

    /// Puts back what a worker of this name had in hand when it ended; how much.
    pub(super) async fn put_back(&self) -> RedisResult<u32> {
        let mut count = 0;
        while self.order::<Option<String>>(redis::cmd("LMOVE").arg(&self.in_hand).arg(JOBS).arg("LEFT").arg("RIGHT")).await?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    /// Takes all jobs that there are out altogether.
    pub(super) async fn take_out(&self) -> RedisResult<Vec<String>> {
        let taken: Option<Vec<String>> = self.order(redis::cmd("RPOP").arg(JOBS).arg(1000)).await?;
        Ok(taken.unwrap_or_default())
    }

    async fn order<T: redis::FromRedisValue>(&self, order: &mut redis::Cmd) -> RedisResult<T> {
        let mut connection = self.connection().await?;
        let answer = order.query_async(&mut connection).await;
        if answer.is_err() {
            // A new one for the next order.
            *self.open.lock().await = None;
        }
        answer
    }

    async fn connection(&self) -> RedisResult<MultiplexedConnection> {
        let mut open = self.open.lock().await;
        if let Some(connection) = &*open {
            return Ok(connection.clone());
        }
        let limits = AsyncConnectionConfig::new().set_connection_timeout(Some(WITHIN)).set_response_timeout(Some(WITHIN));
        let connection = Client::open(format!("redis://{}/", self.at))?.get_multiplexed_async_connection_with_config(&limits).await?;
        Ok(open.insert(connection).clone())
    }
}
