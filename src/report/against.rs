//! A comparison with earlier runs, in words: for the console and for Markdown.

use std::fmt::Write as _;

use super::words::{count, percent, seconds, whole};
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

fn name(aspect: Aspect) -> &'static str {
    match aspect {
        Aspect::Availability => "availability",
        Aspect::P99 => "p99",
        Aspect::LongestOutage => "longest outage",
        Aspect::Lost => "lost",
        Aspect::Recovery => "recovered after",
        Aspect::Capacity => "capacity back after",
    }
}

/// A range with its middle: `99.1 % (98.7–99.4 %)`.
fn range(aspect: Aspect, range: Option<Range>) -> String {
    let Some(range) = range else { return "–".to_owned() };
    let show = |value: f64| match aspect {
        Aspect::Availability => percent(value),
        Aspect::Lost => count(value.round() as u64),
        _ => seconds(value),
    };
    let [low, value, high] = [range.low, range.value, range.high].map(show);
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
    let rows = rows(comparison);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).chain([HEADS[column].len()]).max().unwrap_or_default();
    let widths = [width(0), width(1), width(2)];
    let line = |cells: [&str; 4]| {
        let padded = cells.iter().zip(widths).fold(String::new(), |mut out, (cell, width)| {
            let _ = write!(out, "{cell}{}  ", " ".repeat(width.saturating_sub(cell.chars().count())));
            out
        });
        format!("  {padded}{}\n", cells[3])
    };
    let mut out = format!("\nBeside earlier runs\n{}", line(HEADS.map(|head| head)));
    for row in &rows {
        out += &line([&row[0], &row[1], &row[2], &row[3]]);
    }
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
