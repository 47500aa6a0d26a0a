//! The second stage: victims → acts → plan. The engine asks the platform for each act's undo between the two functions.

use std::sync::Arc;

use super::victims::{Drawn, DrawnFault, DrawnWork};
use crate::model::{
    act::{Act, Group, Prepared, Target},
    fault::Fault,
    ids::ActId,
    instance::Instance,
    plan::{PLAN_VERSION, Plan, PlannedFault, PlannedPhoenix, PlannedStep, Work},
    undo::Undo,
};

/// Drawn victims with their acts, waiting for the undos.
#[derive(Debug, Clone, PartialEq)]
pub struct Expanded {
    drawn: Drawn,
    /// For each step, for each fault, its acts.
    acts: Vec<Vec<Vec<Act>>>,
}

/// Turns victims into acts, numbered within each step in the order in which they are done. `acts_of` is `Platform::acts`.
/// `suspend-replacement` for which the platform gives nothing becomes one act on the group.
pub fn expand(drawn: Drawn, acts_of: impl Fn(&Fault, &[Arc<Instance>], &Group) -> Vec<(Fault, Target)>) -> Expanded {
    let mut acts = Vec::new();
    for step in &drawn.steps {
        let mut number = 0;
        let mut of_step = Vec::new();
        for fault in step.work.faults() {
            let mut parts = if fault.bound_at_step { Vec::new() } else { acts_of(&fault.fault, &fault.victims, &fault.group) };
            if parts.is_empty() && fault.fault == Fault::SuspendReplacement && !fault.bound_at_step {
                parts.push((fault.fault.clone(), Target::Group(fault.group.clone())));
            }
            let numbered = parts.into_iter().map(|(fault, target)| {
                number += 1;
                Act { id: ActId { step: step.number, act: number }, fault, target }
            });
            of_step.push(numbered.collect());
        }
        acts.push(of_step);
    }
    Expanded { drawn, acts }
}

impl Expanded {
    /// All acts in the order in which they are done: ask `Platform::prepare` for each.
    pub fn acts(&self) -> impl Iterator<Item = &Act> {
        self.acts.iter().flatten().flatten()
    }

    /// Adds what else is worth knowing.
    pub fn note(&mut self, notes: Vec<String>) {
        self.drawn.notes.extend(notes);
    }

    /// Joins the undos, one for each of [`Expanded::acts`] in their order, to the plan. `experiment` is its `digest`.
    ///
    /// # Errors
    /// When there are not exactly as many undos as acts.
    pub fn into_plan(self, title: &str, experiment: String, platform: &str, undos: impl IntoIterator<Item = Undo>) -> Result<Plan, String> {
        let wanted = self.acts().count();
        let mut undos = undos.into_iter();
        let mut steps = Vec::new();
        for (step, acts) in self.drawn.steps.into_iter().zip(self.acts) {
            let mut acts = acts.into_iter();
            let mut planned = |f: DrawnFault| PlannedFault {
                fault: f.fault,
                zone: f.zone,
                region: f.region,
                matched: f.matched,
                hold: f.hold,
                acts: acts.next().into_iter().flatten().zip(&mut undos).map(|(act, undo)| Prepared { act, undo }).collect(),
                bound_at_step: f.bound_at_step,
            };
            let work = match step.work {
                DrawnWork::Wait(d) => Work::Wait(d),
                DrawnWork::UntilMitigated(most) => Work::UntilMitigated(most),
                DrawnWork::Command(c) => Work::Command(c),
                DrawnWork::Faults(faults) => Work::Faults(faults.into_iter().map(planned).collect()),
                DrawnWork::Phoenix { kill, wait } => Work::Phoenix(PlannedPhoenix { kill: planned(kill), wait }),
            };
            steps.push(PlannedStep { number: step.number, work });
        }
        let plan = Plan {
            version: PLAN_VERSION,
            title: title.to_owned(),
            experiment,
            platform: platform.to_owned(),
            scope: self.drawn.scope,
            seed: self.drawn.seed,
            steps,
            caps: self.drawn.caps,
            guards: Vec::new(),
            notes: self.drawn.notes,
        };
        let joined = plan.acts().count();
        if joined != wanted || undos.next().is_some() {
            return Err(format!("{wanted} acts were prepared, but the number of undos differs"));
        }
        Ok(plan)
    }
}
