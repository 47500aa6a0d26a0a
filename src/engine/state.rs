//! The state of a run, folded from its own events. The dispatcher is its sole owner.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    event::EventKind,
    measure::{Course, Replacing},
    model::{
        act::{Act, Effect},
        ids::ActId,
        measurement::PhaseSpan,
        observation::Observation,
        outcome::Residue,
        plan::Plan,
        steady_state::Phase,
        time::Mono,
    },
};

/// What is known of a run so far.
#[derive(Debug, Default)]
pub(crate) struct RunState {
    /// When each phase began, in order.
    phases: Vec<(Phase, Mono)>,
    /// Acts that were armed (or refused before), by id.
    acts: BTreeMap<ActId, Act>,
    /// What is known of each act.
    effects: BTreeMap<ActId, Effect>,
    /// Everything the platform saw.
    pub(crate) observations: Vec<Observation>,
    /// What happened beside the acts.
    pub(crate) course: Course,
    /// When the last undo ended.
    pub(crate) last_undo: Option<Mono>,
    /// What could not be undone.
    pub(crate) residue: Vec<Residue>,
}

impl RunState {
    /// Folds one event.
    pub(crate) fn apply(&mut self, at: Mono, kind: &EventKind) {
        match kind {
            EventKind::Planned { plan } => self.know(plan),
            EventKind::PhaseStarted { phase } => self.phases.push((*phase, at)),
            EventKind::Armed { act, .. } => {
                self.acts.insert(act.id, (**act).clone());
            }
            EventKind::Acted { effect } => {
                self.effects.insert(effect.act, effect.clone());
            }
            EventKind::StepStarted { step, .. } => self.course.steps.push((*step, at)),
            EventKind::Built { instances } if self.phases.last().is_some_and(|(phase, _)| *phase == Phase::Baseline) => {
                self.course.before.clone_from(instances);
            }
            EventKind::Built { instances } => self.course.later.push(instances.clone()),
            EventKind::Replaced { act, by } => {
                self.course.replacing.insert(*act, Replacing::By { instance: by.clone(), at });
            }
            EventKind::NotReplaced { act, why } => {
                self.course.replacing.insert(*act, Replacing::Not { why: why.clone() });
            }
            EventKind::Reverting { act, .. } | EventKind::NothingToUndo { act, .. } => {
                self.course.undone.entry(*act).or_insert(at);
            }
            EventKind::Reverted { .. } => self.last_undo = Some(at),
            EventKind::Stuck { act, why, command } => {
                let what = self.acts.get(act).map_or_else(|| act.to_string(), |a| format!("{} of {}", a.fault.kind(), a.target.says()));
                self.residue.push(Residue { act: *act, what, why: why.clone(), command: command.clone() });
            }
            EventKind::Observed { observation } => self.observations.push(observation.clone()),
            _ => {}
        }
    }

    /// Planned acts are known even if they are never armed (their victim had vanished).
    fn know(&mut self, plan: &Plan) {
        for prepared in plan.acts() {
            self.acts.insert(prepared.act.id, prepared.act.clone());
        }
    }

    /// The phases as spans since `origin`; the last one ends at `end`.
    pub(crate) fn spans(&self, origin: Mono, end: Mono) -> Vec<PhaseSpan> {
        let ends = self.phases.iter().skip(1).map(|(_, at)| *at).chain([end]);
        self.phases
            .iter()
            .zip(ends)
            .map(|((phase, from), to)| PhaseSpan { phase: *phase, from_s: from.seconds_from(origin), to_s: to.seconds_from(origin) })
            .collect()
    }

    /// Each act with what became of it, in order; acts that were never tried are left out.
    pub(crate) fn acted(&self) -> Vec<(Act, Effect)> {
        self.effects.iter().filter_map(|(id, effect)| Some((self.acts.get(id)?.clone(), effect.clone()))).collect()
    }

    /// How many different instances were to be hit; those that were left out on purpose are not.
    pub(crate) fn wanted(&self) -> usize {
        let spared = |act: &&Act| self.effects.get(&act.id).is_some_and(|effect| effect.status.spared());
        let ids: BTreeSet<_> =
            self.acts.values().filter(|act| !spared(act)).filter_map(|act| act.target.instance()).map(|instance| &instance.id).collect();
        ids.len()
    }

    /// The earliest moment at which a fault may have been in effect.
    pub(crate) fn first_effect(&self) -> Option<Mono> {
        self.effects.values().filter_map(|effect| effect.took_effect).map(|bracket| bracket.after).min()
    }
}
