//! How a host becomes an address: the keys `names` and `resolver` of every probe that connects to one.

use std::net::{IpAddr, SocketAddr};

use super::url;
use crate::{
    file::{
        diagnostic::Sink,
        read::{self, Fields},
        table::{Key, Kind, key},
        yaml::Node,
    },
    model::probe::{NameModel, NameModels},
};

const NAMES: &[&str] = &["each-connection", "ttl", "pinned", "each-address"];

/// The key `names`.
pub const NAMES_KEY: Key = key(
    "names",
    Kind::Either(&[Kind::Words(NAMES), Kind::List(&Kind::Words(NAMES))]),
    "how the host becomes an address: looked up for each connection, kept as long as its record says, once for ever, or each of its \
     addresses by itself; a list draws for each request, and reports them apart",
);

/// The key `resolver`.
pub const RESOLVER_KEY: Key =
    key("resolver", Kind::Text, "the name server (`ip` or `ip:port`) that is asked in place of the system's; nothing it says is cached");

/// Reads both; `host` is the probe's host, if it could be read, and `listed` whether addresses stand in its place.
pub fn naming(fields: Fields<'_>, host: Option<&str>, listed: bool, sink: &mut Sink) -> (NameModels, Option<SocketAddr>) {
    let names = fields.get("names", sink, models).unwrap_or_default();
    let resolver = fields.get("resolver", sink, name_server);
    let literal = host.is_some_and(|host| host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok());
    if literal || listed {
        let why = if listed { "`addresses` stand in its place" } else { "the host is an address" };
        let looks_up = matches!(names, NameModels::Several(_)) || names.has(NameModel::Ttl) || names.has(NameModel::EachAddress);
        for key in [looks_up.then_some("names"), resolver.map(|_| "resolver")].into_iter().flatten() {
            sink.error(fields.key_span(key), format!("`{key}` has no meaning here: no name is looked up, because {why}"))
                .expected(format!("a host name in the probe, or no `{key}`"));
        }
    }
    (names, resolver)
}

fn models(node: &Node, sink: &mut Sink) -> Option<NameModels> {
    let items = read::one_or_many(node);
    if items.is_empty() {
        sink.error(node.span, "the list is empty: no user looks the name up")
            .expected("at least one of `each-connection`, `ttl`, `pinned` and `each-address`");
        return None;
    }
    let mut out = Vec::new();
    for item in items {
        let name = read::word(item, NAMES, sink)?;
        let model = NameModel::ALL.into_iter().find(|model| model.name() == name)?;
        if out.contains(&model) {
            sink.error(item.span, format!("`{name}` is there twice")).expected("each model once");
            return None;
        }
        out.push(model);
    }
    Some(if let [one] = out[..] { NameModels::One(one) } else { NameModels::Several(out) })
}

/// The address of a name server; port 53 when it has none.
pub fn name_server(node: &Node, sink: &mut Sink) -> Option<SocketAddr> {
    let text = read::line(node, sink)?;
    if !url::check_ip(text, node.span, sink) {
        return None;
    }
    let bare = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53));
    bare.or_else(|_| text.parse()).ok()
}

/// The host of a URL.
pub fn host_of(url: &str) -> Option<String> {
    url.parse::<http::Uri>().ok()?.host().map(str::to_owned)
}
