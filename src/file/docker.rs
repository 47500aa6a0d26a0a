//! `platform: { docker: … }` of `firedrill.yaml`: which containers, on which engines.

use super::{
    diagnostic::Sink,
    lower::selector::pattern,
    read::{self, Fields},
    table::{Kind, Table, key},
    yaml::Node,
};
use crate::model::environment::{DockerHost, DockerSpec};

/// The keys of `docker`.
pub(super) static DOCKER: Table = Table::new(
    "`docker`",
    &[
        key("project", Kind::Text, "the Compose project"),
        key("stack", Kind::Text, "the Swarm stack"),
        key("labels", Kind::Map(&Kind::Text), "labels that must all be equal"),
        key("name", Kind::Text, "a pattern of container names, like `shop-*`"),
        key("image", Kind::Text, "a pattern of images, like `redis:*`"),
        key("service-label", Kind::Text, "the label that names the service; Compose's or Swarm's when left out"),
        key("zone-label", Kind::Text, "the label that names the zone; `firedrill.zone` when left out"),
        key("region-label", Kind::Text, "the label that names the region; `firedrill.region` when left out"),
        key("opt-in", Kind::Bool, "`true`: only containers with the label firedrill.allowed=true may be chosen"),
        key("hosts", Kind::List(&HOST_FORM), "the engines; the one that the docker command would use when left out"),
    ],
);

static HOST_FORM: Kind = Kind::Table(&HOST);

static HOST: Table = Table::new(
    "a Docker host",
    &[
        key("zone", Kind::Text, "the zone of its containers"),
        key("region", Kind::Text, "the region of its containers"),
        key("host", Kind::Text, "where the engine is, like `unix:///run/docker.sock` or `tcp://10.0.0.5:2376`"),
        key("context", Kind::Text, "a context of the docker command"),
        key("tls", Kind::Text, "a folder with ca.pem, cert.pem and key.pem"),
    ],
)
.one_of(&["host", "context"]);

/// The ways to write where an engine is.
const SCHEMES: [&str; 4] = ["unix://", "tcp://", "http://", "https://"];

/// Reads `docker`; empty settings mean every container of the default engine.
pub(super) fn docker(node: &Node, sink: &mut Sink) -> Option<DockerSpec> {
    if node.is_null() {
        return Some(DockerSpec::default());
    }
    let fields = Fields::new(node, &DOCKER, sink)?;
    let line = |name: &str, sink: &mut Sink| fields.get(name, sink, read::line).map(str::to_owned);
    Some(DockerSpec {
        project: line("project", sink),
        stack: line("stack", sink),
        labels: fields.get("labels", sink, super::lower::experiment::labels).unwrap_or_default(),
        name: fields.get("name", sink, narrow),
        image: fields.get("image", sink, narrow),
        service_label: line("service-label", sink),
        zone_label: line("zone-label", sink),
        region_label: line("region-label", sink),
        opt_in: fields.flag("opt-in", sink),
        hosts: fields.get("hosts", sink, hosts).unwrap_or_default(),
    })
}

fn narrow(node: &Node, sink: &mut Sink) -> Option<String> {
    pattern(node, "a narrower pattern; or nothing at all, for every container", sink)
}

fn hosts(node: &Node, sink: &mut Sink) -> Option<Vec<DockerHost>> {
    let mut all: Vec<DockerHost> = Vec::new();
    let nodes = read::list(node, "Docker hosts", sink)?;
    if nodes.is_empty() {
        sink.error(node.span, "there are no hosts")
            .expected("at least one; or no `hosts`, for the engine that the docker command would use");
    }
    for node in nodes {
        if let Some(found) = host(node, sink) {
            let same = |h: &&DockerHost| h.host == found.host && h.context == found.context;
            if all.iter().any(|h| same(&h)) {
                sink.error(node.span, "this Docker host is listed twice: its containers would count twice").expected("each engine once");
                continue;
            }
            all.push(found);
        }
    }
    Some(all)
}

fn host(node: &Node, sink: &mut Sink) -> Option<DockerHost> {
    let fields = Fields::new(node, &HOST, sink)?;
    let line = |name: &str, sink: &mut Sink| fields.get(name, sink, read::line).map(str::to_owned);
    let host = line("host", sink);
    if let Some(text) = &host
        && !SCHEMES.iter().any(|scheme| text.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()))
    {
        let span = fields.node("host").map_or(fields.span, |n| n.span);
        let shown = if super::hidden::credentials(text).is_empty() { super::escape::quote(text) } else { "this".to_owned() };
        sink.error(span, format!("{shown} is no address of a Docker engine"))
            .expected("`unix:///run/docker.sock` or `tcp://HOST:PORT` (an engine behind ssh: forward its socket with `ssh -L`)");
    }
    Some(DockerHost {
        zone: line("zone", sink).map(Into::into),
        region: line("region", sink).map(Into::into),
        host,
        context: line("context", sink),
        tls: line("tls", sink).map(|path| sink.source().beside(&path)),
    })
}
