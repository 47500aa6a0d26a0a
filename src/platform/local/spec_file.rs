//! `system.yaml`, from text to `SystemSpec`, with every error at its place.

use std::{collections::BTreeMap, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use super::{
    launch,
    spec::{AddressSpec, BalancerSpec, HealthSpec, RestartPolicy, RestartSpec, ServiceSpec, SystemSpec},
};
use crate::{
    balancer::protocol::{Check, CheckKind},
    file::{
        Diagnostics, Node, Sink, Source, Span, parse,
        read::{self, Fields},
        schema,
        suggest::{listed, nearest},
        table::{Key, Kind, Table, key, must},
        vars::{Later, Vars},
        yaml::{Entry, Value},
    },
    model::{
        ids::{Region, Service, Zone},
        quantity::show_duration,
    },
};

const fn table(is: &'static str, keys: &'static [Key]) -> Table {
    Table::new(is, keys)
}

/// The whole file.
pub static SYSTEM: Table = table(
    "a system",
    &[
        must("name", Kind::Text, "the system's name"),
        key("vars", Kind::Map(&Kind::Text), "values for `${name}` in this file; an environment's and `--var` win"),
        key("regions", Kind::Map(&Kind::List(&Kind::Text)), "the zones of each region; without it, one region `local`"),
        must("services", Kind::Map(&Kind::Table(&SERVICE)), "what runs"),
        key("balancers", Kind::Map(&Kind::Table(&BALANCER)), "the balancers in front of services"),
    ],
);

/// One service.
pub static SERVICE: Table = table(
    "a service",
    &[
        must("command", Kind::List(&Kind::Text), "the command and its arguments, without a shell"),
        key("zones", Kind::Map(&Kind::Integer), "replicas in each zone"),
        key("replicas", Kind::Integer, "replicas in the zone `local`"),
        key("address", Kind::Either(&[Kind::Words(&["auto"]), Kind::Text, Kind::Table(&EACH)]), "where instances listen"),
        key("health", Kind::Table(&HEALTH), "how an instance's health is seen"),
        key("replace", Kind::Table(&REPLACE), "dead instances are replaced by new ones"),
        key("restart", Kind::Table(&RESTART), "dead instances are started again"),
        key("stop-grace", Kind::Duration, "from SIGTERM to SIGKILL when the system ends"),
        key("env", Kind::Map(&Kind::Text), "environment of the processes"),
        key("labels", Kind::Map(&Kind::Text), "labels of the instances"),
        key("working-directory", Kind::Text, "where they run, relative to the file's folder"),
    ],
);

static EACH: Table = table(
    "an address for each instance",
    &[must("each", Kind::Text, "the IPv4 address before the first instance's"), must("port", Kind::Integer, "the port of all")],
);

static HEALTH: Table = table(
    "a health check",
    &[
        key("http", Kind::Text, "GET on this path; 200 to 399 is good"),
        key("tcp", Kind::Bool, "a connection is good"),
        key("every", Kind::Duration, "from one check to the next"),
        key("timeout", Kind::Duration, "a check that takes longer has failed"),
        key("rise", Kind::Integer, "good checks in a row that make healthy"),
        key("fall", Kind::Integer, "bad checks in a row that make unhealthy"),
        key("starts-within", Kind::Duration, "the limit for the first good checks"),
    ],
);

static CHECK: Table = table(
    "a balancer's check",
    &[
        key("http", Kind::Text, "GET on this path; 200 to 399 is good"),
        key("tcp", Kind::Bool, "a connection is good"),
        key("every", Kind::Duration, "from one check to the next"),
        key("timeout", Kind::Duration, "a check that takes longer has failed"),
        key("rise", Kind::Integer, "good checks in a row that admit"),
        key("fall", Kind::Integer, "bad checks in a row that eject"),
    ],
);

static REPLACE: Table = table("a replacement", &[must("after", Kind::Duration, "the boot delay")]);

static RESTART: Table = table(
    "a restart policy",
    &[
        must("policy", Kind::Words(&POLICIES), "when a dead instance is started again"),
        key("delay", Kind::Duration, "after how long; 1 s unless told"),
    ],
);

const POLICIES: [&str; 3] = ["no", "always", "on-failure"];

/// One balancer.
pub static BALANCER: Table = table(
    "a balancer",
    &[
        must("listen", Kind::Text, "where it listens"),
        must("service", Kind::Either(&[Kind::Text, Kind::List(&Kind::Text)]), "whose instances it sends to: one service, or several"),
        key(
            "shares",
            Kind::Map(&Kind::Integer),
            "how requests are shared among several services: `{ blue: 90, green: 10 }`; evenly among all instances when left out",
        ),
        key("zones", Kind::List(&Kind::Text), "only those in these zones"),
        key("check", Kind::Table(&CHECK), "how it checks them; a TCP connection unless told"),
        key("sticky", Kind::Table(&STICKY), "keeps a client at its backend"),
        key("connect-timeout", Kind::Duration, "the limit for a connection to a backend"),
        key("response-timeout", Kind::Duration, "the limit for the head of an answer"),
        key("restart", Kind::Table(&RESTART), "a dead balancer is started again; never unless told"),
    ],
);

static STICKY: Table = table("stickiness", &[must("cookie", Kind::Text, "the cookie's name")]);

/// Placeholders that are filled in when an instance is launched.
pub(super) const LATER: [&str; 9] = [
    "firedrill",
    "system.folder",
    "system.data",
    "instance.id",
    "instance.zone",
    "instance.region",
    "instance.address",
    "instance.host",
    "instance.port",
];

/// The JSON Schema of these files, made from the tables above.
pub fn schema() -> serde_json::Value {
    schema::document(&SYSTEM, "firedrill system", "A system of local processes: services in zones, and the balancers in front of them.")
}

/// The longest delay that a system's file may ask for: beyond it, somebody mistook the unit.
const LONGEST: Duration = Duration::from_hours(24);
/// A shorter one before a restart would have a command that fails at once fork without end.
const SHORTEST_RESTART: Duration = Duration::from_millis(10);

/// Reads a system's file. `given` wins over its `vars`.
pub fn load(path: &Path, given: &BTreeMap<String, String>) -> Result<SystemSpec, Diagnostics> {
    let mut spec = load_source(&Source::read(path)?, given)?;
    let full = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    full.parent().unwrap_or(Path::new("/")).clone_into(&mut spec.folder);
    for service in &mut spec.services {
        service.working_directory = service.working_directory.take().map(|dir| spec.folder.join(dir));
    }
    Ok(spec)
}

/// Reads a system that was read before: it lies in no folder, and its relative paths are as they are written.
pub fn load_source(source: &Arc<Source>, given: &BTreeMap<String, String>) -> Result<SystemSpec, Diagnostics> {
    let mut sink = Sink::new(source);
    match parse(source, &mut sink).and_then(|root| system(root, given, &mut sink)) {
        Some(spec) if !sink.has_errors() => Ok(spec),
        _ => Err(sink.finish()),
    }
}

fn system(mut root: Node, given: &BTreeMap<String, String>, sink: &mut Sink) -> Option<SystemSpec> {
    let mut raw = BTreeMap::new();
    if let Some(node) = root.get("vars") {
        raw = texts(node, "variables", sink);
    }
    raw.extend(given.iter().map(|(k, v)| (k.clone(), v.clone())));
    let span = root.get("vars").map_or(read::head(&root), |n| n.span);
    let (vars, bad) = Vars::resolve(&raw);
    for bad in bad {
        sink.error(span, format!("the variable `{}` cannot be used: {}", bad.name, bad.problem)).nearest(bad.nearest.as_deref());
    }
    if sink.has_errors() {
        // Each use of a variable without a value would be told again.
        return None;
    }
    if let Value::Map(entries) = &mut root.value {
        entries.iter_mut().filter(|e| e.key != "vars").for_each(|e| vars.fill(&mut e.value, Later::Placeholders(&LATER), sink));
    }
    let fields = Fields::new(&root, &SYSTEM, sink)?;
    let name = fields.node("name").and_then(|n| read::name(n.text()?, n.span, sink)).unwrap_or_default();
    let mut regions = BTreeMap::new();
    for entry in entries(&fields, "regions", sink) {
        for zone in read::one_or_many(&entry.value) {
            let Some(zone_name) = read::text(zone, sink) else { continue };
            if let Some(first) = regions.insert(Zone::from(zone_name), Region(entry.key.clone())) {
                sink.error(zone.span, format!("the zone `{zone_name}` is already in the region `{first}`"))
                    .expected("a zone in one region");
            }
        }
    }
    let services: Vec<ServiceSpec> = entries(&fields, "services", sink).iter().filter_map(|e| service(e, sink)).collect();
    if fields.node("services").is_some() && services.is_empty() && !sink.has_errors() {
        sink.error(fields.key_span("services"), "the system has no service").expected("at least one");
    }
    let names: Vec<&str> = services.iter().map(|s| s.name.as_str()).collect();
    let mut balancers: Vec<BalancerSpec> = Vec::new();
    for entry in entries(&fields, "balancers", sink) {
        if names.contains(&entry.key.as_str()) {
            sink.error(entry.key_span, format!("`{}` is already the name of a service", entry.key)).expected("a name of its own");
        }
        let Some(spec) = balancer(entry, sink) else { continue };
        for name in &spec.services {
            behind(entry, &spec, name, &services, sink);
        }
        balancers.push(spec);
    }
    addresses(&fields, &services, &balancers, sink);
    Some(SystemSpec { name, folder: std::path::PathBuf::new(), regions, services, balancers })
}

/// A service that a balancer sends to, and its zones, must be there.
fn behind(entry: &Entry, spec: &BalancerSpec, name: &Service, services: &[ServiceSpec], sink: &mut Sink) {
    let at = entry.value.get("service").map_or(entry.key_span, |n| n.span);
    let names = || services.iter().map(|s| s.name.as_str());
    let Some(service) = services.iter().find(|s| s.name == *name) else {
        sink.error(at, format!("there is no service `{name}`")).expected(listed(names(), "or")).nearest(nearest(name.as_str(), names()));
        return;
    };
    for zone in spec.zones.iter().filter(|z| service.zones.iter().all(|(name, _)| name != *z)) {
        let zones: Vec<&str> = service.zones.iter().map(|(z, _)| z.as_str()).collect();
        let at = entry.value.get("zones").map_or(at, |n| n.span);
        sink.error(at, format!("the service `{name}` has no zone `{zone}`"))
            .expected(listed(zones.iter().copied(), "or"))
            .nearest(nearest(zone.as_str(), zones.iter().copied()));
    }
}

/// Each address is listened on once. Those that the kernel gives are not known here.
fn addresses(fields: &Fields<'_>, services: &[ServiceSpec], balancers: &[BalancerSpec], sink: &mut Sink) {
    let written = |group: &str, name: &str, key: &str| {
        let entry = fields.node(group)?.get(name)?;
        entry.get(key).map(|node| node.span)
    };
    let mut taken: BTreeMap<SocketAddr, String> = BTreeMap::new();
    let mut claim = |at: SocketAddr, who: String, span: Option<Span>| {
        if let Some(first) = taken.insert(at, who) {
            sink.error(span.unwrap_or(fields.span), format!("{first} listens on {at} too")).expected("an address of its own");
            return false;
        }
        true
    };
    for service in services {
        let span = written("services", service.name.as_str(), "address");
        let who = format!("the service `{}`", service.name);
        match service.address {
            AddressSpec::Auto => {}
            AddressSpec::Fixed(at) => {
                claim(at, who, span);
            }
            // One message for the whole range.
            AddressSpec::Each { base, port } => {
                let _ = (1..=service.desired()).all(|slot| claim(launch::each(base, port, slot), who.clone(), span));
            }
        }
    }
    for balancer in balancers {
        claim(balancer.listen, format!("the balancer `{}`", balancer.name), written("balancers", &balancer.name, "listen"));
    }
}

fn entries<'n>(fields: &Fields<'n>, key: &str, sink: &mut Sink) -> &'n [Entry] {
    let is = match key {
        "regions" => "the zones of each region",
        "zones" => "the replicas of each zone",
        other => other,
    };
    fields.get(key, sink, |node, sink| read::map(node, is, sink)).unwrap_or_default()
}

pub(super) fn texts(node: &Node, is: &str, sink: &mut Sink) -> BTreeMap<String, String> {
    let entries = read::map(node, is, sink).unwrap_or_default();
    entries.iter().filter_map(|e| Some((e.key.clone(), read::text(&e.value, sink)?.to_owned()))).collect()
}

fn service(entry: &Entry, sink: &mut Sink) -> Option<ServiceSpec> {
    let name = read::name(&entry.key, entry.key_span, sink)?;
    let fields = Fields::new(&entry.value, &SERVICE, sink)?;
    let command = fields.get("command", sink, read::command);
    let mut zones = Vec::new();
    for zone in entries(&fields, "zones", sink) {
        if let (Some(_), Some(n)) = (read::name(&zone.key, zone.key_span, sink), read::integer_in(&zone.value, 0..=1000, sink)) {
            zones.push((Zone(zone.key.clone()), n as u32));
        }
    }
    if let Some(n) = fields.get("replicas", sink, |n, sink| read::integer_in(n, 1..=1000, sink)) {
        if fields.has("zones") {
            sink.error(fields.key_span("replicas"), "both `zones` and `replicas` are given").expected("one of them");
        }
        zones = vec![(Zone::from("local"), n as u32)];
    } else if !fields.has("zones") {
        zones = vec![(Zone::from("local"), 1)];
    }
    let replicas: u32 = zones.iter().map(|(_, n)| n).sum();
    let address = fields.get("address", sink, |node, sink| address(node, replicas, sink));
    Some(ServiceSpec {
        name: Service(name),
        command: command?,
        zones,
        address: address.unwrap_or(AddressSpec::Auto),
        health: fields.node("health").and_then(|node| health(node, sink)),
        replace_after: fields.get("replace", sink, |n, sink| time(&Fields::new(n, &REPLACE, sink)?, "after", Duration::ZERO, sink)),
        restart: restart(&fields, sink),
        stop_grace: time(&fields, "stop-grace", Duration::ZERO, sink).unwrap_or(Duration::from_secs(5)),
        env: fields.node("env").map(|n| texts(n, "variables of the environment", sink)).unwrap_or_default(),
        labels: fields.node("labels").map(|n| texts(n, "labels", sink)).unwrap_or_default(),
        working_directory: fields.text("working-directory", sink).map(Into::into),
    })
}

fn address(node: &Node, replicas: u32, sink: &mut Sink) -> Option<AddressSpec> {
    const EXPECTED: &str = "`auto`, `127.0.0.1:9000`, or `{ each: 127.0.1.0, port: 8080 }`";
    match node.text() {
        Some("auto") => Some(AddressSpec::Auto),
        Some(text) => {
            let Ok(at) = text.parse::<SocketAddr>() else { return read::wrong(node, EXPECTED, sink) };
            if replicas > 1 {
                sink.error(node.span, format!("one address for {replicas} replicas")).expected("`auto` or `{ each: ..., port: ... }`");
            }
            Some(AddressSpec::Fixed(at))
        }
        None => {
            let fields = Fields::new(node, &EACH, sink)?;
            let base = fields.node("each")?;
            let Some(ip) = base.text().and_then(|t| t.parse().ok()) else {
                return read::wrong(base, "an IPv4 address, like `127.0.1.0`", sink);
            };
            let port = fields.get("port", sink, |n, sink| read::integer_in(n, 1..=65535, sink))?;
            Some(AddressSpec::Each { base: ip, port: port as u16 })
        }
    }
}

/// A duration from `shortest` to [`LONGEST`].
fn time(fields: &Fields<'_>, key: &str, shortest: Duration, sink: &mut Sink) -> Option<Duration> {
    let found = fields.duration(key, sink)?;
    if (shortest..=LONGEST).contains(&found) {
        return Some(found);
    }
    let node = fields.node(key)?;
    let (shortest, hours) = (show_duration(shortest), LONGEST.as_secs() / 3600);
    sink.error(node.span, format!("{} is out of range", node.says())).expected(format!("a duration from {shortest} to {hours} h"));
    None
}

fn restart(fields: &Fields<'_>, sink: &mut Sink) -> RestartSpec {
    let spec = fields.get("restart", sink, |node, sink| {
        let fields = Fields::new(node, &RESTART, sink)?;
        let policy = match fields.get("policy", sink, |n, sink| read::word(n, &POLICIES, sink))? {
            "always" => RestartPolicy::Always,
            "on-failure" => RestartPolicy::OnFailure,
            _ => RestartPolicy::No,
        };
        Some(RestartSpec { policy, delay: time(&fields, "delay", SHORTEST_RESTART, sink).unwrap_or(Duration::from_secs(1)) })
    });
    spec.unwrap_or_default()
}

fn health(node: &Node, sink: &mut Sink) -> Option<HealthSpec> {
    let fields = Fields::new(node, &HEALTH, sink)?;
    let check = check(&fields, sink)?;
    Some(HealthSpec {
        kind: check.kind,
        every: check.every,
        timeout: check.timeout,
        rise: if fields.has("rise") { check.rise } else { 1 },
        fall: check.fall,
        starts_within: time(&fields, "starts-within", Duration::from_millis(1), sink).unwrap_or(Duration::from_secs(10)),
    })
}

fn check(fields: &Fields<'_>, sink: &mut Sink) -> Option<Check> {
    let some_time = |key: &str, default: u64, sink: &mut Sink| {
        time(fields, key, Duration::from_millis(1), sink).unwrap_or(Duration::from_millis(default))
    };
    let times = |key: &str, default: u32, sink: &mut Sink| {
        fields.get(key, sink, |n, sink| read::integer_in(n, 1..=1000, sink)).map_or(default, |n| n as u32)
    };
    let kind = match (fields.text("http", sink), fields.flag("tcp", sink)) {
        (Some(path), false) if path.starts_with('/') => CheckKind::Http { path },
        (Some(_), false) => return read::wrong(fields.node("http")?, "a path from `/`, like `/health`", sink),
        (None, true) => CheckKind::Tcp,
        (Some(_), true) => {
            sink.error(fields.key_span("tcp"), "a check does one thing, and `http` is given too")
                .expected("one of `http: /health` and `tcp: true`");
            return None;
        }
        (None, false) => {
            sink.error(fields.span, "it is not said what a check does").expected("one of `http: /health` and `tcp: true`");
            return None;
        }
    };
    Some(Check {
        kind,
        every: some_time("every", 1000, sink),
        timeout: some_time("timeout", 500, sink),
        rise: times("rise", 2, sink),
        fall: times("fall", 2, sink),
    })
}

fn balancer(entry: &Entry, sink: &mut Sink) -> Option<BalancerSpec> {
    let name = read::name(&entry.key, entry.key_span, sink)?;
    let fields = Fields::new(&entry.value, &BALANCER, sink)?;
    let listen = fields.node("listen").and_then(|node| {
        let parsed = node.text().and_then(|t| t.parse::<SocketAddr>().ok()).filter(|at| at.port() != 0);
        parsed.or_else(|| read::wrong(node, "an address and a port, like `127.0.0.1:8080`", sink))
    });
    let mut zones = Vec::new();
    for zone in fields.node("zones").map(read::one_or_many).unwrap_or_default() {
        zones.extend(read::text(zone, sink).map(Zone::from));
    }
    let spec = fields.node("check").map(|node| Fields::new(node, &CHECK, sink).and_then(|fields| check(&fields, sink)));
    let default = Check { kind: CheckKind::Tcp, every: Duration::from_secs(1), timeout: Duration::from_millis(500), rise: 2, fall: 2 };
    let services: Vec<Service> =
        fields.node("service").map(read::one_or_many)?.iter().filter_map(|n| Some(Service(read::text(n, sink)?.to_owned()))).collect();
    if let (true, Some(node)) = (services.is_empty(), fields.node("service")) {
        sink.error(node.span, "the list is empty").expected("at least one service");
    }
    let sticky = fields.get("sticky", sink, |n, sink| Fields::new(n, &STICKY, sink)?.text("cookie", sink));
    Some(BalancerSpec {
        name,
        listen: listen?,
        shares: shares(&fields, &services, sink),
        services,
        zones,
        check: spec.unwrap_or(Some(default))?,
        sticky,
        connect_timeout: time(&fields, "connect-timeout", Duration::from_millis(1), sink).unwrap_or(Duration::from_millis(500)),
        response_timeout: time(&fields, "response-timeout", Duration::from_millis(1), sink).unwrap_or(Duration::from_secs(30)),
        restart: restart(&fields, sink),
    })
}

/// The shares of a balancer's services: each of them is behind it, and at least one of them gets something.
fn shares(fields: &Fields<'_>, services: &[Service], sink: &mut Sink) -> BTreeMap<Service, u32> {
    let mut found = BTreeMap::new();
    let Some(node) = fields.node("shares") else { return found };
    for entry in read::map(node, "the share of each service", sink).unwrap_or_default() {
        let names = || services.iter().map(Service::as_str);
        if !names().any(|name| name == entry.key) {
            sink.error(entry.key_span, format!("the balancer does not send to a service `{}`", entry.key))
                .expected(listed(names(), "or"))
                .nearest(nearest(&entry.key, names()));
        }
        if let Some(share) = read::integer_in(&entry.value, 0..=1_000_000, sink) {
            found.insert(Service(entry.key.clone()), share as u32);
        }
    }
    if found.values().all(|share| *share == 0) && !sink.has_errors() {
        sink.error(node.span, "nobody gets a share").expected("at least one share above 0");
    }
    found
}
