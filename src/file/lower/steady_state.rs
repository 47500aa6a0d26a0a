//! Conditions: a probe's metric compared with a number, in some phases.

use super::probes::Named;
use crate::{
    file::{
        diagnostic::Sink,
        escape::quote,
        read::{self, Fields},
        suggest::{listed, nearest},
        table::{Kind, Table, key, must},
        yaml::{Entry, Node},
    },
    model::{
        quantity,
        steady_state::{Comparison, Condition, Expect, Metric, Op, Phase, Unit},
    },
};

/// The metrics, as keys of a condition.
pub static METRICS: Table = Table::new(
    "a condition",
    &[
        key("availability", Kind::Comparison, "the share of requests that succeeded: `>= 99.5%`"),
        key("p50", Kind::Comparison, "the median latency of successful requests: `<= 50ms`"),
        key("p90", Kind::Comparison, "latency of successful requests, 90 % below it"),
        key("p99", Kind::Comparison, "latency of successful requests, 99 % below it"),
        key("p99.9", Kind::Comparison, "latency of successful requests, 99.9 % below it"),
        key("max", Kind::Comparison, "the slowest successful request"),
        key("longest-outage", Kind::Comparison, "the longest outage window: `<= 2s`"),
        key("downtime", Kind::Comparison, "all outage windows together"),
        key("failures", Kind::Comparison, "how many requests failed: `== 0`"),
        key("state-lost", Kind::Comparison, "how many requests of a journey found their session lost: `== 0`"),
        key("stale", Kind::Comparison, "how many readings of a ledger were stale"),
        key(
            "lost",
            Kind::Comparison,
            "how many sessions of a journey, or acknowledged writes of a ledger, were lost in the whole run: `== 0`",
        ),
        key("duplicated", Kind::Comparison, "values of a ledger that were found more than once, in the whole run"),
        key("never-read", Kind::Comparison, "acknowledged writes of a ledger that no reading came through for, in the whole run"),
        key("time-to-first-error", Kind::Comparison, "time from the fault to the first error"),
        key("time-to-ejection", Kind::Comparison, "time from the fault until the balancer stopped sending to the victim"),
        key("time-to-capacity", Kind::Comparison, "time from the fault until capacity was back"),
    ],
);

const ONE_OR_MANY_PHASES: Kind =
    Kind::Either(&[Kind::Words(&["baseline", "fault", "recovery"]), Kind::List(&Kind::Words(&["baseline", "fault", "recovery"]))]);

/// A condition on a probe.
pub static CONDITION: Table = Table::new(
    "a condition",
    &[
        must("probe", Kind::Text, "the name of the probe"),
        key("in", ONE_OR_MANY_PHASES, "the phases it must hold in, each by itself; all three when left out"),
    ],
)
.also(&METRICS);

static RECOVERED: Table = Table::new(
    "a condition",
    &[must("recovered-within", Kind::Duration, "from the last undo until the steady state held again took at most this")],
);

static REPLACEMENTS: Table = Table::new(
    "a condition",
    &[must(
        "replacements",
        Kind::Words(&["alike"]),
        "`alike`: what came in place of an instance is built from what its siblings are built from, and says the same version",
    )],
);

/// The forms of a condition.
pub const KINDS: &[&Table] = &[&CONDITION, &RECOVERED, &REPLACEMENTS];

/// The conditions of the steady state.
pub fn steady_state(node: &Node, probes: &[Named], sink: &mut Sink) -> Option<Vec<Condition>> {
    let items = read::list(node, "conditions", sink)?;
    if items.is_empty() {
        sink.error(node.span, "the steady state has no condition: nothing could fail")
            .expected("at least one, like `- { probe: home, availability: \">= 99.5%\" }`");
    }
    Some(items.iter().filter_map(|item| condition(item, probes, sink)).flatten().collect())
}

fn condition(node: &Node, probes: &[Named], sink: &mut Sink) -> Option<Vec<Condition>> {
    if let Some(limit) = node.get("recovered-within") {
        Fields::new(node, &RECOVERED, sink)?;
        let within = read::some_time(limit, sink)?;
        return Some(vec![Condition { expect: Expect::RecoveredWithin(within), phases: vec![Phase::Recovery] }]);
    }
    if let Some(how) = node.get("replacements") {
        Fields::new(node, &REPLACEMENTS, sink)?;
        read::word(how, &["alike"], sink)?;
        return Some(vec![Condition { expect: Expect::ReplacementsAlike, phases: vec![Phase::Recovery] }]);
    }
    let entries = read::map(node, "a condition", sink)?;
    let fields = Fields::new(node, &CONDITION, sink)?;
    let probe = fields.get("probe", sink, |node, sink| known_probe(node, probes, sink));
    let phases = fields.get("in", sink, phases);
    let compared = comparisons(entries, fields, probe, sink);
    let probe = probe?;
    let conditions = compared.into_iter().map(|(metric, comparison)| {
        if metric.is_of_findings() && fields.has("in") {
            sink.error(
                fields.key_span("in"),
                format!("`{}` is counted over the whole run: what was lost is known at its end", metric.name()),
            )
            .expected("no `in`; or `state-lost`, which is counted by phase");
        }
        let phases = match (&phases, during_fault(metric)) {
            (Some(given), true) if given != &[Phase::Fault] => {
                sink.error(fields.key_span("in"), format!("`{}` is counted from the fault on", metric.name()))
                    .expected("`in: fault`, or no `in`");
                vec![Phase::Fault]
            }
            (Some(given), _) => given.clone(),
            (None, true) => vec![Phase::Fault],
            (None, false) => Phase::COUNTED.to_vec(),
        };
        Condition { expect: Expect::Probe { probe: probe.name.as_str().into(), metric, comparison }, phases }
    });
    Some(conditions.collect())
}

/// Metrics that begin with the fault have no meaning in another phase.
fn during_fault(metric: Metric) -> bool {
    matches!(metric, Metric::TimeToFirstError | Metric::TimeToEjection | Metric::TimeToCapacity)
}

/// The metrics of a map with their comparisons; at least one.
pub fn comparisons(entries: &[Entry], fields: Fields<'_>, probe: Option<&Named>, sink: &mut Sink) -> Vec<(Metric, Comparison)> {
    let before = sink.count();
    let mut out = Vec::new();
    let mut given = 0;
    for entry in entries {
        let Some(metric) = Metric::ALL.into_iter().find(|m| m.name() == entry.key) else { continue };
        given += 1;
        if let (Some(kinds), Some(kind)) = (metric.kinds(), probe.and_then(|probe| probe.kind))
            && !kinds.contains(&kind)
        {
            let counted = listed(kinds.iter().copied(), "or");
            sink.error(
                entry.key_span,
                format!("`{}` is counted by probes of the kind {counted}, and this one is of the kind `{kind}`", entry.key),
            )
            .expected("a metric of requests, like `failures: \"== 0\"`");
            continue;
        }
        if matches!(metric, Metric::StateLost | Metric::Lost) && probe.is_some_and(|probe| probe.blind) {
            sink.error(entry.key_span, format!("`{}` would always be 0: no step of the journey can find its session lost", entry.key))
                .expected("`otherwise: state-lost` on a step that reads back what an earlier one made");
            continue;
        }
        if let Some(comparison) = comparison(metric, &entry.value, sink) {
            out.push((metric, comparison));
        }
    }
    let unknown = entries.iter().any(|e| !METRICS.knows(&e.key) && nearest(&e.key, METRICS.names()).is_some());
    if given == 0 && sink.count() == before && !unknown {
        sink.error(fields.span, "nothing is compared here").expected(format!("one of {}", listed(METRICS.names(), "or")));
    }
    out
}

/// `>= 99.5%`, in the metric's unit.
pub fn comparison(metric: Metric, node: &Node, sink: &mut Sink) -> Option<Comparison> {
    let example = match metric.unit() {
        Unit::Share => "`>= 99.5%`",
        Unit::Seconds => "`<= 300ms`",
        Unit::Count => "`== 0`",
    };
    let (op, bound_text) = sign(node, example, sink)?;
    let bound = match metric.unit() {
        Unit::Share => quantity::share(bound_text).map(|s| s.0),
        Unit::Seconds => quantity::duration(bound_text).map(|d| d.as_secs_f64()),
        Unit::Count => whole(bound_text)
            .ok_or_else(|| quantity::BadQuantity { problem: format!("{} is not a whole number", quote(bound_text)), example: "0" }),
    };
    let bound = match bound {
        Ok(bound) => bound,
        Err(bad) => {
            let unit = match metric.unit() {
                Unit::Share => "a percentage",
                Unit::Seconds => "a duration",
                Unit::Count => "a whole number",
            };
            let problem = if bound_text.chars().count() > 60 { format!("{} is not {unit}", quote(bound_text)) } else { bad.problem };
            sink.error(node.span, problem).expected(format!("`{}` is compared with {unit}, like {example}", metric.name()));
            return None;
        }
    };
    let comparison = Comparison { op, bound, unit: metric.unit() };
    check_possible(metric, comparison, node, sink);
    Some(comparison)
}

/// The sign that a comparison begins with, and what is behind it.
pub fn sign<'n>(node: &'n Node, example: &str, sink: &mut Sink) -> Option<(Op, &'n str)> {
    let expected = format!("a comparison in quotes, like {example}");
    let Some(text) = node.text() else { return read::wrong(node, expected, sink) };
    let text = text.trim();
    let signs = [Op::AtLeast, Op::AtMost, Op::Equal, Op::Above, Op::Below];
    let Some(op) = signs.into_iter().find(|op| text.starts_with(op.sign())) else {
        let sign: String = text.chars().take_while(|c| !c.is_ascii_digit() && !c.is_whitespace()).collect();
        let near = match sign.as_str() {
            "=>" | "≥" => Some(">="),
            "=<" | "≤" => Some("<="),
            "=" => Some("=="),
            _ => None,
        };
        let problem =
            if sign.is_empty() { format!("{} has no sign", quote(text)) } else { format!("{} does not begin with a sign", quote(text)) };
        sink.error(node.span, problem).expected(format!("`>=`, `<=`, `>`, `<` or `==` and a number, like {example}")).nearest(near);
        return None;
    };
    Some((op, text[op.sign().len()..].trim()))
}

fn whole(text: &str) -> Option<f64> {
    text.chars().all(|c| c.is_ascii_digit()).then(|| text.parse::<u32>().ok()).flatten().map(f64::from)
}

/// A bound that nothing can satisfy, or everything does, is a slip of the pen.
fn check_possible(metric: Metric, comparison: Comparison, node: &Node, sink: &mut Sink) {
    let share = metric.unit() == Unit::Share;
    let Comparison { op, bound, .. } = comparison;
    let never = (op == Op::Below && bound <= 0.0) || (share && op == Op::Above && bound >= 1.0);
    let always = (op == Op::AtLeast && bound <= 0.0) || (share && op == Op::AtMost && bound >= 1.0);
    let name = metric.name();
    if never {
        sink.error(node.span, format!("`{name}` is never {}", node.text().unwrap_or_default())).expected("a bound that can be met");
    } else if always {
        sink.error(node.span, format!("`{name}` is always {}", node.text().unwrap_or_default())).expected("a bound that can be missed");
    }
}

/// The name of a probe that exists.
pub fn known_probe<'p>(node: &Node, probes: &'p [Named], sink: &mut Sink) -> Option<&'p Named> {
    let text = read::text(node, sink)?;
    if let Some(probe) = probes.iter().find(|p| p.name == text) {
        return Some(probe);
    }
    // Without probes there is one error already.
    if probes.is_empty() {
        return None;
    }
    let expected = listed(probes.iter().map(|p| p.name.as_str()), "or");
    sink.error(node.span, format!("there is no probe {}", quote(text)))
        .expected(expected)
        .nearest(nearest(text, probes.iter().map(|p| p.name.as_str())));
    None
}

fn phases(node: &Node, sink: &mut Sink) -> Option<Vec<Phase>> {
    let items = read::one_or_many(node);
    if items.is_empty() {
        sink.error(node.span, "the condition holds in no phase").expected("`baseline`, `fault` or `recovery`");
        return None;
    }
    let names = Phase::COUNTED.map(Phase::name);
    let mut out = Vec::new();
    for item in items {
        let name = read::word(item, &names, sink)?;
        let phase = Phase::COUNTED.into_iter().find(|p| p.name() == name)?;
        if !out.contains(&phase) {
            out.push(phase);
        }
    }
    out.sort_unstable();
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metrics_are_those_of_the_model() {
        assert!(METRICS.names().eq(Metric::ALL.map(Metric::name)));
    }
}
