//! Probes: what measures. The key that names the kind decides which other keys may stand beside it.

use std::time::Duration;

use super::{
    dns, http, journey, ledger,
    naming::{NAMES_KEY, RESOLVER_KEY, naming},
    prometheus, store, url, websocket,
};
use crate::{
    file::{
        diagnostic::Sink,
        escape::quote,
        read::{self, Fields},
        suggest::{listed, nearest},
        table::{Key, Kind, Table, key, must},
        yaml::{Entry, Node, Value},
    },
    model::{
        ids::Service,
        probe::{CommandProbe, ProbeKind, ProbeSpec, TcpProbe},
        quantity::Rate,
    },
};

/// The name of a service that answers.
pub fn service(node: &Node, sink: &mut Sink) -> Option<Service> {
    read::name(read::text(node, sink)?, node.span, sink).map(Into::into)
}

/// Which service answers.
pub const SERVICE_KEY: Key =
    key("service", Kind::Text, "the service that answers it, so that the report can name which services need which");

/// Keys of every probe.
pub static COMMON: Table = Table::new(
    "a probe",
    &[
        key(
            "rate",
            Kind::Rate,
            "requests per second, sent when they are due whether or not earlier ones were answered; 10/s when left out",
        ),
        key("timeout", Kind::Duration, "the deadline of a request over everything, from its due time; 1s when left out"),
        key("slow", Kind::Duration, "a success slower than this is counted as slow"),
        SERVICE_KEY,
    ],
);

static TCP: Table = Table::new(
    "a tcp probe",
    &[
        must("tcp", Kind::Text, "`host:port` to connect to"),
        key("send", Kind::Text, "sent after connecting"),
        key("receive", Kind::Text, "must be received after that"),
        key("expect", Kind::Words(&["reachable", "unreachable"]), "`unreachable` for a door that must be closed"),
        NAMES_KEY,
        RESOLVER_KEY,
    ],
)
.also(&COMMON);

static COMMAND: Table = Table::new(
    "a command probe",
    &[
        must("command", Kind::List(&Kind::Text), "the program and its arguments, without a shell"),
        key("status", Kind::Either(&[Kind::Integer, Kind::List(&Kind::Integer)]), "exit statuses that count as success; 0 when left out"),
    ],
)
.also(&COMMON);

/// The kinds of probes.
pub const KINDS: &[&Table] = &[
    &http::HTTP,
    &journey::JOURNEY,
    &ledger::LEDGER_PROBE,
    &TCP,
    &dns::DNS,
    &websocket::WEBSOCKET,
    &store::REDIS,
    &store::POSTGRES,
    &prometheus::PROMETHEUS,
    &COMMAND,
];

/// The keys that say what a probe is.
const KIND_KEYS: [&str; 10] = ["http", "journey", "ledger", "tcp", "dns", "websocket", "redis", "postgres", "prometheus", "command"];

/// The most requests of one probe that may wait for an answer at once.
const MOST_IN_FLIGHT: f64 = 100_000.0;

/// A probe as conditions know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// Its kind, where that can be seen.
    pub kind: Option<&'static str>,
    /// A journey of which no step can find a loss.
    pub blind: bool,
}

/// The names of the probes, also of those that are wrong otherwise: a condition on one is then not a second error.
pub fn names(node: Option<&Node>) -> Vec<Named> {
    let Some(Value::Map(entries)) = node.map(|n| &n.value) else { return Vec::new() };
    let kind = |entry: &Entry| KIND_KEYS.into_iter().find(|kind| entry.value.get(kind).is_some());
    entries.iter().map(|entry| Named { name: entry.key.clone(), kind: kind(entry), blind: journey::is_blind(&entry.value) }).collect()
}

/// The probes, in file order.
pub fn probes(node: &Node, sink: &mut Sink) -> Option<Vec<ProbeSpec>> {
    let entries = read::map(node, "probes by name, like `home: { http: \"http://127.0.0.1:8080/\" }`", sink)?;
    if entries.is_empty() {
        sink.error(node.span, "there are no probes: nothing would be measured")
            .expected("at least one, like `home: { http: \"http://127.0.0.1:8080/\" }`");
    }
    if entries.len() > 1000 {
        sink.error(node.span, format!("there are {} probes", entries.len())).expected("at most 1000");
        return None;
    }
    Some(entries.iter().filter_map(|entry| probe(entry, sink)).collect())
}

fn probe(entry: &Entry, sink: &mut Sink) -> Option<ProbeSpec> {
    let name = read::name(&entry.key, entry.key_span, sink);
    let fields = read::map(&entry.value, "a probe", sink)?;
    // A redis probe has a `command` too, which is not a program.
    let own = |key: &str| key == "command" && fields.iter().any(|f| f.key == "redis");
    let kinds: Vec<&Entry> = fields.iter().filter(|f| KIND_KEYS.contains(&f.key.as_str()) && !own(&f.key)).collect();
    let (kind, spec) = match kinds.as_slice() {
        [] => {
            let near = fields.iter().find_map(|f| nearest(&f.key, KIND_KEYS).map(|n| (f.key_span, n)));
            let (span, near) = near.map_or((entry.key_span, None), |(span, n)| (span, Some(n)));
            sink.error(span, format!("the probe {} does not say what it does", quote(&entry.key)))
                .expected(format!("one of {}, such as `http: URL`", listed(KIND_KEYS, "or")))
                .nearest(near);
            return None;
        }
        [kind] => match kind.key.as_str() {
            "http" => {
                let fields = Fields::new(&entry.value, &http::HTTP, sink)?;
                (http::http(fields, sink).map(|h| ProbeKind::Http(Box::new(h))), fields)
            }
            "journey" => {
                let fields = Fields::new(&entry.value, &journey::JOURNEY, sink)?;
                (journey::journey(fields, sink).map(|j| ProbeKind::Journey(Box::new(j))), fields)
            }
            "tcp" => {
                let fields = Fields::new(&entry.value, &TCP, sink)?;
                (Some(ProbeKind::Tcp(tcp(fields, sink))), fields)
            }
            "dns" => {
                let fields = Fields::new(&entry.value, &dns::DNS, sink)?;
                (dns::dns(fields, sink).map(ProbeKind::Dns), fields)
            }
            "websocket" => {
                let fields = Fields::new(&entry.value, &websocket::WEBSOCKET, sink)?;
                (Some(ProbeKind::WebSocket(Box::new(websocket::websocket(fields, sink)))), fields)
            }
            "redis" => {
                let fields = Fields::new(&entry.value, &store::REDIS, sink)?;
                (store::redis(fields, sink).map(ProbeKind::Redis), fields)
            }
            "postgres" => {
                let fields = Fields::new(&entry.value, &store::POSTGRES, sink)?;
                (store::postgres(fields, sink).map(ProbeKind::Postgres), fields)
            }
            "ledger" => {
                let fields = Fields::new(&entry.value, &ledger::LEDGER_PROBE, sink)?;
                (ledger::ledger(fields, sink).map(|l| ProbeKind::Ledger(Box::new(l))), fields)
            }
            "prometheus" => {
                let fields = Fields::new(&entry.value, &prometheus::PROMETHEUS, sink)?;
                (prometheus::prometheus(fields, sink).map(|p| ProbeKind::Prometheus(Box::new(p))), fields)
            }
            _ => {
                let fields = Fields::new(&entry.value, &COMMAND, sink)?;
                (command(fields, sink).map(ProbeKind::Command), fields)
            }
        },
        [first, second, ..] => {
            sink.error(second.key_span, format!("a probe is of one kind: {}", listed(kinds.iter().map(|k| k.key.as_str()), "or")))
                .expected("one of them; a second probe for the other")
                .note_at(first.key_span, format!("`{}` is given here", first.key));
            return None;
        }
    };
    let rate = match &kind {
        Some(ProbeKind::Journey(journey)) => journey.nominal_rate(),
        None if kinds.iter().any(|kind| kind.key == "journey") => return None,
        _ => spec.rate("rate", sink).unwrap_or(Rate(10.0)),
    };
    let timeout = spec.get("timeout", sink, read::some_time).unwrap_or(Duration::from_secs(1));
    let slow = spec.get("slow", sink, read::some_time);
    if let Some(slow) = slow.filter(|slow| *slow >= timeout) {
        let at = spec.node("slow").map_or(spec.span, |n| n.span);
        let shown = crate::model::quantity::show_duration(timeout);
        sink.error(at, format!("a success is never slower than {}: the timeout is {shown}", crate::model::quantity::show_duration(slow)))
            .expected(format!("less than {shown}, or a longer `timeout`"));
    }
    let in_flight = rate.0 * timeout.as_secs_f64();
    if in_flight > MOST_IN_FLIGHT {
        let (what, lower) = match &kind {
            Some(ProbeKind::Journey(_)) => ("journey", "fewer `users`"),
            _ => ("rate", "a lower `rate`"),
        };
        let key = if spec.has("timeout") { "timeout" } else { what };
        sink.error(spec.key_span(key), format!("up to {in_flight:.0} requests would wait at once (rate × timeout)"))
            .expected(format!("at most 100,000: {lower} or a shorter `timeout`"));
    }
    let service = spec.get("service", sink, service);
    Some(ProbeSpec { name: name?.into(), kind: kind?, rate, timeout, slow, service })
}

fn tcp(fields: Fields<'_>, sink: &mut Sink) -> TcpProbe {
    let address = fields.get("tcp", sink, |node, sink| {
        let text = read::line(node, sink)?;
        url::check_address(text, node.span, sink).then(|| text.to_owned())
    });
    let expect = fields.get("expect", sink, |node, sink| read::word(node, &["reachable", "unreachable"], sink));
    let host = address.as_deref().and_then(|address| address.rsplit_once(':')).map(|(host, _)| host);
    let (names, resolver) = naming(fields, host, false, sink);
    let probe = TcpProbe {
        names,
        resolver,
        address: address.unwrap_or_default(),
        send: fields.text("send", sink),
        receive: fields.text("receive", sink),
        unreachable: expect == Some("unreachable"),
    };
    if probe.unreachable && (probe.send.is_some() || probe.receive.is_some()) {
        sink.error(fields.key_span("expect"), "a door that is closed neither takes nor gives anything")
            .expected("`expect: unreachable` without `send` and `receive`");
    }
    probe
}

fn command(fields: Fields<'_>, sink: &mut Sink) -> Option<CommandProbe> {
    let command = fields.get("command", sink, read::command);
    let status = fields.node("status").map(|node| {
        let items = read::one_or_many(node);
        items.iter().filter_map(|item| read::integer_in(item, 0..=255, sink)).map(|n| n as i32).collect()
    });
    Some(CommandProbe { command: command?, status: status.unwrap_or_default() })
}
