//! An experiment as a file: what `drill --save` writes. It reads back as the same experiment.

mod abort;
mod journey;
mod protocols;
mod store;

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use serde_json::Value as Json;

use super::lower::faults;
use crate::model::{
    blast_radius::MinHealthy,
    experiment::{Bind, Experiment, FaultStep, Step},
    fault::{Fault, Mechanism, PartitionMode},
    ids::{InstanceId, Service},
    probe::{Connections, HttpExpect, HttpProbe, ProbeKind, ProbeSpec, ServedBy, Text, TlsSettings},
    selector::{Pick, ProcessMatch, Selector, Take},
    steady_state::{Comparison, Condition, Expect, Phase, Unit},
    template::escape,
    time::nanos,
};

/// One `key: value` of a flow map.
type Pairs = Vec<(String, String)>;

/// The experiment as YAML.
pub fn experiment(experiment: &Experiment) -> String {
    let mut out = String::new();
    let mut line = |key: &str, value: String| {
        let _ = writeln!(out, "{key}: {value}");
    };
    line("version", super::lower::experiment::VERSION.to_string());
    line("title", quoted(&experiment.title));
    let optional = [("description", &experiment.description), ("owner", &experiment.owner), ("environment", &experiment.environment)];
    for (key, value) in optional {
        if let Some(value) = value {
            line(key, quoted(value));
        }
    }
    if !experiment.labels.is_empty() {
        line("labels", texts(&experiment.labels));
    }
    if let Some(seed) = experiment.seed {
        line("seed", seed.to_string());
    }
    out.push_str("\nprobes:\n");
    for probe in &experiment.probes {
        let _ = writeln!(out, "  {}:", quoted(probe.name.as_str()));
        for (key, value) in probe_pairs(probe) {
            let _ = writeln!(out, "    {key}: {value}");
        }
    }
    if !experiment.versions.is_empty() {
        out.push_str("\nversions:\n");
        for (service, endpoint) in &experiment.versions {
            let mut pairs = vec![pair("path", quoted(&endpoint.path))];
            pairs.extend(endpoint.port.map(|port| pair("port", port)));
            pairs.extend(endpoint.json.as_ref().map(|pointer| pair("json", quoted(pointer))));
            let _ = writeln!(out, "  {}: {}", quoted(service.as_str()), flow(pairs));
        }
    }
    out.push_str("\nsteady-state:\n");
    for condition in &experiment.steady_state {
        let _ = writeln!(out, "  - {}", flow(condition_pairs(condition)));
    }
    out.push('\n');
    let mut line = |key: &str, value: String| {
        let _ = writeln!(out, "{key}: {value}");
    };
    if let Some(objective) = &experiment.objective {
        line("objective", flow(vec![pair("availability", objective.availability), pair("over", time(objective.over))]));
    }
    line("warm-up", time(experiment.warm_up));
    line("baseline", time(experiment.baseline));
    line("recovery", flow(vec![pair("hold", time(experiment.recovery.hold)), pair("limit", time(experiment.recovery.limit))]));
    line("watch", time(experiment.watch));
    if experiment.bind == Bind::AtStep {
        line("bind", "at-step".to_owned());
    }
    out.push_str("\nmethod:\n");
    for step in &experiment.method {
        write_step(&mut out, step);
    }
    write_guardrails(&mut out, experiment);
    out
}

fn write_guardrails(out: &mut String, experiment: &Experiment) {
    let caps = &experiment.caps;
    let mut affected = Pairs::new();
    if caps.service_stated {
        affected.push(pair("service", caps.service));
    }
    affected.extend(caps.zone.map(|zone| pair("zone", zone)));
    affected.extend(caps.count.map(|count| pair("count", count)));
    if affected.is_empty() && caps.min_healthy.is_empty() && experiment.abort_when.is_empty() {
        return;
    }
    out.push_str("\nguardrails:\n");
    if !affected.is_empty() {
        let _ = writeln!(out, "  max-affected: {}", flow(affected));
    }
    if !caps.min_healthy.is_empty() {
        let floors = caps.min_healthy.iter().map(|(service, floor)| match floor {
            MinHealthy::Count(count) => pair(&quoted(service.as_str()), count),
            MinHealthy::Percent(share) => pair(&quoted(service.as_str()), share),
        });
        let _ = writeln!(out, "  min-healthy: {}", flow(floors.collect()));
    }
    if !experiment.abort_when.is_empty() {
        out.push_str("  abort-when:\n");
        for when in &experiment.abort_when {
            let _ = writeln!(out, "    - {}", flow(abort::abort_when(when)));
        }
    }
}

fn write_step(out: &mut String, step: &Step) {
    match step {
        // In a file nobody can say that it is mitigated: it lasts for its bound.
        Step::Wait(duration) | Step::UntilMitigated(duration) => {
            let _ = writeln!(out, "  - wait: {}", time(*duration));
        }
        Step::Command(command) => {
            let _ = writeln!(out, "  - run: {}", list(&command.command));
            if let Some(undo) = &command.undo {
                let _ = writeln!(out, "    undo: {}", list(undo));
            }
            let _ = writeln!(out, "    timeout: {}", time(command.timeout));
        }
        Step::Phoenix(phoenix) => {
            let mut pairs = selector_pairs(&phoenix.target, Take::All);
            pairs.push(pair("wait", time(phoenix.wait)));
            let _ = writeln!(out, "  - phoenix: {}", flow(pairs));
        }
        Step::Faults(faults) => match faults.as_slice() {
            [fault] => write_fault(out, "  ", fault),
            many => {
                out.push_str("  - together:\n");
                for fault in many {
                    write_fault(out, "      ", fault);
                }
            }
        },
    }
}

fn write_fault(out: &mut String, indent: &str, step: &FaultStep) {
    let whole = matches!(step.fault, Fault::ZoneOutage { .. } | Fault::RegionOutage { .. } | Fault::SuspendReplacement);
    let mut pairs = selector_pairs(&step.target, if whole { Take::All } else { Take::default() });
    pairs.extend(fault_pairs(&step.fault));
    let _ = writeln!(out, "{indent}- {}: {}", step.fault.kind(), flow(pairs));
    if let Some(hold) = step.hold {
        let _ = writeln!(out, "{indent}  hold: {}", time(hold));
    }
}

/// `take` is what is taken when the file does not say.
fn selector_pairs(selector: &Selector, take: Take) -> Pairs {
    let mut out = Pairs::new();
    if !selector.services.is_empty() {
        out.push(pair("service", one_or_list(selector.services.iter().map(Service::as_str))));
    }
    out.extend(selector.zone.as_ref().map(|zone| pair("zone", pick(zone, |z| z.as_str()))));
    out.extend(selector.region.as_ref().map(|region| pair("region", pick(region, |r| r.as_str()))));
    if !selector.labels.is_empty() {
        out.push(pair("labels", texts(&selector.labels)));
    }
    out.extend(selector.name.as_ref().map(|name| pair("name", quoted(name))));
    if !selector.ids.is_empty() {
        out.push(pair("id", one_or_list(selector.ids.iter().map(InstanceId::as_str))));
    }
    match &selector.process {
        Some(ProcessMatch::PidFile(path)) => out.push(pair("process", flow(vec![pair("pid-file", quoted(path))]))),
        Some(ProcessMatch::Command { executable, arguments }) => {
            let mut pairs = vec![pair("executable", quoted(executable))];
            pairs.extend(arguments.as_ref().map(|a| pair("arguments", quoted(a))));
            out.push(pair("process", flow(pairs)));
        }
        None => {}
    }
    if selector.all {
        out.push(pair("all", true));
    }
    if selector.take != take {
        out.push(pair("take", selector.take));
    }
    out
}

fn fault_pairs(fault: &Fault) -> Pairs {
    match fault {
        Fault::Kill { signal: Some(signal) } => vec![pair("signal", signal)],
        Fault::Stop { grace } | Fault::Restart { grace } if *grace != faults::GRACE => vec![pair("grace", time(*grace))],
        Fault::Partition { mode } if *mode != PartitionMode::default() => vec![pair("mode", mode.name())],
        Fault::ZoneOutage { mechanism } | Fault::RegionOutage { mechanism } if *mechanism != Mechanism::default() => {
            vec![pair("mechanism", mechanism.name())]
        }
        Fault::Remove { decrement: false } => vec![pair("decrement", false)],
        Fault::Slow { latency, jitter } => vec![pair("latency", time(*latency)), pair("jitter", time(*jitter))],
        Fault::Loss { share } => vec![pair("share", share)],
        Fault::Limit { rate } => vec![pair("rate", format!("{rate}B/s"))],
        Fault::Stress { cpu, memory, disk } => {
            let mut out = Pairs::new();
            out.extend(cpu.map(|n| pair("cpu", n)));
            out.extend(memory.map(|n| pair("memory", format!("{n}B"))));
            out.extend(disk.map(|n| pair("disk", format!("{n}B"))));
            out
        }
        Fault::Run { command, undo, timeout } => {
            let mut out = vec![pair("command", list(command))];
            out.extend(undo.as_ref().map(|u| pair("undo", list(u))));
            out.push(pair("timeout", time(*timeout)));
            out
        }
        _ => Pairs::new(),
    }
}

fn condition_pairs(condition: &Condition) -> Pairs {
    match &condition.expect {
        Expect::RecoveredWithin(within) => vec![pair("recovered-within", time(*within))],
        Expect::ReplacementsAlike => vec![pair("replacements", "alike")],
        Expect::Probe { probe, metric, comparison: compared } => {
            let mut out = vec![pair("probe", quoted(probe.as_str())), pair(metric.name(), comparison(*compared))];
            if condition.phases != Phase::COUNTED {
                out.push(pair("in", one_or_list(condition.phases.iter().map(|p| p.name()))));
            }
            out
        }
    }
}

fn probe_pairs(probe: &ProbeSpec) -> Pairs {
    let mut out = match &probe.kind {
        ProbeKind::Http(http) => http_pairs(http),
        ProbeKind::Journey(journey) => vec![pair("journey", journey::journey(journey))],
        ProbeKind::Tcp(tcp) => {
            let mut out = vec![pair("tcp", quoted(&tcp.address))];
            out.extend(tcp.send.as_ref().map(|t| pair("send", quoted(t))));
            out.extend(tcp.receive.as_ref().map(|t| pair("receive", quoted(t))));
            out.extend(protocols::naming(&tcp.names, tcp.resolver));
            if tcp.unreachable {
                out.push(pair("expect", "unreachable"));
            }
            out
        }
        ProbeKind::Dns(dns) => protocols::dns(dns),
        ProbeKind::WebSocket(socket) => protocols::websocket(socket),
        ProbeKind::Prometheus(query) => protocols::prometheus(query),
        ProbeKind::Redis(redis) => store::redis(redis),
        ProbeKind::Postgres(postgres) => store::postgres(postgres),
        ProbeKind::Ledger(ledger) => vec![pair("ledger", store::ledger(ledger))],
        ProbeKind::Command(command) => {
            let mut out = vec![pair("command", list(&command.command))];
            if !command.status.is_empty() {
                out.push(pair("status", format!("{:?}", command.status)));
            }
            out
        }
    };
    if !matches!(probe.kind, ProbeKind::Journey(_)) {
        out.push(pair("rate", probe.rate));
    }
    out.push(pair("timeout", time(probe.timeout)));
    out.extend(probe.slow.map(|slow| pair("slow", time(slow))));
    out.extend(probe.service.as_ref().map(|service| pair("service", quoted(service.as_str()))));
    out
}

fn connections_pair(connections: Connections) -> Option<(String, String)> {
    match connections {
        Connections::New => Some(pair("connections", "new")),
        Connections::KeepAlive => Some(pair("connections", "keep-alive")),
        Connections::Both => None,
    }
}

fn http_pairs(http: &HttpProbe) -> Pairs {
    let mut out = vec![pair("http", quoted(&http.url))];
    if http.method != "GET" {
        out.push(pair("method", &http.method));
    }
    out.extend(header_pairs(&http.headers));
    out.extend(http.body.as_ref().map(|body| pair("body", secret(body))));
    out.extend(connections_pair(http.connections));
    out.extend(protocols::naming(&http.names, http.resolver));
    if !http.addresses.is_empty() {
        out.push(pair("addresses", list(&http.addresses)));
    }
    out.extend(expect_pair(&http.expect, quoted, json));
    if http.body_limit != 64 * 1024 {
        out.push(pair("body-limit", format!("{}B", http.body_limit)));
    }
    out.extend(http.served_by.as_ref().map(served_pair));
    out.extend(http.number_header.as_ref().map(|h| pair("number-header", quoted(h))));
    out.extend(tls_pair(&http.tls));
    out.extend(http.proxy.as_ref().map(|p| pair("proxy", quoted(p))));
    out
}

/// What is expected; `quoted` and `json` write its texts.
fn expect_pair(expect: &HttpExpect, quoted: fn(&str) -> String, json: fn(&Json) -> String) -> Option<(String, String)> {
    if expect.unreachable {
        return Some(pair("expect", "unreachable"));
    }
    let mut pairs = Pairs::new();
    if !expect.status.is_empty() {
        pairs.push(pair("status", format!("{:?}", expect.status)));
    }
    if !expect.headers.is_empty() {
        let headers = expect.headers.iter().map(|(name, value)| pair(&self::quoted(name), quoted(value)));
        pairs.push(pair("headers", flow(headers.collect())));
    }
    let mut body = Pairs::new();
    body.extend(expect.body_contains.as_ref().map(|t| pair("contains", quoted(t))));
    body.extend(expect.body_matches.as_ref().map(|t| pair("matches", self::quoted(t))));
    if !expect.json.is_empty() {
        body.push(pair("json", flow(expect.json.iter().map(|(pointer, value)| pair(&self::quoted(pointer), json(value))).collect())));
    }
    if !body.is_empty() {
        pairs.push(pair("body", flow(body)));
    }
    (!pairs.is_empty()).then(|| pair("expect", flow(pairs)))
}

fn header_pairs(headers: &[(String, Text)]) -> Option<(String, String)> {
    let pairs: Pairs = headers.iter().map(|(name, value)| pair(&quoted(name), secret(value))).collect();
    (!pairs.is_empty()).then(|| pair("headers", flow(pairs)))
}

fn served_pair(served: &ServedBy) -> (String, String) {
    let mut pairs = Pairs::new();
    pairs.extend(served.header.as_ref().map(|h| pair("header", quoted(h))));
    pairs.extend(served.zone_header.as_ref().map(|h| pair("zone-header", quoted(h))));
    pair("served-by", flow(pairs))
}

fn tls_pair(tls: &TlsSettings) -> Option<(String, String)> {
    let mut pairs = Pairs::new();
    for (key, value) in [("ca", &tls.ca), ("certificate", &tls.certificate), ("key", &tls.key)] {
        pairs.extend(value.as_ref().map(|v| pair(key, quoted(v))));
    }
    if tls.insecure {
        pairs.push(pair("insecure", true));
    }
    (!pairs.is_empty()).then(|| pair("tls", flow(pairs)))
}

fn pair(key: &str, value: impl std::fmt::Display) -> (String, String) {
    (key.to_owned(), value.to_string())
}

fn flow(pairs: Pairs) -> String {
    if pairs.is_empty() {
        return "{}".to_owned();
    }
    let inside: Vec<String> = pairs.into_iter().map(|(key, value)| format!("{key}: {value}")).collect();
    format!("{{ {} }}", inside.join(", "))
}

fn list(items: &[String]) -> String {
    format!("[{}]", items.iter().map(|i| quoted(i)).collect::<Vec<_>>().join(", "))
}

fn one_or_list<'a>(items: impl Iterator<Item = &'a str>) -> String {
    let items: Vec<String> = items.map(quoted).collect();
    if let [one] = items.as_slice() { one.clone() } else { format!("[{}]", items.join(", ")) }
}

fn texts(map: &BTreeMap<String, String>) -> String {
    flow(map.iter().map(|(key, value)| pair(&quoted(key), quoted(value))).collect())
}

fn pick<T>(pick: &Pick<T>, name: impl Fn(&T) -> &str) -> String {
    match pick {
        Pick::Random => "random".to_owned(),
        Pick::Named(names) => one_or_list(names.iter().map(name)),
    }
}

fn secret(text: &Text) -> String {
    match text {
        Text::Plain(text) => quoted(text),
        Text::Env(name) => flow(vec![pair("env", quoted(name))]),
        Text::File(path) => flow(vec![pair("file", quoted(path))]),
    }
}

fn comparison(comparison: Comparison) -> String {
    let bound = match comparison.unit {
        Unit::Share => crate::model::quantity::Share(comparison.bound).to_string(),
        Unit::Seconds => time(Duration::from_secs_f64(comparison.bound)),
        Unit::Count => format!("{:.0}", comparison.bound),
    };
    format!("\"{} {bound}\"", comparison.op.sign())
}

/// JSON is YAML, except that `${` in its texts would be a variable.
fn json(value: &Json) -> String {
    escape(&value.to_string())
}

/// A duration exactly, in units that the format reads.
fn time(duration: Duration) -> String {
    const UNITS: [(&str, u64); 6] = [
        ("d", 86_400_000_000_000),
        ("h", 3_600_000_000_000),
        ("m", 60_000_000_000),
        ("s", 1_000_000_000),
        ("ms", 1_000_000),
        ("us", 1_000),
    ];
    let mut rest = nanos(duration);
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut out = String::new();
    for (unit, size) in UNITS {
        if rest >= size {
            let _ = write!(out, "{}{unit}", rest / size);
            rest %= size;
        }
    }
    if rest > 0 {
        let _ = write!(out, "{rest}ns");
    }
    out
}

/// Text as it stands where that is safe, else in double quotes; `${` is kept from being a variable.
pub fn quoted(text: &str) -> String {
    scalar(&escape(text))
}

/// As `quoted`, for a text in which each `${` is meant.
fn scalar(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'))
        && !matches!(text.to_lowercase().as_str(), "null" | "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n");
    if plain {
        return text.to_owned();
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if super::escape::unsafe_char(c) => {
                let _ = write!(out, "\\U{:08x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::{LoadOptions, Source, load_source};

    fn read(text: &str) -> Experiment {
        let text = text.replace("environment: laptop\n", "");
        load_source(&Source::new("t.yaml", text), None, &LoadOptions::default()).unwrap_or_else(|e| panic!("{e}")).experiment
    }

    #[test]
    fn what_is_written_reads_back_as_the_same() {
        let mut original = read(include_str!("testdata/everything.yaml"));
        original.title = "a \"b\" ${c} \\ #: \u{7}x".replace('\u{7}', "");
        original.description = Some("two\nlines\twith $${ and é\u{202e}".to_owned());
        let text = experiment(&original);
        let back = read(&text);
        assert_eq!(back, original, "{text}");
    }

    #[test]
    fn durations_are_written_exactly() {
        for (nanos, text) in [(0, "0s"), (90_000_000_000, "1m30s"), (1_500_000_000, "1s500ms"), (1, "1ns"), (86_400_000_000_000, "1d")] {
            assert_eq!(time(Duration::from_nanos(nanos)), text);
            assert_eq!(crate::model::quantity::duration(text).unwrap(), Duration::from_nanos(nanos));
        }
    }
}
