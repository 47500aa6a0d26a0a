//! Phoenix drills: of all that were to be replaced, which were, and after how long each.

use std::collections::BTreeSet;

use super::{course::Replacing, run::Input};
use crate::model::{
    experiment::Step,
    ids::Service,
    measurement::Phoenix,
    observation::{Observation, Observed},
};

/// The phoenix drills of a run that were begun, in the order of their steps.
pub fn phoenixes(input: &Input<'_>) -> Vec<Phoenix> {
    let steps = (1_u32..).zip(&input.experiment.method);
    steps
        .filter_map(|(step, what)| if let Step::Phoenix(phoenix) = what { one(input, step, phoenix.wait.as_secs_f64()) } else { None })
        .collect()
}

fn one(input: &Input<'_>, step: u32, wait_s: f64) -> Option<Phoenix> {
    let of_step = || input.acts.iter().filter(|(act, _)| act.id.step == step);
    let mut replaced_after_s = Vec::new();
    let mut stopped = None;
    for (act, effect) in of_step() {
        let Some(took) = effect.took_effect else { continue };
        match input.course.replacing.get(&act.id) {
            Some(Replacing::By { instance, at }) => {
                // The platform's own word is nearer to the moment than the engine's look.
                let served = |o: &&Observation| {
                    o.at >= took.after && matches!(&o.what, Observed::InService { instance: new, .. } if new == instance)
                };
                let at = input.observations.iter().find(served).map_or(*at, |o| o.at.min(*at));
                replaced_after_s.push(at.seconds_from(took.after).max(0.0));
            }
            Some(Replacing::Not { why }) => stopped = Some(why.clone()),
            None => {}
        }
    }
    let services: BTreeSet<&Service> = of_step().filter_map(|(act, _)| act.target.instance()).map(|i| &i.service).collect();
    // Those that were spared are told too, so that all that were chosen are counted.
    let of = of_step().count() as u32;
    (of > 0).then(|| Phoenix { step, services: services.into_iter().cloned().collect(), wait_s, of, replaced_after_s, stopped })
}
