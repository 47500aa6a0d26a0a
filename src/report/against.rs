//! A comparison with earlier runs, in words: for the console and for Markdown.

use std::fmt::Write as _;

use super::{
    table::table,
    words::{count, percent, seconds, whole},
};
use crate::{
    measure::compare::{Aspect, Change, Comparison, Line, Range},
    model::{quantity::plural, steady_state::Phase},
};

/// What a line is about: `web, fault: availability`.
pub fn about(line: &Line) -> String {
    let place = match (&line.probe, line.phase) {
        (Some(probe), Some(phase)) => format!("{}, {}: ", whole(probe.as_str()), phase.name()),
        (Some(probe), None) => format!("{}: ", whole(probe.as_str())),
        (None, phase) => phase.map(Phase::name).map(|phase| format!("{phase}: ")).unwrap_or_default(),
    };
    format!("{place}{}", name(line.aspect))
}

/// What an aspect is called.
pub fn name(aspect: Aspect) -> &'static str {
    match aspect {
        Aspect::Availability => "availability",
        Aspect::P99 => "p99",
        Aspect::LongestOutage => "longest outage",
        Aspect::Lost => "lost",
        Aspect::Recovery => "recovered after",
        Aspect::Capacity => "capacity back after",
    }
}

/// A number of an aspect, in its unit.
pub fn show(aspect: Aspect, value: f64) -> String {
    match aspect {
        Aspect::Availability => percent(value),
        Aspect::Lost => count(value.round() as u64),
        _ => seconds(value),
    }
}

/// A range with its middle: `99.1 % (98.7 % to 99.4 %)`.
pub fn range(aspect: Aspect, range: Option<Range>) -> String {
    let Some(range) = range else { return "–".to_owned() };
    let [low, value, high] = [range.low, range.value, range.high].map(|value| show(aspect, value));
    if low == value && value == high { value } else { format!("{value} ({low} to {high})") }
}

fn word(change: Change) -> &'static str {
    match change {
        Change::Worse => "✗ worse",
        Change::Same => "✓ as before",
        Change::Better => "✓ better",
        Change::Untold => "– not told",
    }
}

/// One sentence.
pub fn reason(comparison: &Comparison, runs: usize) -> String {
    let worse: Vec<String> = comparison.worse().map(about).collect();
    let than = if runs == 1 { "the earlier run".to_owned() } else { format!("{} earlier runs", count(runs as u64)) };
    match worse.as_slice() {
        [] => format!("Nothing is worse than in {than} by more than is tolerated."),
        [one] => format!("Worse than in {than}: {one}."),
        [one, rest @ ..] => format!("Worse than in {than}: {one} (and {} more).", plural(rest.len(), "number")),
    }
}

/// The rows of a table: what, before, now, result.
fn rows(comparison: &Comparison) -> Vec<[String; 4]> {
    let lines = comparison.lines.iter();
    let told = lines.map(|line| [about(line), range(line.aspect, line.before), range(line.aspect, line.now), word(line.change).to_owned()]);
    let without = comparison.without.iter().map(|probe| {
        [whole(probe.as_str()).into_owned(), String::new(), String::new(), "– only one of the runs has this probe".to_owned()]
    });
    told.chain(without).collect()
}

const HEADS: [&str; 4] = ["Number", "Before", "Now", "Result"];

/// For the console.
pub fn text(comparison: &Comparison, runs: usize) -> String {
    let rows: Vec<Vec<String>> = std::iter::once(HEADS.map(str::to_owned)).chain(rows(comparison)).map(Vec::from).collect();
    let mut out = format!("\nBeside earlier runs\n{}", table(&rows, "  ", &[]));
    let _ = writeln!(out, "\n{}", reason(comparison, runs));
    out
}

/// For a Markdown file: the table, and the sentence before it.
pub fn markdown(title: &str, comparison: &Comparison, runs: usize) -> String {
    let sign = if comparison.worse().next().is_some() { "❌" } else { "✅" };
    let mut out = format!("### {sign} {} beside earlier runs\n\n{}\n", super::markdown::text(title), reason(comparison, runs));
    let _ = writeln!(out, "\n| {} |\n| --- | --- | --- | --- |", HEADS.join(" | "));
    for row in rows(comparison) {
        let _ = writeln!(out, "| {} |", row.map(|cell| super::markdown::text(&cell)).join(" | "));
    }
    out
}
