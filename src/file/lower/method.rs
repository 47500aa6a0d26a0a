//! The method: steps in order.

use super::{
    faults::{self, COMMAND_LIMIT, FORMS},
    phoenix,
};
use crate::{
    file::{
        diagnostic::Sink,
        escape::quote,
        read::{self, Fields},
        suggest::listed,
        table::{Key, Kind, Table, key},
        yaml::{Entry, Node, Value},
    },
    model::{
        experiment::{CommandStep, FaultStep, Step},
        fault::FaultKind,
    },
};

const FAULTS: [&str; 17] = [
    "kill",
    "crash",
    "stop",
    "pause",
    "restart",
    "remove",
    "deregister",
    "partition",
    "zone-outage",
    "region-outage",
    "suspend-replacement",
    "failover",
    "slow",
    "loss",
    "limit",
    "stress",
    "run",
];

const FAULT_KEYS: &[Key] = &[
    key(FAULTS[0], FORMS[0], "ends at once, without a chance to clean up"),
    key(FAULTS[1], FORMS[1], "the main process dies by itself, so that a restart policy applies"),
    key(FAULTS[2], FORMS[2], "asked to end; killed after the grace"),
    key(FAULTS[3], FORMS[3], "frozen: connections stay open, nothing answers"),
    key(FAULTS[4], FORMS[4], "stopped and started again"),
    key(FAULTS[5], FORMS[5], "deleted with its definition"),
    key(FAULTS[6], FORMS[6], "taken out of every balancer that it is behind, while it runs on"),
    key(FAULTS[7], FORMS[7], "cut off from the balancer or the network"),
    key(FAULTS[8], FORMS[8], "every instance of the zone dies, and none is replaced there while it lasts"),
    key(FAULTS[9], FORMS[9], "every instance of every zone of the region dies, and none is replaced there while it lasts"),
    key(FAULTS[10], FORMS[10], "nothing that dies is replaced while it lasts"),
    key(FAULTS[11], FORMS[11], "a managed store fails over to its standby"),
    key(FAULTS[12], FORMS[12], "answers are delayed"),
    key(FAULTS[13], FORMS[13], "requests (or packets) are lost"),
    key(FAULTS[14], FORMS[14], "bandwidth is limited"),
    key(FAULTS[15], FORMS[15], "the machine is kept busy"),
    key(FAULTS[16], FORMS[16], "a command: as a list a step of its own, as a map one run for each target"),
    key("hold", Kind::Duration, "the fault is undone after so long; at the end of the method when left out"),
];

/// A fault with its hold.
pub static FAULT: Table = Table::new("a fault of `together`", FAULT_KEYS).one_of(&FAULTS);

static CHOICE: [&str; 20] = {
    let mut all = ["wait"; 20];
    let mut n = 0;
    while n < FAULTS.len() {
        all[n] = FAULTS[n];
        n += 1;
    }
    all[18] = "together";
    all[19] = "phoenix";
    all
};

static FAULT_FORM: Kind = Kind::Table(&FAULT);

/// The form of a step.
pub static STEP_FORM: Kind = Kind::Table(&STEP);

/// A step of the method.
pub static STEP: Table = Table::new(
    "a step",
    &[
        key("wait", Kind::Duration, "nothing for a while"),
        key("together", Kind::List(&FAULT_FORM), "faults that start at once"),
        key(
            "phoenix",
            Kind::Either(&[Kind::Text, Kind::Table(&phoenix::PHOENIX)]),
            "instances are ended one after another, each once the one before is replaced, until all are new",
        ),
        key(
            "undo",
            Kind::List(&Kind::Text),
            "the command that undoes the command of `run`; it may take as long as `timeout` says, and a minute at least",
        ),
        key("timeout", Kind::Duration, "the limit of the command of `run`; 30s when left out"),
    ],
)
.also(&FAULT)
.one_of(&CHOICE);

/// The steps. Their number bounds what a run can do, and what a plan must show.
pub fn method(node: &Node, sink: &mut Sink) -> Option<Vec<Step>> {
    let items = read::list(node, "steps", sink)?;
    if items.is_empty() {
        sink.error(node.span, "the method is empty: nothing would be done")
            .expected("at least one step, like `- kill: { service: web, take: 1 }`");
    }
    if items.len() > 1000 {
        sink.error(node.span, format!("the method has {} steps", items.len())).expected("at most 1000");
        return None;
    }
    Some(items.iter().filter_map(|item| step(item, sink)).collect())
}

fn step(node: &Node, sink: &mut Sink) -> Option<Step> {
    if let Some(word) = node.text() {
        let fault = FAULTS.iter().find(|f| **f == word).map_or("kill", |f| f);
        return read::wrong(node, format!("a step: a map like `{fault}: {{ service: web, take: 1 }}`"), sink);
    }
    let entries = read::map(node, "a step", sink)?;
    if explain_indent(entries, sink) {
        return None;
    }
    let fields = Fields::new(node, &STEP, sink)?;
    if let Some(time) = fields.node("wait") {
        alone(fields, "wait", &["hold", "undo", "timeout"], "`hold` belongs to a fault, `undo` and `timeout` to a command", sink);
        return read::some_time(time, sink).map(Step::Wait);
    }
    if let Some(drill) = fields.node("phoenix") {
        let why = "each instance is away until it is replaced, for at most the `wait` of the phoenix drill";
        alone(fields, "phoenix", &["hold", "undo", "timeout"], why, sink);
        return phoenix::phoenix(drill, sink).map(Step::Phoenix);
    }
    if let Some(command) = fields.node("run").filter(|n| !matches!(n.value, Value::Map(_))) {
        alone(fields, "run", &["hold"], "`hold` belongs to a fault; a `wait` step after the command does the same", sink);
        let undo = fields.get("undo", sink, read::command);
        let timeout = fields.get("timeout", sink, read::some_time).unwrap_or(COMMAND_LIMIT);
        return Some(Step::Command(CommandStep { command: read::command(command, sink)?, undo, timeout }));
    }
    let what = fields.key_span("undo");
    if fields.has("undo") || fields.has("timeout") {
        let (key, span) = if fields.has("undo") { ("undo", what) } else { ("timeout", fields.key_span("timeout")) };
        sink.error(span, format!("`{key}` belongs to a command"))
            .expected("`run: [command, argument]` in the same step; faults know their undo by themselves");
    }
    if let Some(group) = fields.node("together") {
        alone(fields, "together", &["hold"], "`hold` belongs to each of the faults", sink);
        let items = read::list(group, "faults", sink)?;
        if items.is_empty() {
            sink.error(group.span, "`together` is empty").expected("at least one fault");
        }
        return Some(Step::Faults(items.iter().filter_map(|item| grouped(item, sink)).collect()));
    }
    fault_step(fields, sink).map(|step| Step::Faults(vec![step]))
}

fn grouped(node: &Node, sink: &mut Sink) -> Option<FaultStep> {
    let entries = read::map(node, "a fault", sink)?;
    if let Some(entry) = entries.iter().find(|e| matches!(e.key.as_str(), "wait" | "together" | "phoenix")) {
        sink.error(entry.key_span, format!("`{}` cannot stand inside `together`", entry.key)).expected("faults only");
        return None;
    }
    if explain_indent(entries, sink) {
        return None;
    }
    let fields = Fields::new(node, &FAULT, sink)?;
    if let Some(command) = fields.node("run").filter(|n| !matches!(n.value, Value::Map(_))) {
        sink.error(read::head(command), "a command of its own cannot stand inside `together`")
            .expected("`run: { service: web, command: [..] }`, or a step of its own");
        return None;
    }
    fault_step(fields, sink)
}

fn fault_step(fields: Fields<'_>, sink: &mut Sink) -> Option<FaultStep> {
    let hold = fields.get("hold", sink, read::some_time);
    let kind = FaultKind::ALL.into_iter().find(|kind| fields.has(kind.name()))?;
    let node = fields.node(kind.name())?;
    if node.is_null() {
        return read::wrong(node, format!("a target: `{kind}: {{ service: web, take: 1 }}`"), sink);
    }
    let (fault, target) = faults::fault(kind, node, sink)?;
    Some(FaultStep { fault, target, hold })
}

/// Keys that have no meaning beside `key`.
fn alone(fields: Fields<'_>, key: &str, others: &[&str], why: &str, sink: &mut Sink) {
    for other in others.iter().filter(|o| fields.has(o)) {
        sink.error(fields.key_span(other), format!("`{other}` cannot stand beside `{key}`")).expected(why);
    }
}

/// The target's keys written beside the fault in place of below it: a mistake of indentation that would else come as a flood of
/// unknown keys.
fn explain_indent(entries: &[Entry], sink: &mut Sink) -> bool {
    let Some(fault) = entries.iter().find(|e| e.value.is_null() && FAULTS.contains(&e.key.as_str())) else { return false };
    let Some(kind) = FaultKind::ALL.into_iter().find(|k| k.name() == fault.key) else { return false };
    let stray: Vec<&Entry> = entries.iter().filter(|e| faults::table(kind).knows(&e.key)).collect();
    let Some(first) = stray.first() else { return false };
    let names = listed(stray.iter().map(|e| e.key.as_str()), "and");
    sink.error(first.key_span, format!("{names} stand beside {} in place of below it", quote(&fault.key)))
        .expected(format!("the target indented by two more columns than `{kind}`"));
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_faults_are_those_of_the_model() {
        assert_eq!(FAULTS, FaultKind::ALL.map(FaultKind::name));
        for (kind, form) in FaultKind::ALL.into_iter().zip(FORMS) {
            let own = match form {
                Kind::Table(table) | Kind::Either(&[_, Kind::Table(table)]) => table,
                other => panic!("{other:?}"),
            };
            assert!(std::ptr::eq(own, faults::table(kind)), "{kind}");
        }
    }
}
