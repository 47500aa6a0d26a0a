//! The script of a run, phase by phase. It acts and tells; what follows from it is known to the dispatcher.
//!
//! Stopping: every wait in here ends when the run is halted. Nothing between *Armed* and its outcome is a wait of this kind.

use std::time::Duration;

use futures_util::future::try_join;
use tokio::sync::{mpsc, watch};

use super::{
    built,
    capacity::Capacity,
    command,
    deadman::Lease,
    dispatcher::{Fact, Status},
    halt::{Halt, Urgency},
    inject::{self, Looked},
    ledger::Ledger,
    mitigated::Mitigated,
    planning::{self, NotPlanned},
    undo,
};
use crate::{
    clock::Clock,
    event::EventKind,
    model::{
        act::{Act, Effect, EffectStatus, Prepared, Target},
        experiment::Experiment,
        fault::{Fault, Mechanism},
        ids::ActId,
        observation::{Observation, Observed},
        outcome::Ended,
        plan::{Plan, PlannedFault, PlannedStep, Work},
        quantity::show_duration,
        steady_state::Phase,
        time::Mono,
    },
    platform::Platform,
};

/// So long before the end of the baseline it is asked what other runs have begun since the plan was made: late enough to count what is at
/// work then, and early enough to hold up nothing.
const ROOM_ASKED: Duration = Duration::from_secs(2);

/// Everything the script works with.
pub(crate) struct Script<'a> {
    pub(crate) clock: Clock,
    /// When the first request was due.
    pub(crate) origin: Mono,
    pub(crate) experiment: &'a Experiment,
    pub(crate) plan: &'a Plan,
    pub(crate) platform: &'a dyn Platform,
    pub(crate) halt: &'a Halt,
    pub(crate) mitigated: &'a Mitigated,
    pub(crate) journal: Ledger,
    /// Tells the dead-man's switch by when this run will be heard of.
    pub(crate) lease: Lease,
    pub(crate) facts: mpsc::UnboundedSender<Fact>,
    pub(crate) status: watch::Receiver<Status>,
    /// Acts that are in effect, in the order in which they were armed.
    pub(crate) pending: Vec<Prepared>,
    /// Until when the last step, if it has no hold, is watched, and whether for the whole of that time.
    pub(crate) watch_until: Option<(Mono, bool)>,
    /// What keeps `recover` and people informed: the command that finishes the undo.
    pub(crate) recover_with: String,
}

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waited {
    Whole,
    Halted,
    /// The system under the run is gone.
    Lost,
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
            () = self.gone() => Waited::Lost,
            () = self.clock.sleep_until(at) => Waited::Whole,
        }
    }

    /// Returns when the platform's observations have ended and it cannot be asked any more either.
    async fn gone(&self) {
        let mut status = self.status.clone();
        // An error means that the dispatcher is gone, and with it this very future.
        let _ = status.wait_for(|status| status.lost).await;
        while self.platform.inventory().await.is_ok() {
            self.clock.sleep(Duration::from_millis(200)).await;
        }
    }

    /// Tells the dead-man's switch what comes next: a wait until then, or else work. With nothing in effect it need not look.
    pub(crate) fn promise(&self, wait_until: Option<Mono>) {
        match wait_until {
            _ if self.journal.owed().is_empty() => self.lease.waits(None),
            Some(until) => self.lease.waits(Some(until)),
            None => self.lease.busy(),
        }
    }

    fn lost() -> Ended {
        Ended::Broke { why: "the system under the run ended, or cannot be reached any more".to_owned() }
    }

    fn halted(&self) -> Option<Ended> {
        (self.halt.urgency() > Urgency::None).then(|| Ended::Halted { by: self.halt.first_reason().unwrap_or_default() })
    }

    /// The whole run. `baseline` judges the samples of the baseline when it is complete.
    pub(crate) async fn play(&mut self) -> Ended {
        // The run's clock begins with its first phase: when the first request was due, not when this line is reached.
        self.tell_at(self.origin, EventKind::PhaseStarted { phase: Phase::WarmUp });
        match self.wait(self.experiment.warm_up).await {
            Waited::Whole => {}
            Waited::Halted => return self.halted().unwrap_or(Ended::Completed),
            Waited::Lost => return Self::lost(),
        }
        if let Some(ended) = self.baseline().await {
            return ended;
        }

        built::tell(self).await;
        let mut capacity = Capacity::default();
        let mut broke = self.method(&mut capacity).await;
        let mut lost = false;
        if broke.is_none() {
            lost = self.watch(&capacity).await == Waited::Lost;
        }
        self.undo_all().await;
        lost = lost || self.regain(&capacity).await == Waited::Lost;
        if !lost {
            built::tell(self).await;
            self.tell(EventKind::PhaseStarted { phase: Phase::Recovery });
            lost = self.recovery().await == Waited::Lost;
        }
        if !lost {
            built::tell(self).await;
        }
        if lost && let Ended::Broke { why } = Self::lost() {
            broke = Some(broke.map_or(why.clone(), |first| format!("{first}; {why}")));
        }
        match (self.halted(), broke) {
            (Some(ended), _) => ended,
            (None, Some(why)) => Ended::Broke { why },
            (None, None) => Ended::Completed,
        }
    }

    /// Measures the untouched system, and asks what other runs are at work on. `Some` when the run must end here, with nothing touched.
    async fn baseline(&mut self) -> Option<Ended> {
        self.tell(EventKind::PhaseStarted { phase: Phase::Baseline });
        let begun = self.clock.now();
        let asked_at = begun.plus(self.experiment.baseline.saturating_sub(ROOM_ASKED));
        try_join(self.measured(begun.plus(self.experiment.baseline)), self.room(asked_at)).await.err()
    }

    /// Waits for what was due in the baseline.
    async fn measured(&self, end: Mono) -> Result<(), Ended> {
        // Requests that hang are known as failures only at their deadline.
        let patience = self.experiment.probes.iter().map(|p| p.timeout).max().unwrap_or_default();
        let give_up = end.plus(patience + Duration::from_millis(250));
        let mut until = end;
        loop {
            match self.wait_until(until, Urgency::Undo).await {
                Waited::Whole => {}
                Waited::Halted => return Err(self.halted().unwrap_or(Ended::Completed)),
                Waited::Lost => return Err(Self::lost()),
            }
            let now = self.clock.now();
            if self.status.borrow().known_to >= end || now >= give_up {
                break;
            }
            until = now.plus(Duration::from_millis(20));
        }
        let why = self.status.borrow().baseline.join("; ");
        if why.is_empty() { Ok(()) } else { Err(Ended::NotStarted { why: format!("the baseline is not steady: {why}") }) }
    }

    /// Whether the caps hold with what other runs are at work on by then.
    async fn room(&self, at: Mono) -> Result<(), Ended> {
        let asked = async {
            self.clock.sleep_until(at).await;
            planning::room(self.experiment, self.plan, self.platform).await
        };
        tokio::select! {
            biased;
            () = self.halt.reached(Urgency::Undo) => Err(self.halted().unwrap_or(Ended::Completed)),
            room = asked => room.map_err(|why| {
                let what = match &why {
                    NotPlanned::Refused(_) => "another run is at work here, too",
                    NotPlanned::Platform(_) | NotPlanned::NotPrepared(_) => "it cannot be told what other runs are at work on",
                };
                Ended::NotStarted { why: format!("{what}: {why}") }
            }),
        }
    }

    /// Does the steps in order. `Some` says why it could not be done as planned.
    async fn method(&mut self, capacity: &mut Capacity) -> Option<String> {
        let plan = self.plan;
        let mut begun = false;
        for step in &plan.steps {
            if begun && self.halt.urgency() > Urgency::None {
                return None;
            }
            if self.mitigated.said().is_some() {
                let left: Vec<Prepared> = step.work.faults().iter().flat_map(|fault| fault.acts.iter().cloned()).collect();
                self.spare(&left, "the fault before it was mitigated");
                continue;
            }
            self.promise(None);
            // What has to be read for it is read before it begins.
            let acts = self.acts(step).await;
            let looked = match &acts {
                Ok(acts) if !acts.is_empty() => {
                    // A phoenix drill looks again before each of its acts.
                    let first = if matches!(step.work, Work::Phoenix(_)) { 1 } else { acts.len() };
                    let acts: Vec<Prepared> = acts.iter().take(first).map(|(act, _)| act.clone()).collect();
                    tokio::select! {
                        biased;
                        () = self.halt.reached(Urgency::Undo) => None,
                        looked = inject::look(self, &acts) => Some(looked),
                    }
                }
                _ => None,
            };
            if !begun {
                self.tell(EventKind::PhaseStarted { phase: Phase::Fault });
                begun = true;
            }
            if self.halt.urgency() > Urgency::None {
                return None;
            }
            self.tell(EventKind::StepStarted { step: step.number, says: says(step) });
            // What lasts "until the end of the method" is watched only if the method does not itself say how long.
            self.watch_until = None;
            let result = match (&step.work, acts, looked) {
                (Work::Wait(d) | Work::UntilMitigated(d), ..) => match self.unless_mitigated(*d).await {
                    Waited::Lost => Err("the system under the run is gone".to_owned()),
                    Waited::Whole | Waited::Halted => Ok(()),
                },
                (Work::Phoenix(phoenix), Ok(acts), Some(looked)) => {
                    self.phoenix(acts.into_iter().map(|(act, _)| act).collect(), looked, phoenix.wait, capacity).await
                }
                (_, Ok(acts), Some(looked)) => self.together(acts, looked, capacity).await,
                (_, acts, _) => acts.map(drop),
            };
            self.tell(EventKind::StepEnded { step: step.number });
            if let Err(why) = result {
                return Some(format!("step {}: {why}", step.number));
            }
        }
        None
    }

    /// Waits, unless somebody says that the fault is mitigated. That is told as an observation: it is a mark on the timeline.
    async fn unless_mitigated(&self, d: Duration) -> Waited {
        let until = self.clock.now().plus(d);
        self.promise(Some(until));
        let waited = tokio::select! {
            waited = self.wait_until(until, Urgency::Undo) => return waited,
            () = self.mitigated.heard() => Waited::Whole,
        };
        let by = self.mitigated.said().unwrap_or_default();
        let what = Observed::Note { text: format!("mitigated, says {by}") };
        let at = self.clock.now();
        self.tell_at(at, EventKind::Observed { observation: Observation { at, source: "people".to_owned(), what } });
        waited
    }

    /// The acts of a step with their holds: none while it only waits.
    async fn acts(&mut self, step: &PlannedStep) -> Result<Vec<(Prepared, Option<Duration>)>, String> {
        match &step.work {
            Work::Wait(_) | Work::UntilMitigated(_) => Ok(Vec::new()),
            Work::Command(command) => {
                let fault = Fault::Run { command: command.command.clone(), undo: command.undo.clone(), timeout: command.timeout };
                let act = Act { id: ActId { step: step.number, act: 1 }, fault, target: Target::Command };
                Ok(vec![(Prepared { act, undo: command::undo_of(command) }, None)])
            }
            Work::Faults(_) | Work::Phoenix(_) => self.bound(step.number, step.work.faults()).await,
        }
    }

    /// The acts of planned faults with their holds; drawn now where the file says `bind: at-step`.
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
    async fn together(&mut self, acts: Vec<(Prepared, Option<Duration>)>, looked: Looked, capacity: &mut Capacity) -> Result<(), String> {
        let holds: Vec<(ActId, Option<Duration>)> = acts.iter().map(|(prepared, hold)| (prepared.act.id, *hold)).collect();
        let effects = inject::inject(self, acts.into_iter().map(|(prepared, _)| prepared).collect(), looked, capacity).await?;
        let begun = self.clock.now();
        if let Some(why) = not_happened(&effects) {
            return Err(why);
        }
        self.watch_until = watch_until(&self.pending, &holds, begun.plus(self.experiment.watch));
        let mut ends: Vec<Duration> = holds.iter().filter_map(|(_, hold)| *hold).collect();
        ends.sort_unstable();
        ends.dedup();
        for end in ends {
            self.promise(Some(begun.plus(end)));
            match self.wait_until(begun.plus(end), Urgency::Undo).await {
                Waited::Whole => {}
                Waited::Halted => return Ok(()),
                Waited::Lost => return Err("the system under the run is gone".to_owned()),
            }
            let due: Vec<ActId> = holds.iter().filter(|(_, hold)| *hold == Some(end)).map(|(id, _)| *id).collect();
            let now = self.pending.iter().filter(|p| due.contains(&p.act.id)).cloned().collect();
            undo::undo(self, now).await;
            self.pending.retain(|p| !due.contains(&p.act.id));
        }
        Ok(())
    }

    /// Undoes whatever is still in effect, in reverse. Acts stay pending until their undo is over, so that one which was interrupted by
    /// a defect is tried again; those of it that were undone already are not.
    pub(crate) async fn undo_all(&mut self) {
        let owed = self.journal.owed();
        let pending = self.pending.iter().filter(|p| owed.contains(&p.act.id)).cloned().collect();
        undo::undo(self, pending).await;
        self.pending.clear();
        self.promise(None);
    }

    /// A last step without a hold is in effect until the capacity that it took is back by itself, for at most the watch time; what
    /// took no capacity, or leaves nothing to undo, for the whole of it.
    async fn watch(&self, capacity: &Capacity) -> Waited {
        let Some((give_up, whole)) = self.watch_until else { return Waited::Whole };
        self.promise(Some(give_up));
        loop {
            let now = self.clock.now();
            if now >= give_up || (!whole && capacity.missing(self.platform).await.is_none()) {
                return Waited::Whole;
            }
            let next = now.plus(self.platform.look_every()).min(give_up);
            match self.wait_until(next, Urgency::Undo).await {
                Waited::Whole => {}
                other => return other,
            }
        }
    }

    /// Waits until the capacity that was lost is back, for at most the watch time.
    async fn regain(&self, capacity: &Capacity) -> Waited {
        let give_up = self.clock.now().plus(self.experiment.watch);
        loop {
            match capacity.missing(self.platform).await {
                None => return Waited::Whole,
                Some(missing) if self.clock.now() >= give_up => {
                    let watch = show_duration(self.experiment.watch);
                    self.tell(EventKind::Warning { text: format!("after {watch} of watching, capacity is still missing: {missing}") });
                    return Waited::Whole;
                }
                Some(_) => {}
            }
            match self.wait_until(self.clock.now().plus(self.platform.look_every()).min(give_up), Urgency::UndoOnly).await {
                Waited::Whole => {}
                other => return other,
            }
        }
    }

    /// Until the steady state has held for its hold time, or its limit.
    async fn recovery(&self) -> Waited {
        let recovery = self.experiment.recovery;
        let give_up = self.clock.now().plus(recovery.limit + recovery.hold);
        let mut status = self.status.clone();
        tokio::select! {
            biased;
            waited = self.wait_until(give_up, Urgency::UndoOnly) => waited,
            // An error means that the dispatcher is gone, and with it this very future.
            _ = status.wait_for(|status| status.recovered.is_some()) => Waited::Whole,
        }
    }
}

/// Which of these acts did not verifiably happen, in words; `None` when all did.
pub(crate) fn not_happened(effects: &[Effect]) -> Option<String> {
    let missed: Vec<String> = effects
        .iter()
        .filter(|effect| effect.status != EffectStatus::Happened)
        .map(|effect| {
            let who = effect.instance.as_ref().map_or_else(|| effect.act.to_string(), ToString::to_string);
            format!("{who} {}{}", effect.status.word(), effect.status.why().map(|why| format!(" ({why})")).unwrap_or_default())
        })
        .collect();
    (!missed.is_empty()).then(|| format!("not every act verifiably happened: {}", missed.join("; ")))
}

/// Until when acts without a hold are watched, and whether for the whole of that time. `None` when there are none.
fn watch_until(pending: &[Prepared], holds: &[(ActId, Option<Duration>)], give_up: Mono) -> Option<(Mono, bool)> {
    // Users who are moved away come back when they are led back, and what they left is there all the time.
    let shifted = |p: &Prepared| p.act.fault.mechanism() == Some(Mechanism::Shift);
    let unheld: Vec<&Prepared> = pending
        .iter()
        .filter(|p| holds.contains(&(p.act.id, None)))
        .filter(|p| shifted(p) || !matches!(p.act.target, Target::Command | Target::Group(_)))
        .collect();
    let whole = unheld.iter().any(|p| shifted(p) || !p.undo.restores() || !p.act.fault.kind().takes_capacity());
    (!unheld.is_empty()).then_some((give_up, whole))
}

/// What a step does, for the timeline.
fn says(step: &PlannedStep) -> String {
    match &step.work {
        Work::Wait(d) => format!("wait {}", show_duration(*d)),
        Work::UntilMitigated(most) => format!("until it is mitigated, for at most {}", show_duration(*most)),
        Work::Command(command) => format!("run {}", command.command.join(" ")),
        Work::Phoenix(phoenix) => {
            let who: Vec<String> = phoenix.kill.acts.iter().map(|prepared| prepared.act.target.says()).collect();
            let who = if phoenix.kill.bound_at_step { "victims drawn now".to_owned() } else { who.join(", ") };
            format!("phoenix {who}, each replaced within {}", show_duration(phoenix.wait))
        }
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
