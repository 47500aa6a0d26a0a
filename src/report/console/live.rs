//! The live view: finished lines scroll up, the lines below them are drawn again, at most ten times a second.

use std::{cmp::Ordering, collections::BTreeMap};

use unicode_width::UnicodeWidthStr;

use super::{
    strip::Strip,
    style::{Style, Tone, cut, pad},
};
use crate::{
    event::{Event, EventKind, Tick},
    model::{experiment::Step, ids::ProbeName, steady_state::Phase, time::Mono},
    report::{
        record::RunRecord,
        words::{count, plural, seconds, visible},
    },
};

/// Between two drawings.
const REDRAW_S: f64 = 0.1;

/// Columns that the strip keeps.
const STRIP_AT_LEAST: usize = 16;

#[derive(Debug, Default)]
struct ProbeState {
    strip: Strip,
    last: Tick,
    /// Since the last plain summary.
    requests: u64,
    failed: u64,
    /// Of the run so far.
    all_failed: u64,
    at: Option<Mono>,
    rate: Option<f64>,
}

/// What the live view knows beside the record.
#[derive(Debug, Default)]
pub struct Live {
    probes: BTreeMap<ProbeName, ProbeState>,
    drawn: usize,
    drawn_at: Option<Mono>,
    waiting: Vec<String>,
}

impl Live {
    /// Takes an event: ticks move the strips.
    pub fn take(&mut self, event: &Event) {
        let EventKind::Tick { probes } = &event.kind else { return };
        for (name, tick) in probes {
            let state = self.probes.entry(name.clone()).or_default();
            state.strip.take(tick);
            state.requests += tick.requests;
            state.failed += tick.requests.saturating_sub(tick.ok);
            state.all_failed += tick.requests.saturating_sub(tick.ok);
            state.rate = state.at.map(|at| event.at.seconds_from(at)).filter(|s| *s > 0.0).map(|s| tick.requests as f64 / s);
            state.at = Some(event.at);
            state.last = tick.clone();
        }
    }

    /// Draws, unless it was drawn just now: first `line`, for good, then what is drawn again.
    pub fn draw(&mut self, line: Option<&str>, record: &RunRecord, style: Style, now: Mono) -> String {
        self.waiting.extend(line.map(str::to_owned));
        if self.drawn_at.is_some_and(|at| (0.0..REDRAW_S).contains(&now.seconds_from(at))) {
            return String::new();
        }
        self.drawn_at = Some(now);
        let mut out = self.clear(style);
        if record.outcome.is_some() {
            return out;
        }
        let mut lines = vec![String::new(), progress(record, style, now)];
        lines.extend(self.probes.iter().map(|(name, state)| probe_line(name, state, style)));
        self.drawn = lines.len();
        for line in lines {
            out.push_str(&line);
            out.push('\n');
        }
        out
    }

    /// Takes away what is drawn again, and gives the lines that still wait.
    pub fn clear(&mut self, style: Style) -> String {
        let mut out = String::new();
        if style.live && self.drawn > 0 {
            out = format!("\x1b[{}A\r\x1b[J", self.drawn);
        }
        self.drawn = 0;
        for line in self.waiting.drain(..) {
            out.push_str(&line);
            out.push('\n');
        }
        out
    }

    /// The plain summary: a line a probe, since the last one.
    pub fn say(&mut self, record: &RunRecord, style: Style, now: Mono) -> String {
        let since = record.seconds(now);
        let mut out = String::new();
        for (name, state) in &mut self.probes {
            out.push_str(&style.line(&[
                (Tone::Dim, format!("{since:8.2} s  ")),
                (Tone::Plain, format!("{}: {}, ", visible(name.as_str()), plural(state.requests, "request"))),
                (if state.failed > 0 { Tone::Bad } else { Tone::Plain }, format!("{} failed", count(state.failed))),
                (Tone::Plain, format!(", {}", latency(&state.last))),
            ]));
            out.push('\n');
            (state.requests, state.failed) = (0, 0);
        }
        out
    }
}

fn latency(tick: &Tick) -> String {
    let show = |s: Option<f64>| s.map_or_else(|| "–".to_owned(), seconds);
    format!("p50 {}, p99 {}, {} in flight", show(tick.p50_s), show(tick.p99_s), tick.in_flight)
}

fn probe_line(name: &ProbeName, state: &ProbeState, style: Style) -> String {
    let name = pad(&cut(&visible(name.as_str()), 16), 16);
    let rate = state.rate.map_or_else(|| "–".to_owned(), |rate| format!("{rate:.0}"));
    let numbers = format!(" {rate:>5}/s {:>5} failed", count(state.all_failed));
    // What a narrow terminal has no room for is left out whole, so that the strip keeps some of it.
    let room = style.width.saturating_sub(17 + STRIP_AT_LEAST);
    let show = |s: Option<f64>| s.map_or_else(|| "–".to_owned(), seconds);
    let full = format!("{numbers} · {}", latency(&state.last));
    let short = format!("{numbers} · p99 {}", show(state.last.p99_s));
    let numbers = [full, short].into_iter().find(|text| text.width() <= room).unwrap_or(numbers);
    let numbers = cut(&numbers, style.width.saturating_sub(17));
    let used = numbers.width();
    let columns = style.width.saturating_sub(17 + used).min(60);
    let tone = if state.last.ok < state.last.requests { Tone::Bad } else { Tone::Plain };
    format!("{name} {}{}", state.strip.draw(columns, style), style.paint(tone, &numbers))
}

/// The phases, with how long the present one has lasted and is expected to last.
fn progress(record: &RunRecord, style: Style, now: Mono) -> String {
    let Some((current, since)) = record.phases.last() else {
        return style.line(&[(Tone::Dim, "preparing".to_owned())]);
    };
    let expected = record.experiment.as_ref().and_then(|experiment| match current {
        Phase::WarmUp => Some(experiment.warm_up.as_secs_f64()),
        Phase::Baseline => Some(experiment.baseline.as_secs_f64()),
        Phase::Fault => Some(experiment.method.iter().map(lasts).sum::<f64>()).filter(|s| *s > 0.0),
        Phase::Recovery => Some(experiment.recovery.hold.as_secs_f64()),
    });
    let mut pieces = Vec::new();
    for phase in [Phase::WarmUp, Phase::Baseline, Phase::Fault, Phase::Recovery] {
        match phase.cmp(current) {
            Ordering::Equal => {
                let elapsed = now.seconds_from(*since).max(0.0);
                let of = expected.map(|s| format!(" of {s:.0}{}", if phase == Phase::Recovery { "+" } else { "" })).unwrap_or_default();
                pieces.push((Tone::Strong, format!("▶ {phase} {elapsed:.0}{of} s")));
            }
            Ordering::Less => pieces.push((Tone::Dim, format!("✓ {phase}"))),
            Ordering::Greater => pieces.push((Tone::Dim, phase.to_string())),
        }
        pieces.push((Tone::Dim, "   ".to_owned()));
    }
    style.line(&pieces)
}

/// How long a step of the method is expected to last, as far as the file says.
fn lasts(step: &Step) -> f64 {
    match step {
        Step::Faults(faults) => faults.iter().filter_map(|fault| fault.hold).max().unwrap_or_default().as_secs_f64(),
        Step::Wait(wait) | Step::UntilMitigated(wait) => wait.as_secs_f64(),
        Step::Command(_) | Step::Phoenix(_) => 0.0,
    }
}
