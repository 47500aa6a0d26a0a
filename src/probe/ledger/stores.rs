//! Where a ledger's values are written and read back.

use std::{cell::Cell, rc::Rc, time::Duration};

use super::{
    http::{HttpStore, PreparedHttpStore},
    postgres::{PostgresStore, PreparedPostgresStore},
    redis::{PreparedRedisStore, RedisStore},
    values::Values,
};
use crate::{
    model::{
        sample::SampleOutcome,
        store::{LedgerProbe, LedgerStore},
    },
    probe::{pacer::Shared, stage::Trace},
};

/// How long the table may take to be made.
const PREPARE_WITHIN: Duration = Duration::from_secs(10);

/// A store, ready to move to the pacing thread.
pub enum PreparedStore {
    /// An application.
    Http(Box<PreparedHttpStore>),
    /// Redis.
    Redis(Box<PreparedRedisStore>),
    /// Postgres.
    Postgres(Box<PreparedPostgresStore>),
}

impl PreparedStore {
    /// Words for the user when it cannot be used. A table that is not there is made.
    pub fn new(spec: &LedgerProbe, rate: f64, timeout: Duration) -> Result<Self, String> {
        Ok(match &spec.store {
            LedgerStore::Http(http) => Self::Http(Box::new(PreparedHttpStore::new(http, rate, timeout)?)),
            LedgerStore::Redis(redis) => Self::Redis(Box::new(PreparedRedisStore::new(redis)?)),
            LedgerStore::Postgres(postgres) => Self::Postgres(Box::new(PreparedPostgresStore::new(postgres, PREPARE_WITHIN)?)),
        })
    }

    /// On the pacing thread.
    pub fn into_store(self, rate: f64) -> Store {
        match self {
            Self::Http(http) => Store::Http(Box::new(http.into_store())),
            Self::Redis(redis) => Store::Redis(Box::new(redis.into_store(rate))),
            Self::Postgres(postgres) => Store::Postgres(Box::new(postgres.into_store(rate))),
        }
    }
}

/// A store on the pacing thread.
pub enum Store {
    /// An application.
    Http(Box<HttpStore>),
    /// Redis.
    Redis(Box<RedisStore>),
    /// Postgres.
    Postgres(Box<PostgresStore>),
}

impl Store {
    /// How many connections it keeps.
    pub fn kept(&self) -> u64 {
        match self {
            Self::Http(_) => 0,
            Self::Redis(redis) => redis.kept(),
            Self::Postgres(postgres) => postgres.kept(),
        }
    }

    /// Whether it can give everything in one answer.
    pub fn lists(&self) -> bool {
        match self {
            Self::Http(http) => http.lists(),
            Self::Redis(redis) => redis.lists(),
            Self::Postgres(postgres) => postgres.lists(),
        }
    }

    /// Whether readers look at another server than the one that is written to.
    pub fn reads_elsewhere(&self) -> bool {
        match self {
            Self::Http(_) => false,
            Self::Redis(redis) => redis.reads_elsewhere(),
            Self::Postgres(postgres) => postgres.reads_elsewhere(),
        }
    }

    /// Whether what was written is ours to remove: not what an application made of it, nor a store in words of the user's own.
    pub fn removes(&self) -> bool {
        match self {
            Self::Http(_) => false,
            Self::Redis(redis) => redis.removes(),
            Self::Postgres(postgres) => postgres.removes(),
        }
    }

    /// Writes a value: a good outcome is the acknowledgement.
    pub async fn write(&self, shared: &Rc<Shared>, trace: &mut Trace, value: &str) -> SampleOutcome {
        let done = match self {
            Self::Http(http) => return http.write(shared, trace, value).await,
            Self::Redis(redis) => redis.write(shared, trace, value).await,
            Self::Postgres(postgres) => postgres.write(shared, trace, value).await,
        };
        done.map_or_else(|failed| failed, |()| SampleOutcome::Ok)
    }

    /// Whether a value is there; in the last round, where it was written.
    pub async fn read(&self, shared: &Rc<Shared>, trace: &mut Trace, value: &str, last: bool) -> Result<bool, SampleOutcome> {
        match self {
            Self::Http(http) => http.read(shared, trace, value).await,
            Self::Redis(redis) => redis.read(shared, trace, value, last).await,
            Self::Postgres(postgres) => postgres.read(shared, trace, value, last).await,
        }
    }

    /// Gives every value that begins with this, and how many of it there are, where they were written.
    pub async fn list(
        &self,
        shared: &Rc<Shared>,
        trace: &mut Trace,
        prefix: &str,
        note: &mut dyn FnMut(&str, u64),
    ) -> Result<(), SampleOutcome> {
        match self {
            Self::Http(http) => http.list(shared, trace, prefix, note).await,
            Self::Redis(redis) => redis.list(shared, trace, prefix, note).await,
            Self::Postgres(postgres) => postgres.list(shared, trace, prefix, note).await,
        }
    }

    /// Removes the values of this run, of which these were sent, and nothing else; counts them as they go.
    pub async fn remove(
        &self,
        shared: &Rc<Shared>,
        trace: &mut Trace,
        values: &Values,
        sent: &[u32],
        removed: &Cell<u64>,
    ) -> Result<(), SampleOutcome> {
        match self {
            Self::Http(_) => Err(SampleOutcome::NotSent),
            Self::Redis(redis) => redis.remove(shared, trace, values, sent, removed).await,
            Self::Postgres(postgres) => postgres.remove(shared, trace, values.prefix(), removed).await,
        }
    }
}
