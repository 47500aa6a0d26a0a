//! `report.html` of a game day: one self-contained file in the style of a run's, with everything on one timeline.

mod picture;
mod tables;

use maud::{Markup, html};

use super::page;
use crate::{
    gameday::{Day, event::DayEnd},
    model::verdict::Verdict,
    report::{
        gameday::runs::DayRun,
        words::{maybe_seconds, plural, seconds, visible, wall},
    },
};

/// What a day needs beside the style of runs.
const DAY_STYLE: &str = include_str!("style.css");

/// Renders a day with its runs.
pub fn render(day: &Day, runs: &[DayRun<'_>]) -> String {
    let title = visible(day.title());
    let head = html! { (word(day)) " · " (title) };
    page(
        &head,
        DAY_STYLE,
        &html! {
            (banner(day))
            (cards(day))
            (picture::whole(day, runs))
            (tables::agenda(day, runs))
            (tables::actions(day))
            (tables::notes(day))
            (picture::each(day, runs))
            (tables::everything(day))
            (footer(day))
        },
    )
}

fn word(day: &Day) -> &'static str {
    match (&day.ended, day.verdict) {
        (Some(_), Some(verdict)) => verdict.word(),
        _ => "not over",
    }
}

fn banner(day: &Day) -> Markup {
    let (class, sign) = match day.verdict {
        Some(Verdict::Passed) => ("good", "✓"),
        None | Some(Verdict::NotStarted | Verdict::Aborted) => ("doubt", "■"),
        Some(_) => ("bad", "✗"),
    };
    let about = day.about.as_ref();
    html! {
        header {
            p.kicker { "Game day report" }
            h1 { (visible(day.title())) }
            @if let Some(text) = about.and_then(|about| about.description.as_deref()) { p.lead { (visible(text)) } }
            div.verdict.(class) {
                span.sign aria-hidden="true" { (sign) }
                div {
                    p.word { (word(day)) }
                    p.why { (visible(&day.sentence(false))) }
                }
            }
            dl.facts {
                @if let Some(began) = day.began { div { dt { "Started" } dd { (wall(began.wall)) } } }
                @if let Some(last) = day.last { div { dt { "Took" } dd { (seconds(day.seconds(last.at))) } } }
                @if let Some(name) = about.and_then(|about| about.owner.as_deref()) { div { dt { "Led by" } dd { (visible(name)) } } }
                @if let Some(name) = about.and_then(|about| about.environment.as_deref()) { div { dt { "Environment" } dd { (visible(name)) } } }
                @if let Some(about) = about {
                    div { dt { "Times" } dd { (visible(&about.timezone)) } }
                    div { dt { "File" } dd { (visible(&about.file)) } }
                }
                div { dt { "Game day" } dd { (visible(day.id())) } }
            }
        }
    }
}

/// The key numbers: what somebody reads who reads nothing else.
fn cards(day: &Day) -> Markup {
    let drills: Vec<_> = day.items.iter().filter(|record| record.drill.is_some()).collect();
    let told: Vec<bool> = drills.iter().filter_map(|record| record.as_predicted()).collect();
    let right = told.iter().filter(|right| **right).count();
    let worst = |times: Vec<f64>| times.into_iter().reduce(f64::max);
    let noticed: Vec<f64> = drills.iter().filter_map(|record| record.detected_after_s()).collect();
    let mitigated: Vec<f64> = drills.iter().filter_map(|record| record.mitigated_after_s()).collect();
    let not_in_time = drills.iter().filter(|record| record.mitigated.as_ref().is_some_and(|said| said.by.is_none())).count();
    let passed = drills.iter().filter(|record| record.verdict() == Some(Verdict::Passed)).count();
    let card = |label: &str, value: String, note: String| {
        html! { div.card { p.label { (label) } p.value { (value) } p.note { (note) } } }
    };
    let of = |times: usize| format!("the longest of {}", plural(times, "drill"));
    html! {
        section.cards.day-cards aria-label="Key numbers" {
            (card("Drills passed", format!("{passed} of {}", drills.len()), String::new()))
            (card("As predicted", if told.is_empty() { "–".to_owned() } else { format!("{right} of {}", told.len()) },
                if told.is_empty() { "no prediction was made".to_owned() } else { String::new() }))
            (card("Noticed after", maybe_seconds(worst(noticed.clone())),
                if noticed.is_empty() { "nobody said “detected”".to_owned() } else { of(noticed.len()) }))
            (card("Mitigated after", maybe_seconds(worst(mitigated.clone())),
                match (mitigated.len(), not_in_time) {
                    (0, 0) => "nobody said “mitigated”".to_owned(),
                    (n, 0) => of(n),
                    (_, n) => format!("{} not in time", plural(n, "drill")),
                }))
            (card("Action items", day.actions.len().to_string(), plural(day.notes.len(), "note")))
        }
    }
}

fn footer(day: &Day) -> Markup {
    let early = match &day.ended {
        Some(DayEnd::Completed) | None => "",
        Some(_) => "ended before its agenda was · ",
    };
    html! {
        footer {
            p {
                @if let Some(about) = &day.about { (visible(&about.tool)) " · " }
                (early) (plural(day.events, "event")) @if day.missing > 0 { ", " (day.missing) " missing" }
            }
        }
    }
}
