//! The message queue: a stream in Redis, which every instance of the push service reads for itself. Who puts something in does not wait
//! for Redis: without it nothing is pushed, and everything else goes on.

use std::time::Duration;

use redis::{AsyncConnectionConfig, Client, RedisResult, aio::MultiplexedConnection};
use tokio::sync::{broadcast, mpsc};

/// The stream.
const STREAM: &str = "chat";
/// So many entries are kept in it, about.
const KEPT: u32 = 1000;
/// So many messages wait here for Redis; what comes on top is not pushed.
const WAITING: usize = 256;
/// After this an order to Redis has failed.
const WITHIN: Duration = Duration::from_secs(1);
/// A reader's wait for the next message.
const WAIT_MS: u32 = 500;
/// Between two tries to reach Redis.
const AGAIN: Duration = Duration::from_millis(200);

/// An entry: its id, and its fields with their values.
type Entry = (String, Vec<(String, String)>);

/// Puts messages in.
#[derive(Debug, Clone)]
pub struct Sender(mpsc::Sender<String>);

impl Sender {
    /// Puts one in, unless too many wait already.
    pub fn send(&self, message: String) {
        drop(self.0.try_send(message));
    }
}

/// A queue in this process alone: what is put in comes out.
pub fn within(out: broadcast::Sender<String>) -> Sender {
    let (sender, mut waiting) = mpsc::channel(WAITING);
    tokio_util::task::TaskTracker::new().spawn(async move {
        while let Some(message) = waiting.recv().await {
            // Nobody listens: then nobody is told.
            let _ = out.send(message);
        }
    });
    Sender(sender)
}

/// The way into Redis at `HOST:PORT`.
pub fn into_redis(at: &str) -> Sender {
    let (sender, mut waiting) = mpsc::channel::<String>(WAITING);
    let at = at.to_owned();
    tokio_util::task::TaskTracker::new().spawn(async move {
        let mut connection = None;
        while let Some(message) = waiting.recv().await {
            if connection.is_none() {
                connection = connect(&at).await.inspect_err(|error| eprintln!("nothing is pushed: {error}")).ok();
            }
            let Some(open) = &mut connection else { continue };
            let mut add = redis::cmd("XADD");
            add.arg(STREAM).arg("MAXLEN").arg("~").arg(KEPT).arg("*").arg("message").arg(message);
            if let Err(error) = add.query_async::<()>(open).await {
                eprintln!("a message is not pushed: {error}");
                connection = None;
            }
        }
    });
    Sender(sender)
}

/// Tells everything that comes out of Redis at `HOST:PORT`, for ever.
pub async fn out_of_redis(at: String, out: broadcast::Sender<String>) {
    let mut last = None;
    loop {
        if let Err(error) = read(&at, &mut last, &out).await {
            eprintln!("nothing comes out of the queue: {error}");
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Reads on after `last`. A Redis that has lost its memory counts its entries by its clock all the same, so `last` stays true.
async fn read(at: &str, last: &mut Option<String>, out: &broadcast::Sender<String>) -> RedisResult<()> {
    let mut connection = connect(at).await?;
    // What was said before this reader came is not pushed any more.
    let newest = if let Some(known) = last.take() {
        known
    } else {
        let mut newest = redis::cmd("XREVRANGE");
        newest.arg(STREAM).arg("+").arg("-").arg("COUNT").arg(1);
        let found: Vec<Entry> = newest.query_async(&mut connection).await?;
        found.into_iter().next().map_or_else(|| "0-0".to_owned(), |(id, _)| id)
    };
    let last = last.insert(newest);
    loop {
        let mut read = redis::cmd("XREAD");
        read.arg("COUNT").arg(100).arg("BLOCK").arg(WAIT_MS).arg("STREAMS").arg(STREAM).arg(&*last);
        let streams: Option<Vec<(String, Vec<Entry>)>> = read.query_async(&mut connection).await?;
        for (id, fields) in streams.into_iter().flatten().flat_map(|(_, entries)| entries) {
            *last = id;
            for (_, value) in fields {
                // Nobody listens: then nobody is told.
                let _ = out.send(value);
            }
        }
    }
}

async fn connect(at: &str) -> RedisResult<MultiplexedConnection> {
    let limits = AsyncConnectionConfig::new().set_connection_timeout(Some(WITHIN)).set_response_timeout(Some(WITHIN));
    Client::open(format!("redis://{at}/"))?.get_multiplexed_async_connection_with_config(&limits).await
}
