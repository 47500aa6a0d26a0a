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
/// So long a connection is kept to another server than is wanted: the one that is wanted may have come.
const MAKESHIFT: Duration = Duration::from_millis(500);

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
    /// With the moment until which they are used, where there is one.
    idle: Mutex<Vec<(Client, Option<Mono>)>>,
    slots: Semaphore,
}

/// A connection in use. Given back only by `give_back`: one that is dropped was in the middle of something, and closes.
pub(super) struct InUse<'p> {
    pub(super) client: Client,
    until: Option<Mono>,
    pool: &'p Pool,
    _slot: SemaphorePermit<'p>,
}

impl Pool {
    pub(super) fn new(members: &[HostPort], wanted: Wanted) -> Self {
        Self { members: members.to_vec(), wanted, idle: Mutex::default(), slots: Semaphore::new(MOST) }
    }

    pub(super) async fn take(&self) -> Result<InUse<'_>, String> {
        let slot = self.slots.acquire().await.map_err(|_| "the shop ends".to_owned())?;
        loop {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            match idle {
                Some((client, until)) if client.is_closed() || until.is_some_and(|until| until < clock::now()) => {}
                Some((client, until)) => return Ok(InUse { client, until, pool: self, _slot: slot }),
                None => break,
            }
        }
        let (client, until) = match self.wanted {
            Wanted::Primary => {
                let client = connect(&self.members, TargetSessionAttrs::ReadWrite).await?;
                // Who comes first makes the table; two who make it at once may both fail but for one.
                let _ = client
                    .batch_execute("create table if not exists orders (id text primary key, at timestamptz not null default now())")
                    .await;
                (client, None)
            }
            Wanted::Standby => match connect(&self.members, TargetSessionAttrs::ReadOnly).await {
                Ok(client) => (client, None),
                Err(_) => (connect(&self.members, TargetSessionAttrs::Any).await?, Some(clock::now().plus(MAKESHIFT))),
            },
        };
        Ok(InUse { client, until, pool: self, _slot: slot })
    }
}

impl InUse<'_> {
    pub(super) fn give_back(self) {
        self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push((self.client, self.until));
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
