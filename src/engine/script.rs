//! The script of a run, phase by phase. It acts and tells; what follows from it is known to the dispatcher.
//!
//! Stopping: every wait in here ends when the run is halted. Nothing between *Armed* and its outcome is a wait of this kind.

use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::{
    capacity::Capacity,
    command,
    dispatcher::{Fact, Status},
    halt::{Halt, Urgency},
    inject,
    ledger::Ledger,
    planning, undo,
};
use crate::{
    clock::Clock,
    event::EventKind,
    model::{
        act::{Act, EffectStatus, Prepared, Target},
        experiment::Experiment,
        fault::Fault,
        ids::ActId,
        outcome::Ended,
        plan::{Plan, PlannedFault, PlannedStep, Work},
        quantity::show_duration,
        steady_state::Phase,
        time::Mono,
    },
    platform::Platform,
};

/// Everything the script works with.
pub(crate) struct Script<'a> {
    pub(crate) clock: Clock,
    pub(crate) experiment: &'a Experiment,
    pub(crate) plan: &'a Plan,
    pub(crate) platform: &'a dyn Platform,
    pub(crate) halt: &'a Halt,
    pub(crate) journal: Ledger,
    pub(crate) facts: mpsc::UnboundedSender<Fact>,
    pub(crate) status: watch::Receiver<Status>,
    /// Acts that are in effect, in the order in which they were armed.
    pub(crate) pending: Vec<Prepared>,
    /// What keeps `recover` and people informed: the command that finishes the undo.
    pub(crate) recover_with: String,
}

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waited {
    Whole,
    Halted,
}

impl Script<'_> {
    /// Tells a fact that happens now.
    pub(crate) fn tell(&self, kind: EventKind) {
        self.tell_at(self.clock.now(), kind);
    }

    /// Tells a fact that happened at `at`.
    pub(crate) fn tell_at(&self, at: Mono, kind: EventKind) {
        // The dispatcher drives this very future: it is there.
        let _ = self.facts.send((at, kind));
    }

    /// Waits, unless the run is halted.
    pub(crate) async fn wait(&self, d: Duration) -> Waited {
        self.wait_until(self.clock.now().plus(d), Urgency::Undo).await
    }

    /// Waits until a moment, unless the run is halted with at least this urgency.
    pub(crate) async fn wait_until(&self, at: Mono, unless: Urgency) -> Waited {
        tokio::select! {
            biased;
            () = self.halt.reached(unless) => Waited::Halted,
            () = self.clock.sleep_until(at) => Waited::Whole,
        }
    }

    fn halted(&self) -> Option<Ended> {
        (self.halt.urgency() > Urgency::None).then(|| Ended::Halted { by: self.halt.first_reason().unwrap_or_default() })
    }

    /// The whole run. `baseline` judges the samples of the baseline when it is complete.
    pub(crate) async fn play(&mut self) -> Ended {
        self.tell(EventKind::PhaseStarted { phase: Phase::WarmUp });
        if self.wait(self.experiment.warm_up).await == Waited::Halted {
            return self.halted().unwrap_or(Ended::Completed);
        }
        if let Some(ended) = self.baseline().await {
            return ended;
        }

        self.tell(EventKind::PhaseStarted { phase: Phase::Fault });
        let mut capacity = Capacity::default();
        let broke = self.method(&mut capacity).await;
        self.undo_all().await;
        self.regain(&capacity).await;

        self.tell(EventKind::PhaseStarted { phase: Phase::Recovery });
        self.recovery().await;
        match (self.halted(), broke) {
            (Some(ended), _) => ended,
            (None, Some(why)) => Ended::Broke { why },
            (None, None) => Ended::Completed,
        }
    }

    /// Measures the untouched system. `Some` when the run must end here, with nothing touched.
    async fn baseline(&mut self) -> Option<Ended> {
        self.tell(EventKind::PhaseStarted { phase: Phase::Baseline });
        let end = self.clock.now().plus(self.experiment.baseline);
        if self.wait_until(end, Urgency::Undo).await == Waited::Halted {
            return self.halted();
        }
        // Requests that hang are known as failures only at their deadline: wait for what was due in the baseline.
        let patience = self.experiment.probes.iter().map(|p| p.timeout).max().unwrap_or_default();
        let give_up = end.plus(patience + Duration::from_millis(250));
        while self.status.borrow().known_to < end && self.clock.now() < give_up {
            if self.wait(Duration::from_millis(20)).await == Waited::Halted {
                return self.halted();
            }
        }
        let why = self.status.borrow().baseline.join("; ");
        (!why.is_empty()).then(|| Ended::NotStarted { why: format!("the baseline is not steady: {why}") })
    }

    /// Does the steps in order. `Some` says why it could not be done as planned.
    async fn method(&mut self, capacity: &mut Capacity) -> Option<String> {
        let plan = self.plan;
        for step in &plan.steps {
            if self.halt.urgency() > Urgency::None {
                return None;
            }
            self.tell(EventKind::StepStarted { step: step.number, says: says(step) });
            let result = match &step.work {
                Work::Wait(d) => {
                    self.wait(*d).await;
                    Ok(())
                }
                Work::Command(command) => {
                    let fault = Fault::Run { command: command.command.clone(), undo: command.undo.clone(), timeout: command.timeout };
                    let act = Act { id: ActId { step: step.number, act: 1 }, fault, target: Target::Command };
                    let undo = command::undo_of(command);
                    self.together(vec![(Prepared { act, undo }, None)], capacity).await
                }
                Work::Faults(faults) => match self.bound(step.number, faults).await {
                    Ok(acts) => self.together(acts, capacity).await,
                    Err(why) => Err(why),
                },
            };
            self.tell(EventKind::StepEnded { step: step.number });
            if let Err(why) = result {
                return Some(format!("step {}: {why}", step.number));
            }
        }
        None
    }

    /// The acts of a step with their holds; drawn now where the file says `bind: at-step`.
    async fn bound(&mut self, number: u32, faults: &[PlannedFault]) -> Result<Vec<(Prepared, Option<Duration>)>, String> {
        if faults.iter().any(|fault| fault.bound_at_step) {
            let step = planning::bind(self.experiment, self.plan, number, self.platform, &self.pending)
                .await
                .map_err(|refused| refused.to_string())?;
            let bound = step.iter().flat_map(|f| f.acts.iter().map(|a| (a.clone(), f.hold))).collect();
            return Ok(bound);
        }
        Ok(faults.iter().flat_map(|fault| fault.acts.iter().map(|act| (act.clone(), fault.hold))).collect())
    }

    /// Acts that start at once; those with a hold are undone when it ends.
    async fn together(&mut self, acts: Vec<(Prepared, Option<Duration>)>, capacity: &mut Capacity) -> Result<(), String> {
        capacity.before(self.platform, acts.iter().map(|(prepared, _)| &prepared.act)).await;
        let holds: Vec<(ActId, Option<Duration>)> = acts.iter().map(|(prepared, hold)| (prepared.act.id, *hold)).collect();
        let effects = inject::inject(self, acts.into_iter().map(|(prepared, _)| prepared).collect()).await?;
        let begun = self.clock.now();
        let missed: Vec<String> = effects
            .iter()
            .filter(|effect| effect.status != EffectStatus::Happened)
            .map(|effect| {
                let who = effect.instance.as_ref().map_or_else(|| effect.act.to_string(), ToString::to_string);
                format!("{who} {}{}", effect.status.word(), effect.status.why().map(|why| format!(" ({why})")).unwrap_or_default())
            })
            .collect();
        if !missed.is_empty() {
            return Err(format!("not every act verifiably happened: {}", missed.join("; ")));
        }
        let mut ends: Vec<Duration> = holds.iter().filter_map(|(_, hold)| *hold).collect();
        ends.sort_unstable();
        ends.dedup();
        for end in ends {
            if self.wait_until(begun.plus(end), Urgency::Undo).await == Waited::Halted {
                return Ok(());
            }
            let due: Vec<ActId> = holds.iter().filter(|(_, hold)| *hold == Some(end)).map(|(id, _)| *id).collect();
            let (now, later) = std::mem::take(&mut self.pending).into_iter().partition(|p| due.contains(&p.act.id));
            self.pending = later;
            undo::undo(self, now).await;
        }
        Ok(())
    }

    /// Undoes whatever is still in effect, in reverse.
    async fn undo_all(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        undo::undo(self, pending).await;
    }

    /// Waits until the capacity that was lost is back, for at most the watch time.
    async fn regain(&mut self, capacity: &Capacity) {
        let give_up = self.clock.now().plus(self.experiment.watch);
        loop {
            match capacity.missing(self.platform).await {
                None => return,
                Some(missing) if self.clock.now() >= give_up => {
                    let watch = show_duration(self.experiment.watch);
                    self.tell(EventKind::Warning { text: format!("after {watch} of watching, capacity is still missing: {missing}") });
                    return;
                }
                Some(_) => {}
            }
            if self.wait_until(self.clock.now().plus(Duration::from_millis(100)), Urgency::UndoOnly).await == Waited::Halted {
                return;
            }
        }
    }

    /// Until the steady state has held for its hold time, or its limit.
    async fn recovery(&mut self) {
        let recovery = self.experiment.recovery;
        let give_up = self.clock.now().plus(recovery.limit + recovery.hold);
        loop {
            let now = self.clock.now();
            if now >= give_up || self.status.borrow().recovered.is_some() {
                return;
            }
            if self.wait_until(now.plus(Duration::from_millis(50)), Urgency::UndoOnly).await == Waited::Halted {
                return;
            }
        }
    }
}

/// What a step does, for the timeline.
fn says(step: &PlannedStep) -> String {
    match &step.work {
        Work::Wait(d) => format!("wait {}", show_duration(*d)),
        Work::Command(command) => format!("run {}", command.command.join(" ")),
        Work::Faults(faults) => {
            let each: Vec<String> = faults
                .iter()
                .map(|fault| {
                    let hold = fault.hold.map(|hold| format!(" for {}", show_duration(hold))).unwrap_or_default();
                    let who: Vec<String> = fault.acts.iter().map(|prepared| prepared.act.target.says()).collect();
                    let who = if fault.bound_at_step { "victims drawn now".to_owned() } else { who.join(", ") };
                    format!("{} {who}{hold}", fault.fault.kind())
                })
                .collect();
            each.join(" and ")
        }
    }
}
