//! Connections to a backend: made, lent for one request, kept while idle.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::{member::Member, server::Tasks};
use crate::{clock, model::time::Mono};

/// The sending end of a connection to a backend.
pub(super) type Sender = http1::SendRequest<Incoming>;

/// An idle connection is used again within this time only: common servers close after 5 s, and a request that meets the
/// closing would fail through our fault, not the system's.
const IDLE_LIMIT: Duration = Duration::from_secs(4);

/// More idle connections than this per backend are not kept.
const IDLE_MOST: usize = 512;

/// Idle connections, the last used at the back.
#[derive(Default)]
pub(super) struct Pool {
    idle: Mutex<VecDeque<(Sender, Mono)>>,
}

impl Pool {
    fn idle(&self) -> std::sync::MutexGuard<'_, VecDeque<(Sender, Mono)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection used last that is still open.
    pub(super) fn take(&self) -> Option<Sender> {
        let mut idle = self.idle();
        while let Some((sender, since)) = idle.pop_back() {
            if clock::now().since(since) > IDLE_LIMIT {
                idle.clear(); // The others have waited longer still.
                return None;
            }
            if sender.is_ready() {
                return Some(sender);
            }
        }
        None
    }

    /// Closes every idle connection.
    pub(super) fn clear(&self) {
        self.idle().clear();
    }

    fn put(&self, sender: Sender) {
        let now = clock::now();
        let mut idle = self.idle();
        while idle.len() >= IDLE_MOST || idle.front().is_some_and(|(s, since)| s.is_closed() || now.since(*since) > IDLE_LIMIT) {
            idle.pop_front();
        }
        idle.push_back((sender, now));
    }
}

/// Why there is no new connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Http(#[from] hyper::Error),
}

/// Makes a new connection. Who calls it limits its time.
pub(super) async fn connect(member: &Member, tasks: &Tasks) -> Result<Sender, ConnectError> {
    let stream = TcpStream::connect(member.backend.address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Its errors also reach the request that meets them; without a request nobody needs them.
    tasks.spawn(async move { drop(connection.with_upgrades().await) });
    Ok(sender)
}

/// A connection that is lent to one request. Dropped before the answer has ended, the connection closes.
pub(super) struct Lease {
    /// The connection.
    pub(super) sender: Sender,
    /// Whose it is.
    pub(super) member: Arc<Member>,
    /// Where its clean-up runs.
    pub(super) tasks: Tasks,
}

impl Lease {
    /// The answer has ended: the connection may take another request, once it is ready.
    pub(super) fn give_back(self) {
        let Self { mut sender, member, tasks } = self;
        if sender.is_ready() {
            keep(&member, sender);
        } else if !sender.is_closed() {
            // The request's body may still be on its way, or the connection is closing: then `ready` fails.
            tasks.spawn(async move {
                if sender.ready().await.is_ok() {
                    keep(&member, sender);
                }
            });
        }
    }
}

fn keep(member: &Member, sender: Sender) {
    if !member.removed.is_cancelled() {
        member.idle.put(sender);
    }
}
