//! `versions`: where the instances of a service say which version they are.

use std::collections::BTreeMap;

use crate::{
    file::{
        diagnostic::Sink,
        escape::quote,
        read::{self, Fields},
        table::{Kind, Table, key, must},
        yaml::Node,
    },
    model::{built::VersionEndpoint, ids::Service},
};

/// The form of an endpoint: a path, or a map.
pub static ENDPOINT_FORM: Kind = Kind::Either(&[Kind::Text, Kind::Table(&ENDPOINT)]);

static ENDPOINT: Table = Table::new(
    "a version endpoint",
    &[
        must("path", Kind::Text, "the path that is asked over HTTP, at each instance's own address"),
        key("port", Kind::Integer, "another port than the one that the instance serves at"),
        key("json", Kind::Text, "the JSON pointer of the version in the answer, like `/build`; the whole body when left out"),
    ],
);

/// The endpoints by service.
pub fn versions(node: &Node, sink: &mut Sink) -> Option<BTreeMap<Service, VersionEndpoint>> {
    let mut out = BTreeMap::new();
    for entry in read::map(node, "services with the path of their version", sink)? {
        let service = read::name(&entry.key, entry.key_span, sink);
        if let (Some(service), Some(endpoint)) = (service, endpoint(&entry.value, sink)) {
            out.insert(service.into(), endpoint);
        }
    }
    Some(out)
}

fn endpoint(node: &Node, sink: &mut Sink) -> Option<VersionEndpoint> {
    if node.text().is_some() {
        return Some(VersionEndpoint { path: path(node, sink)?, port: None, json: None });
    }
    let fields = Fields::new(node, &ENDPOINT, sink)?;
    let json = fields.get("json", sink, |node, sink| {
        let text = read::line(node, sink)?;
        if !text.is_empty() && !text.starts_with('/') {
            sink.error(node.span, format!("{} is not a JSON pointer", quote(text))).expected("a pointer like `/build` or `/app/version`");
            return None;
        }
        Some(text.to_owned())
    });
    let port = fields.get("port", sink, |node, sink| read::integer_in(node, 1..=65_535, sink)).and_then(|port| u16::try_from(port).ok());
    Some(VersionEndpoint { path: fields.get("path", sink, path)?, port, json })
}

fn path(node: &Node, sink: &mut Sink) -> Option<String> {
    let text = read::line(node, sink)?;
    let fine = text.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic()) && text.len() <= 2_000 && !text.contains('#');
    if !fine {
        sink.error(node.span, format!("{} is not a path", quote(text)))
            .expected("a path like `/version`: it is asked at the address of each instance");
        return None;
    }
    Some(text.to_owned())
}
