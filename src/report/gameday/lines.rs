//! A day on a terminal: a line for each moment, and the status of a day that lasts.

use std::fmt::Write as _;

use jiff::tz::TimeZone;

use crate::{
    gameday::{
        Day,
        event::WaitsOn,
        moment::{self, Moment, Sort},
        record::{ItemRecord, ItemState},
    },
    model::{gameday::What, time::Wall},
    report::words::{seconds, visible, whole},
};

const BOLD: anstyle::Style = anstyle::Style::new().bold();
const DIM: anstyle::Style = anstyle::Style::new().dimmed();

/// The time of the clock in a zone.
pub fn clock_time(at: Wall, zone: &TimeZone) -> String {
    let at = jiff::Timestamp::from_nanosecond(i128::from(at.0)).unwrap_or(jiff::Timestamp::MAX);
    at.to_zoned(zone.clone()).strftime("%H:%M:%S").to_string()
}

/// The line of a moment, with its end. People see who said what.
pub fn of(moment: &Moment, zone: &TimeZone, colour: bool) -> String {
    let time = clock_time(moment.when.wall, zone);
    let item = moment.item.map_or_else(String::new, |item| format!("[{item}] "));
    let word = match moment.sort {
        Sort::Note => "note: ",
        Sort::Action => "action item: ",
        Sort::Answered => "answer: ",
        Sort::Warning => "warning: ",
        _ => "",
    };
    let by = moment.by.as_ref().map_or_else(String::new, |by| format!("  — {}", whole(by)));
    let text = format!("{item}{word}{}", whole(&moment.text));
    let strong = matches!(moment.sort, Sort::Day | Sort::Item | Sort::Announced | Sort::Effect | Sort::Waits);
    if !colour {
        return format!("{time}  {text}{by}\n");
    }
    let text = if strong { format!("{BOLD}{text}{BOLD:#}") } else { text };
    format!("{DIM}{time}{DIM:#}  {text}{DIM}{by}{DIM:#}\n")
}

/// Where a day is: its agenda, what it waits on, and the last moments.
pub fn status(day: &Day) -> String {
    const LAST: usize = 12;
    let zone = zone(day);
    let mut out = format!("{} · game day {}\n", whole(day.title()), whole(day.id()));
    for record in &day.items {
        let sign = match record.state {
            ItemState::ToCome => " ",
            ItemState::Now => "▶",
            ItemState::Done => "✓",
            ItemState::Skipped => "–",
            ItemState::BrokenOff => "■",
        };
        let _ = writeln!(out, "{sign} {:>3}. {}{}", record.item.number, visible(&record.item.says), visible(&about(record)));
    }
    if let Some(paused) = &day.paused {
        let _ =
            writeln!(out, "\npaused by {} at {}", whole(paused.by.as_deref().unwrap_or("somebody")), clock_time(paused.when.wall, &zone));
    }
    if let Some(on) = &day.waits {
        let until = match on {
            WaitsOn::Time { until } | WaitsOn::Pause { until } => format!(" (until {})", clock_time(*until, &zone)),
            _ => String::new(),
        };
        let _ = writeln!(out, "\n{}{until}", whole(&moment::waits(on)));
    }
    if let Some(left) = day.countdown_s {
        let _ = writeln!(out, "\ncounted down: {left} s, as last told");
    }
    out.push('\n');
    for moment in &day.moments[day.moments.len().saturating_sub(LAST)..] {
        out.push_str(&of(moment, &zone, false));
    }
    out
}

/// The zone of the day's times.
pub fn zone(day: &Day) -> TimeZone {
    day.about.as_ref().and_then(|about| TimeZone::get(&about.timezone).ok()).unwrap_or(TimeZone::UTC)
}

/// What is known of an item beside its words.
fn about(record: &ItemRecord) -> String {
    let mut parts = Vec::new();
    parts.extend(record.item.item.owner.clone());
    parts.extend(record.item.item.at.map(|at| format!("not before {at}")));
    parts.extend(record.predicted().map(|verdict| format!("predicted: {verdict}")));
    match (&record.drill, record.verdict()) {
        (_, Some(verdict)) => parts.push(verdict.to_string()),
        (Some(drill), None) if drill.in_effect.is_some() => parts.push("the fault is in effect".to_owned()),
        (Some(_), None) => parts.push("runs".to_owned()),
        (None, None) => {}
    }
    parts.extend(record.answered.as_ref().map(|said| format!("answered: {}", said.text)));
    parts.extend(record.detected_after_s().map(|s| format!("noticed after {}", seconds(s))));
    parts.extend(record.mitigated_after_s().map(|s| format!("mitigated after {}", seconds(s))));
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join("; ")) }
}

/// What an item is, in a word.
pub fn kind(what: &What) -> &'static str {
    match what {
        What::Experiment(drill) if drill.mitigate.is_some() => "drill, people mitigate",
        What::Experiment(_) => "drill",
        What::Announce { .. } => "announcement",
        What::Pause { .. } => "pause",
        What::Ask { .. } => "question",
        What::Checklist { .. } => "checklist",
    }
}
