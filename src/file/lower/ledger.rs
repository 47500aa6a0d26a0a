//! The ledger: where its values are written and read back.

use std::time::Duration;

use super::{
    http::{self, CONNECTIONS, EXPECT, SERVED_BY, TLS},
    probes::COMMON,
    server::{postgres_server, postgres_tls, redis_server, redis_tls},
    store::{connections, statement},
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
        probe::Text,
        store::{HttpLedger, LEDGER, LedgerCall, LedgerList, LedgerProbe, LedgerStore, Own, PostgresLedger, RedisLedger},
        template,
    },
};

/// The name that stands for a ledger's value in its requests and commands.
const VALUE: &str = "value";

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
        key("write", OWN, "the command (Redis) or statement (Postgres) that writes a value, in place of our own; with `read` beside it"),
        key("read", OWN, "the one that reads it: nothing, zero or false says that it is not there"),
        key("list", OWN, "the one that gives all values; without it each is read by itself at the end"),
        key("tls", Kind::Table(&TLS), "TLS settings, for `rediss://` and `sslmode=require`"),
        key("key", Kind::Text, "the hash in Redis; `firedrill_ledger` when left out"),
        key("table", Kind::Text, "the table in Postgres; `firedrill_ledger` when left out"),
        key(
            "settles-within",
            Kind::Duration,
            "how long an acknowledged write may take to be seen, as where a worker does it later; at once when left out, at most 5m",
        ),
        key(
            "keep",
            Kind::Bool,
            "`true`: the values stay in the hash or the table; else those of the run are removed when everything was read",
        ),
    ],
)
.one_of(&["http", "redis", "postgres"]);

/// Words of a command, or an SQL statement.
const OWN: Kind = Kind::Either(&[Kind::Text, Kind::List(&Kind::Text)]);

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

/// A ledger.
pub fn ledger(fields: Fields<'_>, sink: &mut Sink) -> Option<LedgerProbe> {
    let fields = fields.get("ledger", sink, |node, sink| Fields::new(node, &STORE, sink))?;
    let alone = |key: &str, stores: &[&str], sink: &mut Sink| {
        if fields.has(key) && stores.iter().all(|store| !fields.has(store)) {
            let of = stores.iter().map(|store| format!("`{store}`")).collect::<Vec<_>>().join(" or ");
            sink.error(fields.key_span(key), format!("`{key}` has no meaning here")).expected(format!("`{key}` beside {of}"));
        }
    };
    for key in ["read-from", "write", "read", "list", "tls", "keep"] {
        alone(key, &["redis", "postgres"], sink);
    }
    alone("key", &["redis"], sink);
    alone("table", &["postgres"], sink);
    let store = if fields.has("http") {
        LedgerStore::Http(Box::new(fields.get("http", sink, over_http)?))
    } else if fields.has("redis") {
        LedgerStore::Redis(over_redis(&fields, sink)?)
    } else {
        LedgerStore::Postgres(over_postgres(&fields, sink)?)
    };
    let settles_within = fields.get("settles-within", sink, settles_within).unwrap_or_default();
    Some(LedgerProbe { store, settles_within, keep: fields.flag("keep", sink) })
}

/// Longer is a run of its own.
const LONGEST_SETTLING: Duration = Duration::from_mins(5);

fn settles_within(node: &Node, sink: &mut Sink) -> Option<Duration> {
    let time = read::duration(node, sink)?;
    if time > LONGEST_SETTLING {
        sink.error(node.span, format!("{} is too long: the run would have to wait for it at its end", node.says()))
            .expected("at most `5m`");
        return None;
    }
    Some(time)
}

fn over_redis(fields: &Fields<'_>, sink: &mut Sink) -> Option<RedisLedger> {
    let url = fields.get("redis", sink, redis_server);
    let read_from = fields.get("read-from", sink, redis_server);
    let tls = redis_tls(fields, url.iter().chain(&read_from), sink);
    let own = own(fields, "key", sink, |node, names_value, sink| {
        let words = read::command(node, sink)?;
        let named = !names_value || words.iter().skip(1).any(|word| template::names(word).any(|name| name == VALUE));
        (named || no_value(node, "`${value}` where the value goes, as in `[SADD, orders, \"${value}\"]`", sink)).then_some(words)
    });
    let key = fields.text("key", sink).unwrap_or_else(|| LEDGER.to_owned());
    Some(RedisLedger { url: url?, read_from, key, own, tls })
}

fn over_postgres(fields: &Fields<'_>, sink: &mut Sink) -> Option<PostgresLedger> {
    let url = fields.get("postgres", sink, postgres_server);
    let read_from = fields.get("read-from", sink, postgres_server);
    let tls = postgres_tls(fields, url.iter().chain(&read_from), sink);
    // In the list too: it stands for what all values of the run begin with, and no table is read whole.
    let own = own(fields, "table", sink, |node, _, sink| {
        let text = statement(node, sink)?;
        (text.contains("$1") || no_value(node, "`$1` where the value goes; in `list`, where that goes which all values begin with", sink))
            .then_some(text)
    });
    let table = fields.get("table", sink, table).unwrap_or_else(|| LEDGER.to_owned());
    Some(PostgresLedger { url: url?, read_from, table, own, tls })
}

fn no_value(node: &Node, expected: &str, sink: &mut Sink) -> bool {
    sink.error(read::head(node), "this does not say where the value goes").expected(expected);
    false
}

/// What is said in place of our own words; `read` is also told whether the value must be named.
fn own<T>(fields: &Fields<'_>, place: &str, sink: &mut Sink, one: impl Fn(&Node, bool, &mut Sink) -> Option<T>) -> Option<Own<T>> {
    let given = ["write", "read", "list"].into_iter().find(|key| fields.has(key))?;
    for key in ["write", "read"].into_iter().filter(|key| !fields.has(key)) {
        sink.error(fields.key_span(given), format!("`{given}` needs `{key}` beside it"))
            .expected(format!("`write` and `read`, and `list` where there is one; or none of them, and `{place}`"));
    }
    if fields.has(place) {
        sink.error(fields.key_span(place), format!("`{place}` has no meaning beside a `{given}` of your own"))
            .expected(format!("`{place}`, or `write` and `read`"));
    }
    let write = fields.get("write", sink, |node, sink| one(node, true, sink));
    let read = fields.get("read", sink, |node, sink| one(node, true, sink));
    let list = fields.get("list", sink, |node, sink| one(node, false, sink));
    Some(Own { write: write?, read: read?, list })
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
