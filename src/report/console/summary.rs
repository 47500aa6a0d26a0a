//! The summary at the end: verdict, conditions, probes, outages, victims, what is left.

use std::path::Path;

use unicode_width::UnicodeWidthStr;

use super::style::{Style, Tone, cut, pad, tone, wrap};
use crate::{
    model::{
        ids::Service,
        measurement::{JudgedResult, Measurement, ProbeMeasurement},
    },
    report::{
        commands::{Ran, commands},
        gate::Gate,
        record::RunRecord,
        state,
        words::{ZERO, classes, count, interval, judged, maybe_seconds, moment, percent, seconds, step_capacity, visible, whole},
    },
};

/// A row of a table: each cell with its tone.
pub type Row = Vec<(Tone, String)>;

/// The summary of a run.
pub fn render(record: &RunRecord, style: Style) -> String {
    let gate = Gate::of(record);
    let mut out = String::new();
    let word = gate.verdict.word().to_uppercase();
    let indent = word.width() + 2;
    for (n, text) in wrap(&visible(&gate.reason), style.width.saturating_sub(indent).max(16)).iter().enumerate() {
        let head = if n == 0 { format!("{word}  ") } else { " ".repeat(indent) };
        push(&mut out, &style.line(&[(tone(gate.verdict), head), (Tone::Plain, text.clone())]));
    }
    table(&mut out, style, "Conditions", &["", "condition", "phase", "measured"], conditions(record));
    if let Some(m) = &record.measurement {
        push(&mut out, "");
        for text in wrap(ZERO, style.width) {
            push(&mut out, &style.paint(Tone::Dim, &text));
        }
        table(&mut out, style, "Probes", &["probe", "phase", "requests", "failed", "availability", "95 %", "p50", "p99"], probes(m));
        table(&mut out, style, "State", &["probe", "", "counted"], states(m));
        table(&mut out, style, "Outages", &["probe", "from", "lasted", "±", "failed", "classes"], outages(m));
        let heads = ["victim", "fault", "effect", "±", "ejected", "replaced", "in service"];
        table(&mut out, style, "Victims (last three after the effect)", &heads, victims(m));
        table(&mut out, style, "Capacity (after the step's first effect)", &["step", "services", "effect", "capacity"], capacity(m));
        let findings: Vec<String> = m.findings.iter().map(|found| format!("{}: {}", found.kind.name(), found.says)).collect();
        table(&mut out, style, "Commands", &Ran::HEADS, ran(record));
        list(&mut out, style, "Found", &findings);
        list(&mut out, style, "Not to be trusted", &m.trust.doubts);
    }
    let not_happened: Vec<String> = record
        .effects
        .iter()
        .filter(|effect| !effect.status.happened())
        .map(|e| {
            let target = record.act(e.act).map_or_else(|| format!("act {}", e.act), |p| p.act.target.says());
            format!("{target}: {} ({})", e.status.word(), e.status.why().unwrap_or("no reason given"))
        })
        .collect();
    list(&mut out, style, "Did not verifiably happen", &not_happened);
    list(&mut out, style, "Warnings", &record.warnings);
    if let Some(outcome) = record.outcome.as_ref().filter(|outcome| !outcome.residue.is_empty()) {
        push(&mut out, "");
        push(&mut out, &style.paint(Tone::Bad, "What is left, and how to undo it"));
        for residue in &outcome.residue {
            push(&mut out, &style.line(&[(Tone::Plain, format!("  {}: {}", visible(&residue.what), visible(&residue.why)))]));
            // Not cut: a person copies it.
            push(&mut out, &format!("    {}", whole(&residue.command)));
        }
    }
    out
}

/// The line that says where the report lies.
pub fn lies(report: &Path, style: Style) -> String {
    format!("\n{} {}\n", style.paint(Tone::Dim, "report:"), visible(&report.display().to_string()))
}

fn push(out: &mut String, line: &str) {
    out.push_str(line.trim_end());
    out.push('\n');
}

fn list(out: &mut String, style: Style, title: &str, items: &[String]) {
    if items.is_empty() {
        return;
    }
    push(out, "");
    push(out, &style.paint(Tone::Doubt, title));
    for item in items {
        for (n, line) in wrap(&visible(item), style.width.saturating_sub(4).max(16)).iter().enumerate() {
            push(out, &format!("  {} {line}", if n == 0 { "·" } else { " " }));
        }
    }
}

fn plain(text: impl Into<String>) -> (Tone, String) {
    (Tone::Plain, text.into())
}

fn conditions(record: &RunRecord) -> Vec<Row> {
    record
        .judged
        .iter()
        .map(|j| {
            let (word, sign) = judged(j.result);
            let tone = match j.result {
                JudgedResult::Held => Tone::Good,
                JudgedResult::Broken => Tone::Bad,
                JudgedResult::Untold => Tone::Doubt,
            };
            let measured = match &j.why {
                Some(why) => format!("{} ({why})", j.measured),
                None => j.measured.clone(),
            };
            let phase = j.phase.map_or("whole run", crate::model::steady_state::Phase::name);
            vec![(tone, format!("{sign} {word}")), plain(visible(&j.condition)), plain(phase), plain(visible(&measured))]
        })
        .collect()
}

fn probes(m: &Measurement) -> Vec<Row> {
    let mut rows = Vec::new();
    for probe in &m.probes {
        for phase in &probe.phases {
            let s = &phase.stats;
            let failed = s.failed();
            rows.push(vec![
                plain(visible(probe.name.as_str())),
                plain(phase.phase.name()),
                plain(count(s.requests)),
                (if failed > 0 { Tone::Bad } else { Tone::Plain }, count(failed)),
                plain(s.availability.map_or_else(|| "–".to_owned(), |a| percent(a.value))),
                plain(s.availability.map_or_else(|| "–".to_owned(), |a| interval(&a))),
                plain(maybe_seconds(s.latency.map(|l| l.p50))),
                plain(maybe_seconds(s.latency.map(|l| l.p99))),
            ]);
        }
    }
    rows
}

fn states(m: &Measurement) -> Vec<Row> {
    let of_probe = |probe: &ProbeMeasurement| {
        let rows = probe.state.as_ref().map(state::rows).unwrap_or_default();
        let name = plain(visible(probe.name.as_str()));
        rows.into_iter()
            .map(move |row| {
                let tone = if row.bad { Tone::Bad } else { Tone::Plain };
                vec![name.clone(), plain(row.what), (tone, visible(&row.says).into_owned())]
            })
            .collect::<Vec<_>>()
    };
    m.probes.iter().flat_map(of_probe).collect()
}

fn outages(m: &Measurement) -> Vec<Row> {
    m.probes
        .iter()
        .flat_map(|probe| probe.outages.iter().map(move |o| (probe, o)))
        .map(|(probe, o)| {
            vec![
                plain(visible(probe.name.as_str())),
                plain(moment(o.first_failure_s)),
                (Tone::Bad, format!("{}{}", seconds(o.duration_s), if o.until_s.is_none() { ", not over" } else { "" })),
                plain(seconds(o.uncertainty_s)),
                plain(percent(o.share())),
                plain(classes(&o.classes)),
            ]
        })
        .collect()
}

fn victims(m: &Measurement) -> Vec<Row> {
    m.victims
        .iter()
        .map(|v| {
            vec![
                plain(visible(v.called())),
                plain(visible(&v.fault)),
                plain(moment(v.effect_by_s)),
                plain(seconds(v.effect_by_s - v.effect_after_s)),
                plain(maybe_seconds(v.ejected_after_s)),
                plain(maybe_seconds(v.replaced_after_s)),
                plain(maybe_seconds(v.in_service_after_s)),
            ]
        })
        .collect()
}

fn ran(record: &RunRecord) -> Vec<Row> {
    let row = |ran: Ran| {
        let tone = if ran.well { Tone::Plain } else { Tone::Bad };
        let mut row: Row = ran.cells().into_iter().map(plain).collect();
        row[4].0 = tone;
        row
    };
    commands(record).into_iter().map(row).collect()
}

fn capacity(m: &Measurement) -> Vec<Row> {
    m.capacity_by_step
        .iter()
        .map(|c| {
            let services = c.services.iter().map(Service::as_str).collect::<Vec<_>>().join(", ");
            let tone = if c.lost && c.back_after_s.is_none() { Tone::Bad } else { Tone::Plain };
            vec![plain(c.step.to_string()), plain(visible(&services)), plain(moment(c.effect_s)), (tone, step_capacity(c))]
        })
        .collect()
}

/// A table under its title, as wide as the output allows; nothing without rows. Columns are as wide as they need to be; a table that
/// is too wide gives from its widest column.
pub fn table(out: &mut String, style: Style, title: &str, heads: &[&str], rows: Vec<Row>) {
    if rows.is_empty() {
        return;
    }
    let mut widths: Vec<usize> = heads
        .iter()
        .enumerate()
        .map(|(n, head)| rows.iter().map(|row| row[n].1.width()).chain([head.width()]).max().unwrap_or(0))
        .collect();
    while widths.iter().sum::<usize>() + 2 * widths.len() > style.width {
        match widths.iter_mut().max() {
            Some(widest) if *widest > 6 => *widest -= 1,
            _ => break,
        }
    }
    push(out, "");
    push(out, &style.paint(Tone::Strong, title));
    let head: Row = heads.iter().map(|head| (Tone::Dim, (*head).to_owned())).collect();
    for row in std::iter::once(head).chain(rows) {
        let mut pieces = Vec::new();
        for (width, (tone, text)) in widths.iter().zip(row) {
            pieces.push((Tone::Plain, "  ".to_owned()));
            pieces.push((tone, pad(&cut(&text, *width), *width)));
        }
        push(out, &style.line(&pieces));
    }
}
