//! Probes of other protocols than plain HTTP, and the keys that say how names become addresses.

use std::net::{IpAddr, SocketAddr};

use super::{Pairs, flow, header_pairs, list, pair, quoted, served_pair, tls_pair};
use crate::model::{
    probe::{NameModel, NameModels},
    protocol::{DnsProbe, DnsRecord, PrometheusProbe, WebSocketExchange, WebSocketProbe},
};

/// `names` and `resolver`.
pub fn naming(names: &NameModels, resolver: Option<SocketAddr>) -> Pairs {
    let mut out = Pairs::new();
    match names {
        NameModels::One(NameModel::EachConnection) => {}
        NameModels::One(model) => out.push(pair("names", model.name())),
        NameModels::Several(models) => {
            out.push(pair("names", format!("[{}]", models.iter().map(|model| model.name()).collect::<Vec<_>>().join(", "))));
        }
    }
    out.extend(resolver.map(|server| pair("resolver", quoted(&server.to_string()))));
    out
}

fn ips(ips: &[IpAddr]) -> String {
    list(&ips.iter().map(ToString::to_string).collect::<Vec<_>>())
}

/// A `dns` probe.
pub fn dns(dns: &DnsProbe) -> Pairs {
    let mut question = vec![pair("name", quoted(&dns.name))];
    if dns.record != DnsRecord::default() {
        question.push(pair("type", dns.record.name()));
    }
    question.extend(dns.server.map(|server| pair("server", quoted(&server.to_string()))));
    let mut out = vec![pair("dns", flow(question))];
    let expect = &dns.expect;
    let mut pairs = Pairs::new();
    for (key, listed) in [("addresses", &expect.addresses), ("among", &expect.among)] {
        if !listed.is_empty() {
            pairs.push(pair(key, ips(listed)));
        }
    }
    pairs.extend(expect.at_least.map(|n| pair("at-least", n)));
    pairs.extend(expect.contains.as_ref().map(|text| pair("contains", quoted(text))));
    if expect.none {
        out.push(pair("expect", "none"));
    } else if !pairs.is_empty() {
        out.push(pair("expect", flow(pairs)));
    }
    out
}

/// A `websocket` probe.
pub fn websocket(socket: &WebSocketProbe) -> Pairs {
    let mut out = vec![pair("websocket", quoted(&socket.url))];
    out.extend(socket.sockets.map(|n| pair("sockets", n)));
    match &socket.exchange {
        WebSocketExchange::Echo => {}
        WebSocketExchange::Ping => out.push(pair("ping", true)),
        WebSocketExchange::Message(text) => out.push(pair("expect", flow(vec![pair("message", quoted(text))]))),
    }
    out.extend(header_pairs(&socket.headers));
    out.extend(socket.origin.as_ref().map(|origin| pair("origin", quoted(origin))));
    if socket.message_limit != 64 * 1024 {
        out.push(pair("message-limit", format!("{}B", socket.message_limit)));
    }
    out.extend(socket.served_by.as_ref().map(served_pair));
    out.extend(naming(&socket.names, socket.resolver));
    out.extend(tls_pair(&socket.tls));
    out
}

/// A `prometheus` probe.
pub fn prometheus(query: &PrometheusProbe) -> Pairs {
    let mut out = vec![
        pair("prometheus", quoted(&query.url)),
        pair("query", quoted(&query.query)),
        pair("expect", format!("\"{} {}\"", query.op.sign(), query.bound)),
    ];
    if query.empty_passes {
        out.push(pair("empty", "passes"));
    }
    out.extend(header_pairs(&query.headers));
    out.extend(tls_pair(&query.tls));
    out
}
