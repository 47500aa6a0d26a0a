//! Guards that are asked while a run goes on, beside the probes: commands and queries. A prober of their own asks them, so that a guard that
//! is slow or late says nothing about the measurement.

use std::path::Path;

use crate::{
    measure::AskedView,
    model::{
        experiment::Experiment,
        guardrail::{AbortWhen, Asked},
    },
    probe::{Launch, Prober, RunningProber},
};

/// The guards of a run; nothing when the file has none.
pub(crate) struct Guards {
    prober: Option<Box<dyn RunningProber>>,
    views: Vec<AskedView>,
}

impl Guards {
    /// Begins to ask. `folder` is for what the prober writes.
    ///
    /// # Errors
    /// When one cannot be asked: there is no such program, say. Then nothing may be done.
    pub(crate) fn begin(experiment: &Experiment, prober: &dyn Prober, seed: u64, folder: &Path) -> Result<Self, String> {
        let guards: Vec<&Asked> = asked(experiment).collect();
        if guards.is_empty() {
            return Ok(Self { prober: None, views: Vec::new() });
        }
        std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let probes = guards.iter().enumerate().map(|(n, guard)| guard.probe(format!("guard {}", n + 1).as_str().into())).collect();
        let launch = Launch { probes, seed, folder: folder.to_owned() };
        let prober = prober.launch(launch).map_err(|error| format!("an abort condition cannot be asked: {error}"))?;
        Ok(Self { prober: Some(prober), views: guards.into_iter().map(AskedView::new).collect() })
    }

    /// What they have said since the last look: the first reason to end the run.
    pub(crate) fn abort(&mut self) -> Option<String> {
        let answers = self.prober.as_mut()?.take();
        answers.iter().find_map(|answer| self.views.get_mut(usize::from(answer.probe))?.push(answer))
    }
}

fn asked(experiment: &Experiment) -> impl Iterator<Item = &Asked> {
    experiment.abort_when.iter().filter_map(|when| match when {
        AbortWhen::Asked(asked) => Some(asked),
        AbortWhen::Metric { .. } | AbortWhen::BurnRate { .. } => None,
    })
}
