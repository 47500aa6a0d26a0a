//! Events folded into one record of a run: everything that any format needs. Total: a stream that stops early, or that lacks
//! events, gives a record that says so.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    event::{Event, EventKind},
    model::{
        act::{Effect, Prepared},
        experiment::Experiment,
        ids::{ActId, InstanceId, RunId},
        instance::Instance,
        measurement::{Judged, Measurement},
        observation::Observation,
        outcome::Outcome,
        plan::Plan,
        steady_state::Phase,
        time::{Mono, Wall},
        verdict::Verdict,
    },
};

/// All that is known of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunRecord {
    /// The version of the event format it was recorded in; 0 when the first event is missing.
    pub version: u32,
    /// The run.
    pub run: Option<RunId>,
    /// The tool and its version.
    pub tool: String,
    /// The experiment file.
    pub file: Option<String>,
    /// The environment.
    pub environment: Option<String>,
    /// The experiment.
    pub experiment: Option<Box<Experiment>>,
    /// The plan.
    pub plan: Option<Arc<Plan>>,
    /// When each phase began, on the monotonic clock.
    pub phases: Vec<(Phase, Mono)>,
    /// When each step of the method began, and what it does.
    pub steps: Vec<(Mono, u32, String)>,
    /// Acts whose undo is durable, in order.
    pub armed: Vec<Prepared>,
    /// What is known of each act; the last word counts.
    pub effects: Vec<Effect>,
    /// What became of each undo, in order.
    pub undos: Vec<UndoRecord>,
    /// What the platform saw.
    pub observations: Vec<Observation>,
    /// Why the run was to stop.
    pub halts: Vec<(Mono, String)>,
    /// Worth knowing.
    pub warnings: Vec<String>,
    /// The numbers.
    pub measurement: Option<Box<Measurement>>,
    /// The conditions, judged.
    pub judged: Vec<Judged>,
    /// How it ended; absent when the stream stops before.
    pub outcome: Option<Outcome>,
    /// The first moment.
    pub started: Option<(Mono, Wall)>,
    /// The last moment that an event was seen at.
    pub last: Option<(Mono, Wall)>,
    /// Events folded.
    pub events: u64,
    /// Events that the numbering says should be there and are not.
    pub missing: u64,
    /// The largest number of an event seen.
    pub last_number: u64,
    /// What victims are called, from the events of them: as armed, else as planned.
    pub(crate) names: BTreeMap<InstanceId, Called>,
}

/// What a victim is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Called {
    name: String,
    armed: bool,
}

/// What became of an undo.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct UndoRecord {
    /// The act.
    pub act: ActId,
    /// When it was known.
    pub at: Mono,
    /// What became of it.
    pub result: UndoResult,
}

/// What became of an undo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum UndoResult {
    /// It began, and nothing more is known.
    Begun {
        /// What is to be done.
        says: String,
    },
    /// The state before is back.
    Restored {
        /// What was done.
        says: String,
    },
    /// Nothing had to be done.
    NothingToUndo {
        /// Why.
        why: String,
    },
    /// It did not succeed.
    Stuck {
        /// Why.
        why: String,
        /// The command that undoes it.
        command: String,
    },
}

/// Folds a whole stream.
pub fn fold<'a>(events: impl IntoIterator<Item = &'a Event>) -> RunRecord {
    let mut record = RunRecord::default();
    for event in events {
        record.apply(event);
    }
    record
}

impl RunRecord {
    /// Whether an event leaves nothing in the record but that it was: what follows from it is in the measurement.
    pub fn passes_by(kind: &EventKind) -> bool {
        matches!(
            kind,
            EventKind::StepEnded { .. }
                | EventKind::Built { .. }
                | EventKind::Replaced { .. }
                | EventKind::NotReplaced { .. }
                | EventKind::Tick { .. }
        )
    }

    /// Takes in one event.
    pub fn apply(&mut self, event: &Event) {
        self.events += 1;
        self.missing += event.number.saturating_sub(self.last_number + 1);
        self.last_number = self.last_number.max(event.number);
        self.started.get_or_insert((event.at, event.wall));
        self.last = Some((event.at, event.wall));
        match &event.kind {
            EventKind::RunStarted { version, run, tool, file, environment, experiment } => {
                self.version = *version;
                self.run = Some(run.clone());
                self.tool.clone_from(tool);
                self.file.clone_from(file);
                self.environment.clone_from(environment);
                self.experiment = Some(experiment.clone());
            }
            EventKind::Planned { plan } => {
                plan.acts().for_each(|planned| self.called(planned.act.target.instance(), false));
                self.plan = Some(Arc::clone(plan));
            }
            EventKind::PhaseStarted { phase } => self.phases.push((*phase, event.at)),
            EventKind::StepStarted { step, says } => self.steps.push((event.at, *step, says.clone())),
            // See `passes_by`.
            EventKind::StepEnded { .. }
            | EventKind::Built { .. }
            | EventKind::Replaced { .. }
            | EventKind::NotReplaced { .. }
            | EventKind::Tick { .. } => {}
            EventKind::Armed { act, undo } => {
                self.called(act.target.instance(), true);
                self.armed.push(Prepared { act: (**act).clone(), undo: undo.clone() });
            }
            EventKind::Acted { effect } => match self.effects.iter_mut().find(|known| known.act == effect.act) {
                Some(known) => known.clone_from(effect),
                None => self.effects.push(effect.clone()),
            },
            EventKind::Reverting { act, says } => self.undone(*act, event.at, UndoResult::Begun { says: says.clone() }),
            EventKind::Reverted { act, says } => self.undone(*act, event.at, UndoResult::Restored { says: says.clone() }),
            EventKind::NothingToUndo { act, why } => self.undone(*act, event.at, UndoResult::NothingToUndo { why: why.clone() }),
            EventKind::Stuck { act, why, command } => {
                self.undone(*act, event.at, UndoResult::Stuck { why: why.clone(), command: command.clone() });
            }
            EventKind::Observed { observation } => self.observations.push(observation.clone()),
            EventKind::Halting { by } => self.halts.push((event.at, by.clone())),
            EventKind::Warning { text } => self.warnings.push(text.clone()),
            EventKind::Measured { measurement } => self.measurement = Some(measurement.clone()),
            EventKind::Judged { conditions } => self.judged.clone_from(conditions),
            EventKind::RunEnded { outcome, .. } => self.outcome = Some(outcome.clone()),
        }
    }

    fn called(&mut self, victim: Option<&Arc<Instance>>, armed: bool) {
        let Some(victim) = victim else { return };
        let called = || Called { name: victim.name.clone(), armed };
        self.names
            .entry(victim.id.clone())
            .and_modify(|known| {
                if armed && !known.armed {
                    *known = called();
                }
            })
            .or_insert_with(called);
    }

    fn undone(&mut self, act: ActId, at: Mono, result: UndoResult) {
        match self.undos.iter_mut().find(|known| known.act == act) {
            Some(known) => *known = UndoRecord { act, at, result },
            None => self.undos.push(UndoRecord { act, at, result }),
        }
    }

    /// The run's verdict; a run that did not end is an error.
    pub fn verdict(&self) -> Verdict {
        self.outcome.as_ref().map_or(Verdict::Error, Verdict::of)
    }

    /// The experiment's title, else the plan's, else words that say that it is missing.
    pub fn title(&self) -> &str {
        match (&self.experiment, &self.plan) {
            (Some(experiment), _) => &experiment.title,
            (None, Some(plan)) => &plan.title,
            (None, None) => "(the experiment is not in the record)",
        }
    }

    /// The run's id as text.
    pub fn run_id(&self) -> &str {
        self.run.as_ref().map_or("(unknown run)", RunId::as_str)
    }

    /// Zero of all times that a reader sees, in every format: the moment the first request was due, which is when the first phase
    /// began. So it is known while the run lasts, and the same when the run is cut off. A run that sent nothing counts from its start.
    pub fn origin(&self) -> Mono {
        let phase = self.phases.first().map(|(_, at)| *at);
        let measured = self.measurement.as_ref().map(|measurement| measurement.origin);
        measured.or(phase).or(self.started.map(|(at, _)| at)).unwrap_or(Mono(0))
    }

    /// Seconds from the origin.
    pub fn seconds(&self, at: Mono) -> f64 {
        at.seconds_from(self.origin())
    }

    /// What a person calls an instance: its name where an act says it, else its id.
    pub fn name(&self, id: &InstanceId) -> String {
        self.names.get(id).map_or_else(|| id.short().to_owned(), |called| called.name.clone())
    }

    /// The act of an id, as it was armed or planned.
    pub fn act(&self, id: ActId) -> Option<&Prepared> {
        self.armed
            .iter()
            .find(|prepared| prepared.act.id == id)
            .or_else(|| self.plan.as_ref().and_then(|plan| plan.acts().find(|prepared| prepared.act.id == id)))
    }

    /// What became of the undo of an act.
    pub fn undo_of(&self, id: ActId) -> Option<&UndoRecord> {
        self.undos.iter().find(|undo| undo.act == id)
    }

    /// Acts that may have acted and for which no undo has succeeded: of a run that did not end.
    pub fn open_undos(&self) -> impl Iterator<Item = &Prepared> {
        self.armed.iter().filter(|prepared| {
            let acted = self.effects.iter().find(|e| e.act == prepared.act.id).is_none_or(|e| e.status.may_have_acted());
            let done = matches!(
                self.undo_of(prepared.act.id).map(|u| &u.result),
                Some(UndoResult::Restored { .. } | UndoResult::NothingToUndo { .. })
            );
            prepared.undo.restores() && acted && !done
        })
    }
}
