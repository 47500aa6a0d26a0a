//! Probes of stores as the pairs of a flow map.

use super::{Pairs, connections_pair, expect_pair, flow, journey, list, pair, quoted, scalar, secret, served_pair, time, tls_pair};
use crate::model::{
    probe::Text,
    store::{HttpLedger, LEDGER, LedgerCall, LedgerProbe, LedgerStore, Own, PostgresProbe, RedisProbe},
};

/// A redis probe's own keys.
pub fn redis(redis: &RedisProbe) -> Pairs {
    let mut out = vec![pair("redis", secret(&redis.url))];
    if !redis.command.is_empty() {
        out.push(pair("command", list(&redis.command)));
    }
    out.extend(redis.expect.as_ref().map(|text| pair("expect", quoted(text))));
    out.extend(connections_pair(redis.connections));
    out.extend(tls_pair(&redis.tls));
    out
}

/// A postgres probe's own keys.
pub fn postgres(postgres: &PostgresProbe) -> Pairs {
    let mut out = vec![pair("postgres", secret(&postgres.url)), pair("query", quoted(&postgres.query))];
    out.extend(postgres.expect.as_ref().map(|text| pair("expect", quoted(text))));
    out.extend(connections_pair(postgres.connections));
    out.extend(tls_pair(&postgres.tls));
    out
}

/// The value of `ledger:`.
pub fn ledger(ledger: &LedgerProbe) -> String {
    let other = |from: &Option<Text>| from.as_ref().map(|text| pair("read-from", secret(text)));
    let settles = (!ledger.settles_within.is_zero()).then(|| pair("settles-within", time(ledger.settles_within)));
    let keep = ledger.keep.then(|| pair("keep", "true"));
    let out = match &ledger.store {
        LedgerStore::Http(http) => vec![pair("http", flow(over_http(http)))],
        LedgerStore::Redis(redis) => {
            let mut out = vec![pair("redis", secret(&redis.url))];
            out.extend(other(&redis.read_from));
            out.extend(own(redis.own.as_ref(), |words| templates(words)));
            out.extend((redis.key != LEDGER).then(|| pair("key", quoted(&redis.key))));
            out.extend(tls_pair(&redis.tls));
            out
        }
        LedgerStore::Postgres(postgres) => {
            let mut out = vec![pair("postgres", secret(&postgres.url))];
            out.extend(other(&postgres.read_from));
            out.extend(own(postgres.own.as_ref(), |text| quoted(text)));
            out.extend((postgres.table != LEDGER).then(|| pair("table", quoted(&postgres.table))));
            out.extend(tls_pair(&postgres.tls));
            out
        }
    };
    flow(out.into_iter().chain(settles).chain(keep).collect())
}

/// Words in which each `${` is meant.
fn templates(words: &[String]) -> String {
    format!("[{}]", words.iter().map(|word| scalar(word)).collect::<Vec<_>>().join(", "))
}

/// What is said in place of our own words.
fn own<T>(own: Option<&Own<T>>, one: impl Fn(&T) -> String) -> Pairs {
    let Some(own) = own else { return Vec::new() };
    let mut out = vec![pair("write", one(&own.write)), pair("read", one(&own.read))];
    out.extend(own.list.as_ref().map(|list| pair("list", one(list))));
    out
}

fn over_http(http: &HttpLedger) -> Pairs {
    let mut out = vec![pair("write", flow(call(&http.write))), pair("read", flow(call(&http.read)))];
    out.extend(http.list.as_ref().map(|found| {
        let mut pairs = vec![pair("get", scalar(&found.url))];
        if !found.headers.is_empty() {
            pairs.push(pair("headers", journey::texts(&found.headers)));
        }
        pairs.extend(found.json.as_ref().map(|pointer| pair("json", quoted(pointer))));
        pair("list", flow(pairs))
    }));
    out.extend(connections_pair(http.connections));
    out.extend(http.served_by.as_ref().map(served_pair));
    out.extend(tls_pair(&http.tls));
    out
}

fn call(call: &LedgerCall) -> Pairs {
    let mut out = vec![pair(&call.method.to_ascii_lowercase(), scalar(&call.url))];
    if !call.headers.is_empty() {
        out.push(pair("headers", journey::texts(&call.headers)));
    }
    out.extend(call.body.as_ref().map(|body| match &call.content_type {
        // As it was read: its texts are templates, its quotes are JSON's.
        Some(_) => pair("json", body),
        None => pair("body", scalar(body)),
    }));
    out.extend(expect_pair(&call.expect, scalar, journey::json));
    out
}
