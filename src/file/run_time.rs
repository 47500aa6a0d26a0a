//! An experiment's variables put in, but for the names that the steps of a journey know only while it runs.

use super::{
    diagnostic::Sink,
    escape::quote,
    source::Span,
    vars::{Later, Vars},
    yaml::{Node, Value},
};
use crate::model::{journey::GIVEN, template::names};

/// Where the requests of a ledger are, and the name that they know only while it runs.
const CALLS: [[&str; 4]; 4] = [
    ["probes", "*", "ledger", "http"],
    ["probes", "*", "ledger", "write"],
    ["probes", "*", "ledger", "read"],
    ["probes", "*", "ledger", "list"],
];
const VALUE: [&str; 1] = ["value"];
/// Where steps are.
const STEPS: [&str; 4] = ["probes", "*", "journey", "steps"];
/// Keys of a step whose texts are the same for all users.
const FIXED: [&str; 2] = ["capture", "matches"];

/// Fills the tree of an experiment file.
pub fn fill(vars: &Vars, root: &mut Node, sink: &mut Sink) {
    walk(vars, root, &mut Vec::new(), sink);
}

fn walk(vars: &Vars, node: &mut Node, at: &mut Vec<String>, sink: &mut Sink) {
    let is = |path: &[&str]| path.len() == at.len() && path.iter().zip(at.iter()).all(|(key, found)| *key == "*" || *key == found);
    let leads = |path: &[&str]| path.len() > at.len() && path.iter().zip(at.iter()).all(|(key, found)| *key == "*" || *key == found);
    if is(&STEPS) {
        return steps(vars, node, sink);
    }
    if CALLS.iter().any(|path| is(path)) {
        return step(vars, node, &VALUE, sink);
    }
    match &mut node.value {
        Value::Map(entries) if leads(&STEPS) || CALLS.iter().any(|path| leads(path)) => {
            for entry in entries {
                at.push(entry.key.clone());
                walk(vars, &mut entry.value, at, sink);
                at.pop();
            }
        }
        _ => vars.fill(node, Later::Nothing, sink),
    }
}

fn steps(vars: &Vars, node: &mut Node, sink: &mut Sink) {
    let (taken, captured): (Vec<_>, Vec<_>) = captured(node).into_iter().partition(|(name, _)| vars.get(name).is_some());
    let known: Vec<&str> = GIVEN.into_iter().chain(captured.iter().map(|(name, _)| name.as_str())).collect();
    for (name, span) in &taken {
        sink.error(*span, format!("the captured value {} is called like a variable of the environment", quote(name)))
            .expected("another name: in a step, one name means one thing");
    }
    for name in GIVEN.into_iter().filter(|name| vars.get(name).is_some()) {
        if let Some(span) = first_use(node, name) {
            sink.warning(
                span,
                format!("in a step, `${{{name}}}` is the journey's own value, not the variable `{name}` of the environment"),
            )
            .expected("another name for the variable, where that one is meant");
        }
    }
    step(vars, node, &known, sink);
}

fn step(vars: &Vars, node: &mut Node, known: &[&str], sink: &mut Sink) {
    match &mut node.value {
        Value::Scalar(_) => vars.fill(node, Later::RunTime(known), sink),
        Value::Seq(items) => items.iter_mut().for_each(|item| step(vars, item, known, sink)),
        Value::Map(entries) => {
            for entry in entries {
                if FIXED.contains(&entry.key.as_str()) {
                    vars.fill(&mut entry.value, Later::NotHere(known), sink);
                } else {
                    step(vars, &mut entry.value, known, sink);
                }
            }
        }
    }
}

/// The names that steps give to what they capture, with their places.
fn captured(steps: &Node) -> Vec<(String, Span)> {
    let Value::Seq(items) = &steps.value else { return Vec::new() };
    let maps = items.iter().filter_map(|item| item.get("capture"));
    let entries = maps.filter_map(|node| if let Value::Map(entries) = &node.value { Some(entries) } else { None });
    // The journey's own names are none to capture: that is told where the step is read.
    let named = entries.flatten().filter(|entry| !GIVEN.contains(&entry.key.as_str()));
    let mut out: Vec<(String, Span)> = Vec::new();
    for entry in named {
        if out.iter().all(|(name, _)| *name != entry.key) {
            out.push((entry.key.clone(), entry.key_span));
        }
    }
    out
}

/// The first text that uses a name.
fn first_use(node: &Node, name: &str) -> Option<Span> {
    match &node.value {
        Value::Scalar(scalar) => names(&scalar.text).any(|found| found == name).then_some(node.span),
        Value::Seq(items) => items.iter().find_map(|item| first_use(item, name)),
        Value::Map(entries) => entries.iter().find_map(|entry| first_use(&entry.value, name)),
    }
}
