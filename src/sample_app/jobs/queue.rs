//! Jobs in Redis: a list that the API puts them in and the workers take them from.
//!
//! A careful worker moves a job into a list of its own while it does it, and removes it there when it is done: what it had in hand when it
//! was killed is still in Redis. It also keeps a key that ends by itself when it is not renewed; what the hand of a worker without such a
//! key holds, any other worker puts back. So a job may be done twice, and is never lost with a worker.

use std::time::Duration;

use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue, RedisResult, aio::MultiplexedConnection, cmd};
use tokio::sync::Mutex;

use crate::sample_app::host_port::HostPort;

/// The list of what is to be done.
const JOBS: &str = "jobs";
/// The set of the names of careful workers.
const WORKERS: &str = "workers";
/// A worker's wait for the next job, in seconds.
const WAIT_S: f64 = 0.5;
/// After this an order to Redis has failed.
const WITHIN: Duration = Duration::from_secs(1);
/// A worker that was not heard of for so long is taken to be dead.
const LEASE: Duration = Duration::from_secs(3);

/// A connection to the queue, made when it is needed. Orders wait for each other's answers: who waits for jobs has one of its own.
pub(super) struct Queue {
    at: HostPort,
    name: String,
    open: Mutex<Option<MultiplexedConnection>>,
}

impl Queue {
    /// The queue in this Redis, for a worker (or the API) of this name.
    pub(super) fn new(at: &HostPort, name: &str) -> Self {
        Self { at: at.clone(), name: name.to_owned(), open: Mutex::default() }
    }

    /// Puts a job in.
    pub(super) async fn put(&self, id: &str) -> RedisResult<()> {
        self.order(cmd("LPUSH").arg(JOBS).arg(id)).await
    }

    /// Takes the oldest job into this worker's hand, if one comes soon.
    pub(super) async fn take(&self) -> RedisResult<Option<String>> {
        self.order(cmd("BLMOVE").arg(JOBS).arg(in_hand(&self.name)).arg("RIGHT").arg("LEFT").arg(WAIT_S)).await
    }

    /// A job is done, and leaves the hand.
    pub(super) async fn done(&self, id: &str) -> RedisResult<()> {
        self.order(cmd("LREM").arg(in_hand(&self.name)).arg(1).arg(id)).await
    }

    /// Takes the oldest job out altogether, if one comes soon.
    pub(super) async fn take_out(&self) -> RedisResult<Option<String>> {
        let taken: Option<(String, String)> = self.order(cmd("BRPOP").arg(JOBS).arg(WAIT_S)).await?;
        Ok(taken.map(|(_, id)| id))
    }

    /// Says that this worker lives.
    pub(super) async fn live(&self) -> RedisResult<()> {
        self.order::<()>(cmd("SADD").arg(WORKERS).arg(&self.name)).await?;
        self.order(cmd("SET").arg(lease(&self.name)).arg(1).arg("PX").arg(LEASE.as_millis() as u64)).await
    }

    /// Puts back what this worker's own hand holds: an earlier life's, or of an order whose answer did not come.
    pub(super) async fn put_back(&self) -> RedisResult<u32> {
        self.put_back_of(&self.name).await
    }

    /// Puts back what dead workers had in hand; how much.
    pub(super) async fn put_back_of_the_dead(&self) -> RedisResult<u32> {
        let workers: Vec<String> = self.order(cmd("SMEMBERS").arg(WORKERS)).await?;
        let mut count = 0;
        for worker in workers {
            if !self.order::<bool>(cmd("EXISTS").arg(lease(&worker))).await? {
                count += self.put_back_of(&worker).await?;
                // One that was only slow says again that it lives.
                self.order::<()>(cmd("SREM").arg(WORKERS).arg(&worker)).await?;
            }
        }
        Ok(count)
    }

    async fn put_back_of(&self, worker: &str) -> RedisResult<u32> {
        let mut count = 0;
        while self.order::<Option<String>>(cmd("LMOVE").arg(in_hand(worker)).arg(JOBS).arg("LEFT").arg("RIGHT")).await?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    async fn order<T: FromRedisValue>(&self, order: &mut Cmd) -> RedisResult<T> {
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

fn in_hand(worker: &str) -> String {
    format!("in-hand:{worker}")
}

fn lease(worker: &str) -> String {
    format!("lives:{worker}")
}
