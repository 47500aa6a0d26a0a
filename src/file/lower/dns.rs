//! The DNS probe: the question, whom it is asked, and what the answer must be.

use std::net::IpAddr;

use super::{naming::name_server, probes::COMMON, url};
use crate::{
    file::{
        diagnostic::Sink,
        escape::quote,
        read::{self, Fields},
        table::{Kind, Table, key, must},
        yaml::{Node, Value},
    },
    model::protocol::{DnsExpect, DnsProbe, DnsRecord},
};

const TYPES: &[&str] = &["A", "AAAA", "CNAME", "SRV", "TXT", "MX", "NS", "SOA", "PTR", "CAA"];

/// The keys of a DNS probe.
pub static DNS: Table = Table::new(
    "a dns probe",
    &[
        must("dns", Kind::Either(&[Kind::Text, Kind::Table(&QUESTION)]), "the name that is asked for, or the whole question"),
        key(
            "expect",
            Kind::Either(&[Kind::Words(&["none"]), Kind::Table(&EXPECT)]),
            "what the answer must be, `none` for a name that must not be there; at least one record when left out",
        ),
    ],
)
.also(&COMMON);

static QUESTION: Table = Table::new(
    "`dns`",
    &[
        must("name", Kind::Text, "the name, as it is written: no search domain is added"),
        key("type", Kind::Words(TYPES), "the type of record; A when left out"),
        key("server", Kind::Text, "the name server: `ip` or `ip:port`; the first of the system's when left out"),
    ],
);

static EXPECT: Table = Table::new(
    "`expect`",
    &[
        key("addresses", Kind::List(&Kind::Text), "exactly these addresses, in any order"),
        key("among", Kind::List(&Kind::Text), "no other addresses than these"),
        key("at-least", Kind::Integer, "at least so many records"),
        key("contains", Kind::Text, "one of the records holds this text"),
    ],
);

/// Reads the probe; `fields` has the keys of `DNS`.
pub fn dns(fields: Fields<'_>, sink: &mut Sink) -> Option<DnsProbe> {
    let question = fields.get("dns", sink, question);
    let record = question.as_ref().map_or(DnsRecord::A, |(_, record, _)| *record);
    let expect = fields.get("expect", sink, |node, sink| expect(node, record, sink)).unwrap_or_default();
    let (name, record, server) = question?;
    Some(DnsProbe { name, record, server, expect })
}

fn question(node: &Node, sink: &mut Sink) -> Option<(String, DnsRecord, Option<std::net::SocketAddr>)> {
    if !matches!(node.value, Value::Map(_)) {
        return Some((name(node, sink)?, DnsRecord::A, None));
    }
    let fields = Fields::new(node, &QUESTION, sink)?;
    let record = fields.get("type", sink, |node, sink| {
        let known = node.text().and_then(|text| DnsRecord::ALL.into_iter().find(|record| record.name().eq_ignore_ascii_case(text)));
        known.or_else(|| read::word(node, TYPES, sink).map(|_| DnsRecord::A))
    });
    let server = fields.get("server", sink, name_server);
    Some((fields.get("name", sink, name)?, record.unwrap_or_default(), server))
}

fn name(node: &Node, sink: &mut Sink) -> Option<String> {
    let text = read::line(node, sink)?;
    if text.contains("://") || text.contains(':') {
        sink.error(node.span, format!("{} is not a name that a name server knows", quote(text)))
            .expected("a name alone, like `www.example`");
        return None;
    }
    if text.parse::<IpAddr>().is_ok() {
        sink.error(node.span, format!("{} is an address, and needs no looking up", quote(text))).expected("a name, like `www.example`");
        return None;
    }
    url::check_host(text, node.span, sink).then(|| text.to_owned())
}

fn expect(node: &Node, record: DnsRecord, sink: &mut Sink) -> Option<DnsExpect> {
    if !matches!(node.value, Value::Map(_)) {
        if node.text() == Some("none") {
            return Some(DnsExpect { none: true, ..DnsExpect::default() });
        }
        return read::wrong(node, "`none`, or a map like `{ addresses: [10.0.0.1] }` or `{ at-least: 2 }`", sink);
    }
    let fields = Fields::new(node, &EXPECT, sink)?;
    if !["addresses", "among", "at-least", "contains"].iter().any(|key| fields.has(key)) {
        sink.error(fields.span, "nothing is expected of the answer").expected("`addresses`, `among`, `at-least` or `contains`");
    }
    let at_least = fields.get("at-least", sink, |node, sink| read::integer_in(node, 1..=1000, sink));
    let mut ips = |key: &str| fields.get(key, sink, |node, sink| addresses(node, record, sink)).unwrap_or_default();
    Some(DnsExpect { addresses: ips("addresses"), among: ips("among"), at_least, contains: fields.text("contains", sink), none: false })
}

fn addresses(node: &Node, record: DnsRecord, sink: &mut Sink) -> Option<Vec<IpAddr>> {
    let items = read::list(node, "addresses", sink)?;
    if items.is_empty() {
        sink.error(node.span, "the list is empty, and would accept nothing").expected("at least one address, or `expect: none`");
    }
    let fits = |ip: IpAddr| match record {
        DnsRecord::A => ip.is_ipv4(),
        DnsRecord::Aaaa => ip.is_ipv6(),
        _ => false,
    };
    let mut out = Vec::new();
    for item in items {
        let Some(text) = read::line(item, sink) else { continue };
        match text.parse::<IpAddr>() {
            Ok(ip) if fits(ip) => out.push(ip),
            Ok(_) => {
                sink.error(item.span, format!("a record of the type {} never holds {}", record.name(), quote(text)))
                    .expected("an IPv4 address for the type A, an IPv6 address for AAAA");
            }
            Err(_) => {
                sink.error(item.span, format!("{} is not an IP address", quote(text)))
                    .expected("an address like `10.0.0.1` or `2001:db8::1`");
            }
        }
    }
    Some(out)
}
