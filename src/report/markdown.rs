//! `report.md`: short enough for a pull request.

use std::fmt::Write as _;

use super::{
    commands::commands,
    gate::Gate,
    record::RunRecord,
    state,
    words::{self, classes, count, interval, maybe_seconds, moment, percent, plural, seconds, step_capacity, visible, whole},
};
use crate::model::{ids::Service, measurement::Measurement, steady_state::Phase, verdict::Verdict};

/// Outages that are listed; the others are counted.
const OUTAGES: usize = 10;

/// Renders several runs, one after another.
pub fn render_all(records: &[RunRecord]) -> String {
    records.iter().map(render).collect::<Vec<_>>().join("\n---\n\n")
}

/// Renders the record.
pub fn render(record: &RunRecord) -> String {
    let gate = Gate::of(record);
    let mut out = String::new();
    let sign = match gate.verdict {
        Verdict::Passed => "✅",
        Verdict::NotStarted | Verdict::Aborted => "⚠️",
        _ => "❌",
    };
    let _ = writeln!(out, "## {sign} {}: {}\n\n{}", gate.verdict.word(), text(record.title()), text(&gate.reason));
    table(
        &mut out,
        &["Condition", "Phase", "Measured", "Result"],
        record
            .judged
            .iter()
            .map(|j| {
                let (word, sign) = words::judged(j.result);
                let why = j.why.as_ref().map(|why| format!(" ({})", text(why))).unwrap_or_default();
                vec![
                    text(&j.condition),
                    j.phase.map_or("whole run", Phase::name).to_owned(),
                    text(&j.measured),
                    format!("{sign} {word}{why}"),
                ]
            })
            .collect(),
    );
    if let Some(m) = &record.measurement {
        measured(&mut out, m);
    }
    let rows = commands(record).into_iter().map(|ran| ran.cells().map(|cell| escaped(&cell)).to_vec()).collect();
    table(&mut out, &["Step", "Command", "Started", "Took", "Ended"], rows);
    if let Some(outcome) = record.outcome.as_ref().filter(|outcome| !outcome.residue.is_empty()) {
        out.push_str("\n**What is left, and how to undo it**\n\n");
        for residue in &outcome.residue {
            let _ = writeln!(
                out,
                "- {}: {}. Undo it with <code>{}</code>",
                text(&residue.what),
                text(&residue.why),
                escaped(&whole(&residue.command))
            );
        }
    }
    if !record.warnings.is_empty() {
        out.push_str("\n**Warnings**\n\n");
        for warning in &record.warnings {
            let _ = writeln!(out, "- {}", text(warning));
        }
    }
    let seed = record.plan.as_ref().map(|plan| format!(", seed {}", plan.seed)).unwrap_or_default();
    let started = record.started.map(|(_, wall)| format!(", started {}", words::wall(wall))).unwrap_or_default();
    let _ = writeln!(out, "\n<sub>Run {}{started}{seed}, {}</sub>", text(record.run_id()), text(&record.tool));
    out
}

fn measured(out: &mut String, m: &Measurement) {
    let mut rows = Vec::new();
    for probe in &m.probes {
        for phase in &probe.phases {
            let s = &phase.stats;
            rows.push(vec![
                text(probe.name.as_str()),
                phase.phase.name().to_owned(),
                count(s.requests),
                if s.failed() == 0 { "0".to_owned() } else { format!("{} ({})", count(s.failed()), classes(&s.failures)) },
                s.availability.map_or_else(|| "–".to_owned(), |a| format!("{} ({})", percent(a.value), interval(&a))),
                maybe_seconds(s.latency.map(|l| l.p50)),
                maybe_seconds(s.latency.map(|l| l.p99)),
            ]);
        }
    }
    table(out, &["Probe", "Phase", "Requests", "Failed", "Availability (95 %)", "p50", "p99"], rows);
    let mut rows = Vec::new();
    for probe in &m.probes {
        for row in probe.state.as_ref().map(state::rows).unwrap_or_default() {
            let sign = if row.bad { "❌ " } else { "" };
            rows.push(vec![text(probe.name.as_str()), row.what.to_owned(), format!("{sign}{}", text(&row.says))]);
        }
    }
    table(out, &["State of", "What", "Counted"], rows);
    let all: Vec<_> = m.probes.iter().flat_map(|probe| probe.outages.iter().map(move |o| (probe, o))).collect();
    let rows = all
        .iter()
        .take(OUTAGES)
        .map(|(probe, o)| {
            let open = if o.until_s.is_none() { ", not over at the end" } else { "" };
            vec![
                text(probe.name.as_str()),
                moment(o.first_failure_s),
                format!("{} ± {}{open}", seconds(o.duration_s), seconds(o.uncertainty_s)),
                percent(o.share()),
                classes(&o.classes),
            ]
        })
        .collect();
    table(out, &["Outage seen by", "From", "Lasted", "Failed", "Classes"], rows);
    if all.len() > OUTAGES {
        let _ = writeln!(out, "\nand {} more.", plural(all.len() - OUTAGES, "outage"));
    }
    let rows = m
        .victims
        .iter()
        .map(|v| {
            vec![
                text(v.called()),
                text(&v.fault),
                format!("{} ± {}", moment(v.effect_by_s), seconds(v.effect_by_s - v.effect_after_s)),
                maybe_seconds(v.ejected_after_s),
                maybe_seconds(v.in_service_after_s),
            ]
        })
        .collect();
    if !(all.is_empty() && m.victims.is_empty()) {
        let _ = writeln!(out, "\n{}", words::ZERO);
    }
    table(out, &["Victim", "Fault", "Took effect", "Ejected after", "In service after"], rows);
    let rows = m
        .capacity_by_step
        .iter()
        .map(|c| {
            let services = c.services.iter().map(Service::as_str).collect::<Vec<_>>().join(", ");
            vec![c.step.to_string(), text(&services), moment(c.effect_s), step_capacity(c)]
        })
        .collect();
    table(out, &["Step", "Took instances of", "First effect", "Capacity, from that effect"], rows);
    if !m.findings.is_empty() {
        out.push_str("\n**Found**\n\n");
        for found in &m.findings {
            let _ = writeln!(out, "- {}: {}", found.kind.name(), text(&found.says));
        }
    }
    if !m.trust.doubts.is_empty() {
        out.push_str("\n**The measurement is not to be trusted**\n\n");
        for doubt in &m.trust.doubts {
            let _ = writeln!(out, "- {}", text(doubt));
        }
    }
}

pub(super) fn table(out: &mut String, heads: &[&str], rows: Vec<Vec<String>>) {
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n| {} |\n|{}", heads.join(" | "), " --- |".repeat(heads.len()));
    for row in rows {
        let _ = writeln!(out, "| {} |", row.join(" | "));
    }
}

/// Foreign text inside Markdown: nothing in it is a table's border, HTML, a link, or emphasis. `@` would call people.
pub(super) fn text(raw: &str) -> String {
    escaped(&visible(raw))
}

pub(super) fn escaped(raw: &str) -> String {
    let mut out = String::new();
    for c in raw.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '@' => out.push_str("&#64;"),
            '|' | '`' | '*' | '_' | '[' | ']' | '\\' | '#' | '~' | '!' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    // A bare address would become a link.
    out.replace("://", ":&#47;&#47;")
}
