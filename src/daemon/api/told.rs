//! A run's events as a page shows them: the lines of the console, and the ticks of its strips. Words come from one place, so that page,
//! console and report say the same; the page's script only puts them where they belong.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    event::{Event, EventKind, Tick},
    model::{ids::ProbeName, steady_state::Phase, verdict::Verdict},
    report::{
        RunRecord,
        console::{lines, style::Tone},
        words::{count, moment, seconds, visible},
    },
};

/// Something for the page.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Told {
    /// A line of what happened.
    Line {
        /// When, in words.
        at: String,
        /// What it means: a class of the style.
        tone: &'static str,
        /// The line.
        text: String,
    },
    /// How the probes fared since the last tick.
    Tick {
        /// The phase it belongs to.
        phase: &'static str,
        /// Each.
        probes: Vec<ProbeTick>,
    },
    /// A phase began.
    Phase {
        /// Its word.
        phase: String,
    },
    /// The victims are known, or the run has ended: the page is another one now.
    Reload,
}

/// A probe's tick.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProbeTick {
    /// Which.
    pub probe: String,
    /// Requests that completed.
    pub requests: u64,
    /// Of which ok.
    pub ok: u64,
    /// How it fares, in words.
    pub says: String,
}

/// Folds events, and tells each.
#[derive(Debug, Default)]
pub struct Teller {
    /// All that is known of the run.
    pub record: RunRecord,
    failed: BTreeMap<ProbeName, u64>,
}

impl Teller {
    /// Takes the next event.
    pub fn take(&mut self, event: &Event) -> Vec<Told> {
        self.record.apply(event);
        let mut out = Vec::new();
        if let Some((tone, text)) = lines::says(event, &self.record) {
            let at = if self.record.phases.is_empty() { String::new() } else { moment(self.record.seconds(event.at)) };
            out.push(Told::Line { at, tone: class(tone), text });
        }
        match &event.kind {
            EventKind::Tick { probes } => {
                let phase = self.record.phases.last().map_or("", |(phase, _)| phase_class(*phase));
                let probes = probes.iter().map(|(name, tick)| self.tick(name, tick)).collect();
                out.push(Told::Tick { phase, probes });
            }
            EventKind::PhaseStarted { phase } => out.push(Told::Phase { phase: phase.to_string() }),
            EventKind::Planned { .. } | EventKind::RunEnded { .. } => out.push(Told::Reload),
            _ => {}
        }
        out
    }

    fn tick(&mut self, name: &ProbeName, tick: &Tick) -> ProbeTick {
        let failed = self.failed.entry(name.clone()).or_default();
        *failed += tick.requests.saturating_sub(tick.ok);
        let show = |s: Option<f64>| s.map_or_else(|| "–".to_owned(), seconds);
        let says =
            format!("{} failed so far · p50 {}, p99 {} · {} in flight", count(*failed), show(tick.p50_s), show(tick.p99_s), tick.in_flight);
        ProbeTick { probe: visible(name.as_str()).into_owned(), requests: tick.requests, ok: tick.ok, says }
    }
}

/// The class of a line.
fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "plain",
        Tone::Strong => "strong",
        Tone::Dim => "dim",
        Tone::Good => "good",
        Tone::Bad => "bad",
        Tone::Doubt => "doubt",
    }
}

/// The class of a phase.
pub fn phase_class(phase: Phase) -> &'static str {
    match phase {
        Phase::WarmUp => "warm",
        Phase::Baseline | Phase::Recovery => "calm",
        Phase::Fault => "fault",
    }
}

/// The class and the sign of a verdict: never colour alone.
pub fn verdict_looks(verdict: Verdict) -> (&'static str, &'static str) {
    match verdict {
        Verdict::Passed => ("good", "✓"),
        Verdict::NotStarted | Verdict::Aborted => ("doubt", "■"),
        Verdict::Failed | Verdict::Invalid | Verdict::Error | Verdict::Residue => ("bad", "✗"),
    }
}
