//! `report.md` of a day.

use std::fmt::Write as _;

use super::{lines::clock_time, lines::kind, lines::zone, runs::DayRun};
use crate::{
    gameday::{
        Day,
        moment::Sort,
        record::{ItemState, Said},
    },
    model::verdict::Verdict,
    report::{
        markdown::{escaped, table, text},
        words::{self, maybe_seconds, seconds, whole},
    },
};

/// Renders it.
pub fn render(day: &Day, runs: &[DayRun<'_>]) -> String {
    let mut out = String::new();
    let (sign, word) = match day.verdict {
        Some(Verdict::Passed) => ("✅", "passed"),
        Some(verdict @ (Verdict::NotStarted | Verdict::Aborted)) => ("⚠️", verdict.word()),
        Some(verdict) => ("❌", verdict.word()),
        None => ("⚠️", "not over"),
    };
    let _ = writeln!(out, "## {sign} Game day, {word}: {}\n\n{}", text(day.title()), text(&day.sentence(false)));
    agenda(&mut out, day);
    if !runs.is_empty() {
        out.push_str("\n**Drills**\n\n");
        for run in runs {
            let reason = run.item.drill.as_ref().and_then(|drill| drill.reason.as_deref()).unwrap_or("It did not end.");
            let missing = run.record.as_ref().err().map(|why| format!(" (its record cannot be read: {})", text(why))).unwrap_or_default();
            let number = run.item.item.number;
            let _ =
                writeln!(out, "- {number}. [{}]({}/report.html): {}{missing}", text(&run.item.item.says), link(run.folder), text(reason));
        }
    }
    said(&mut out, day, "Action items", &day.actions, "- [ ] ");
    said(&mut out, day, "Notes", &day.notes, "- ");
    let zone = zone(day);
    out.push_str("\n<details><summary>Everything, in order</summary>\n\n");
    for moment in day.moments.iter().filter(|moment| moment.sort != Sort::Countdown) {
        let by = moment.by.as_ref().map(|by| format!(" ({})", text(by))).unwrap_or_default();
        let _ = writeln!(out, "- {} {}{by}", clock_time(moment.when.wall, &zone), escaped(&whole(&moment.text)));
    }
    out.push_str("\n</details>\n");
    let started = day.began.map(|began| format!(", started {}", words::wall(began.wall))).unwrap_or_default();
    let tool = day.about.as_ref().map(|about| format!(", {}", text(&about.tool))).unwrap_or_default();
    let _ = writeln!(out, "\n<sub>Game day {}{started}{tool}</sub>", text(day.id()));
    out
}

fn agenda(out: &mut String, day: &Day) {
    let rows = day.items.iter().map(|record| {
        let state = match record.state {
            ItemState::ToCome => "not reached",
            ItemState::Now => "under way",
            ItemState::Done => "done",
            ItemState::Skipped => "skipped",
            ItemState::BrokenOff => "broken off",
        };
        let verdict = record.verdict().map_or_else(|| state.to_owned(), |verdict| verdict.to_string());
        let predicted = match (record.predicted(), record.as_predicted()) {
            (Some(verdict), Some(false)) => format!("{verdict} ✗"),
            (Some(verdict), Some(true)) => format!("{verdict} ✓"),
            (Some(verdict), None) => verdict.to_string(),
            (None, _) => "–".to_owned(),
        };
        let answer = record.answered.as_ref().map(|said| format!(": {}", text(&said.text))).unwrap_or_default();
        vec![
            record.item.number.to_string(),
            format!("{} ({}){answer}", text(&record.item.says), kind(&record.item.item.what)),
            record.item.item.owner.as_deref().map_or_else(|| "–".to_owned(), text),
            predicted,
            verdict,
            maybe_seconds(record.detected_after_s()),
            mitigated(record.mitigated_after_s(), record.mitigated.as_ref()),
        ]
    });
    table(out, &["#", "Item", "Owner", "Predicted", "Came", "Noticed after", "Mitigated after"], rows.collect());
}

fn mitigated(after: Option<f64>, said: Option<&Said>) -> String {
    match (after, said) {
        (Some(after), _) => seconds(after),
        (None, Some(Said { by: None, .. })) => "not in time".to_owned(),
        (None, _) => "–".to_owned(),
    }
}

fn said(out: &mut String, day: &Day, title: &str, all: &[Said], start: &str) {
    if all.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n**{title}**\n");
    let zone = zone(day);
    for said in all {
        let owner = said.owner.as_ref().map(|owner| format!(" — {}", text(owner))).unwrap_or_default();
        let by = said.by.as_deref().unwrap_or("nobody");
        let time = clock_time(said.when.wall, &zone);
        let _ = writeln!(out, "{start}{}{owner} <sub>{time}, {}</sub>", escaped(&whole(&said.text)), text(by));
    }
}

/// A folder as the target of a link: nothing but a name beside the day's.
fn link(folder: &str) -> String {
    let name: String = folder.trim_start_matches("../").chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    format!("../{name}")
}
