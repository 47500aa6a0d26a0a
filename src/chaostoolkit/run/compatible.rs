//! The compatible way: the order, the verdict and the journal of Chaos Toolkit, also where they mislead.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::Value as Json;
use tokio::{sync::Notify, task::JoinSet};

use super::{
    Finished, Request,
    course::{Course, Until, kind},
};
use crate::{
    chaostoolkit::{
        journal::{Check, Journal, Status},
        model::{Activity, Hypothesis, HypothesisStrategy, RollbackStrategy, SettingValue},
        substitute::words,
    },
    clock,
    engine::halt::Urgency,
    model::verdict::Verdict,
};

pub(super) async fn run(request: Request, mut journal: Journal) -> Finished {
    let Request { run, experiment, mut values, options, halt, tell, .. } = request;
    let until = Until::Halted(halt.clone());
    for setting in &experiment.configuration {
        if let SettingValue::Probe(probe) = &setting.value
            && !values.configuration.contains_key(&setting.name)
        {
            let course = Course {
                run: run.clone(),
                experiment: Arc::clone(&experiment),
                values: Arc::new(values.clone()),
                options,
                tell: Arc::clone(&tell),
            };
            match course.value(probe, &until).await {
                Ok(value) => {
                    values.configuration.insert(setting.name.clone(), value);
                }
                Err(why) => tell(&format!("the configuration `{}` is left out: {why}", setting.name)),
            }
        }
    }
    let title = words(&values.text(&experiment.title));
    let course = Course { run, experiment: Arc::clone(&experiment), values: Arc::new(values), options, tell };
    let strategy = options.hypothesis.or(experiment.hypothesis_strategy.map(|(s, _)| s)).unwrap_or(HypothesisStrategy::Default);
    let rollbacks = options.rollbacks.or(experiment.rollback_strategy.map(|(s, _)| s)).unwrap_or(RollbackStrategy::Default);
    let hypothesis = experiment.hypothesis.as_ref().filter(|h| !h.probes.is_empty());
    let halted = || halt.urgency() > Urgency::None;

    let gate = match hypothesis.filter(|_| strategy.before()) {
        Some(hypothesis) => {
            let check = course.check(hypothesis, clock::now(), &until).await;
            // A check that was cut short says nothing.
            let kept = (!halted()).then_some(check);
            journal.before.clone_from(&kept);
            kept
        }
        None => None,
    };
    match &gate {
        _ if halted() => journal.status = Some(Status::Interrupted),
        Some(check) if !check.met => {
            journal.status = Some(if check.failed() { Status::Failed } else { Status::Completed });
            say_missed(&course, "before the method", check);
        }
        _ => method(&course, strategy, hypothesis, &until, &mut journal, &halted).await,
    }
    let play = match rollbacks {
        RollbackStrategy::Always => true,
        RollbackStrategy::Never => false,
        RollbackStrategy::Default => !matches!(journal.status, Some(Status::Failed | Status::Interrupted)),
        RollbackStrategy::Deviated => journal.deviated,
    };
    if play {
        let begun = |activity: &Activity| (course.tell)(&format!("rollback: {}", activity.name));
        let left = Until::Left(halt.clone());
        journal.rollbacks = course
            .all(&experiment.rollbacks, &left, |activity, done| {
                if done.is_none() {
                    begun(activity);
                }
                true
            })
            .await;
    }
    let status = *journal.status.get_or_insert(Status::Completed);
    let green = status == Status::Completed && !journal.deviated;
    let document: Json = journal.json(&title);
    let word = if journal.deviated { "deviated" } else { document["status"].as_str().unwrap_or_default() };
    let reason = format!("As Chaos Toolkit has it, the experiment ended with the status {word}.");
    // Chaos Toolkit knows no other: 1 is everything that is not green.
    let exit_code = if green { Verdict::Passed } else { Verdict::Failed }.exit_code();
    Finished { outcome: None, reason, journal: document, exit_code }
}

/// The method, with the checks beside it and after it.
async fn method(
    course: &Course,
    strategy: HypothesisStrategy,
    hypothesis: Option<&Hypothesis>,
    until: &Until,
    journal: &mut Journal,
    halted: &(impl Fn() -> bool + Sync),
) {
    let beside = Beside::default();
    let mut checking = JoinSet::new();
    if let Some(hypothesis) = hypothesis.filter(|_| strategy.during()) {
        checking.spawn(beside.clone().check(course.clone(), hypothesis.clone(), until.clone()));
    }
    journal.run = course
        .all(&course.experiment.method, until, |activity, done| {
            if done.is_none() {
                (course.tell)(&format!("{}: {}", kind(activity), activity.name));
            }
            // Chaos Toolkit looks at it behind each activity, so the first one is always begun.
            done.is_none() || !beside.failed.load(Ordering::SeqCst)
        })
        .await;
    beside.over.store(true, Ordering::SeqCst);
    beside.wake.notify_one();
    if beside.failed.load(Ordering::SeqCst) {
        journal.status = Some(Status::Failed);
    }
    if halted() {
        journal.status = Some(Status::Interrupted);
    } else if let Some(hypothesis) = hypothesis.filter(|_| strategy.after()) {
        let check = course.check(hypothesis, clock::now(), until).await;
        if halted() {
            journal.status = Some(Status::Interrupted);
        } else {
            if !check.met {
                journal.deviated = true;
                journal.status = Some(if check.failed() { Status::Failed } else { Status::Completed });
                say_missed(course, "after the method", &check);
            }
            journal.after = Some(check);
        }
    }
    while checking.join_next().await.is_some() {}
    journal.during = std::mem::take(&mut beside.checks.lock().unwrap_or_else(PoisonError::into_inner));
}

fn say_missed(course: &Course, when: &str, check: &Check) {
    if let Some((probe, why)) = check.missed() {
        (course.tell)(&format!("the hypothesis is not met {when}: {probe}: {why}"));
    }
}

/// The checks during the method: one after another, with a sleep behind each.
#[derive(Clone, Default)]
struct Beside {
    over: Arc<AtomicBool>,
    wake: Arc<Notify>,
    failed: Arc<AtomicBool>,
    checks: Arc<Mutex<Vec<Check>>>,
}

impl Beside {
    async fn check(self, course: Course, hypothesis: Hypothesis, until: Until) {
        let frequency = course.options.frequency.max(Duration::from_millis(1));
        while !self.over.load(Ordering::SeqCst) && !until.reached() {
            let check = course.check(&hypothesis, clock::now(), &until).await;
            let met = check.met;
            if !met {
                say_missed(&course, "during the method", &check);
            }
            self.checks.lock().unwrap_or_else(PoisonError::into_inner).push(check.trimmed());
            if !met && course.options.fail_fast {
                self.failed.store(true, Ordering::SeqCst);
                break;
            }
            tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep(frequency) => {}
            }
        }
    }
}
