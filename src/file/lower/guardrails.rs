//! Guardrails: the blast radius, and what ends a run early.

use std::collections::BTreeMap;

use super::{
    abort::{self, abort_when},
    probes::Named,
};
use crate::{
    file::{
        diagnostic::Sink,
        read::{self, Fields},
        table::{Kind, Table, key},
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
            Kind::Either(&[Kind::Tables(abort::KINDS), Kind::List(&Kind::Tables(abort::KINDS))]),
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

/// The caps and the abort conditions; `objective` is whether the file has one.
pub fn guardrails(node: &Node, probes: &[Named], objective: bool, sink: &mut Sink) -> Option<(Caps, Vec<AbortWhen>)> {
    let fields = Fields::new(node, &GUARDRAILS, sink)?;
    let mut caps = fields.get("max-affected", sink, max_affected).unwrap_or_default();
    caps.min_healthy = fields.get("min-healthy", sink, min_healthy).unwrap_or_default();
    let abort = fields.node("abort-when").map(|node| {
        let items = read::one_or_many(node);
        items.iter().filter_map(|item| abort_when(item, probes, objective, sink)).collect()
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
