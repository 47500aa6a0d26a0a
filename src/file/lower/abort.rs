//! Abort conditions: what is watched while a run goes on, and when it is halted.

use std::time::Duration;

use super::{
    http::{TLS, headers, tls},
    probes::Named,
    prometheus::{query, server, threshold},
    steady_state::{METRICS, comparisons, known_probe, sign},
};
use crate::{
    file::{
        diagnostic::Sink,
        escape::quote,
        read::{self, Fields},
        table::{Kind, Table, key, must},
        yaml::Node,
    },
    model::{
        guardrail::{AbortWhen, Ask, Asked},
        probe::CommandProbe,
        protocol::PrometheusProbe,
        quantity::show_duration,
        steady_state::Op,
    },
};

/// The longest window that is kept.
const LONGEST_WINDOW: Duration = Duration::from_mins(10);
/// The least time between two questions.
const LEAST_EVERY: Duration = Duration::from_millis(50);

static METRIC: Table = Table::new(
    "`abort-when`",
    &[must("probe", Kind::Text, "the name of the probe"), must("for", Kind::Duration, "how long it must be bad without a break")],
)
.also(&METRICS);

static BURN_RATE: Table = Table::new(
    "`abort-when` with a `burn-rate`",
    &[
        must("probe", Kind::Text, "the name of the probe whose failures burn the error budget"),
        must("burn-rate", Kind::Threshold, "so many times as fast as the objective allows: `> 14.4`"),
        must("over", Kind::Duration, "the sliding window, at most 10m; what of it lies before the run counts as good"),
    ],
);

static COMMAND: Table = Table::new(
    "`abort-when` with a `command`",
    &[
        must(
            "command",
            Kind::List(&Kind::Text),
            "a program that looks whether all is well, with its arguments, without a shell; bad when it fails",
        ),
        key(
            "status",
            Kind::Either(&[Kind::Integer, Kind::List(&Kind::Integer)]),
            "exit statuses that say that all is well; 0 when left out",
        ),
    ],
)
.also(&ASKED);

static PROMETHEUS: Table = Table::new(
    "`abort-when` with a `prometheus` query",
    &[
        must("prometheus", Kind::Text, "the server's URL, without `/api/v1/query`"),
        must("query", Kind::Text, "the query, asked for its value again and again"),
        must("value", Kind::Threshold, "bad when any value of the answer compares so: `> 0.05`"),
        key("empty", Kind::Words(&["bad", "passes"]), "what an answer without a value is; `bad` when left out"),
        key("headers", Kind::Map(&Kind::Secret), "headers by name; secrets as `{ env: NAME }` or `{ file: PATH }`"),
        key("tls", Kind::Table(&TLS), "TLS settings"),
    ],
)
.also(&ASKED);

/// The keys of what is asked apart from the probes.
static ASKED: Table = Table::new(
    "`abort-when`",
    &[
        key("every", Kind::Duration, "how often it is asked; 1s when left out"),
        key("timeout", Kind::Duration, "the limit for each answer; 1s when left out"),
        key("for", Kind::Duration, "how long it must be bad without a break; at once when left out"),
        key("misses", Kind::Integer, "so many times in a row without an answer are bad too; 3 when left out"),
    ],
);

/// The forms of an abort condition.
pub static KINDS: &[&Table] = &[&METRIC, &BURN_RATE, &COMMAND, &PROMETHEUS];

/// Reads one; `objective` is whether the file has one.
pub fn abort_when(node: &Node, probes: &[Named], objective: bool, sink: &mut Sink) -> Option<AbortWhen> {
    let entries = read::map(node, "`abort-when`", sink)?;
    if let Some(entry) = entries.iter().find(|e| e.key == "burn-rate") {
        let fields = Fields::new(node, &BURN_RATE, sink)?;
        if !objective {
            sink.error(entry.key_span, "a burn rate is the burning of an error budget, and there is no objective")
                .expected("`objective: { availability: 99.9%, over: 30d }` in the file");
        }
        return burn_rate(fields, probes, sink);
    }
    if entries.iter().any(|e| e.key == "command") {
        let fields = Fields::new(node, &COMMAND, sink)?;
        let command = fields.get("command", sink, read::command);
        let status = fields.node("status").map(|node| {
            let items = read::one_or_many(node);
            items.iter().filter_map(|item| read::integer_in(item, 0..=255, sink)).map(|n| n as i32).collect()
        });
        let what = Ask::Command(CommandProbe { command: command?, status: status.unwrap_or_default() });
        return Some(asked(what, fields, sink));
    }
    if entries.iter().any(|e| e.key == "prometheus") {
        let fields = Fields::new(node, &PROMETHEUS, sink)?;
        return prometheus(fields, sink).map(|query| asked(Ask::Prometheus(Box::new(query)), fields, sink));
    }
    let fields = Fields::new(node, &METRIC, sink)?;
    let probe = fields.get("probe", sink, |node, sink| known_probe(node, probes, sink));
    let held_for = fields.get("for", sink, read::some_time);
    let compared = comparisons(entries, fields, probe, sink);
    if let [_, (second, _), ..] = compared.as_slice() {
        let span = fields.entry(second.name()).map_or(fields.span, |e| e.key_span);
        sink.error(span, "an abort condition compares one metric").expected("a list of conditions under `abort-when`, one metric each");
        return None;
    }
    let (metric, comparison) = compared.into_iter().next()?;
    if metric.is_of_findings() {
        sink.error(
            fields.key_span(metric.name()),
            format!("`{}` is known when the run has ended: nothing is left to abort", metric.name()),
        )
        .expected("a metric of requests, like `state-lost: \"> 10\"`");
        return None;
    }
    Some(AbortWhen::Metric { probe: probe?.name.as_str().into(), metric, comparison, held_for: held_for? })
}

fn burn_rate(fields: Fields<'_>, probes: &[Named], sink: &mut Sink) -> Option<AbortWhen> {
    let probe = fields.get("probe", sink, |node, sink| known_probe(node, probes, sink));
    let compared = fields.get("burn-rate", sink, |node, sink| bound(node, "`> 14.4`", sink));
    let over = fields.get("over", sink, |node, sink| {
        let over = read::some_time(node, sink)?;
        if over > LONGEST_WINDOW {
            sink.error(node.span, format!("a window of {} is not kept", show_duration(over))).expected("at most 10m");
        }
        Some(over)
    });
    let (op, bound) = compared?;
    Some(AbortWhen::BurnRate { probe: probe?.name.as_str().into(), op, bound, over: over? })
}

/// `> 14.4`: what is bad lies above it.
fn bound(node: &Node, example: &str, sink: &mut Sink) -> Option<(Op, f64)> {
    let (op, rest) = sign(node, example, sink)?;
    let bound = rest.parse::<f64>().ok().filter(|bound| bound.is_finite() && *bound > 0.0);
    match (op, bound) {
        (Op::Above | Op::AtLeast, Some(bound)) => Some((op, bound)),
        (_, None) => {
            sink.error(node.span, format!("{} is not a number above 0", quote(rest)))
                .expected(format!("a sign and a number, like {example}"));
            None
        }
        (_, Some(_)) => {
            sink.error(node.span, "a budget that burns slowly is no reason to abort").expected(format!("`>` or `>=`, like {example}"));
            None
        }
    }
}

fn prometheus(fields: Fields<'_>, sink: &mut Sink) -> Option<PrometheusProbe> {
    let url = server(fields, sink);
    let query = fields.get("query", sink, query);
    let well = fields.get("value", sink, |node, sink| {
        let (bad, bound) = threshold(node, sink)?;
        let Some(well) = bad.inverse() else {
            sink.error(node.span, "a value that is measured is hardly ever exactly this").expected("`>`, `>=`, `<` or `<=` and a number");
            return None;
        };
        Some((well, bound))
    });
    let empty = fields.get("empty", sink, |node, sink| read::word(node, &["bad", "passes"], sink));
    let headers = fields.get("headers", sink, headers).unwrap_or_default();
    let tls = fields.get("tls", sink, tls).unwrap_or_default();
    let (op, bound) = well?;
    Some(PrometheusProbe { url: url?, query: query?, op, bound, empty_passes: empty == Some("passes"), headers, tls })
}

fn asked(what: Ask, fields: Fields<'_>, sink: &mut Sink) -> AbortWhen {
    let every = fields.get("every", sink, read::some_time).unwrap_or(Duration::from_secs(1));
    if every < LEAST_EVERY {
        let span = fields.node("every").map_or(fields.span, |n| n.span);
        sink.error(span, format!("every {} is too often", show_duration(every))).expected("at least 50ms");
    }
    let timeout = fields.get("timeout", sink, read::some_time).unwrap_or(Duration::from_secs(1));
    let held_for = fields.duration("for", sink).unwrap_or_default();
    let misses = fields.get("misses", sink, |node, sink| read::integer_in(node, 1..=1000, sink)).unwrap_or(3);
    AbortWhen::Asked(Asked { what, every, timeout, held_for, misses: u32::try_from(misses).unwrap_or(u32::MAX) })
}
