//! Schedules in words, for people.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp, Zoned};

use crate::{
    model::quantity::{count, plural},
    report::{table::table, words::visible},
    schedule::{
        Reason, Roster,
        explain::{Explained, Line},
        simulate::{Simulated, Tally},
    },
};

/// What fires next, line by line.
pub fn explained(explained: &Explained, roster: &Roster) -> String {
    let fires = explained.times.iter().filter(|line| line.suppressed.is_empty()).count();
    let mut out = format!("The next {} after {}:\n", plural(fires, "firing"), clock_time(explained.after));
    let width = explained.times.iter().map(|line| visible(&line.experiment).chars().count()).max().unwrap_or_default();
    // Names of zones differ in length over the year: `CET`, `CEST`.
    let moments = explained.times.iter().map(|line| there(&line.at).chars().count()).max().unwrap_or_default();
    for line in &explained.times {
        let word = if line.suppressed.is_empty() { "fires     " } else { "suppressed" };
        let name = visible(&line.experiment);
        let _ = writeln!(out, "{}", format!("  {:moments$}  {word}  {name:width$}  {}", there(&line.at), about(line, roster)).trim_end());
    }
    if explained.left_out > 0 {
        let _ = writeln!(out, "  and {} more that are suppressed", count(explained.left_out));
    }
    if explained.cut {
        let _ = writeln!(out, "  given up here: nearly everything is suppressed");
    }
    for silent in &explained.none_of {
        let next =
            silent.next.as_ref().map_or_else(|| "never, as far as two years ahead".to_owned(), |at| format!("next at {}", there(at)));
        let _ = writeln!(out, "  {}: not among these; {next}", visible(&silent.experiment));
    }
    out
}

/// What there is to say about a line behind its name.
fn about(line: &Line, roster: &Roster) -> String {
    let mut parts = Vec::new();
    if line.count > 1 {
        parts.push(format!("{} times until {}", count(line.count), there(&line.last)));
    }
    if line.suppressed.is_empty() {
        let rule = roster.entries().iter().find(|entry| entry.name == line.experiment).map(|entry| entry.rule.to_string());
        parts.extend(rule);
    }
    parts.extend(line.group.as_ref().map(|group| format!("drawn from group {group}")));
    parts.extend(line.suppressed.iter().map(|reason| because(reason, &line.at)));
    visible(&parts.join("; ")).into_owned()
}

/// A reason, with its moments in the zone of the schedule.
fn because(reason: &Reason, at: &Zoned) -> String {
    let local = |moment: &Timestamp| there(&moment.to_zoned(at.time_zone().clone()));
    match reason {
        Reason::MinGap { gap, last } => format!("min gap of {gap}: the last one is of {}", local(last)),
        Reason::Closed { cover, until } => format!("{cover}, until {}", local(until)),
        other => other.to_string(),
    }
}

/// Who is hit how often.
pub fn simulated(simulated: &Simulated) -> String {
    const HEAD: [&str; 12] =
        ["EXPERIMENT", "FIRES", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "LONGEST GAP", "SHORTEST", "SUPPRESSED"];
    let rows: Vec<Vec<String>> = std::iter::once(HEAD.map(str::to_owned).to_vec()).chain(simulated.experiments.iter().map(row)).collect();
    let mut out = format!("From {} to {}:\n", clock_time(simulated.from), clock_time(simulated.to));
    out += &table(&rows, "  ", &[1, 2, 3, 4, 5, 6, 7, 8]);
    let fires: u64 = simulated.experiments.iter().map(|tally| tally.fires).sum();
    let _ = writeln!(out, "  {} of {}", plural(fires, "firing"), plural(simulated.experiments.len(), "experiment"));
    if simulated.cut {
        let _ = writeln!(out, "  given up before the end: there are too many times");
    }
    out
}

fn row(tally: &Tally) -> Vec<String> {
    let name = match &tally.group {
        Some(group) => format!("{} (group {group})", tally.experiment),
        None => tally.experiment.clone(),
    };
    let mut row = vec![visible(&name).into_owned(), count(tally.fires)];
    row.extend(tally.weekdays().map(count));
    row.push(time(tally.longest_gap));
    row.push(tally.shortest_gap.map_or_else(|| "-".to_owned(), time));
    let suppressed: Vec<String> = tally.suppressed.iter().map(|(kind, times)| format!("{kind} {}", count(*times))).collect();
    row.push(suppressed.join(", "));
    row
}

/// Days and hours, or what is left of them.
fn time(seconds: i64) -> String {
    let time = SignedDuration::from_secs(seconds);
    match (time.as_hours() / 24, time.as_hours() % 24, time.as_mins() % 60) {
        (0, 0, minutes) => format!("{minutes}m"),
        (0, hours, minutes) => format!("{hours}h {minutes}m"),
        (days, hours, _) => format!("{days}d {hours}h"),
    }
}

/// A moment as the clock of its zone shows it.
fn there(at: &Zoned) -> String {
    at.strftime("%a %Y-%m-%d %H:%M:%S %Z").to_string()
}

fn clock_time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}
