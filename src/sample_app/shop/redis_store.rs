//! Redis, alone or with Sentinels that know which one is the primary.
//!
//! A change that failed may have been made: it is made again, so each is one that may be made twice.

use std::time::Duration;

use redis::{AsyncConnectionConfig, Client, aio::MultiplexedConnection};
use tokio::sync::Mutex;

use crate::{clock, sample_app::host_port::HostPort};

/// The name under which the Sentinels know this shop's Redis.
pub const MASTER: &str = "shop";
/// How long one try may take.
const ONE_TRY: Duration = Duration::from_millis(400);
/// How long it is tried.
const ALL_TRIES: Duration = Duration::from_millis(1200);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(50);
/// How long replicas have for a change. Is one slower, the answer does not wait: a cart is worth less than an answer.
const COPIED_WITHIN: Duration = Duration::from_millis(50);
/// How long a cart, or an order in the cache, is kept.
const KEPT: Duration = Duration::from_hours(24);

/// Where Redis is.
#[derive(Debug)]
pub(super) enum Where {
    Fixed(HostPort),
    Sentinels(Vec<HostPort>),
}

/// A connection to the primary, made when it is needed and shared by all requests.
pub(super) struct RedisStore {
    at: Where,
    copies: u32,
    connection: Mutex<Shared>,
}

#[derive(Default)]
struct Shared {
    connection: Option<MultiplexedConnection>,
    /// How many connections there were: who saw one break does not take the next one away.
    number: u64,
}

impl RedisStore {
    pub(super) fn new(at: Where, copies: u32) -> Self {
        Self { at, copies, connection: Mutex::default() }
    }

    /// What is in a session's cart.
    pub(super) async fn items(&self, session: &str) -> Result<Vec<String>, String> {
        let mut ask = redis::pipe();
        ask.cmd("HKEYS").arg(format!("cart:{session}"));
        let (items,) = self.tried(&ask).await?;
        Ok(items)
    }

    /// Puts something into a session's cart.
    pub(super) async fn add(&self, session: &str, item: &str) -> Result<(), String> {
        let key = format!("cart:{session}");
        self.set(redis::cmd("HSET").arg(&key).arg(item).arg(1), &key).await
    }

    /// Keeps an order.
    pub(super) async fn keep_order(&self, id: &str) -> Result<(), String> {
        let key = format!("order:{id}");
        self.set(redis::cmd("SET").arg(&key).arg(1), &key).await
    }

    /// Whether an order is kept here.
    pub(super) async fn has_order(&self, id: &str) -> Result<bool, String> {
        let mut ask = redis::pipe();
        ask.cmd("EXISTS").arg(format!("order:{id}"));
        let (there,) = self.tried(&ask).await?;
        Ok(there)
    }

    /// A change, which so many replicas have before it is answered.
    async fn set(&self, change: &redis::Cmd, key: &str) -> Result<(), String> {
        let mut all = redis::pipe();
        all.add_command(change.clone()).ignore();
        all.cmd("EXPIRE").arg(key).arg(KEPT.as_secs()).ignore();
        if self.copies > 0 {
            all.cmd("WAIT").arg(self.copies).arg(COPIED_WITHIN.as_millis() as u64).ignore();
        }
        self.tried::<()>(&all).await
    }

    async fn tried<T: redis::FromRedisValue + Send>(&self, ask: &redis::Pipeline) -> Result<T, String> {
        let begun = clock::now();
        loop {
            let why = match tokio::time::timeout(ONE_TRY, self.connected()).await {
                Err(_) => "no connection in time".to_owned(),
                Ok(Err(why)) => why,
                Ok(Ok((mut connection, number))) => {
                    let answered = tokio::time::timeout(ONE_TRY, ask.query_async(&mut connection)).await;
                    let why = match answered {
                        Ok(Ok(value)) => return Ok(value),
                        Ok(Err(error)) => error.to_string(),
                        Err(_) => "no answer in time".to_owned(),
                    };
                    self.broken(number).await;
                    why
                }
            };
            if clock::now().since(begun) > ALL_TRIES {
                return Err(why);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn connected(&self) -> Result<(MultiplexedConnection, u64), String> {
        let mut shared = self.connection.lock().await;
        if let Some(connection) = &shared.connection {
            return Ok((connection.clone(), shared.number));
        }
        let primary = match &self.at {
            Where::Fixed(address) => address.clone(),
            Where::Sentinels(sentinels) => primary(sentinels).await?,
        };
        let connection = connect(&primary).await?;
        shared.number += 1;
        shared.connection = Some(connection.clone());
        Ok((connection, shared.number))
    }

    async fn broken(&self, number: u64) {
        let mut shared = self.connection.lock().await;
        if shared.number == number {
            shared.connection = None;
        }
    }
}

async fn connect(address: &HostPort) -> Result<MultiplexedConnection, String> {
    let client = Client::open(format!("redis://{address}")).map_err(|error| error.to_string())?;
    let config = AsyncConnectionConfig::new().set_connection_timeout(Some(ONE_TRY)).set_response_timeout(Some(ONE_TRY));
    client.get_multiplexed_async_connection_with_config(&config).await.map_err(|error| format!("{address}: {error}"))
}

/// The primary, from the first Sentinel that answers.
async fn primary(sentinels: &[HostPort]) -> Result<HostPort, String> {
    let mut why = String::new();
    for sentinel in sentinels {
        let asked = async {
            let mut connection = connect(sentinel).await?;
            let mut ask = redis::cmd("SENTINEL");
            let (host, port): (String, u16) =
                ask.arg("get-master-addr-by-name").arg(MASTER).query_async(&mut connection).await.map_err(|error| error.to_string())?;
            Ok::<_, String>(HostPort { host, port })
        };
        match asked.await {
            Ok(address) => return Ok(address),
            Err(said) => why = said,
        }
    }
    Err(format!("no Sentinel knows the primary: {why}"))
}
