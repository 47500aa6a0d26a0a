//! Connections to PostgreSQL that are kept for the next request.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_postgres::{Client, Config, NoTls, config::TargetSessionAttrs};

use crate::{
    clock,
    model::time::Mono,
    sample_app::{host_port::HostPort, stores::postgres::in_words},
};

/// The most connections of one process and kind.
const MOST: usize = 24;
/// How long a connection may take.
const CONNECT: Duration = Duration::from_millis(500);
/// So often one request looks whether a standby has come, while others are content with the primary.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Which server is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The primary.
    Primary,
    /// A standby; whoever answers when there is none.
    Standby,
}

/// Idle connections to one kind of server.
pub(super) struct Pool {
    members: Vec<HostPort>,
    wanted: Wanted,
    idle: Mutex<Vec<Idle>>,
    /// While there is no standby: when the next request looks for one.
    look_at: Mutex<Option<Mono>>,
    slots: Semaphore,
}

/// A connection that nobody uses.
struct Idle {
    client: Client,
    /// To another server than is wanted.
    makeshift: bool,
}

/// A connection in use. Given back only by `give_back`: one that is dropped was in the middle of something, and closes.
pub(super) struct InUse<'p> {
    pub(super) client: Client,
    makeshift: bool,
    pool: &'p Pool,
    _slot: SemaphorePermit<'p>,
}

impl Pool {
    pub(super) fn new(members: &[HostPort], wanted: Wanted) -> Self {
        Self { members: members.to_vec(), wanted, idle: Mutex::default(), look_at: Mutex::default(), slots: Semaphore::new(MOST) }
    }

    pub(super) async fn take(&self) -> Result<InUse<'_>, String> {
        let slot = self.slots.acquire().await.map_err(|_| "the shop ends".to_owned())?;
        let idle = self.idle();
        let Idle { client, makeshift } = match idle {
            Some(found) if !found.makeshift || !self.looks_now() => found,
            other => self.connect(other).await?,
        };
        Ok(InUse { client, makeshift, pool: self, _slot: slot })
    }

    /// An idle connection that is open.
    fn idle(&self) -> Option<Idle> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        std::iter::from_fn(|| idle.pop()).find(|found| !found.client.is_closed())
    }

    /// Whether it is time to look for a standby. Who is told so looks; the others need not for a while.
    fn looks_now(&self) -> bool {
        let mut look_at = self.look_at.lock().unwrap_or_else(PoisonError::into_inner);
        let now = clock::now();
        let due = look_at.is_none_or(|at| at <= now);
        if due {
            *look_at = Some(now.plus(LOOK_EVERY));
        }
        due
    }

    /// A new connection; `instead` where there is no standby to connect to.
    async fn connect(&self, instead: Option<Idle>) -> Result<Idle, String> {
        if self.wanted == Wanted::Primary {
            let client = connect(&self.members, TargetSessionAttrs::ReadWrite).await?;
            // Who comes first makes the table; two who make it at once may both fail but for one.
            let _ = client
                .batch_execute("create table if not exists orders (id text primary key, at timestamptz not null default now())")
                .await;
            return Ok(Idle { client, makeshift: false });
        }
        let known_to_be_away = self.look_at.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        if instead.is_some() || !known_to_be_away || self.looks_now() {
            if let Ok(client) = connect(&self.members, TargetSessionAttrs::ReadOnly).await {
                *self.look_at.lock().unwrap_or_else(PoisonError::into_inner) = None;
                self.idle.lock().unwrap_or_else(PoisonError::into_inner).retain(|idle| !idle.makeshift);
                return Ok(Idle { client, makeshift: false });
            }
            *self.look_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(clock::now().plus(LOOK_EVERY));
        }
        match instead {
            Some(found) => Ok(found),
            None => Ok(Idle { client: connect(&self.members, TargetSessionAttrs::Any).await?, makeshift: true }),
        }
    }
}

impl InUse<'_> {
    pub(super) fn give_back(self) {
        let idle = Idle { client: self.client, makeshift: self.makeshift };
        self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(idle);
    }
}

/// The first of them that is as wanted.
async fn connect(members: &[HostPort], wanted: TargetSessionAttrs) -> Result<Client, String> {
    let mut why = String::new();
    for member in members {
        let mut config = Config::new();
        config.host(&member.host).port(member.port).user("shop").dbname("postgres").target_session_attrs(wanted).connect_timeout(CONNECT);
        match tokio::time::timeout(CONNECT, config.connect(NoTls)).await {
            Ok(Ok((client, connection))) => {
                // It ends when the client is dropped.
                tokio_util::task::TaskTracker::new().spawn(async move { drop(connection.await) });
                return Ok(client);
            }
            Ok(Err(error)) => why = format!("{member}: {}", in_words(&error)),
            Err(_) => why = format!("{member}: no connection in time"),
        }
    }
    Err(why)
}
