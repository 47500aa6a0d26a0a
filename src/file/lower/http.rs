//! The HTTP probe: the request, the connection, and what an answer must be.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::{
    naming::{NAMES_KEY, RESOLVER_KEY, host_of, naming},
    probes::COMMON,
    selector::regex,
    url,
};
use crate::{
    file::{
        Span,
        diagnostic::Sink,
        escape::quote,
        hidden,
        read::{self, Fields},
        table::{Kind, Table, key, must},
        yaml::{Node, Value},
    },
    model::{
        probe::{Connections, HttpExpect, HttpProbe, ServedBy, Text, TlsSettings},
        template,
    },
};

const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/// Ways of using connections.
pub const CONNECTIONS: &[&str] = &["new", "keep-alive", "both"];
/// How much of a body is read unless the file says otherwise.
pub const BODY_LIMIT: u64 = 64 * 1024;

/// The keys of an HTTP probe.
pub static HTTP: Table = Table::new(
    "an http probe",
    &[
        must("http", Kind::Text, "the URL"),
        key("method", Kind::Words(METHODS), "GET when left out"),
        key("headers", Kind::Map(&Kind::Secret), "headers by name; secrets as `{ env: NAME }` or `{ file: PATH }`"),
        key("body", Kind::Secret, "the body of the request"),
        key(
            "connections",
            Kind::Words(CONNECTIONS),
            "a new connection each (a new visitor), one that is there (a browser that came before), or both, drawn and reported apart",
        ),
        NAMES_KEY,
        RESOLVER_KEY,
        key("addresses", Kind::List(&Kind::Text), "addresses (`ip` or `ip:port`) in place of looking up the host"),
        key(
            "expect",
            Kind::Either(&[Kind::Words(&["unreachable"]), Kind::Table(&EXPECT)]),
            "what an answer must be; any status from 200 to 299 when left out",
        ),
        key("body-limit", Kind::Bytes, "how much of a body is read, more is a failure; 64KiB when left out"),
        key(
            "served-by",
            Kind::Either(&[Kind::Text, Kind::Table(&SERVED_BY)]),
            "which response headers name the instance and the zone that answered",
        ),
        key("number-header", Kind::Text, "the request header that carries each request's number, to be found in the system's logs"),
        key("tls", Kind::Table(&TLS), "TLS settings"),
        key("proxy", Kind::Text, "`http://host:port` of a proxy"),
    ],
)
.also(&COMMON);

/// What an answer must be.
pub static EXPECT: Table = Table::new(
    "`expect`",
    &[
        key("status", Kind::Either(&[Kind::Integer, Kind::List(&Kind::Integer)]), "accepted status codes"),
        key("headers", Kind::Map(&Kind::Text), "headers that must be there with this value"),
        key("body", Kind::Table(&BODY), "what the body must hold"),
    ],
);

static BODY: Table = Table::new(
    "`body`",
    &[
        key("contains", Kind::Text, "this text"),
        key("matches", Kind::Text, "a match of this regular expression"),
        key("json", Kind::Map(&Kind::Any), "values by JSON pointer: `{ \"/status\": \"ok\" }`"),
    ],
);

/// Which headers name who answered.
pub static SERVED_BY: Table = Table::new(
    "`served-by`",
    &[
        key("header", Kind::Text, "the response header that names the instance"),
        key("zone-header", Kind::Text, "the response header that names the zone"),
    ],
);

/// TLS settings.
pub static TLS: Table = Table::new(
    "`tls`",
    &[
        key("ca", Kind::Text, "PEM file with the authorities to trust in place of the system's"),
        key("certificate", Kind::Text, "PEM file with the client's certificate chain; needs `key`"),
        key("key", Kind::Text, "PEM file with the client's key"),
        key("insecure", Kind::Bool, "`true` for no verification; said loudly in the report"),
    ],
);

/// Where a secret is found.
pub static SECRET: Table = Table::new(
    "a secret",
    &[
        key("env", Kind::Text, "the environment variable that holds it"),
        key("file", Kind::Text, "the file that holds it, without its last newline"),
    ],
)
.one_of(&["env", "file"]);

/// Reads the probe; `fields` has the keys of `HTTP`.
pub fn http(fields: Fields<'_>, sink: &mut Sink) -> Option<HttpProbe> {
    let mut scheme = None;
    let url = fields.get("http", sink, |node, sink| {
        let text = read::line(node, sink)?.trim();
        scheme = url::check_url(text, node.span, sink);
        scheme.map(|_| text.to_owned())
    });
    if let (Some("http"), Some(tls)) = (scheme, fields.entry("tls")) {
        sink.error(tls.key_span, "`tls` has no meaning for an `http://` URL").expected("an `https://` URL, or no `tls`");
    }
    let method = fields.get("method", sink, method);
    let connections = match fields.get("connections", sink, |node, sink| read::word(node, CONNECTIONS, sink)) {
        Some("new") => Connections::New,
        Some("keep-alive") => Connections::KeepAlive,
        _ => Connections::Both,
    };
    // With a proxy, the name that we look up is the proxy's.
    let proxy = fields.get("proxy", sink, proxy);
    let host = proxy.as_deref().or(url.as_deref()).and_then(host_of);
    let listed = fields.get("addresses", sink, addresses);
    let (names, resolver) = naming(fields, host.as_deref(), listed.is_some(), sink);
    Some(HttpProbe {
        url: url.unwrap_or_default(),
        method: method.unwrap_or("GET").to_owned(),
        headers: fields.get("headers", sink, headers).unwrap_or_default(),
        body: fields.get("body", sink, |node, sink| text_or_secret(node, read::text, sink)),
        connections,
        names,
        resolver,
        addresses: listed.unwrap_or_default(),
        expect: fields.get("expect", sink, expect).unwrap_or_default(),
        body_limit: fields.get("body-limit", sink, body_limit).unwrap_or(BODY_LIMIT),
        served_by: fields.get("served-by", sink, served_by),
        number_header: fields.get("number-header", sink, one_header),
        tls: fields.get("tls", sink, tls).unwrap_or_default(),
        proxy,
    })
}

fn method(node: &Node, sink: &mut Sink) -> Option<&'static str> {
    if let Some(found) = node.text().and_then(|t| METHODS.iter().find(|m| m.eq_ignore_ascii_case(t))) {
        return Some(found);
    }
    read::word(node, METHODS, sink)
}

/// How much of a body is read.
pub fn body_limit(node: &Node, sink: &mut Sink) -> Option<u64> {
    let limit = read::bytes(node, sink)?;
    if limit == 0 {
        sink.error(node.span, "a limit of 0 refuses every body").expected("a size above zero, like `64KiB`");
    }
    Some(limit)
}

fn addresses(node: &Node, sink: &mut Sink) -> Option<Vec<String>> {
    let items = read::list(node, "addresses", sink)?;
    if items.is_empty() {
        sink.error(node.span, "the list is empty").expected("at least one address, or no `addresses`");
    }
    let texts = items.iter().filter_map(|item| {
        let text = read::line(item, sink)?;
        url::check_ip(text, item.span, sink).then(|| text.to_owned())
    });
    Some(texts.collect())
}

/// Text, or `{ env: NAME }`, or `{ file: PATH }`.
pub fn text_or_secret<'n>(node: &'n Node, plain: fn(&'n Node, &mut Sink) -> Option<&'n str>, sink: &mut Sink) -> Option<Text> {
    if !matches!(node.value, Value::Map(_)) {
        return plain(node, sink).map(|t| Text::Plain(t.to_owned()));
    }
    let fields = Fields::new(node, &SECRET, sink)?;
    if let Some(name) = fields.get("env", sink, read::line) {
        let fine = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !name.as_bytes()[0].is_ascii_digit();
        if !fine {
            let span = fields.node("env").map_or(fields.span, |n| n.span);
            sink.error(span, format!("{} is not the name of an environment variable", quote(name)))
                .expected("letters, digits and `_`, without `$`");
        }
        return Some(Text::Env(name.to_owned()));
    }
    let path = fields.get("file", sink, read::line)?;
    Some(Text::File(sink.source().beside(path).display().to_string()))
}

/// Headers by name, whose values may be secrets.
pub fn headers(node: &Node, sink: &mut Sink) -> Option<Vec<(String, Text)>> {
    const OURS: [&str; 5] = ["host", "connection", "content-length", "transfer-encoding", "upgrade"];
    let mut out: Vec<(String, Text)> = Vec::new();
    for entry in read::map(node, "headers by name", sink)? {
        let name = entry.key.to_ascii_lowercase();
        if !header_name(&entry.key, entry.key_span, sink) {
            continue;
        }
        if OURS.contains(&name.as_str()) {
            sink.error(entry.key_span, format!("the header {} is set by the probe itself", quote(&entry.key))).expected("another header");
            continue;
        }
        if out.iter().any(|(n, _)| *n == name) {
            sink.error(entry.key_span, format!("the header {} is there twice", quote(&entry.key)))
                .expected("each header once; upper and lower case are the same");
            continue;
        }
        let value = text_or_secret(&entry.value, header_value, sink);
        // A value that an answer gives while the probe runs is none of the file's.
        let fixed = matches!(&value, Some(Text::Plain(text)) if template::names(text).next().is_none());
        if fixed && hidden::looks_secret(&name) {
            sink.source().hide(entry.value.span);
            let variable = name.to_ascii_uppercase().replace('-', "_");
            sink.error(entry.key_span, format!("the header {} holds a secret, and secrets are never written in a file", quote(&entry.key)))
                .expected(format!("`{name}: {{ env: {variable} }}` or `{name}: {{ file: PATH }}`"));
            continue;
        }
        if let Some(value) = value {
            out.push((name, value));
        }
    }
    Some(out)
}

/// Whether a text is a token of HTTP: what headers and cookies are called.
pub fn is_token(text: &str) -> bool {
    http::HeaderName::from_bytes(text.as_bytes()).is_ok()
}

fn header_name(text: &str, span: Span, sink: &mut Sink) -> bool {
    if is_token(text) {
        return true;
    }
    sink.error(span, format!("{} is not the name of a header", quote(text))).expected("letters, digits and `-`, like `x-served-by`");
    false
}

fn header_value<'n>(node: &'n Node, sink: &mut Sink) -> Option<&'n str> {
    let text = read::text(node, sink)?;
    if http::HeaderValue::from_str(text).is_ok() {
        return Some(text);
    }
    sink.error(read::head(node), "the value of a header holds a line end or another control character")
        .expected("one line of visible characters");
    None
}

/// What an answer must be.
pub fn expect(node: &Node, sink: &mut Sink) -> Option<HttpExpect> {
    if !matches!(node.value, Value::Map(_)) {
        if node.text() == Some("unreachable") {
            return Some(HttpExpect { unreachable: true, ..HttpExpect::default() });
        }
        return read::wrong(node, "`unreachable`, or a map like `{ status: 200, body: { contains: \"ok\" } }`", sink);
    }
    let fields = Fields::new(node, &EXPECT, sink)?;
    let mut out = HttpExpect::default();
    if let Some(node) = fields.node("status") {
        let items = read::one_or_many(node);
        if items.is_empty() {
            sink.error(node.span, "the list is empty, and would accept nothing").expected("at least one status code");
        }
        out.status = items.iter().filter_map(|item| read::integer_in(item, 100..=599, sink)).map(|n| n as u16).collect();
    }
    if let Some(Value::Map(entries)) = fields.node("headers").map(|n| &n.value) {
        for entry in entries {
            if header_name(&entry.key, entry.key_span, sink)
                && let Some(value) = header_value(&entry.value, sink)
            {
                out.headers.insert(entry.key.to_ascii_lowercase(), value.to_owned());
            }
        }
    } else if let Some(node) = fields.node("headers") {
        read::map(node, "headers by name", sink);
    }
    if let Some(body) = fields.get("body", sink, |node, sink| Fields::new(node, &BODY, sink)) {
        out.body_contains = body.text("contains", sink);
        out.body_matches = body.get("matches", sink, regex);
        out.json = body.get("json", sink, pointers).unwrap_or_default();
        if !["contains", "matches", "json"].iter().any(|k| body.has(k)) {
            sink.error(body.span, "nothing is expected of the body").expected("`contains`, `matches` or `json`");
        }
    }
    Some(out)
}

fn pointers(node: &Node, sink: &mut Sink) -> Option<BTreeMap<String, Json>> {
    let mut out = BTreeMap::new();
    for entry in read::map(node, "values by JSON pointer", sink)? {
        if !is_pointer(&entry.key, entry.key_span, sink) {
            continue;
        }
        out.insert(entry.key.clone(), json(&entry.value));
    }
    Some(out)
}

/// Reports a text that is not a JSON pointer.
pub fn is_pointer(text: &str, span: Span, sink: &mut Sink) -> bool {
    // RFC 6901: empty, or parts that begin with `/`, in which `~` is followed by 0 or 1.
    let tildes = text.match_indices('~').all(|(at, _)| matches!(text.as_bytes().get(at + 1), Some(b'0' | b'1')));
    if text.starts_with('/') && tildes {
        return true;
    }
    sink.error(span, format!("{} is not a JSON pointer", quote(text))).expected("a pointer like `/user/name` or `/items/0` (RFC 6901)");
    false
}

/// A value as JSON: what is quoted is text; numbers, `true`, `false` and nothing are themselves.
pub fn json(node: &Node) -> Json {
    match &node.value {
        Value::Scalar(_) if node.is_null() => Json::Null,
        Value::Scalar(scalar) if scalar.quoted => Json::String(scalar.text.clone()),
        Value::Scalar(scalar) => match serde_json::from_str::<Json>(&scalar.text) {
            Ok(value @ (Json::Number(_) | Json::Bool(_))) => value,
            _ => Json::String(scalar.text.clone()),
        },
        Value::Seq(items) => items.iter().map(json).collect(),
        Value::Map(entries) => entries.iter().map(|e| (e.key.clone(), json(&e.value))).collect(),
    }
}

/// Reads which headers name who answered.
pub fn served_by(node: &Node, sink: &mut Sink) -> Option<ServedBy> {
    if !matches!(node.value, Value::Map(_)) {
        return Some(ServedBy { header: one_header(node, sink), zone_header: None });
    }
    let fields = Fields::new(node, &SERVED_BY, sink)?;
    if !fields.has("header") && !fields.has("zone-header") {
        sink.error(fields.span, "no header is named").expected("`header`, `zone-header` or both");
    }
    Some(ServedBy { header: fields.get("header", sink, one_header), zone_header: fields.get("zone-header", sink, one_header) })
}

/// The name of a header, in lower case.
pub fn one_header(node: &Node, sink: &mut Sink) -> Option<String> {
    let text = read::line(node, sink)?;
    header_name(text, node.span, sink).then(|| text.to_ascii_lowercase())
}

/// Reads TLS settings.
pub fn tls(node: &Node, sink: &mut Sink) -> Option<TlsSettings> {
    let fields = Fields::new(node, &TLS, sink)?;
    let path = |key: &str, sink: &mut Sink| fields.get(key, sink, read::line).map(|p| sink.source().beside(p).display().to_string());
    for (one, other) in [("certificate", "key"), ("key", "certificate")] {
        if fields.has(one) && !fields.has(other) {
            sink.error(fields.key_span(one), format!("`{one}` needs `{other}` beside it")).expected("both, or none of them");
        }
    }
    Some(TlsSettings {
        ca: path("ca", sink),
        certificate: path("certificate", sink),
        key: path("key", sink),
        insecure: fields.flag("insecure", sink),
    })
}

fn proxy(node: &Node, sink: &mut Sink) -> Option<String> {
    let text = read::line(node, sink)?;
    let address = text.strip_prefix("http://").map(|a| a.trim_end_matches('/'));
    let Some(address) = address else {
        sink.error(node.span, format!("{} is not a proxy that can be used", quote(text))).expected("`http://host:port`");
        return None;
    };
    url::check_address(address, node.span, sink).then(|| text.to_owned())
}
