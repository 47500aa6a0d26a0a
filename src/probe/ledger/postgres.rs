//! A ledger in Postgres: values are rows of a table, or go where statements of the user's own say.

use std::{cell::Cell, pin::pin, rc::Rc, time::Duration};

use futures_util::TryStreamExt;
use tokio_postgres::{
    Client, Error, Row,
    types::{ToSql, Type},
};

use super::table::make_table;
use crate::{
    model::{
        probe::Connections,
        sample::SampleOutcome,
        store::{Own, PostgresLedger},
    },
    probe::{
        pacer::Shared,
        stage::Trace,
        store::{
            LARGEST, LARGEST_LIST, policy,
            postgres::{Postgres, Servers},
        },
    },
};

/// So many rows are deleted at once.
const PART: u32 = 10_000;

/// The store, ready to move to the pacing thread.
pub struct PreparedPostgresStore {
    to: Servers,
    from: Servers,
    elsewhere: bool,
    words: Own<String>,
    remove: Option<String>,
}

impl PreparedPostgresStore {
    /// Words for the user when it cannot be used. A table that is not there is made, in so much time.
    pub fn new(spec: &PostgresLedger, within: Duration) -> Result<Self, String> {
        let from = Servers::new(spec.read_from.as_ref().unwrap_or(&spec.url), &spec.tls)?;
        let mut to = Servers::new(&spec.url, &spec.tls)?;
        let table = &spec.table;
        let words = if let Some(own) = &spec.own {
            own.clone()
        } else {
            to = make_table(to, table, within)?;
            Own {
                write: format!("INSERT INTO {table} (value) VALUES ($1)"),
                read: format!("SELECT 1 FROM {table} WHERE value = $1 LIMIT 1"),
                list: Some(format!("SELECT value FROM {table} WHERE starts_with(value, $1)")),
            }
        };
        // In parts, so that no transaction is long. The inner condition finds rows fast, the outer one says which may go: a row's place alone
        // is not unique in a table of several partitions.
        let remove = spec.own.is_none().then(|| {
            let some = format!("SELECT ctid FROM {table} WHERE starts_with(value, $1) LIMIT {PART}");
            format!("DELETE FROM {table} WHERE starts_with(value, $1) AND ctid = ANY (ARRAY({some}))")
        });
        Ok(Self { to, from, elsewhere: spec.read_from.is_some(), words, remove })
    }

    /// On the pacing thread.
    pub fn into_store(self, rate: f64) -> PostgresStore {
        let (to, from) = (Postgres::new(self.to, rate), Postgres::new(self.from, rate));
        PostgresStore { to, from, elsewhere: self.elsewhere, words: self.words, remove: self.remove }
    }
}

/// The store on the pacing thread.
pub struct PostgresStore {
    /// Where values are written.
    to: Postgres,
    /// Where they are read. Connections of its own in any case: a write that waits, as for a standby that is gone, holds no reading up.
    from: Postgres,
    /// Whether that is another server.
    elsewhere: bool,
    words: Own<String>,
    /// Removes some rows whose value begins with `$1`; only in our own table.
    remove: Option<String>,
}

impl PostgresStore {
    /// See `Store`.
    pub fn reads_elsewhere(&self) -> bool {
        self.elsewhere
    }

    /// See `Store`.
    pub fn removes(&self) -> bool {
        self.remove.is_some()
    }

    /// How many connections it keeps.
    pub fn kept(&self) -> u64 {
        self.to.size() + self.from.size()
    }

    /// Whether it can give everything.
    pub fn lists(&self) -> bool {
        self.words.list.is_some()
    }

    /// Who reads: in the last round, who writes.
    fn reader(&self, last: bool) -> &Postgres {
        if last && self.elsewhere { &self.to } else { &self.from }
    }

    /// Writes a value: an answer that tells of a row acknowledges it.
    pub async fn write(&self, shared: &Rc<Shared>, trace: &mut Trace, value: &str) -> Result<(), SampleOutcome> {
        trace.policy = policy(Connections::KeepAlive, shared, trace);
        let parameters: [(&(dyn ToSql + Sync), Type); 1] = [(&value, Type::TEXT)];
        match self.to.on(shared, trace, LARGEST, async |client| client.execute_typed(&self.words.write, &parameters).await).await? {
            0 => Err(SampleOutcome::Expectation),
            _ => Ok(()),
        }
    }

    /// Whether a value is there.
    pub async fn read(&self, shared: &Rc<Shared>, trace: &mut Trace, value: &str, last: bool) -> Result<bool, SampleOutcome> {
        trace.policy = policy(Connections::KeepAlive, shared, trace);
        let postgres = self.reader(last);
        postgres.on(shared, trace, LARGEST, async |client| is_there(client, &self.words.read, value).await).await
    }

    /// Gives every value that begins with this, once for each row.
    pub async fn list(
        &self,
        shared: &Rc<Shared>,
        trace: &mut Trace,
        prefix: &str,
        note: &mut dyn FnMut(&str, u64),
    ) -> Result<(), SampleOutcome> {
        let Some(list) = &self.words.list else { return Err(SampleOutcome::NotSent) };
        trace.policy = policy(Connections::KeepAlive, shared, trace);
        self.reader(true)
            .on(shared, trace, LARGEST_LIST, async |client| {
                let mut rows = pin!(client.query_typed_raw(list, [(prefix, Type::TEXT)]).await?);
                while let Some(row) = rows.try_next().await? {
                    note(row.try_get::<_, &str>(0)?, 1);
                }
                Ok(())
            })
            .await
    }
}

impl PostgresStore {
    /// Deletes the rows of this run.
    pub async fn remove(&self, shared: &Rc<Shared>, trace: &mut Trace, prefix: &str, removed: &Cell<u64>) -> Result<(), SampleOutcome> {
        let Some(remove) = &self.remove else { return Err(SampleOutcome::NotSent) };
        trace.policy = policy(Connections::KeepAlive, shared, trace);
        let parameters: [(&(dyn ToSql + Sync), Type); 1] = [(&prefix, Type::TEXT)];
        loop {
            let gone = self.to.on(shared, trace, LARGEST, async |client| client.execute_typed(remove, &parameters).await).await?;
            removed.set(removed.get() + gone);
            if gone == 0 {
                return Ok(());
            }
        }
    }
}

/// Whether the rows say that a value is there: any row does, unless its first column is a number or a truth value; then that does.
async fn is_there(client: &Client, read: &str, value: &str) -> Result<bool, Error> {
    let mut rows = pin!(client.query_typed_raw(read, [(value, Type::TEXT)]).await?);
    let mut there = false;
    while let Some(row) = rows.try_next().await? {
        there |= says(&row)?;
    }
    Ok(there)
}

fn says(row: &Row) -> Result<bool, Error> {
    let Some(column) = row.columns().first() else { return Ok(true) };
    Ok(match *column.type_() {
        Type::INT8 => row.try_get::<_, Option<i64>>(0)?.is_some_and(|n| n != 0),
        Type::INT4 => row.try_get::<_, Option<i32>>(0)?.is_some_and(|n| n != 0),
        Type::INT2 => row.try_get::<_, Option<i16>>(0)?.is_some_and(|n| n != 0),
        Type::BOOL => row.try_get::<_, Option<bool>>(0)?.unwrap_or(false),
        _ => true,
    })
}
