//! What is folded away: groups, the plan and its undo journal, warnings, how to read this.

use maud::{Markup, html};

use super::tables::{stat_cells, stat_heads};
use crate::{
    model::measurement::GroupBy,
    report::{
        console::lines::observed,
        record::{RunRecord, UndoResult},
        words::{moment, plural, visible},
    },
};

/// Rows that a folded table shows at most.
const ROWS: usize = 500;

/// All of it.
pub fn render(record: &RunRecord) -> Markup {
    html! {
        section {
            h2 { "Details" }
            @for (by, title) in [(GroupBy::Zone, "By zone"), (GroupBy::Backend, "By backend"), (GroupBy::Address, "By address"), (GroupBy::Route, "By route")] {
                (groups(record, by, title))
            }
            (plan(record))
            (journal(record))
            (warnings(record))
            (how_to_read())
        }
    }
}

fn groups(record: &RunRecord, by: GroupBy, title: &str) -> Markup {
    let rows: Vec<_> = record
        .measurement
        .iter()
        .flat_map(|m| &m.probes)
        .flat_map(|probe| probe.groups.iter().filter(|g| g.by == by).map(move |g| (probe, g)))
        .collect();
    html! {
        @if !rows.is_empty() {
            details {
                summary { (title) }
                div.scroll tabindex="0" role="region" aria-label=(title) { table {
                    thead { tr { th scope="col" { "Probe" } th scope="col" { "Who" } th scope="col" { "Phase" } (stat_heads()) } }
                    tbody {
                        @for (probe, g) in rows.iter().take(ROWS) {
                            tr { td { (visible(probe.name.as_str())) } td { @if g.key.is_empty() { "not known" } @else { (visible(&g.key)) } } td { (g.phase) } (stat_cells(&g.stats)) }
                        }
                    }
                } }
                @if rows.len() > ROWS { p.sub { "result.json has " (plural(rows.len() - ROWS, "more row")) "." } }
            }
        }
    }
}

fn plan(record: &RunRecord) -> Markup {
    let Some(plan) = &record.plan else { return html! {} };
    html! {
        details {
            summary { "Plan and undo journal" }
            p.sub { "Seed " (plan.seed) ", scope " (visible(plan.scope.as_str())) "." }
            div.scroll tabindex="0" role="region" aria-label="Plan and undo journal" { table {
                thead { tr { th scope="col" { "Act" } th scope="col" { "What" } th scope="col" { "Target" } th scope="col" { "How it is undone" } th scope="col" { "What became of the undo" } } }
                tbody {
                    @for p in plan.acts().take(ROWS) {
                        tr {
                            td { (p.act.id) }
                            td { (p.act.fault.kind()) }
                            td { (visible(&p.act.target.says())) }
                            td { (visible(p.undo.says())) }
                            td {
                                @match record.undo_of(p.act.id).map(|u| (u.at, &u.result)) {
                                    None => "–",
                                    Some((_, UndoResult::Begun { says })) => { "begun, and nothing more is known: " (visible(says)) },
                                    Some((at, UndoResult::Restored { says })) => { (moment(record.seconds(at))) ": " (visible(says)) },
                                    Some((_, UndoResult::NothingToUndo { why })) => { "nothing to undo: " (visible(why)) },
                                    Some((_, UndoResult::Stuck { why, .. })) => { strong { "did not succeed: " } (visible(why)) },
                                }
                            }
                        }
                    }
                }
            } }
            @if !plan.caps.is_empty() {
                h3 { "Blast radius" }
                ul { @for cap in &plan.caps { li { (visible(&cap.of)) ": " (cap.used) " of " (cap.total) " affected, " (cap.allowed) " allowed" span.dim { " (" (visible(&cap.rule)) ")" } } } }
            }
            @if !plan.notes.is_empty() { h3 { "Notes" } ul { @for note in &plan.notes { li { (visible(note)) } } } }
        }
    }
}

fn journal(record: &RunRecord) -> Markup {
    html! {
        @if !record.observations.is_empty() {
            details {
                summary { "What the platform saw" }
                div.scroll tabindex="0" role="region" aria-label="What the platform saw" { table { thead { tr { th.num scope="col" { "At" } th scope="col" { "What" } } } tbody {
                    @for o in record.observations.iter().take(ROWS) { tr { td.num { (moment(record.seconds(o.at))) } td { (observed(record, &o.what, &o.source)) } } }
                } } }
                @if record.observations.len() > ROWS { p.sub { "result.json has " (record.observations.len() - ROWS) " more." } }
            }
        }
    }
}

fn warnings(record: &RunRecord) -> Markup {
    let insecure = record.experiment.iter().flat_map(|e| &e.probes).filter(|p| p.kind.tls().is_some_and(|tls| tls.insecure));
    let insecure: Vec<String> =
        insecure.map(|p| format!("Probe {} does not verify TLS certificates (`insecure`).", visible(p.name.as_str()))).collect();
    let all: Vec<&String> = insecure.iter().chain(&record.warnings).collect();
    html! {
        @if !all.is_empty() {
            details open {
                summary { "Warnings" }
                ul { @for text in all { li { (visible(text)) } } }
            }
        }
    }
}

fn how_to_read() -> Markup {
    html! {
        details {
            summary { "How to read this" }
            ul {
                li { "Each probe sends at its own rate whatever happens. Latency and deadlines count from the moment a request was due, so a stalled system cannot hide behind a waiting client." }
                li { "A request that firedrill itself sent more than 10 ms late is left out of availability and latency, and counted apart." }
                li { "An outage begins somewhere between the last success and the first failure, and ends between the last failure and the next success. ± is the width of both." }
                li { "An availability has a 95 % interval; a condition must hold on the interval's safe side. Too few requests to tell is an error, never a pass." }
                li { "The time of an effect comes from the platform's best source, not from the moment of the call; ± is what that source leaves open." }
            }
        }
    }
}
