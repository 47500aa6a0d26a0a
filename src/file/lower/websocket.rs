//! The WebSocket probe: the connection that stays open, and what is said on it.

use super::{
    http::{SERVED_BY, TLS, headers, served_by, tls},
    naming::{NAMES_KEY, RESOLVER_KEY, host_of, naming},
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
    model::protocol::{WebSocketExchange, WebSocketProbe},
};

const MESSAGE_LIMIT: u64 = 64 * 1024;
/// A probe's share of what a process may hold open.
const MOST_SOCKETS: u64 = 10_000;
/// Headers that open a WebSocket, and are the probe's own.
const OURS: [&str; 4] = ["sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions", "origin"];

/// The keys of a WebSocket probe.
pub static WEBSOCKET: Table = Table::new(
    "a websocket probe",
    &[
        must("websocket", Kind::Text, "the URL: `ws://` or `wss://`"),
        key("sockets", Kind::Integer, "how many connections are kept open; one per four requests a second, up to 16, when left out"),
        key("echo", Kind::Bool, "each request sends a text of its own, and must get a message that holds it; `true` when left out"),
        key("ping", Kind::Bool, "each request sends a ping, and must get its pong"),
        key("expect", Kind::Table(&EXPECT), "each request waits for a message that the server sends by itself"),
        key("headers", Kind::Map(&Kind::Secret), "headers by name; secrets as `{ env: NAME }` or `{ file: PATH }`"),
        key("origin", Kind::Text, "the header `Origin`, for servers that look at it"),
        key("message-limit", Kind::Bytes, "the largest message, a larger one is a failure; 64KiB when left out"),
        key(
            "served-by",
            Kind::Either(&[Kind::Text, Kind::Table(&SERVED_BY)]),
            "which headers of the answer that opens a connection name the instance and the zone that it goes to",
        ),
        NAMES_KEY,
        RESOLVER_KEY,
        key("tls", Kind::Table(&TLS), "TLS settings"),
    ],
)
.also(&COMMON);

static EXPECT: Table = Table::new("`expect` of a websocket probe", &[must("message", Kind::Text, "the next message that holds this text")]);

/// Reads the probe; `fields` has the keys of `WEBSOCKET`.
pub fn websocket(fields: Fields<'_>, sink: &mut Sink) -> WebSocketProbe {
    let mut scheme = None;
    let url = fields.get("websocket", sink, |node, sink| {
        let text = read::line(node, sink)?.trim();
        scheme = url::check_url_of(text, node.span, &["ws", "wss"], sink);
        scheme.map(|_| text.to_owned())
    });
    if let (Some("ws"), Some(tls)) = (scheme, fields.entry("tls")) {
        sink.error(tls.key_span, "`tls` has no meaning for a `ws://` URL").expected("a `wss://` URL, or no `tls`");
    }
    let (names, resolver) = naming(fields, url.as_deref().and_then(host_of).as_deref(), false, sink);
    let sent = fields.get("headers", sink, headers).unwrap_or_default();
    for (name, _) in sent.iter().filter(|(name, _)| OURS.contains(&name.as_str())) {
        let hint = if name == "origin" { "the key `origin`" } else { "another header" };
        sink.error(fields.key_span("headers"), format!("the header {} is set by the probe itself", quote(name))).expected(hint);
    }
    WebSocketProbe {
        url: url.unwrap_or_default(),
        sockets: fields.get("sockets", sink, |node, sink| read::integer_in(node, 1..=MOST_SOCKETS, sink)).map(|n| n as u32),
        exchange: exchange(fields, sink),
        headers: sent,
        origin: fields.get("origin", sink, origin),
        message_limit: fields.get("message-limit", sink, limit).unwrap_or(MESSAGE_LIMIT),
        served_by: fields.get("served-by", sink, served_by),
        names,
        resolver,
        tls: fields.get("tls", sink, tls).unwrap_or_default(),
    }
}

/// What a request does: one of three things.
fn exchange(fields: Fields<'_>, sink: &mut Sink) -> WebSocketExchange {
    let echo = fields.get("echo", sink, read::boolean);
    let ping = fields.flag("ping", sink);
    let message = fields.get("expect", sink, |node, sink| Fields::new(node, &EXPECT, sink)?.get("message", sink, text));
    let given: Vec<&str> = [("echo", echo == Some(true)), ("ping", ping), ("expect", fields.has("expect"))]
        .iter()
        .filter(|(_, on)| *on)
        .map(|(k, _)| *k)
        .collect();
    if let [first, second, ..] = given[..] {
        sink.error(fields.key_span(second), format!("`{first}` and `{second}` exclude each other: a request does one thing"))
            .expected("one of `echo: true`, `ping: true` and `expect: { message: TEXT }`");
    } else if given.is_empty() && echo == Some(false) {
        sink.error(fields.key_span("echo"), "without an echo, a request does nothing")
            .expected("`ping: true` or `expect: { message: TEXT }`");
    }
    match message {
        Some(message) => WebSocketExchange::Message(message),
        None if ping => WebSocketExchange::Ping,
        None => WebSocketExchange::Echo,
    }
}

fn text(node: &Node, sink: &mut Sink) -> Option<String> {
    let text = read::text(node, sink)?;
    if text.is_empty() {
        sink.error(node.span, "every message holds the empty text").expected("a text that only the message has");
        return None;
    }
    Some(text.to_owned())
}

fn origin(node: &Node, sink: &mut Sink) -> Option<String> {
    let text = read::line(node, sink)?;
    if text != "null" && url::check_url(text, node.span, sink).is_none() {
        return None;
    }
    Some(text.to_owned())
}

fn limit(node: &Node, sink: &mut Sink) -> Option<u64> {
    let limit = read::bytes(node, sink)?;
    if !(1024..=16 << 20).contains(&limit) {
        sink.error(node.span, format!("{} is no sensible bound for a message", node.says())).expected("from `1KiB` to `16MiB`");
    }
    Some(limit)
}
