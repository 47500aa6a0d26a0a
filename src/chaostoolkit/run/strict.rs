//! The strict way: the gate must be met, every action must succeed, the hypothesis must hold at every check during the method and after it,
//! and everything is brought back. What cannot be told is never green.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use tokio::task::JoinSet;

use super::{
    Finished, Request,
    course::{Course, Until, action_failed, kind},
    sampler::Sampler,
};
use crate::{
    chaostoolkit::{
        journal::{Entry, Journal, Status},
        model::{Activity, ActivityKind, Hypothesis, HypothesisStrategy, SettingValue},
        substitute::words,
        unfinished::Note,
    },
    clock,
    engine::halt::{Halt, Urgency},
    model::{
        ids::ActId,
        outcome::{Ended, Outcome, Residue, Shown},
        quantity::plural,
        verdict::Verdict,
    },
};

pub(super) async fn run(request: Request, mut journal: Journal) -> Finished {
    let Request { run, experiment, mut values, overrides, options, halt, tell } = request;
    let until = Until::Halted(halt.clone());
    let mut dynamic = serde_json::Map::new();
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
                    dynamic.insert(setting.name.clone(), value.clone());
                    values.configuration.insert(setting.name.clone(), value);
                }
                Err(why) => {
                    let why = format!("the configuration `{}` has no value: {}: {why}", setting.name, probe.name);
                    let title = words(&values.text(&experiment.title));
                    return finished(&mut journal, &title, &halt, Ended::NotStarted { why }, None, Vec::new());
                }
            }
        }
    }
    let title = words(&values.text(&experiment.title));
    let course = Course { run: run.clone(), experiment: Arc::clone(&experiment), values: Arc::new(values), options, tell };
    // The order that a file asks for by nothing sees no outage that heals before the end.
    let strategy = match options.hypothesis.or(experiment.hypothesis_strategy.map(|(s, _)| s)) {
        None | Some(HypothesisStrategy::Default) => HypothesisStrategy::Continuously,
        Some(asked) => asked,
    };
    let Some(hypothesis) = experiment.hypothesis.as_ref() else {
        let why = "the experiment has no hypothesis, so there is nothing to judge".to_owned();
        return finished(&mut journal, &title, &halt, Ended::NotStarted { why }, None, Vec::new());
    };
    if !experiment.acts() {
        let why = "the method has no action, so nothing would be injected".to_owned();
        return finished(&mut journal, &title, &halt, Ended::NotStarted { why }, None, Vec::new());
    }
    if strategy.before() {
        let check = course.check(hypothesis, clock::now(), &until).await;
        let missed = check.missed().map(|(probe, why)| format!("the hypothesis is not met before the method: {probe}: {why}"));
        journal.before = Some(check);
        let halted = halt.first_reason();
        if let Some(by) = halted {
            return finished(&mut journal, &title, &halt, Ended::Halted { by }, None, Vec::new());
        }
        if let Some(why) = missed {
            return finished(&mut journal, &title, &halt, Ended::NotStarted { why }, None, Vec::new());
        }
        (course.tell)("the hypothesis is met before the method");
    }
    let note = match Note::new(&run, &experiment, overrides, dynamic).and_then(Note::write) {
        Ok(note) => note,
        Err(error) => {
            let why = format!("what brings everything back cannot be written down: {error}");
            return finished(&mut journal, &title, &halt, Ended::NotStarted { why }, None, Vec::new());
        }
    };
    let method = method(&course, hypothesis, strategy, &halt, &mut journal).await;
    let mut deviated = method.deviated;
    if strategy.after() && method.ended == Ended::Completed && halt.urgency() == Urgency::None {
        let check = course.check(hypothesis, clock::now(), &until).await;
        if halt.urgency() == Urgency::None {
            if let Some((probe, why)) = check.missed() {
                journal.deviated = true;
                deviated.get_or_insert(format!("the hypothesis is not met after the method: {probe}: {why}"));
            }
            journal.after = Some(check);
        }
    }
    let mut residue = Vec::new();
    if method.injected {
        let (entries, stuck) = bring_back(&course, &halt).await;
        journal.rollbacks = entries;
        residue = stuck;
    }
    for left in &mut residue {
        left.command = format!("firedrill recover {run}");
    }
    if residue.is_empty()
        && let Err(error) = note.done()
    {
        (course.tell)(&format!("nothing is left behind, but that cannot be written down: {error}"));
    }
    let ended = match (&method.ended, halt.first_reason()) {
        (Ended::Completed, Some(by)) => Ended::Halted { by },
        (ended, _) => ended.clone(),
    };
    journal.deviated |= deviated.is_some();
    finished(&mut journal, &title, &halt, ended, deviated, residue)
}

/// What the method came to.
struct Played {
    ended: Ended,
    injected: bool,
    deviated: Option<String>,
}

async fn method(course: &Course, hypothesis: &Hypothesis, strategy: HypothesisStrategy, halt: &Halt, journal: &mut Journal) -> Played {
    // Stops the method: a person, an action that failed, or the guard.
    let stop = Halt::default();
    let mut forward = JoinSet::new();
    forward.spawn({
        let (halt, stop) = (halt.clone(), stop.clone());
        async move {
            halt.reached(Urgency::Undo).await;
            stop.call("halt");
        }
    });
    let until = Until::Halted(stop.clone());
    let guard = Halt::default();
    let sampler = strategy.during().then(|| {
        let guard = course.options.fail_fast.then(|| guard.clone());
        if let Some(guard) = &guard {
            let (guard, stop) = (guard.clone(), stop.clone());
            forward.spawn(async move {
                guard.reached(Urgency::Undo).await;
                stop.call("guard");
            });
        }
        Sampler::start(course.clone(), hypothesis.clone(), until.clone(), guard)
    });
    let injected = AtomicBool::new(false);
    let broke: Mutex<Option<String>> = Mutex::default();
    journal.run = course
        .all(&course.experiment.method, &until, |activity: &Activity, done: Option<&Entry>| match done {
            None => {
                (course.tell)(&format!("{}: {}", kind(activity), activity.name));
                injected.fetch_or(activity.kind == ActivityKind::Action, Ordering::SeqCst);
                true
            }
            // What the halt ended did not fail by itself.
            Some(entry) => match action_failed(activity, entry).filter(|_| !until.reached()) {
                None => true,
                Some(why) => {
                    let why = format!("the action {} failed: {why}", activity.name);
                    (course.tell)(&why);
                    broke.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
                    stop.call("an action failed");
                    false
                }
            },
        })
        .await;
    let mut deviated = None;
    if let Some(sampler) = sampler {
        let sampled = sampler.end().await;
        journal.during = sampled.checks;
        deviated = sampled.deviated;
    }
    let ended = match (broke.into_inner().unwrap_or_else(PoisonError::into_inner), guard.first_reason()) {
        (_, Some(by)) => Ended::Halted { by },
        (Some(why), None) => Ended::Broke { why },
        (None, None) => Ended::Completed,
    };
    Played { ended, injected: injected.into_inner(), deviated }
}

/// Plays the rollbacks; what did not succeed is left behind. Only the third call of a halt ends them.
pub(in crate::chaostoolkit) async fn bring_back(course: &Course, halt: &Halt) -> (Vec<Entry>, Vec<Residue>) {
    let stuck: Mutex<Vec<(String, String)>> = Mutex::default();
    let begun = AtomicBool::new(false);
    let until = Until::Left(halt.clone());
    let entries = course
        .all(&course.experiment.rollbacks, &until, |activity: &Activity, done: Option<&Entry>| {
            match done {
                None => {
                    begun.store(true, Ordering::SeqCst);
                    (course.tell)(&format!("rollback: {}", activity.name));
                }
                Some(entry) => {
                    let failed = action_failed(activity, entry).or_else(|| entry.failed.clone());
                    if let Some(why) = failed {
                        (course.tell)(&format!("the rollback {} did not succeed: {why}", activity.name));
                        stuck.lock().unwrap_or_else(PoisonError::into_inner).push((activity.name.clone(), why));
                    }
                }
            }
            true
        })
        .await;
    let mut stuck = stuck.into_inner().unwrap_or_else(PoisonError::into_inner);
    let rest = course.experiment.rollbacks.len().saturating_sub(entries.len());
    if rest > 0 {
        stuck.push((plural(rest, "rollback"), "not played: the run was told to leave at once".to_owned()));
    }
    let residue = stuck.into_iter().enumerate().map(|(n, (what, why))| Residue {
        act: ActId { step: u32::try_from(n + 1).unwrap_or(u32::MAX), act: 1 },
        what: format!("what the rollback “{what}” was to bring back"),
        why,
        command: "firedrill recover".to_owned(),
    });
    (entries, residue.collect())
}

fn finished(journal: &mut Journal, title: &str, halt: &Halt, ended: Ended, deviated: Option<String>, residue: Vec<Residue>) -> Finished {
    journal.status = Some(match &ended {
        Ended::Completed => Status::Completed,
        Ended::Halted { .. } if halt.urgency() > Urgency::None => Status::Interrupted,
        Ended::NotStarted { .. } | Ended::Broke { .. } | Ended::Halted { .. } => Status::Failed,
    });
    let shown = if deviated.is_some() { Shown::Deviated } else { Shown::Held };
    let outcome = Outcome { ended, shown, residue };
    let verdict = Verdict::of(&outcome);
    let reason = reason(journal, &outcome, verdict, deviated);
    Finished { reason, journal: journal.json(title), exit_code: verdict.exit_code(), outcome: Some(outcome) }
}

fn reason(journal: &Journal, outcome: &Outcome, verdict: Verdict, deviated: Option<String>) -> String {
    let back = if journal.rollbacks.is_empty() { String::new() } else { "; every rollback succeeded".to_owned() };
    match (&outcome.ended, verdict) {
        (_, Verdict::Residue) => {
            let what: Vec<String> = outcome.residue.iter().map(|left| format!("{}: {}", left.what, left.why)).collect();
            format!("{} left behind: {}.", plural(what.len(), "thing"), what.join("; "))
        }
        (Ended::NotStarted { why }, _) => format!("Nothing was touched: {why}."),
        (Ended::Halted { by }, _) => format!("Halted by {by}{back}."),
        (Ended::Broke { why }, _) => format!("The run could not be carried out: {why}{back}."),
        (Ended::Completed, _) => match deviated {
            Some(why) => format!("{}{back}.", capital(&why)),
            None => format!("The hypothesis held before, during and after the method{back}."),
        },
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
