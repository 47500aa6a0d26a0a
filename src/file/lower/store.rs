//! Probes of stores: Redis, Postgres, and the ledger.

use std::time::Duration;

use super::{
    http::{self, CONNECTIONS, EXPECT, SERVED_BY, TLS},
    probes::COMMON,
    url,
};
use crate::{
    file::{
        diagnostic::Sink,
        escape::quote,
        read::{self, Fields},
        table::{Kind, Table, key, must},
        yaml::Node,
    },
    model::{
        probe::{Connections, Text},
        store::{HttpLedger, LEDGER, LedgerCall, LedgerList, LedgerProbe, LedgerStore, PostgresProbe, RedisProbe},
        template,
    },
};

/// The name that stands for a ledger's value in its requests.
pub const VALUE: &str = "value";

const REDIS_LIKE: &str = "`redis://host:6379`, or `{ env: NAME }` for one with a password";
const POSTGRES_LIKE: &str = "`postgres://user@host:5432/database`, or `{ env: NAME }` for one with a password";

/// The keys of a redis probe.
pub static REDIS: Table = Table::new(
    "a redis probe",
    &[
        must("redis", Kind::Secret, "the server: `redis://host:6379`; with a password by reference"),
        key("command", Kind::List(&Kind::Text), "the command and its arguments; `[PING]` when left out"),
        key("expect", Kind::Text, "the reply, as text; any that is no error when left out"),
        key("connections", Kind::Words(CONNECTIONS), "a new connection each, one that is kept, or both, drawn and reported apart"),
    ],
)
.also(&COMMON);

/// The keys of a postgres probe.
pub static POSTGRES: Table = Table::new(
    "a postgres probe",
    &[
        must("postgres", Kind::Secret, "the server: `postgres://user@host:5432/database`; with a password by reference"),
        key("query", Kind::Text, "the statement; `SELECT 1` when left out"),
        key("expect", Kind::Text, "the first column of the first row, as text; any answer that is no error when left out"),
        key("connections", Kind::Words(CONNECTIONS), "a new connection each, one that is kept, or both, drawn and reported apart"),
    ],
)
.also(&COMMON);

/// The keys of a ledger.
pub static LEDGER_PROBE: Table =
    Table::new("a ledger probe", &[must("ledger", Kind::Table(&STORE), "where values are written and read back")]).also(&COMMON);

static STORE: Table = Table::new(
    "`ledger`",
    &[
        key("http", Kind::Table(&HTTP), "an application: its requests for writing and reading a value"),
        key("redis", Kind::Secret, "a Redis server: values are fields of a hash, counted up by their write"),
        key("postgres", Kind::Secret, "a Postgres server: values are rows of a table, which is made when it is not there"),
        key("read-from", Kind::Secret, "where reads go, when that is another server than the one that is written to"),
        key("key", Kind::Text, "the hash in Redis; `firedrill_ledger` when left out"),
        key("table", Kind::Text, "the table in Postgres; `firedrill_ledger` when left out"),
        key(
            "settles-within",
            Kind::Duration,
            "how long an acknowledged write may take to be seen, as where a worker does it later; at once when left out, at most 5m",
        ),
    ],
)
.one_of(&["http", "redis", "postgres"]);

static HTTP: Table = Table::new(
    "a ledger over http",
    &[
        must("write", Kind::Table(&CALL), "the request that writes `${value}`; an answer as expected acknowledges it"),
        must("read", Kind::Table(&CALL), "the request that reads `${value}` back; an answer as expected says that it is there"),
        key("list", Kind::Table(&LIST), "the request for all values, at the end"),
        key("connections", Kind::Words(CONNECTIONS), "as of an http probe"),
        key(
            "served-by",
            Kind::Either(&[Kind::Text, Kind::Table(&SERVED_BY)]),
            "which response headers name the instance and the zone that answered",
        ),
        key("tls", Kind::Table(&TLS), "TLS settings"),
    ],
);

static CALL: Table = Table::new(
    "a request",
    &[
        key("get", Kind::Text, "the URL that is got"),
        key("head", Kind::Text, "the URL whose head is got"),
        key("post", Kind::Text, "the URL that is posted to"),
        key("put", Kind::Text, "the URL that is put"),
        key("patch", Kind::Text, "the URL that is patched"),
        key("delete", Kind::Text, "the URL that is deleted"),
        key("headers", Kind::Map(&Kind::Secret), "headers by name; secrets as `{ env: NAME }` or `{ file: PATH }`"),
        key("json", Kind::Any, "the body as JSON"),
        key("body", Kind::Text, "the body as it is"),
        key("expect", Kind::Table(&EXPECT), "what an answer must be; any status from 200 to 299 when left out"),
    ],
)
.one_of(&METHODS);

const METHODS: [&str; 6] = ["get", "head", "post", "put", "patch", "delete"];

static LIST: Table = Table::new(
    "the request for all values",
    &[
        must("get", Kind::Text, "the URL that is got"),
        key("headers", Kind::Map(&Kind::Secret), "headers by name"),
        key("json", Kind::Text, "the JSON pointer of the list of values, like `/orders`; one value a line when left out"),
    ],
);

/// A redis probe.
pub fn redis(fields: Fields<'_>, sink: &mut Sink) -> Option<RedisProbe> {
    Some(RedisProbe {
        url: fields.get("redis", sink, |node, sink| server(node, &["redis"], REDIS_LIKE, sink))?,
        command: fields.get("command", sink, read::command).unwrap_or_default(),
        expect: fields.text("expect", sink),
        connections: connections(&fields, sink),
    })
}

/// A postgres probe.
pub fn postgres(fields: Fields<'_>, sink: &mut Sink) -> Option<PostgresProbe> {
    Some(PostgresProbe {
        url: fields.get("postgres", sink, |node, sink| server(node, &["postgres", "postgresql"], POSTGRES_LIKE, sink))?,
        query: fields.text("query", sink).unwrap_or_else(|| "SELECT 1".to_owned()),
        expect: fields.text("expect", sink),
        connections: connections(&fields, sink),
    })
}

/// A ledger.
pub fn ledger(fields: Fields<'_>, sink: &mut Sink) -> Option<LedgerProbe> {
    let fields = fields.get("ledger", sink, |node, sink| Fields::new(node, &STORE, sink))?;
    let alone = |key: &str, stores: &[&str], sink: &mut Sink| {
        if fields.has(key) && stores.iter().all(|store| !fields.has(store)) {
            let of = stores.iter().map(|store| format!("`{store}`")).collect::<Vec<_>>().join(" or ");
            sink.error(fields.key_span(key), format!("`{key}` has no meaning here")).expected(format!("`{key}` beside {of}"));
        }
    };
    alone("read-from", &["redis", "postgres"], sink);
    alone("key", &["redis"], sink);
    alone("table", &["postgres"], sink);
    let store = if fields.has("http") {
        LedgerStore::Http(Box::new(fields.get("http", sink, over_http)?))
    } else if fields.has("redis") {
        LedgerStore::Redis {
            url: fields.get("redis", sink, |node, sink| server(node, &["redis"], REDIS_LIKE, sink))?,
            read_from: fields.get("read-from", sink, |node, sink| server(node, &["redis"], REDIS_LIKE, sink)),
            key: fields.text("key", sink).unwrap_or_else(|| LEDGER.to_owned()),
        }
    } else {
        let schemes = &["postgres", "postgresql"];
        LedgerStore::Postgres {
            url: fields.get("postgres", sink, |node, sink| server(node, schemes, POSTGRES_LIKE, sink))?,
            read_from: fields.get("read-from", sink, |node, sink| server(node, schemes, POSTGRES_LIKE, sink)),
            table: fields.get("table", sink, table).unwrap_or_else(|| LEDGER.to_owned()),
        }
    };
    Some(LedgerProbe { store, settles_within: fields.get("settles-within", sink, settles_within).unwrap_or_default() })
}

/// Longer is a run of its own.
const LONGEST_SETTLING: Duration = Duration::from_secs(300);

fn settles_within(node: &Node, sink: &mut Sink) -> Option<Duration> {
    let time = read::duration(node, sink)?;
    if time > LONGEST_SETTLING {
        sink.error(node.span, format!("{} is too long: the run would have to wait for it at its end", node.says()))
            .expected("at most `5m`");
        return None;
    }
    Some(time)
}

fn connections(fields: &Fields<'_>, sink: &mut Sink) -> Connections {
    match fields.get("connections", sink, |node, sink| read::word(node, CONNECTIONS, sink)) {
        Some("new") => Connections::New,
        Some("keep-alive") => Connections::KeepAlive,
        _ => Connections::Both,
    }
}

/// A store's URL. A password never stands in a file.
fn server(node: &Node, schemes: &[&str], like: &str, sink: &mut Sink) -> Option<Text> {
    let text = http::text_or_secret(node, read::line, sink)?;
    let Text::Plain(url) = &text else { return Some(text) };
    let Some((scheme, rest)) = url.split_once("://") else {
        sink.error(node.span, format!("{} is not a URL", quote(url))).expected(like);
        return None;
    };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let user = authority.rsplit_once('@').map(|(user, _)| user);
    if user.is_some_and(|user| user.contains(':')) || rest.contains("password=") {
        sink.source().hide(node.span);
        sink.error(node.span, "the URL holds a password, and secrets are never written in a file")
            .expected("`{ env: NAME }` or `{ file: PATH }` for the whole URL");
        return None;
    }
    if !schemes.contains(&scheme) {
        sink.error(node.span, format!("{} is not a scheme that this probe can use", quote(scheme))).expected(like);
        return None;
    }
    if rest.contains("sslmode=require") || rest.contains("sslmode=verify") {
        sink.error(node.span, "Postgres is spoken to without TLS in this version").expected("a URL without `sslmode`");
        return None;
    }
    let hosts = authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts);
    if hosts.is_empty() {
        sink.error(node.span, format!("{} names no host", quote(url))).expected(like);
        return None;
    }
    for host in hosts.split(',') {
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if !port.contains(']') => (name, Some(port)),
            _ => (host, None),
        };
        if port.is_some_and(|port| port.parse::<u16>().ok().is_none_or(|port| port == 0)) {
            sink.error(node.span, format!("{} is not a port", quote(port.unwrap_or_default()))).expected("a number from 1 to 65535");
            return None;
        }
        let with_port = format!("{name}:{}", port.unwrap_or("1"));
        if !url::check_address(&with_port, node.span, sink) {
            return None;
        }
    }
    Some(text)
}

/// A table's name, which goes into statements as it is.
fn table(node: &Node, sink: &mut Sink) -> Option<String> {
    let text = read::line(node, sink)?;
    let word = |part: &str| {
        part.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b == b'_')
            && part.len() <= 60
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    if (1..=2).contains(&text.split('.').count()) && text.split('.').all(word) {
        return Some(text.to_owned());
    }
    sink.error(node.span, format!("{} is not the name of a table", quote(text)))
        .expected("small letters, digits and `_`, as in `firedrill_ledger` or `drills.ledger`");
    None
}

fn over_http(node: &Node, sink: &mut Sink) -> Option<HttpLedger> {
    let fields = Fields::new(node, &HTTP, sink)?;
    Some(HttpLedger {
        write: fields.get("write", sink, call)?,
        read: fields.get("read", sink, call)?,
        list: fields.get("list", sink, list),
        connections: connections(&fields, sink),
        served_by: fields.get("served-by", sink, http::served_by),
        tls: fields.get("tls", sink, http::tls).unwrap_or_default(),
    })
}

fn call(node: &Node, sink: &mut Sink) -> Option<LedgerCall> {
    let fields = Fields::new(node, &CALL, sink)?;
    let method = METHODS.into_iter().find(|method| fields.has(method))?;
    let url = fields.get(method, sink, template_url)?;
    if fields.has("json") && fields.has("body") {
        sink.error(fields.key_span("body"), "`json` and `body` exclude each other").expected("one of them");
    }
    let json = fields.node("json").map(|node| http::json(node).to_string());
    let content_type = json.is_some().then(|| "application/json".to_owned());
    let call = LedgerCall {
        method: method.to_ascii_uppercase(),
        url,
        headers: fields.get("headers", sink, http::headers).unwrap_or_default(),
        body: json.or_else(|| fields.text("body", sink)),
        content_type,
        expect: fields.get("expect", sink, http::expect).unwrap_or_default(),
    };
    let holds = |text: &str| template::names(text).any(|name| name == VALUE);
    let in_headers = call.headers.iter().any(|(_, text)| matches!(text, Text::Plain(text) if holds(text)));
    if !(holds(&call.url) || call.body.as_deref().is_some_and(holds) || in_headers) {
        sink.error(fields.span, "the request does not name the value").expected("`${value}` in the URL, the body or a header");
    }
    Some(call)
}

fn list(node: &Node, sink: &mut Sink) -> Option<LedgerList> {
    let fields = Fields::new(node, &LIST, sink)?;
    let json = fields.get("json", sink, |node, sink| {
        let text = read::line(node, sink)?;
        if text.is_empty() || text.starts_with('/') {
            return Some(text.to_owned());
        }
        sink.error(node.span, format!("{} is not a JSON pointer", quote(text))).expected("a pointer like `/orders` (RFC 6901)");
        None
    });
    Some(LedgerList {
        url: fields.get("get", sink, template_url)?,
        headers: fields.get("headers", sink, http::headers).unwrap_or_default(),
        json,
    })
}

/// A URL in whose path or query a value may stand.
fn template_url(node: &Node, sink: &mut Sink) -> Option<String> {
    let text = read::line(node, sink)?;
    let authority = text.split_once("://").map_or("", |(_, rest)| rest.split(['/', '?']).next().unwrap_or_default());
    if authority.contains("${") {
        sink.error(node.span, "the host of a URL is the same for all values").expected("`${value}` in the path or the query");
        return None;
    }
    url::check_url(&template::fill(text, |_| "0".to_owned()), node.span, sink)?;
    Some(text.to_owned())
}
