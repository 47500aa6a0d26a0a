//! The checks during the method, strictly: each begins when it is due, whatever became of those before it. What could not be begun counts as
//! not met; nothing is left out in silence.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::Value as Json;
use tokio::task::JoinSet;

use super::course::{Course, Until};
use crate::{
    chaostoolkit::{
        journal::{Check, Entry},
        model::Hypothesis,
    },
    clock::{self, Clock},
    engine::halt::Halt,
    model::{quantity::plural, time::Mono},
};

/// So many checks may be unanswered at a time.
const MOST_AT_ONCE: usize = 16;
/// So many checks are kept for the journal; those that were not met are kept beyond.
const MOST_KEPT: usize = 10_000;

/// What was found so far.
#[derive(Default)]
struct Found {
    checks: Vec<Check>,
    made: u64,
    missed: u64,
}

/// Checks that go on until they are ended.
pub(super) struct Sampler {
    found: Arc<Mutex<Found>>,
    over: Halt,
    task: JoinSet<()>,
}

/// What the checks found.
pub(super) struct Sampled {
    /// Those that are kept, in the order in which they were due.
    pub checks: Vec<Check>,
    /// In words, when one was not met.
    pub deviated: Option<String>,
}

impl Sampler {
    /// Begins. A check that is not met calls `guard`, when there is one.
    pub fn start(course: Course, hypothesis: Hypothesis, until: Until, guard: Option<Halt>) -> Self {
        let found: Arc<Mutex<Found>> = Arc::default();
        let over = Halt::default();
        let mut task = JoinSet::new();
        task.spawn(sample(course, hypothesis, until, guard, over.clone(), Arc::clone(&found)));
        Self { found, over, task }
    }

    /// Begins no further check, waits for those that are unanswered, and says what was found.
    pub async fn end(mut self) -> Sampled {
        self.over.call("the method is over");
        while self.task.join_next().await.is_some() {}
        let mut found = std::mem::take(&mut *self.found.lock().unwrap_or_else(PoisonError::into_inner));
        found.checks.sort_by_key(|check| check.at);
        let first = found.checks.iter().find(|check| !check.met);
        let deviated = first.and_then(Check::missed).map(|(probe, why)| {
            format!("{} of {} during the method were not met; the first: {probe}: {why}", found.missed, plural(found.made, "check"))
        });
        Sampled { checks: found.checks, deviated }
    }
}

async fn sample(course: Course, hypothesis: Hypothesis, until: Until, guard: Option<Halt>, over: Halt, found: Arc<Mutex<Found>>) {
    let clock = Clock::start();
    let start = clock.now();
    let period = course.options.frequency.max(Duration::from_millis(1));
    let ended = Until::Halted(over);
    let mut running: JoinSet<Check> = JoinSet::new();
    let hypothesis = Arc::new(hypothesis);
    let take = |check: Check| {
        // What the halt cut short says nothing of the system.
        if !check.met && until.reached() {
            return;
        }
        if !check.met {
            if let Some((probe, why)) = check.missed() {
                (course.tell)(&format!("not met during the method: {probe}: {why}"));
            }
            if let Some(guard) = &guard {
                guard.call("a check during the method that was not met (--fail-fast)");
            }
        }
        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
        found.made += 1;
        found.missed += u64::from(!check.met);
        let kept = found.checks.len();
        if kept < MOST_KEPT || !check.met && kept < 2 * MOST_KEPT {
            found.checks.push(check.trimmed());
        }
    };
    for number in 0_u32.. {
        let due = start.plus(period.saturating_mul(number));
        loop {
            tokio::select! {
                biased;
                () = ended.wait() => break,
                () = until.wait() => break,
                Some(Ok(check)) = running.join_next() => take(check),
                () = clock.sleep_until(due) => break,
            }
        }
        if ended.reached() || until.reached() {
            break;
        }
        if running.len() >= MOST_AT_ONCE {
            take(not_begun(&hypothesis, due));
            continue;
        }
        let (course, hypothesis, until) = (course.clone(), Arc::clone(&hypothesis), until.clone());
        running.spawn(async move { course.check(&hypothesis, due, &until).await });
    }
    while let Some(done) = running.join_next().await {
        if let Ok(check) = done {
            take(check);
        }
    }
}

/// A check that there was no room for.
fn not_begun(hypothesis: &Hypothesis, at: Mono) -> Check {
    let now = clock::wall();
    let probe = hypothesis.probes.first();
    let entry = Entry {
        activity: probe.map_or(Json::Null, |probe| probe.document.clone()),
        name: probe.map_or_else(String::new, |probe| probe.name.clone()),
        start: now,
        end: now,
        duration: 0.0,
        output: Json::Null,
        failed: Some(format!("not asked: {MOST_AT_ONCE} checks before it are still unanswered")),
        tolerance_met: Some(false),
    };
    Check { at, met: false, probes: vec![entry] }
}
