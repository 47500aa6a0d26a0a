//! The course of a run: activities are done, one after another or beside each other, and the hypothesis is checked.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::Value as Json;
use tokio::task::JoinSet;

use super::{Dry, Mode, Options, Tell};
use crate::{
    chaostoolkit::{
        journal::{Check, Entry},
        judge,
        model::{Activity, ActivityKind, Experiment, Hypothesis, Provider},
        provider::{self, Bounds, Failed},
        substitute::{Values, words},
    },
    clock,
    engine::halt::{Halt, Urgency},
    model::{ids::RunId, quantity::show_duration, time::Mono},
};

/// A run, as its parts share it.
#[derive(Clone)]
pub(super) struct Course {
    /// The run.
    pub run: RunId,
    /// What is run.
    pub experiment: Arc<Experiment>,
    /// What `${name}` stands for.
    pub values: Arc<Values>,
    /// How.
    pub options: Options,
    /// Hears of it.
    pub tell: Tell,
}

/// When an activity ends before its time.
#[derive(Clone)]
pub(super) enum Until {
    /// When this is called.
    Halted(Halt),
    /// When the run is to leave at once: nothing less ends a rollback.
    Left(Halt),
}

impl Until {
    fn halt(&self) -> (&Halt, Urgency) {
        match self {
            Self::Halted(halt) => (halt, Urgency::Undo),
            Self::Left(halt) => (halt, Urgency::Leave),
        }
    }

    /// Whether it was called.
    pub fn reached(&self) -> bool {
        let (halt, urgency) = self.halt();
        halt.urgency() >= urgency
    }

    /// Waits for that.
    pub async fn wait(&self) {
        let (halt, urgency) = self.halt();
        halt.reached(urgency).await;
    }
}

impl Course {
    /// The limit of an activity that has none: in the compatible way as good as none.
    fn limit(&self, activity: &Activity) -> Duration {
        match (self.options.mode, activity.kind) {
            (Mode::Strict, ActivityKind::Probe) => Duration::from_secs(30),
            (Mode::Strict, ActivityKind::Action) => Duration::from_mins(10),
            (Mode::Compatible, _) => Duration::from_hours(24),
        }
    }

    fn bounds<'a>(&'a self, activity: &Activity, until: &'a Until) -> Bounds<'a> {
        Bounds { run: &self.run, limit: self.limit(activity), until: until.halt() }
    }

    /// Asks a probe of the configuration for its value.
    pub async fn value(&self, probe: &Activity, until: &Until) -> Result<Json, String> {
        let answer = provider::execute(probe, &self.values, self.bounds(probe, until)).await.map_err(|failed| failed.why)?;
        match &probe.provider {
            Provider::Process(_) if answer["status"] != serde_json::json!(0) => Err(format!("it ended with status {}", answer["status"])),
            Provider::Process(_) => Ok(Json::String(answer["stdout"].as_str().unwrap_or_default().trim().to_owned())),
            _ => Ok(answer["body"].clone()),
        }
    }

    /// Whether a dry run leaves it out.
    fn is_dry(&self, activity: &Activity) -> bool {
        let dry = self.options.dry.filter(|_| !activity.never_dry);
        match activity.kind {
            ActivityKind::Probe => matches!(dry, Some(Dry::Probes | Dry::Activities)),
            ActivityKind::Action => matches!(dry, Some(Dry::Actions | Dry::Activities)),
        }
    }

    async fn pause(&self, activity: &Activity, pause: Option<&Json>, until: &Until) {
        let dry = self.options.dry.filter(|_| !activity.never_dry);
        let Some(pause) = pause.filter(|_| dry != Some(Dry::Pause) && !self.is_dry(activity)) else { return };
        let seconds = match self.values.fill(pause) {
            Json::Number(number) => number.as_f64(),
            other => words(&other).trim().parse().ok(),
        };
        let Some(pause) = seconds.and_then(|s| Duration::try_from_secs_f64(s).ok()).filter(|pause| !pause.is_zero()) else { return };
        (self.tell)(&format!("pause of {}", show_duration(pause)));
        tokio::select! {
            () = until.wait() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }

    /// Does one activity, with its pauses.
    pub async fn activity(&self, activity: &Activity, until: &Until) -> Entry {
        self.pause(activity, activity.pause_before.as_ref().map(|(pause, _)| pause), until).await;
        let (start, begun) = (clock::wall(), clock::now());
        let done = if self.is_dry(activity) {
            Ok(Json::Null)
        } else if until.reached() {
            Err(Failed { why: "the run was halted before it began".to_owned(), halted: true })
        } else {
            provider::execute(activity, &self.values, self.bounds(activity, until)).await
        };
        let (end, duration) = (clock::wall(), clock::now().since(begun).as_secs_f64());
        let (output, failed) = match done {
            Ok(output) => (output, None),
            Err(failed) => (Json::Null, Some(failed.why)),
        };
        self.pause(activity, activity.pause_after.as_ref().map(|(pause, _)| pause), until).await;
        Entry {
            activity: activity.document.clone(),
            name: activity.name.clone(),
            start,
            end,
            duration,
            output,
            failed,
            tolerance_met: None,
        }
    }

    /// Checks the hypothesis once, up to the first probe that is not met.
    pub async fn check(&self, hypothesis: &Hypothesis, at: Mono, until: &Until) -> Check {
        let mut check = Check { at, met: true, probes: Vec::new() };
        let untold = matches!(self.options.dry, Some(Dry::Probes | Dry::Activities));
        for probe in &hypothesis.probes {
            let mut entry = self.activity(probe, until).await;
            let met = match (&entry.failed, &probe.tolerance) {
                (Some(_), _) => false,
                (None, Some(tolerance)) if !untold => {
                    judge::met(&tolerance.must, &entry.output, &self.values, self.bounds(probe, until)).await
                }
                (None, _) => true,
            };
            entry.tolerance_met = Some(met);
            check.probes.push(entry);
            if !met {
                check.met = false;
                break;
            }
        }
        check
    }

    /// Does activities in order, each once the one before is done, but for those in the background. `go_on` hears of each that is begun
    /// (without a result) and of each that is done, and ends the list with `false`. What was begun in the background is waited for.
    pub async fn all(&self, activities: &[Activity], until: &Until, go_on: impl Fn(&Activity, Option<&Entry>) -> bool) -> Vec<Entry> {
        let slots: Arc<Mutex<Vec<Option<Entry>>>> = Arc::default();
        let put = |slots: &Mutex<Vec<Option<Entry>>>, at: usize, entry: Entry| {
            slots.lock().unwrap_or_else(PoisonError::into_inner)[at] = Some(entry);
        };
        let mut background = JoinSet::new();
        for activity in activities {
            if until.reached() || !go_on(activity, None) {
                break;
            }
            let at = {
                let mut slots = slots.lock().unwrap_or_else(PoisonError::into_inner);
                slots.push(None);
                slots.len() - 1
            };
            if activity.background {
                let (course, activity, until) = (self.clone(), activity.clone(), until.clone());
                background.spawn(async move {
                    let entry = course.activity(&activity, &until).await;
                    (at, activity, entry)
                });
                continue;
            }
            let entry = self.activity(activity, until).await;
            let goes_on = go_on(activity, Some(&entry));
            put(&slots, at, entry);
            // Those that were done meanwhile.
            let mut bad = false;
            while let Some(Ok((at, activity, entry))) = background.try_join_next() {
                bad |= !go_on(&activity, Some(&entry));
                put(&slots, at, entry);
            }
            if !goes_on || bad {
                break;
            }
        }
        while let Some(done) = background.join_next().await {
            if let Ok((at, activity, entry)) = done {
                go_on(&activity, Some(&entry));
                put(&slots, at, entry);
            }
        }
        let mut slots = slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.drain(..).flatten().collect()
    }
}

/// The word for an activity in a line.
pub(super) fn kind(activity: &Activity) -> &'static str {
    match activity.kind {
        ActivityKind::Probe => "probe",
        ActivityKind::Action => "action",
    }
}

/// Why an action did not do what it was to do, strictly: no result, an exit status that is not 0, a status of 400 or more.
pub(super) fn action_failed(activity: &Activity, entry: &Entry) -> Option<String> {
    if activity.kind == ActivityKind::Probe {
        return None;
    }
    if let Some(why) = &entry.failed {
        return Some(why.clone());
    }
    let status = entry.output["status"].as_i64()?;
    match &activity.provider {
        Provider::Process(_) if status != 0 => {
            let words = entry.output["stderr"].as_str().unwrap_or_default().trim();
            let last: String = words.chars().skip(words.chars().count().saturating_sub(200)).collect();
            let last = if last.is_empty() { last } else { format!(": {last}") };
            Some(format!("it ended with status {status}{last}"))
        }
        Provider::Http(_) if status >= 400 => Some(format!("the answer has status {status}")),
        _ => None,
    }
}
