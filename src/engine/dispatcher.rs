//! The one select loop: sole owner of the run's state. The script says what it does as facts; the platform's observations, the
//! prober's samples and the guardrails meet here; everything becomes an event.

use std::{future::Future, pin::pin, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    time::MissedTickBehavior,
};

use super::{
    deadman::{Lease, Trouble},
    emit::Emitter,
    guards::Guards,
    halt::{Halt, Urgency},
    state::RunState,
};
use crate::{
    clock::Clock,
    event::EventKind,
    measure::{BUCKET_NS, Live},
    model::{
        observation::{Observation, Observed},
        steady_state::Phase,
        time::Mono,
    },
    probe::RunningProber,
};

/// How often samples are folded and guardrails looked at: as often as there is something new to see, which is once a bucket of `Live`.
const FOLD_EVERY: Duration = Duration::from_nanos(BUCKET_NS);
/// Folds between two ticks for the reporters.
const FOLDS_A_TICK: u32 = 3;

/// A fact the script tells: when, and what.
pub(crate) type Fact = (Mono, EventKind);

/// What the dispatcher tells the script.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Status {
    /// Everything due before this is known.
    pub(crate) known_to: Mono,
    /// In the baseline: what does not hold, or cannot be told, by the samples so far.
    pub(crate) baseline: Vec<String>,
    /// The platform's observations have ended: the system may be gone.
    pub(crate) lost: bool,
    /// In the recovery: since when the steady state has held, once it has held for its hold time.
    pub(crate) recovered: Option<Mono>,
}

/// Where the dispatcher and the script meet.
pub(crate) struct Dispatcher {
    pub(crate) clock: Clock,
    pub(crate) emitter: Emitter,
    pub(crate) state: RunState,
    pub(crate) live: Live,
    guards: Guards,
    pub(crate) prober: Box<dyn RunningProber>,
    pub(crate) status: watch::Sender<Status>,
    /// The phase and its beginning.
    phase: (Phase, Mono),
    lost: bool,
    folds: u32,
}

impl Dispatcher {
    pub(crate) fn new(clock: Clock, emitter: Emitter, state: RunState, live: Live, guards: Guards, prober: Box<dyn RunningProber>) -> Self {
        Self {
            clock,
            emitter,
            state,
            live,
            guards,
            prober,
            status: watch::Sender::new(Status::default()),
            phase: (Phase::WarmUp, Mono::default()),
            lost: false,
            folds: 0,
        }
    }

    /// Drives the script to its end.
    pub(crate) async fn drive<T>(
        &mut self,
        script: impl Future<Output = T>,
        mut facts: mpsc::UnboundedReceiver<Fact>,
        mut observations: mpsc::Receiver<Observation>,
        halt: &Halt,
        lease: &Lease,
    ) -> T {
        let mut script = pin!(script);
        let mut tick = tokio::time::interval(FOLD_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut seen = Urgency::None;
        let mut observing = true;
        loop {
            tokio::select! {
                biased;
                Some((at, kind)) = facts.recv() => self.note(at, kind),
                observation = observations.recv(), if observing => {
                    if let Some(observation) = observation {
                        self.note(observation.at, EventKind::Observed { observation });
                    } else {
                        observing = false;
                        self.lost = true;
                        self.status.send_modify(|status| status.lost = true);
                        let text = "the platform's observations ended: replacements and ejections may be missing from here on".to_owned();
                        self.note(self.clock.now(), EventKind::Warning { text });
                    }
                }
                () = halt.reached(next(seen)), if seen < Urgency::Leave => {
                    seen = halt.urgency();
                    self.note(self.clock.now(), EventKind::Halting { by: halting(seen, halt) });
                }
                _ = tick.tick() => {
                    self.fold(halt);
                    self.watched(lease, halt);
                }
                out = &mut script => {
                    while let Ok((at, kind)) = facts.try_recv() {
                        self.note(at, kind);
                    }
                    return out;
                }
            }
        }
    }

    /// Folds an event into the state and emits it.
    pub(crate) fn note(&mut self, at: Mono, kind: EventKind) {
        if let EventKind::PhaseStarted { phase } = kind {
            self.phase = (phase, at);
        }
        self.state.apply(at, &kind);
        self.emitter.emit(at, kind);
    }

    /// Sees that somebody watches this run. Without that, it does not go on.
    fn watched(&mut self, lease: &Lease, halt: &Halt) {
        match lease.beat() {
            None => {}
            Some(Trouble::Replaced(why)) => {
                let text = format!("the dead-man's switch had to be started again: {why}");
                self.note(self.clock.now(), EventKind::Warning { text });
            }
            // The first halt undoes; one that was called by somebody else already is not made stronger.
            Some(Trouble::Alone(why)) if halt.urgency() == Urgency::None => {
                halt.call(format!("nobody would undo without firedrill: {why}"));
            }
            Some(Trouble::Alone(why)) => {
                let text = format!("nobody would undo without firedrill: {why}");
                self.note(self.clock.now(), EventKind::Warning { text });
            }
        }
    }

    /// Folds what the prober has; looks at the guardrails; tells the script; ticks the reporters.
    fn fold(&mut self, halt: &Halt) {
        let now = self.clock.now();
        for sample in self.prober.take() {
            self.live.push(&sample);
        }
        while let Some(observation) = self.guards.told(now) {
            if let (Observed::Alarm { text }, Urgency::None) = (&observation.what, halt.urgency()) {
                halt.call(text.clone());
            }
            self.note(observation.at, EventKind::Observed { observation });
        }
        let asked = self.guards.abort();
        if halt.urgency() == Urgency::None
            && let Some(why) = self.live.abort(now).or(asked)
        {
            halt.call(why);
        }
        let mut status = Status { known_to: self.live.known_to(now), lost: self.lost, ..Status::default() };
        match self.phase {
            (Phase::Baseline, _) => status.baseline = self.live.baseline_holds().err().unwrap_or_default(),
            (Phase::Recovery, since) => status.recovered = self.live.recovered(since, now),
            _ => {}
        }
        // Who waits is woken by news only.
        self.status.send_if_modified(|known| {
            let news = *known != status;
            if news {
                *known = status;
            }
            news
        });
        self.folds += 1;
        if self.folds.is_multiple_of(FOLDS_A_TICK) {
            let mut probes = self.live.tick();
            for (tick, in_flight) in probes.values_mut().zip(self.prober.in_flight()) {
                tick.in_flight = in_flight;
            }
            self.emitter.emit(now, EventKind::Tick { probes });
        }
    }
}

fn next(seen: Urgency) -> Urgency {
    match seen {
        Urgency::None => Urgency::Undo,
        Urgency::Undo => Urgency::UndoOnly,
        Urgency::UndoOnly | Urgency::Leave => Urgency::Leave,
    }
}

fn halting(urgency: Urgency, halt: &Halt) -> String {
    let by = halt.first_reason().unwrap_or_default();
    match urgency {
        Urgency::None | Urgency::Undo => format!("{by}: no new act, undoing"),
        Urgency::UndoOnly => format!("{by}, again: not waiting for the recovery, still undoing"),
        Urgency::Leave => format!("{by}, a third time: leaving now"),
    }
}
