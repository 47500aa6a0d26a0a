//! Probes of stores as the pairs of a flow map.

use super::{Pairs, connections_pair, expect_pair, flow, journey, list, pair, quoted, scalar, secret, served_pair, time, tls_pair};
use crate::model::{
    probe::Text,
    store::{HttpLedger, LEDGER, LedgerCall, LedgerProbe, LedgerStore, PostgresProbe, RedisProbe},
};

/// A redis probe's own keys.
pub fn redis(redis: &RedisProbe) -> Pairs {
    let mut out = vec![pair("redis", secret(&redis.url))];
    if !redis.command.is_empty() {
        out.push(pair("command", list(&redis.command)));
    }
    out.extend(redis.expect.as_ref().map(|text| pair("expect", quoted(text))));
    out.extend(connections_pair(redis.connections));
    out
}

/// A postgres probe's own keys.
pub fn postgres(postgres: &PostgresProbe) -> Pairs {
    let mut out = vec![pair("postgres", secret(&postgres.url)), pair("query", quoted(&postgres.query))];
    out.extend(postgres.expect.as_ref().map(|text| pair("expect", quoted(text))));
    out.extend(connections_pair(postgres.connections));
    out
}

/// The value of `ledger:`.
pub fn ledger(ledger: &LedgerProbe) -> String {
    let other = |from: &Option<Text>| from.as_ref().map(|text| pair("read-from", secret(text)));
    let settles = (!ledger.settles_within.is_zero()).then(|| pair("settles-within", time(ledger.settles_within)));
    match &ledger.store {
        LedgerStore::Http(http) => flow([pair("http", flow(over_http(http)))].into_iter().chain(settles).collect()),
        LedgerStore::Redis { url, read_from, key } => {
            let mut out = vec![pair("redis", secret(url))];
            out.extend(other(read_from));
            out.extend((key != LEDGER).then(|| pair("key", quoted(key))));
            out.extend(settles);
            flow(out)
        }
        LedgerStore::Postgres { url, read_from, table } => {
            let mut out = vec![pair("postgres", secret(url))];
            out.extend(other(read_from));
            out.extend((table != LEDGER).then(|| pair("table", quoted(table))));
            out.extend(settles);
            flow(out)
        }
    }
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
