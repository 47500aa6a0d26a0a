//! The end of a run: record → numbers → judgement → outcome. Pure but for reading the record back.

use crate::{
    event::EventKind,
    measure::{self, judge, shown},
    model::{
        experiment::Experiment,
        measurement::{GroupBy, Judged, Measurement, VictimTimes},
        outcome::{Ended, Outcome, Residue, Shown},
        plan::Plan,
        state::StateFindings,
        time::Mono,
        verdict::Verdict,
    },
    probe::Recorded,
};

use super::state::RunState;

/// What a run came to.
#[derive(Debug, Clone)]
pub struct Finished {
    /// On its three axes.
    pub outcome: Outcome,
    /// The named verdict.
    pub verdict: Verdict,
    /// The numbers, if anything was measured.
    pub measurement: Option<Measurement>,
    /// The conditions, judged.
    pub judged: Vec<Judged>,
}

impl Finished {
    /// A run that ended before anything was measured or touched.
    pub(crate) fn not_started(why: String) -> Self {
        let shown = Shown::Untold { why: vec!["nothing was measured".to_owned()] };
        let outcome = Outcome { ended: Ended::NotStarted { why }, shown, residue: Vec::new() };
        Self { verdict: Verdict::of(&outcome), outcome, measurement: None, judged: Vec::new() }
    }

    /// A run whose numbers could not be computed. Its acts were undone (what was not is in `residue`).
    pub(crate) fn broke(why: String, residue: Vec<Residue>) -> Self {
        let shown = Shown::Untold { why: vec![why.clone()] };
        let outcome = Outcome { ended: Ended::Broke { why }, shown, residue };
        Self { verdict: Verdict::of(&outcome), outcome, measurement: None, judged: Vec::new() }
    }

    /// The event that ends the stream.
    pub(crate) fn event(&self) -> EventKind {
        EventKind::RunEnded { outcome: self.outcome.clone(), verdict: self.verdict }
    }
}

/// What the probes did not see: a green verdict about something else is worth nothing.
pub(crate) fn blind(finished: &Finished) -> Vec<String> {
    let Some(measurement) = &finished.measurement else { return Vec::new() };
    let nothing_held = measurement.probes.iter().filter_map(|probe| {
        let state = probe.state.as_ref().filter(|state| state.is_blank())?;
        Some(match state {
            StateFindings::Writes(_) => {
                format!("no write of the ledger `{}` was acknowledged: it had nothing that could be lost", probe.name)
            }
            _ => format!("no session of `{}` ever began: it had nothing that could be lost", probe.name),
        })
    });
    victims_unseen(measurement).into_iter().chain(nothing_held).collect()
}

/// Whether answers came from what was hit.
fn victims_unseen(measurement: &Measurement) -> Option<String> {
    let victims = &measurement.victims;
    if victims.is_empty() {
        return None;
    }
    let mut named = measurement.probes.iter().flat_map(|p| &p.groups).filter(|g| g.by == GroupBy::Backend && g.stats.ok > 0).peekable();
    if named.peek().is_none() {
        return Some("no answer named who gave it (see `served-by`): whether the probes reach what was hit is not known".to_owned());
    }
    let seen = named.any(|group| victims.iter().any(|victim| victim.is_meant_by(&group.key)));
    let called: Vec<&str> = victims.iter().map(VictimTimes::called).collect();
    (!seen).then(|| format!("no answer came from a victim ({}): the probes may look at something else", called.join(", ")))
}

/// Computes the numbers and judges them.
pub(crate) fn conclude(
    experiment: &Experiment,
    plan: &Plan,
    state: &RunState,
    ended: Ended,
    recorded: &Recorded,
    span: (Mono, Mono),
) -> Finished {
    let (origin, end) = span;
    let acts = state.acted();
    let input = measure::Input {
        experiment,
        origin,
        phases: &state.spans(origin, end),
        first_effect: state.first_effect(),
        last_undo: state.last_undo,
        acts: &acts,
        observations: &state.observations,
        course: &state.course,
        names: &recorded.names,
        due: &recorded.due,
        state: &recorded.state,
        doubts: &recorded.doubts,
        seed: plan.seed,
    };
    let measurement = measure::measure(&input, recorded.samples.as_ref());
    let judged = judge(experiment, &measurement);
    let effects: Vec<_> = acts.into_iter().map(|(_, effect)| effect).collect();
    let shown = shown(&judged, &measurement.trust, &effects, state.wanted());
    let outcome = Outcome { ended, shown, residue: state.residue.clone() };
    Finished { verdict: Verdict::of(&outcome), outcome, measurement: Some(measurement), judged }
}
