//! A ledger in Redis: values are fields of a hash, each counted up by its write, so that one that was done twice shows; or what commands of
//! the user's own make of them.

use std::{cell::Cell, collections::BTreeMap, rc::Rc};

use redis::{Cmd, Value, aio::MultiplexedConnection, cmd};

use super::values::Values;
use crate::{
    model::{
        probe::Connections,
        sample::SampleOutcome,
        store::{Own, RedisLedger},
        template::fill,
    },
    probe::{
        pacer::Shared,
        stage::Trace,
        store::{
            LARGEST, LARGEST_LIST, policy,
            redis::{Redis, Server, text},
        },
    },
};

/// So many fields are asked for at once.
const PAGE: usize = 1000;

/// The store, ready to move to the pacing thread.
pub struct PreparedRedisStore {
    to: Server,
    from: Server,
    elsewhere: bool,
    key: String,
    own: Option<Own<Vec<String>>>,
}

impl PreparedRedisStore {
    /// Words for the user when it cannot be used.
    pub fn new(spec: &RedisLedger) -> Result<Self, String> {
        let from = Server::new(spec.read_from.as_ref().unwrap_or(&spec.url), &spec.tls)?;
        let elsewhere = spec.read_from.is_some();
        Ok(Self { to: Server::new(&spec.url, &spec.tls)?, from, elsewhere, key: spec.key.clone(), own: spec.own.clone() })
    }

    /// On the pacing thread.
    pub fn into_store(self, rate: f64) -> RedisStore {
        let (to, from) = (Redis::new(self.to, rate), Redis::new(self.from, rate));
        RedisStore { to, from, elsewhere: self.elsewhere, key: self.key, own: self.own }
    }
}

/// The store on the pacing thread.
pub struct RedisStore {
    /// Where values are written.
    to: Redis,
    /// Where they are read. Connections of its own in any case: a write that waits holds no reading up.
    from: Redis,
    /// Whether that is another server.
    elsewhere: bool,
    key: String,
    own: Option<Own<Vec<String>>>,
}

/// A command of the user's own, with a value in it.
fn with(words: &[String], value: &str) -> Cmd {
    let mut command = Cmd::new();
    for word in words {
        command.arg(fill(word, |_| value.to_owned()));
    }
    command
}

/// Where the scan goes on, and the fields and values of this page; nothing when the answer is another one.
fn page_of(answer: &Value) -> Option<(String, &[Value])> {
    let Value::Array(parts) = answer else { return None };
    let [next, Value::Array(pairs)] = parts.as_slice() else { return None };
    Some((text(next), pairs))
}

/// Whether an answer says that something is there.
fn is_there(answer: &Value) -> bool {
    match answer {
        Value::Nil | Value::Boolean(false) | Value::Int(0) => false,
        Value::Array(items) | Value::Set(items) => items.iter().any(is_there),
        Value::Map(pairs) => !pairs.is_empty(),
        _ => true,
    }
}

impl RedisStore {
    /// How many connections it keeps.
    pub fn kept(&self) -> u64 {
        self.to.size() + self.from.size()
    }

    /// Whether it can give everything.
    pub fn lists(&self) -> bool {
        self.own.as_ref().is_none_or(|own| own.list.is_some())
    }

    /// See `Store`.
    pub fn reads_elsewhere(&self) -> bool {
        self.elsewhere
    }

    /// See `Store`.
    pub fn removes(&self) -> bool {
        self.own.is_none()
    }

    /// Who reads: in the last round, who writes.
    fn reader(&self, last: bool) -> &Redis {
        if last && self.elsewhere { &self.to } else { &self.from }
    }

    /// Writes a value: any answer that is something acknowledges it.
    pub async fn write(&self, shared: &Rc<Shared>, trace: &mut Trace, value: &str) -> Result<(), SampleOutcome> {
        let command = match &self.own {
            Some(own) => with(&own.write, value),
            None => cmd("HINCRBY").arg(&self.key).arg(value).arg(1).to_owned(),
        };
        match ask(&self.to, shared, trace, LARGEST, &command).await? {
            // As of a `SET` that was to make something new, and did not.
            Value::Nil | Value::Boolean(false) => Err(SampleOutcome::Expectation),
            _ => Ok(()),
        }
    }

    /// Whether a value is there.
    pub async fn read(&self, shared: &Rc<Shared>, trace: &mut Trace, value: &str, last: bool) -> Result<bool, SampleOutcome> {
        let command = match &self.own {
            Some(own) => with(&own.read, value),
            None => cmd("HGET").arg(&self.key).arg(value).to_owned(),
        };
        let redis = self.reader(last);
        ask(redis, shared, trace, LARGEST, &command).await.map(|answer| is_there(&answer))
    }

    /// Gives every value that begins with this, and how many of it there are.
    pub async fn list(
        &self,
        shared: &Rc<Shared>,
        trace: &mut Trace,
        prefix: &str,
        note: &mut dyn FnMut(&str, u64),
    ) -> Result<(), SampleOutcome> {
        let redis = self.reader(true);
        if let Some(own) = &self.own {
            let Some(list) = &own.list else { return Err(SampleOutcome::NotSent) };
            let answer = ask(redis, shared, trace, LARGEST_LIST, &with(list, prefix)).await?;
            let (Value::Array(items) | Value::Set(items)) = answer else { return Err(SampleOutcome::Expectation) };
            for item in &items {
                note(&text(item), 1);
            }
            return Ok(());
        }
        // A scan may give a field more than once. All of it goes over one connection: a place in the hash of one server means nothing at
        // another, and what is passed over is not lost.
        let mut found = BTreeMap::new();
        let scan = async |mut client: MultiplexedConnection| {
            let mut cursor = "0".to_owned();
            loop {
                let mut page = cmd("HSCAN");
                page.arg(&self.key).arg(&cursor).arg("MATCH").arg(format!("{prefix}*")).arg("COUNT").arg(PAGE);
                let answer = client.send_packed_command(&page).await?;
                let Some((next, pairs)) = page_of(&answer) else { return Ok(answer) };
                for pair in pairs.chunks_exact(2) {
                    found.insert(text(&pair[0]), text(&pair[1]).parse().unwrap_or(1));
                }
                if next == "0" {
                    return Ok(Value::Okay);
                }
                cursor = next;
            }
        };
        trace.policy = policy(Connections::KeepAlive, shared, trace);
        let scanned = redis.on(shared, trace, LARGEST_LIST, scan).await?;
        if scanned != Value::Okay {
            return Err(SampleOutcome::Expectation);
        }
        for (value, times) in &found {
            note(value, *times);
        }
        Ok(())
    }
}

impl RedisStore {
    /// Takes the fields of these writes out of the hash, by their names; an empty hash goes by itself.
    pub async fn remove(
        &self,
        shared: &Rc<Shared>,
        trace: &mut Trace,
        values: &Values,
        sent: &[u32],
        removed: &Cell<u64>,
    ) -> Result<(), SampleOutcome> {
        for page in sent.chunks(PAGE) {
            let mut command = cmd("HDEL");
            command.arg(&self.key);
            for number in page {
                command.arg(values.value(*number));
            }
            let Value::Int(gone) = ask(&self.to, shared, trace, LARGEST, &command).await? else { return Err(SampleOutcome::Expectation) };
            removed.set(removed.get() + u64::try_from(gone).unwrap_or(0));
        }
        Ok(())
    }
}

async fn ask(redis: &Redis, shared: &Rc<Shared>, trace: &mut Trace, most: u64, command: &Cmd) -> Result<Value, SampleOutcome> {
    trace.policy = policy(Connections::KeepAlive, shared, trace);
    redis.ask(shared, trace, most, command).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_zero_and_false_are_not_there() {
        for nothing in [Value::Nil, Value::Int(0), Value::Boolean(false), Value::Array(vec![]), Value::Array(vec![Value::Nil])] {
            assert!(!is_there(&nothing), "{nothing:?}");
        }
        for something in [Value::Int(2), Value::BulkString(b"x".to_vec()), Value::Okay, Value::Array(vec![Value::Nil, Value::Int(1)])] {
            assert!(is_there(&something), "{something:?}");
        }
    }

    #[test]
    fn a_value_stands_where_its_name_is() {
        let words = ["SADD", "orders", "id:${value}"].map(str::to_owned);
        let command = with(&words, "fd-1");
        assert_eq!(command.get_packed_command(), b"*3\r\n$4\r\nSADD\r\n$6\r\norders\r\n$7\r\nid:fd-1\r\n");
    }
}
