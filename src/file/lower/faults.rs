//! Faults: the map behind a fault's key holds its target and its parameters.

use std::time::Duration;

use super::selector::{self, GROUP, REGION, SELECTOR, ZONE};
use crate::{
    file::{
        diagnostic::Sink,
        escape::quote,
        read::{self, Fields},
        suggest::{listed, nearest},
        table::{Kind, Table, key, must},
        yaml::Node,
    },
    model::{
        fault::{Fault, FaultKind, Mechanism, PartitionMode},
        quantity::Share,
        selector::{Pick, Selector, Take},
    },
};

const SIGNALS: &[&str] = &["KILL", "TERM", "INT", "QUIT", "HUP", "ABRT", "SEGV", "USR1", "USR2"];
const MODES: &[&str] = &[PartitionMode::Hang.name(), PartitionMode::Refuse.name(), PartitionMode::Disconnect.name()];
const COMMAND: Kind = Kind::List(&Kind::Text);

static KILL: Table =
    Table::new("`kill`", &[key("signal", Kind::Words(SIGNALS), "the signal, without `SIG`; KILL when left out")]).also(&SELECTOR);
static CRASH: Table = Table::new("`crash`", &[]).also(&SELECTOR);
static STOP: Table =
    Table::new("`stop`", &[key("grace", Kind::Duration, "time between the request and the kill; 10s when left out")]).also(&SELECTOR);
static PAUSE: Table = Table::new("`pause`", &[]).also(&SELECTOR);
static RESTART: Table =
    Table::new("`restart`", &[key("grace", Kind::Duration, "time between the request and the kill; 10s when left out")]).also(&SELECTOR);
static REMOVE: Table = Table::new(
    "`remove`",
    &[key(
        "decrement",
        Kind::Bool,
        "whether its group wants one fewer from then on, so that nothing replaces it (when left out); `false`, on AWS only: its group replaces it",
    )],
)
.also(&SELECTOR);
static DEREGISTER: Table = Table::new("`deregister`", &[]).also(&SELECTOR);
static PARTITION: Table = Table::new(
    "`partition`",
    &[key(
        "mode",
        Kind::Words(MODES),
        "how it is cut off: connections `hang` (when left out), are refused at once (`refuse`), or it is taken off its networks (`disconnect`)",
    )],
)
.also(&SELECTOR);
static FAILOVER: Table = Table::new("`failover`", &[]).also(&SELECTOR);
static SLOW: Table = Table::new(
    "`slow`",
    &[
        must("latency", Kind::Duration, "added to each answer"),
        key("jitter", Kind::Duration, "up to this much more, uniformly; none when left out"),
    ],
)
.also(&SELECTOR);
static LOSS: Table = Table::new("`loss`", &[must("share", Kind::Share, "the share of requests that is lost")]).also(&SELECTOR);
static LIMIT: Table = Table::new("`limit`", &[must("rate", Kind::Bandwidth, "like `64KiB/s` or `10Mbit/s`")]).also(&SELECTOR);
static STRESS: Table = Table::new(
    "`stress`",
    &[
        key("cpu", Kind::Integer, "busy workers on the processor"),
        key("memory", Kind::Bytes, "memory held"),
        key("disk", Kind::Bytes, "disk space written"),
    ],
)
.also(&SELECTOR);
static RUN: Table = Table::new(
    "`run`",
    &[
        must("command", COMMAND, "the command and its arguments, run for each target without a shell"),
        key("undo", COMMAND, "the command that undoes it; without it there is no undo"),
        key("timeout", Kind::Duration, "its limit; 30s when left out"),
    ],
)
.also(&SELECTOR);

/// The keys of each fault.
pub fn table(kind: FaultKind) -> &'static Table {
    match kind {
        FaultKind::Kill => &KILL,
        FaultKind::Crash => &CRASH,
        FaultKind::Stop => &STOP,
        FaultKind::Pause => &PAUSE,
        FaultKind::Restart => &RESTART,
        FaultKind::Remove => &REMOVE,
        FaultKind::Deregister => &DEREGISTER,
        FaultKind::Partition => &PARTITION,
        FaultKind::ZoneOutage => &ZONE,
        FaultKind::RegionOutage => &REGION,
        FaultKind::SuspendReplacement => &GROUP,
        FaultKind::Failover => &FAILOVER,
        FaultKind::Slow => &SLOW,
        FaultKind::Loss => &LOSS,
        FaultKind::Limit => &LIMIT,
        FaultKind::Stress => &STRESS,
        FaultKind::Run => &RUN,
    }
}

/// The form of each fault's value: its map, or one word for short.
pub const FORMS: [Kind; 17] = [
    Kind::Either(&[Kind::Text, Kind::Table(&KILL)]),
    Kind::Either(&[Kind::Text, Kind::Table(&CRASH)]),
    Kind::Either(&[Kind::Text, Kind::Table(&STOP)]),
    Kind::Either(&[Kind::Text, Kind::Table(&PAUSE)]),
    Kind::Either(&[Kind::Text, Kind::Table(&RESTART)]),
    Kind::Either(&[Kind::Text, Kind::Table(&REMOVE)]),
    Kind::Either(&[Kind::Text, Kind::Table(&DEREGISTER)]),
    Kind::Either(&[Kind::Text, Kind::Table(&PARTITION)]),
    Kind::Either(&[Kind::Text, Kind::Table(&ZONE)]),
    Kind::Either(&[Kind::Text, Kind::Table(&REGION)]),
    Kind::Either(&[Kind::Text, Kind::Table(&GROUP)]),
    Kind::Either(&[Kind::Text, Kind::Table(&FAILOVER)]),
    Kind::Table(&SLOW),
    Kind::Table(&LOSS),
    Kind::Table(&LIMIT),
    Kind::Table(&STRESS),
    Kind::Either(&[COMMAND, Kind::Table(&RUN)]),
];

/// What stands behind a fault's key.
pub fn fault(kind: FaultKind, node: &Node, sink: &mut Sink) -> Option<(Fault, Selector)> {
    if let Some(word) = selector::short(node) {
        return short(kind, word, node, sink);
    }
    let table = table(kind);
    if !matches!(node.value, crate::file::yaml::Value::Map(_)) {
        return read::wrong(node, format!("a target: `{kind}: web` or `{kind}: {{ service: web, … }}`"), sink);
    }
    let fields = Fields::new(node, table, sink)?;
    let target = match kind {
        FaultKind::ZoneOutage | FaultKind::RegionOutage | FaultKind::SuspendReplacement => selector::whole(fields, table, sink),
        _ => selector::selector(fields, sink),
    };
    Some((parameters(kind, fields, sink)?, target))
}

fn short(kind: FaultKind, word: &str, node: &Node, sink: &mut Sink) -> Option<(Fault, Selector)> {
    let mut target = Selector::default();
    match kind {
        FaultKind::ZoneOutage | FaultKind::RegionOutage => {
            target.take = Take::All;
            let fine = word.len() <= 63 && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
            if !fine {
                sink.error(node.span, format!("{} cannot be the name of a zone or region", quote(word)))
                    .expected("letters, digits, `.`, `_` and `-`");
                return None;
            }
            if kind == FaultKind::ZoneOutage {
                target.zone = Some(if word == "random" { Pick::Random } else { Pick::Named(vec![word.into()]) });
            } else {
                target.region = Some(if word == "random" { Pick::Random } else { Pick::Named(vec![word.into()]) });
            }
        }
        FaultKind::Slow | FaultKind::Loss | FaultKind::Limit | FaultKind::Stress => {
            let needs: Vec<&str> = table(kind).keys.iter().map(|k| k.name).collect();
            return read::wrong(
                node,
                format!("a map with the target and {}: `{kind}: {{ service: {word}, … }}`", listed(needs, "or")),
                sink,
            );
        }
        FaultKind::Run => {
            return read::wrong(node, "the command and its arguments as a list, like `[systemctl, restart, web]`; no shell reads it", sink);
        }
        _ => {
            target.services = vec![read::name(word, node.span, sink)?.into()];
            if kind == FaultKind::SuspendReplacement {
                target.take = Take::All;
            }
        }
    }
    Some((plain(kind), target))
}

/// A fault with all its parameters left out.
fn plain(kind: FaultKind) -> Fault {
    match kind {
        FaultKind::Crash => Fault::Crash,
        FaultKind::Stop => Fault::Stop { grace: GRACE },
        FaultKind::Pause => Fault::Pause,
        FaultKind::Restart => Fault::Restart { grace: GRACE },
        FaultKind::Remove => Fault::REMOVE,
        FaultKind::Deregister => Fault::Deregister,
        FaultKind::Partition => Fault::Partition { mode: PartitionMode::Hang },
        FaultKind::ZoneOutage => Fault::ZONE_OUTAGE,
        FaultKind::RegionOutage => Fault::REGION_OUTAGE,
        FaultKind::SuspendReplacement => Fault::SuspendReplacement,
        FaultKind::Failover => Fault::Failover,
        // Those that need parameters never come here.
        FaultKind::Kill | FaultKind::Slow | FaultKind::Loss | FaultKind::Limit | FaultKind::Stress | FaultKind::Run => {
            Fault::Kill { signal: None }
        }
    }
}

/// Time to end by itself, unless told.
pub const GRACE: Duration = Duration::from_secs(10);
/// The limit of a command, unless told.
pub const COMMAND_LIMIT: Duration = Duration::from_secs(30);

fn parameters(kind: FaultKind, fields: Fields<'_>, sink: &mut Sink) -> Option<Fault> {
    Some(match kind {
        FaultKind::Kill => Fault::Kill { signal: if fields.has("signal") { Some(fields.get("signal", sink, signal)?) } else { None } },
        FaultKind::Stop => Fault::Stop { grace: fields.duration("grace", sink).unwrap_or(GRACE) },
        FaultKind::Restart => Fault::Restart { grace: fields.duration("grace", sink).unwrap_or(GRACE) },
        FaultKind::Partition => Fault::Partition {
            mode: fields
                .get("mode", sink, |node, sink| read::word(node, MODES, sink))
                .and_then(|word| PartitionMode::ALL.into_iter().find(|mode| mode.name() == word))
                .unwrap_or_default(),
        },
        FaultKind::Remove => Fault::Remove { decrement: fields.get("decrement", sink, read::boolean).unwrap_or(true) },
        FaultKind::ZoneOutage => Fault::ZoneOutage { mechanism: mechanism(fields, selector::ZONE_MECHANISMS, sink) },
        FaultKind::RegionOutage => Fault::RegionOutage { mechanism: mechanism(fields, selector::MECHANISMS, sink) },
        FaultKind::Slow => {
            let jitter = fields.duration("jitter", sink).unwrap_or_default();
            Fault::Slow { latency: fields.get("latency", sink, read::some_time)?, jitter }
        }
        FaultKind::Loss => Fault::Loss { share: fields.get("share", sink, above_zero)? },
        FaultKind::Limit => {
            let rate = fields.bandwidth("rate", sink)?;
            if rate == 0 {
                sink.error(fields.key_span("rate"), "a limit of nothing lets nothing through")
                    .expected("a bandwidth above zero; to cut off, use `partition`");
            }
            Fault::Limit { rate }
        }
        FaultKind::Stress => {
            if !["cpu", "memory", "disk"].iter().any(|k| fields.has(k)) {
                sink.error(fields.span, "`stress` does not say what is stressed").expected("`cpu`, `memory` or `disk`");
            }
            Fault::Stress {
                cpu: fields.get("cpu", sink, |node, sink| read::integer_in(node, 1..=1024, sink)).map(|n| n as u32),
                memory: fields.bytes("memory", sink),
                disk: fields.bytes("disk", sink),
            }
        }
        FaultKind::Run => {
            let undo = if fields.has("undo") { Some(fields.get("undo", sink, read::command)?) } else { None };
            let timeout = fields.get("timeout", sink, read::some_time).unwrap_or(COMMAND_LIMIT);
            Fault::Run { command: fields.get("command", sink, read::command)?, undo, timeout }
        }
        other => plain(other),
    })
}

fn mechanism(fields: Fields<'_>, words: &'static [&'static str], sink: &mut Sink) -> Mechanism {
    let word = fields.get("mechanism", sink, |node, sink| read::word(node, words, sink));
    word.and_then(|word| Mechanism::ALL.into_iter().find(|mechanism| mechanism.name() == word)).unwrap_or_default()
}

fn above_zero(node: &Node, sink: &mut Sink) -> Option<Share> {
    let share = read::share(node, sink)?;
    if share.0 <= 0.0 {
        sink.error(node.span, format!("{} is nothing", node.says())).expected("a percentage above 0%, like `10%`");
        return None;
    }
    Some(share)
}

fn signal(node: &Node, sink: &mut Sink) -> Option<String> {
    let text = read::text(node, sink)?;
    let bare = text.to_ascii_uppercase();
    let bare = bare.strip_prefix("SIG").unwrap_or(&bare).to_owned();
    if SIGNALS.contains(&bare.as_str()) {
        return Some(bare);
    }
    let why = match bare.as_str() {
        "STOP" | "CONT" | "TSTP" => "; to freeze, use the fault `pause`",
        _ => "",
    };
    sink.error(node.span, format!("{} is not a signal that ends a process", quote(text)))
        .expected(format!("{}{why}", listed(SIGNALS.iter().copied(), "or")))
        .nearest(nearest(&bare.to_lowercase(), SIGNALS.iter().copied()));
    None
}
