//! `report.html`: one self-contained file. No script, nothing from outside; the content policy forbids both. Foreign text is
//! escaped by `maud` where it stands, after control and bidirectional characters were made visible.

mod cards;
mod colours;
mod details;
pub mod gameday;
mod marks;
mod scale;
mod states;
mod tables;
mod timeline;
mod tracks;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    gate::Gate,
    record::RunRecord,
    words::{plural, seconds, visible, wall},
};
use crate::model::verdict::Verdict;

/// The looks of a report, and of whatever else of ours is shown in a browser.
pub const STYLE: &str = include_str!("style.css");
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/// Renders the record.
pub fn render(record: &RunRecord) -> String {
    let gate = Gate::of(record);
    let title = visible(record.title());
    let head = html! { (gate.verdict.word()) " · " (title) };
    page(
        &head,
        "",
        &html! {
            (banner(record, &gate))
            (cards::render(record))
            (tables::residue(record))
            (tables::doubts(record))
            (tables::conditions(record))
            (states::findings(record))
            (timeline::render(record))
            (tables::probes(record))
            (states::render(record))
            (tables::outages(record))
            (tables::victims(record))
            (tables::ran(record))
            (details::render(record))
            (footer(record))
        },
    )
}

/// A report's page: whole in itself, and it loads and runs nothing. `more` is what it needs beside the style of all.
fn page(title: &Markup, more: &'static str, content: &Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (title) }
                style { (PreEscaped(STYLE)) (PreEscaped(more)) }
            }
            body { main { (content) } }
        }
    }
    .into_string()
}

fn banner(record: &RunRecord, gate: &Gate) -> Markup {
    let (class, sign) = match gate.verdict {
        Verdict::Passed => ("good", "✓"),
        Verdict::NotStarted | Verdict::Aborted => ("doubt", "■"),
        _ => ("bad", "✗"),
    };
    let took = record.started.zip(record.last).map(|((from, _), (to, _))| to.seconds_from(from));
    html! {
        header {
            p.kicker { "Fire drill report" }
            h1 { (visible(record.title())) }
            @if let Some(text) = record.experiment.as_ref().and_then(|e| e.description.as_deref()) {
                p.lead { (visible(text)) }
            }
            div.verdict.(class) {
                span.sign aria-hidden="true" { (sign) }
                div {
                    p.word { (gate.verdict.word()) }
                    p.why { (visible(&gate.reason)) }
                }
            }
            dl.facts {
                @if let Some((_, at)) = record.started { div { dt { "Started" } dd { (wall(at)) } } }
                @if let Some(took) = took { div { dt { "Took" } dd { (seconds(took)) } } }
                @if let Some(name) = &record.environment { div { dt { "Environment" } dd { (visible(name)) } } }
                @if let Some(plan) = &record.plan {
                    div { dt { "Platform" } dd { (visible(&plan.platform)) } }
                    div { dt { "Seed" } dd { (plan.seed) } }
                }
                @if let Some(file) = &record.file { div { dt { "File" } dd { (visible(file)) } } }
                div { dt { "Run" } dd { (visible(record.run_id())) } }
            }
        }
    }
}

fn footer(record: &RunRecord) -> Markup {
    html! {
        footer {
            p { (visible(&record.tool)) " · exit code " (record.verdict().exit_code()) " · " (plural(record.events, "event")) @if record.missing > 0 { ", " (record.missing) " missing" } }
        }
    }
}
