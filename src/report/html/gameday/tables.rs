//! The agenda with what became of it, what is to be done, what people noted, and everything in order.

use maud::{Markup, html};

use crate::{
    gameday::{
        Day,
        moment::Sort,
        record::{ItemRecord, ItemState, Said},
    },
    model::verdict::Verdict,
    report::{
        gameday::{
            lines::{clock_time, kind, zone},
            runs::DayRun,
        },
        words::{plural, seconds, visible, whole},
    },
};

/// The agenda: prediction against verdict, and how long people took.
pub fn agenda(day: &Day, runs: &[DayRun<'_>]) -> Markup {
    html! {
        section {
            h2 { "Agenda" }
            div.scroll tabindex="0" role="region" aria-label="Agenda, scrolls sideways" { table {
                thead { tr {
                    th.num scope="col" { "#" } th scope="col" { "Item" } th scope="col" { "Owner" } th scope="col" { "Predicted" }
                    th scope="col" { "Came" } th.num scope="col" { "Noticed after" } th.num scope="col" { "Mitigated after" } th scope="col" { "Report" }
                } }
                tbody {
                    @for record in &day.items {
                        (row(record, runs.iter().find(|run| run.item.item.number == record.item.number)))
                    }
                }
            } }
        }
    }
}

fn row(record: &ItemRecord, run: Option<&DayRun<'_>>) -> Markup {
    let item = &record.item;
    html! {
        tr {
            td.num { (item.number) }
            td.wide {
                (visible(&item.says))
                div.dim { (kind(&item.item.what)) @if let Some(at) = item.item.at { ", not before " (at) } }
                @if let Some(said) = &record.answered { div { "Answer: " (whole(&said.text)) span.dim { " · " (who(said)) } } }
                @if let Some(said) = &record.confirmed { div.dim { "go: " (who(said)) } }
                @if let Some(said) = &record.skipped { div.dim { "skipped: " (who(said)) } }
                @if let Some(reason) = record.drill.as_ref().and_then(|drill| drill.reason.as_deref()) { div.dim { (visible(reason)) } }
            }
            td { @if let Some(owner) = &item.item.owner { (visible(owner)) } @else { "–" } }
            td {
                @match (record.predicted(), record.as_predicted()) {
                    (Some(verdict), Some(true)) => { (verdict.word()) " ✓" },
                    (Some(verdict), Some(false)) => span.hit { (verdict.word()) " ✗" },
                    (Some(verdict), None) => (verdict.word()),
                    (None, _) => "–",
                }
            }
            td { (came(record)) }
            td.num { @if let Some(after) = record.detected_after_s() { (seconds(after)) } @else { "–" } }
            td.num {
                @match (record.mitigated_after_s(), &record.mitigated) {
                    (Some(after), _) => (seconds(after)),
                    (None, Some(Said { by: None, .. })) => span.hit { "not in time" },
                    (None, _) => "–",
                }
            }
            td {
                @if let Some(run) = run {
                    @match &run.record {
                        Ok(_) => a href={ (run.folder) "/report.html" } { "report" },
                        Err(why) => span.dim { "its record cannot be read: " (visible(why)) },
                    }
                } @else { "–" }
            }
        }
    }
}

fn came(record: &ItemRecord) -> Markup {
    let class = |verdict: Verdict| match verdict {
        Verdict::Passed => "good",
        Verdict::NotStarted | Verdict::Aborted => "doubt",
        _ => "bad",
    };
    html! {
        @match (record.verdict(), record.state) {
            (Some(verdict), _) => span.pill.(class(verdict)) { (verdict.word()) },
            (None, ItemState::ToCome) => span.pill.plain { "not reached" },
            (None, ItemState::Now) => span.pill.doubt { "under way" },
            (None, ItemState::Done) => span.pill.plain { "done" },
            (None, ItemState::Skipped) => span.pill.plain { "skipped" },
            (None, ItemState::BrokenOff) => span.pill.doubt { "broken off" },
        }
    }
}

fn who(said: &Said) -> String {
    visible(said.by.as_deref().unwrap_or("nobody")).into_owned()
}

/// What is to be done.
pub fn actions(day: &Day) -> Markup {
    html! {
        @if !day.actions.is_empty() {
            section {
                h2 { "Action items" }
                ul.actions {
                    @for action in &day.actions {
                        li {
                            (whole(&action.text))
                            @if let Some(owner) = &action.owner { " " span.pill.plain { (visible(owner)) } }
                            span.dim { " · " (who(action)) @if let Some(item) = action.item { ", item " (item) } }
                        }
                    }
                }
            }
        }
    }
}

/// What people noted.
pub fn notes(day: &Day) -> Markup {
    let zone = zone(day);
    html! {
        @if !day.notes.is_empty() {
            section {
                h2 { "Notes" }
                dl.log {
                    @for note in &day.notes {
                        dt { (clock_time(note.when.wall, &zone)) }
                        dd { (whole(&note.text)) span.dim { " · " (who(note)) @if let Some(item) = note.item { ", item " (item) } } }
                    }
                }
            }
        }
    }
}

/// Everything, a line each.
pub fn everything(day: &Day) -> Markup {
    let zone = zone(day);
    let moments: Vec<_> = day.moments.iter().filter(|moment| moment.sort != Sort::Countdown).collect();
    html! {
        section {
            h2 { "Details" }
            details {
                summary { "Everything, in order (" (plural(moments.len(), "moment")) ")" }
                dl.log {
                    @for moment in moments {
                        dt { (clock_time(moment.when.wall, &zone)) }
                        dd {
                            @if let Some(item) = moment.item { span.dim { (item) ". " } }
                            (whole(&moment.text))
                            @if let Some(by) = &moment.by { span.dim { " · " (visible(by)) } }
                        }
                    }
                }
            }
            @if !day.warnings.is_empty() {
                details {
                    summary { "Warnings" }
                    ul { @for warning in &day.warnings { li { (visible(warning)) } } }
                }
            }
            details {
                summary { "How to read this" }
                ul {
                    li { "The verdict of the day is the worst verdict of its drills, and “aborted” in place of “passed” when it did not come to its end. A prediction does not change a verdict; it tells how well the team knows its system." }
                    li { "Noticed and mitigated are counted from the moment at which the first act of a drill had verifiably taken effect, until a person said so." }
                    li { "Where people mitigate, the faults stay whatever `hold` says, until somebody says `mitigated` or the time is over. Then everything is undone." }
                    li { "Each drill has its own report with all numbers, their intervals and what was undone." }
                }
            }
        }
    }
}
