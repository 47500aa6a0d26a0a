//! Probes of stores: Redis and Postgres.

use super::{
    http::{CONNECTIONS, TLS},
    probes::COMMON,
    server::{postgres_server, postgres_tls, redis_server, redis_tls},
};
use crate::{
    file::{
        diagnostic::Sink,
        read::{self, Fields},
        table::{Kind, Table, key, must},
        yaml::Node,
    },
    model::{
        probe::Connections,
        store::{PostgresProbe, RedisProbe},
    },
};

/// The keys of a redis probe.
pub static REDIS: Table = Table::new(
    "a redis probe",
    &[
        must("redis", Kind::Secret, "the server: `redis://host:6379`, or `rediss://` for TLS; with a password by reference"),
        key("command", Kind::List(&Kind::Text), "the command and its arguments; `[PING]` when left out"),
        key("expect", Kind::Text, "the reply, as text; any that is no error when left out"),
        key("connections", Kind::Words(CONNECTIONS), "a new connection each, one that is kept, or both, drawn and reported apart"),
        key("tls", Kind::Table(&TLS), "TLS settings, for `rediss://`"),
    ],
)
.also(&COMMON);

/// The keys of a postgres probe.
pub static POSTGRES: Table = Table::new(
    "a postgres probe",
    &[
        must("postgres", Kind::Secret, "the server, or several as `postgres://user@one,two/database`; with a password by reference"),
        key("query", Kind::Text, "the statement; `SELECT 1` when left out"),
        key("expect", Kind::Text, "the first column of the first row, as text; any answer that is no error when left out"),
        key("connections", Kind::Words(CONNECTIONS), "a new connection each, one that is kept, or both, drawn and reported apart"),
        key("tls", Kind::Table(&TLS), "TLS settings, for `sslmode=require`"),
    ],
)
.also(&COMMON);

/// A redis probe.
pub fn redis(fields: Fields<'_>, sink: &mut Sink) -> Option<RedisProbe> {
    let url = fields.get("redis", sink, redis_server);
    let tls = redis_tls(&fields, url.iter(), sink);
    let command = fields.get("command", sink, read::command).unwrap_or_default();
    let (expect, connections) = (fields.text("expect", sink), connections(&fields, sink));
    Some(RedisProbe { url: url?, command, expect, connections, tls })
}

/// A postgres probe.
pub fn postgres(fields: Fields<'_>, sink: &mut Sink) -> Option<PostgresProbe> {
    let url = fields.get("postgres", sink, postgres_server);
    let tls = postgres_tls(&fields, url.iter(), sink);
    let query = fields.get("query", sink, statement).unwrap_or_else(|| "SELECT 1".to_owned());
    let (expect, connections) = (fields.text("expect", sink), connections(&fields, sink));
    Some(PostgresProbe { url: url?, query, expect, connections, tls })
}

/// Some SQL.
pub fn statement(node: &Node, sink: &mut Sink) -> Option<String> {
    let text = read::text(node, sink)?;
    if text.trim().is_empty() || text.contains('\0') {
        sink.error(read::head(node), "this is no SQL statement").expected("a statement like `SELECT 1`");
        return None;
    }
    Some(text.trim().to_owned())
}

/// Which connections are used; both unless told.
pub fn connections(fields: &Fields<'_>, sink: &mut Sink) -> Connections {
    match fields.get("connections", sink, |node, sink| read::word(node, CONNECTIONS, sink)) {
        Some("new") => Connections::New,
        Some("keep-alive") => Connections::KeepAlive,
        _ => Connections::Both,
    }
}
