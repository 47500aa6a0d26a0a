//! The Prometheus probe: a query, and what its values must be.

use super::{
    http::{TLS, headers, tls},
    probes::COMMON,
    steady_state::sign,
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
    model::{protocol::PrometheusProbe, steady_state::Op},
};

/// Beyond that a URL is refused on the way.
const LONGEST: usize = 4000;

/// The keys of a Prometheus probe.
pub static PROMETHEUS: Table = Table::new(
    "a prometheus probe",
    &[
        must("prometheus", Kind::Text, "the server's URL, without `/api/v1/query`"),
        must("query", Kind::Text, "the query, asked for its value now"),
        must("expect", Kind::Threshold, "how each value of the answer must compare with a number, like `< 0.05`"),
        key("empty", Kind::Words(&["fails", "passes"]), "what an answer without a value is; `fails` when left out"),
        key("headers", Kind::Map(&Kind::Secret), "headers by name; secrets as `{ env: NAME }` or `{ file: PATH }`"),
        key("tls", Kind::Table(&TLS), "TLS settings"),
    ],
)
.also(&COMMON);

/// Reads the probe; `fields` has the keys of `PROMETHEUS`.
pub fn prometheus(fields: Fields<'_>, sink: &mut Sink) -> Option<PrometheusProbe> {
    let url = server(fields, sink);
    let query = fields.get("query", sink, query);
    let compared = fields.get("expect", sink, threshold);
    let empty = fields.get("empty", sink, |node, sink| read::word(node, &["fails", "passes"], sink));
    let headers = fields.get("headers", sink, headers).unwrap_or_default();
    let tls = fields.get("tls", sink, tls).unwrap_or_default();
    let (op, bound) = compared?;
    Some(PrometheusProbe { url: url?, query: query?, op, bound, empty_passes: empty == Some("passes"), headers, tls })
}

/// The server; its `tls` must have a meaning.
pub fn server(fields: Fields<'_>, sink: &mut Sink) -> Option<String> {
    let mut scheme = None;
    let url = fields.get("prometheus", sink, |node, sink| {
        let text = read::line(node, sink)?.trim();
        scheme = url::check_url(text, node.span, sink);
        if scheme.is_some() && (text.contains('?') || text.contains("/api/v1")) {
            sink.error(node.span, "the URL names more than the server")
                .expected("the URL without `/api/v1/query`, and the question in `query`");
        }
        scheme.map(|_| text.to_owned())
    });
    if let (Some("http"), Some(tls)) = (scheme, fields.entry("tls")) {
        sink.error(tls.key_span, "`tls` has no meaning for an `http://` URL").expected("an `https://` URL, or no `tls`");
    }
    url
}

/// The query.
pub fn query(node: &Node, sink: &mut Sink) -> Option<String> {
    let text = read::text(node, sink)?.trim();
    if text.is_empty() {
        sink.error(node.span, "the query is empty").expected("a query like `rate(http_requests_total{code=\"500\"}[1m])`");
        return None;
    }
    if text.len() > LONGEST {
        sink.error(read::head(node), format!("the query has {} bytes", text.len()))
            .expected(format!("at most {LONGEST}; a recording rule for more"));
        return None;
    }
    Some(text.to_owned())
}

/// `< 0.05`: any number, of whatever the query measures.
pub fn threshold(node: &Node, sink: &mut Sink) -> Option<(Op, f64)> {
    const EXAMPLE: &str = "`< 0.05`";
    let (op, rest) = sign(node, EXAMPLE, sink)?;
    let plain = rest.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E'));
    match rest.parse::<f64>() {
        Ok(bound) if plain && bound.is_finite() => Some((op, bound)),
        _ => {
            sink.error(node.span, format!("{} is not a number", quote(rest)))
                .expected(format!("a sign and a number without a unit, like {EXAMPLE}: the unit is the query's"));
            None
        }
    }
}
