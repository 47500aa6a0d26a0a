//! Which phase a sample belongs to: that of its due time; one that was in flight when the first act took effect belongs to the
//! fault, however early it was due.

use crate::model::{measurement::PhaseSpan, sample::Sample, steady_state::Phase, time::Mono};

/// The phases of a run in nanoseconds since its origin.
#[derive(Debug, Clone)]
pub struct Phases {
    spans: Vec<(Phase, u64, u64)>,
    effect_ns: Option<u64>,
}

impl Phases {
    /// The phases as the engine timed them, and when the first act took effect.
    pub fn new(spans: &[PhaseSpan], origin: Mono, first_effect: Option<Mono>) -> Self {
        let ns = |seconds: f64| (seconds.max(0.0) * 1e9).round() as u64;
        Self {
            spans: spans.iter().map(|s| (s.phase, ns(s.from_s), ns(s.to_s))).collect(),
            effect_ns: first_effect.map(|effect| effect.0.saturating_sub(origin.0)),
        }
    }

    /// The phase of a sample.
    pub fn of(&self, sample: &Sample) -> Phase {
        let phase = self.at(sample.due_ns);
        let done_ns = sample.due_ns + u64::from(sample.done_us) * 1000;
        match self.effect_ns {
            Some(effect) if phase < Phase::Fault && sample.due_ns <= effect && effect < done_ns && self.has(Phase::Fault) => Phase::Fault,
            _ => phase,
        }
    }

    /// The phase of a moment: half-open spans; what comes before the first or after the last belongs to that one, and a moment
    /// between two belongs to the earlier.
    pub fn at(&self, ns: u64) -> Phase {
        let begun = self.spans.iter().rev().find(|(_, from, _)| *from <= ns);
        begun.or(self.spans.first()).map_or(Phase::Baseline, |(phase, ..)| *phase)
    }

    /// Whether the run came to a phase.
    pub fn has(&self, phase: Phase) -> bool {
        self.spans.iter().any(|(p, ..)| *p == phase)
    }

    /// Begin and end of a phase.
    pub fn span(&self, phase: Phase) -> Option<(u64, u64)> {
        self.spans.iter().find(|(p, ..)| *p == phase).map(|(_, from, to)| (*from, *to))
    }

    /// Begin and end of everything that counts: all but the warm-up.
    pub fn counted(&self) -> (u64, u64) {
        let counted = || self.spans.iter().filter(|(phase, ..)| *phase != Phase::WarmUp);
        let from = counted().map(|(_, from, _)| *from).min().unwrap_or(0);
        let to = counted().map(|(.., to)| *to).max().unwrap_or(from);
        (from, to)
    }

    /// The end of the last phase.
    pub fn end(&self) -> u64 {
        self.spans.iter().map(|(.., to)| *to).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::support::{phases, sample};

    #[test]
    fn a_sample_belongs_to_the_phase_of_its_due_time() {
        let phases =
            Phases::new(&phases(&[(Phase::WarmUp, 0.0, 1.0), (Phase::Baseline, 1.0, 2.0), (Phase::Fault, 2.0, 3.0)]), Mono(0), None);
        let at = |ms: u64| phases.of(&sample(0, ms * 1_000_000, true));
        assert_eq!(
            [at(0), at(999), at(1000), at(1999), at(2000), at(9000)].map(Phase::name),
            ["warm-up", "warm-up", "baseline", "baseline", "fault", "fault"]
        );
        assert_eq!(phases.counted(), (1_000_000_000, 3_000_000_000));
    }

    #[test]
    fn what_was_in_flight_when_the_act_took_effect_belongs_to_the_fault() {
        let spans = phases(&[(Phase::Baseline, 0.0, 2.0), (Phase::Fault, 2.0, 3.0)]);
        let phases = Phases::new(&spans, Mono(1_000), Some(Mono(2_010_001_000)));
        let mut early = sample(0, 1_990_000_000, false);
        early.done_us = 15_000;
        assert_eq!(phases.of(&early), Phase::Baseline, "done before the effect");
        early.done_us = 1_000_000;
        assert_eq!(phases.of(&early), Phase::Fault, "hung over the effect");
    }
}
