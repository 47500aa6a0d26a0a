//! Guards that are asked while a run goes on, beside the probes. Commands and queries are asked by a prober of their own, so that a guard that
//! is slow or late says nothing about the measurement. The platform asks its alarms itself.

use std::path::Path;

use tokio::sync::mpsc::{Receiver, error::TryRecvError};

use crate::{
    measure::AskedView,
    model::{
        experiment::Experiment,
        guardrail::{AbortWhen, Asked},
        observation::{Observation, Observed},
        time::Mono,
    },
    platform::Platform,
    probe::{Launch, Prober, RunningProber},
};

/// The guards of a run; nothing when the file has none.
pub(crate) struct Guards {
    prober: Option<Box<dyn RunningProber>>,
    views: Vec<AskedView>,
    /// What the platform's own guards say, if it has any.
    alarms: Option<Receiver<Observation>>,
}

impl Guards {
    /// Begins to ask. `folder` is for what the prober writes.
    ///
    /// # Errors
    /// When one cannot be asked: there is no such program, say. Then nothing may be done.
    pub(crate) fn begin(
        experiment: &Experiment,
        prober: &dyn Prober,
        seed: u64,
        folder: &Path,
        platform: &dyn Platform,
    ) -> Result<Self, String> {
        let guards: Vec<&Asked> = asked(experiment).collect();
        if guards.is_empty() {
            return Ok(Self { prober: None, views: Vec::new(), alarms: platform.guard() });
        }
        std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let probes = guards.iter().enumerate().map(|(n, guard)| guard.probe(format!("guard {}", n + 1).as_str().into())).collect();
        let launch = Launch { probes, seed, folder: folder.to_owned() };
        let prober = prober.launch(launch).map_err(|error| format!("an abort condition cannot be asked: {error}"))?;
        Ok(Self { prober: Some(prober), views: guards.into_iter().map(AskedView::new).collect(), alarms: platform.guard() })
    }

    /// What the platform's own guards have said and was not taken yet. Their end is an alarm too: nobody would hear the next one.
    pub(crate) fn told(&mut self, now: Mono) -> Option<Observation> {
        match self.alarms.as_mut()?.try_recv() {
            Ok(observation) => Some(observation),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => {
                self.alarms = None;
                let text = "the alarms that guard this run are not asked any more: what asks them has ended".to_owned();
                Some(Observation { at: now, source: "firedrill".to_owned(), what: Observed::Alarm { text } })
            }
        }
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

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    #[test]
    fn the_end_of_the_platforms_guards_is_an_alarm_told_once() {
        let (sender, receiver) = mpsc::channel(4);
        let mut guards = Guards { prober: None, views: Vec::new(), alarms: Some(receiver) };
        assert_eq!(guards.told(Mono(1)), None, "all is well");
        let rings = Observation { at: Mono(2), source: "a cloud".to_owned(), what: Observed::Alarm { text: "it rings".to_owned() } };
        sender.try_send(rings.clone()).unwrap();
        drop(sender);
        assert_eq!(guards.told(Mono(3)), Some(rings), "what was said before the end is heard");
        let ended = guards.told(Mono(4)).expect("its end is told");
        assert!(matches!(&ended.what, Observed::Alarm { text } if text.contains("not asked any more")), "{ended:?}");
        assert_eq!(guards.told(Mono(5)), None);
    }
}
