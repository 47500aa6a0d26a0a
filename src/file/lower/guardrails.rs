//! Guardrails: the blast radius, and what ends a run early.

use std::collections::BTreeMap;

use super::{
    probes::Named,
    steady_state::{METRICS, comparisons, known_probe},
};
use crate::{
    file::{
        diagnostic::Sink,
        read::{self, Fields},
        table::{Kind, Table, key, must},
        yaml::Node,
    },
    model::{
        blast_radius::{Caps, MinHealthy},
        guardrail::AbortWhen,
        ids::Service,
        quantity::Share,
    },
};

/// The keys of `guardrails`.
pub static GUARDRAILS: Table = Table::new(
    "`guardrails`",
    &[
        key("max-affected", Kind::Table(&MAX_AFFECTED), "at most so much may be affected by all steps together"),
        key(
            "min-healthy",
            Kind::Map(&Kind::Either(&[Kind::Integer, Kind::Share])),
            "at least so many healthy instances must remain, by service: `2` or `50%`",
        ),
        key(
            "abort-when",
            Kind::Either(&[Kind::Table(&ABORT), Kind::List(&Kind::Table(&ABORT))]),
            "when this holds for its time, the run is halted and undone",
        ),
    ],
);

static MAX_AFFECTED: Table = Table::new(
    "`max-affected`",
    &[
        key("service", Kind::Share, "of each service's instances; 50% when left out"),
        key("zone", Kind::Share, "of each zone's instances"),
        key("count", Kind::Integer, "instances in all"),
    ],
);

static ABORT: Table = Table::new(
    "`abort-when`",
    &[must("probe", Kind::Text, "the name of the probe"), must("for", Kind::Duration, "how long it must be bad without a break")],
)
.also(&METRICS);

/// The caps and the abort conditions.
pub fn guardrails(node: &Node, probes: &[Named], sink: &mut Sink) -> Option<(Caps, Vec<AbortWhen>)> {
    let fields = Fields::new(node, &GUARDRAILS, sink)?;
    let mut caps = fields.get("max-affected", sink, max_affected).unwrap_or_default();
    caps.min_healthy = fields.get("min-healthy", sink, min_healthy).unwrap_or_default();
    let abort = fields.node("abort-when").map(|node| {
        let items = read::one_or_many(node);
        items.iter().filter_map(|item| abort_when(item, probes, sink)).collect()
    });
    Some((caps, abort.unwrap_or_default()))
}

fn max_affected(node: &Node, sink: &mut Sink) -> Option<Caps> {
    let fields = Fields::new(node, &MAX_AFFECTED, sink)?;
    let mut caps = Caps::default();
    if let Some(service) = fields.get("service", sink, cap) {
        caps.service = service;
        caps.service_stated = true;
    }
    caps.zone = fields.get("zone", sink, cap);
    caps.count = fields.get("count", sink, |node, sink| {
        let count = read::integer(node, sink)?;
        if count == 0 {
            sink.error(node.span, "a cap of 0 forbids every fault")
                .expected("a number from 1; to see what would happen, use `firedrill plan`");
        }
        Some(u32::try_from(count).unwrap_or(u32::MAX))
    });
    Some(caps)
}

fn cap(node: &Node, sink: &mut Sink) -> Option<Share> {
    let share = read::share(node, sink)?;
    if share.0 <= 0.0 {
        sink.error(node.span, "a cap of 0% forbids every fault")
            .expected("a percentage above 0%; to see what would happen, use `firedrill plan`");
    }
    Some(share)
}

fn min_healthy(node: &Node, sink: &mut Sink) -> Option<BTreeMap<Service, MinHealthy>> {
    let entries = read::map(node, "`min-healthy`: services and how many of each must stay healthy", sink)?;
    let mut out = BTreeMap::new();
    for entry in entries {
        let name = read::name(&entry.key, entry.key_span, sink);
        if let (Some(name), Some(floor)) = (name, floor(&entry.value, sink)) {
            out.insert(name.into(), floor);
        }
    }
    Some(out)
}

fn floor(node: &Node, sink: &mut Sink) -> Option<MinHealthy> {
    const EXPECTED: &str = "a number like `2`, or a percentage below 100% like `50%`";
    if node.text().is_some_and(|t| t.contains('%')) {
        let share = read::share(node, sink)?;
        if share.0 >= 1.0 {
            sink.error(node.span, "when 100% must stay healthy, no fault is possible").expected(EXPECTED);
        }
        return Some(MinHealthy::Percent(share));
    }
    match read::integer_of(node).and_then(|n| u32::try_from(n).ok()) {
        Some(count) => Some(MinHealthy::Count(count)),
        None => read::wrong(node, EXPECTED, sink),
    }
}

fn abort_when(node: &Node, probes: &[Named], sink: &mut Sink) -> Option<AbortWhen> {
    let entries = read::map(node, "`abort-when`", sink)?;
    let fields = Fields::new(node, &ABORT, sink)?;
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
    Some(AbortWhen { probe: probe?.name.as_str().into(), metric, comparison, held_for: held_for? })
}
