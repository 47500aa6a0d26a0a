//! The pacing thread: it owns time. It starts every request when it is due, whatever became of those before, drives those in
//! flight, and hands what is finished to the recorder. It touches no disk, no terminal and no lock that others hold for long.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    io,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::{runtime::LocalOptions, sync::Notify, task::JoinSet};

use crate::{
    clock,
    model::{
        sample::{NEVER, Sample, SampleOutcome},
        state::StateFindings,
        time::Mono,
    },
    probe::{
        kind::{Kind, Prepared, request},
        limits::{self, Descriptors},
        names::Names,
        punctual::{Aim, HEARTBEAT, Watchdog},
        recorder::Feed,
        schedule::{Due, Schedule},
        stage::Trace,
        tasks::{Step, Tasks},
        wakeup::Wakeup,
    },
};

/// After so many steps the kernel is asked for news, so that no answer waits for long.
const STEPS_PER_TURN: usize = 64;
/// After so many starts too: when we are behind, those in flight must go on, or every request would need a connection of its own.
const STARTS_PER_TURN: usize = 16;
/// Behind by more than this, a turn starts one request more than have ended in the turn before. Those that ended left their
/// connections; a request that opens its own costs more than the time in which we could catch up, and so we never would.
const BEHIND: Duration = Duration::from_millis(1);
/// Nothing of the last round is begun later than this, or than this after what a ledger waits for has settled,
const LAST_ROUND: Duration = Duration::from_secs(30);
/// and nothing of what is put away after it.
const CLOSING: Duration = Duration::from_secs(10);
/// A due time so near is not slept for: setting the timer and coming back costs about as much. The kernel is asked for news in
/// the meantime.
const TOO_NEAR_TO_SLEEP: Duration = Duration::from_micros(25);

/// What all requests of the pacing thread share.
#[derive(Debug)]
pub struct Shared {
    /// The seed of the draws.
    pub seed: u64,
    /// The moment that due times count from.
    pub origin: Mono,
    /// The runtime's clock at the origin.
    origin_instant: tokio::time::Instant,
    /// Names seen in answers, and addresses.
    pub names: RefCell<Names>,
    /// How many connections may still be made.
    pub descriptors: Rc<Descriptors>,
    /// What the probes are called.
    pub probes: Vec<String>,
    doubts: RefCell<BTreeSet<String>>,
    /// Turns that kinds asked for and the schedule has not heard of yet: probe, due time, what the kind knows it by.
    again: RefCell<Vec<(u16, u64, u32)>>,
}

impl Shared {
    /// Asks for a further turn of a probe at this moment (see `Schedule::again`).
    pub fn again(&self, probe: u16, at: Mono, what: u32) {
        self.again.borrow_mut().push((probe, at.since(self.origin).as_nanos() as u64, what));
    }

    /// Something that makes the record doubtful, said once.
    pub fn doubt(&self, probe: u16, text: &str) {
        let mut doubts = self.doubts.borrow_mut();
        if doubts.len() < 100 {
            let name = self.probes.get(usize::from(probe)).map_or("", String::as_str);
            doubts.insert(format!("probe `{name}`: {text}"));
        }
    }

    /// A moment on the runtime's clock.
    pub fn instant(&self, at: Mono) -> tokio::time::Instant {
        self.origin_instant + at.since(self.origin)
    }
}

#[cfg(test)]
impl Shared {
    /// What kinds share where nothing is paced.
    pub fn still() -> Self {
        Self {
            seed: 1,
            origin: clock::now(),
            origin_instant: tokio::time::Instant::now(),
            names: RefCell::default(),
            descriptors: Rc::new(Descriptors::new(8)),
            probes: Vec::new(),
            doubts: RefCell::default(),
            again: RefCell::default(),
        }
    }

    /// The turns that were asked for: what the kind knows them by, and when they are due.
    pub fn asked(&self) -> Vec<(u32, u64)> {
        self.again.borrow_mut().drain(..).map(|(_, at_ns, what)| (what, at_ns)).collect()
    }
}

/// What the pacing thread is started with.
pub struct Pacer {
    /// The probes.
    pub probes: Vec<Prepared>,
    /// The seed of the draws.
    pub seed: u64,
    /// When they are due.
    pub schedule: Schedule,
    /// How many connections may be held.
    pub descriptors: u64,
    /// Where samples go.
    pub feed: Feed,
    /// Requests in flight, per probe, for others to read.
    pub in_flight: Arc<Vec<AtomicU64>>,
    /// Says that no further request is to be started.
    pub stop: Arc<Notify>,
}

/// What the pacing thread leaves behind.
#[derive(Debug)]
pub struct Paced {
    /// Requests that were due, per probe.
    pub due: Vec<u64>,
    /// The table of names.
    pub names: Vec<String>,
    /// What each probe found out about state.
    pub state: Vec<Option<StateFindings>>,
    /// What makes the record doubtful.
    pub doubts: Vec<String>,
}

impl Pacer {
    /// Paces until it is stopped and the last request in flight is over. `started` is told the origin.
    pub fn run(self, started: impl FnOnce(io::Result<Mono>)) -> Option<Paced> {
        // Only the resolver's timeouts go through the runtime's timers; a refusal leaves the kernel's 50 µs.
        let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
        if !self.probes.iter().any(Prepared::starts_programs) {
            prefer_this_thread(self.probes.iter().map(Prepared::rate).sum());
        }
        let runtime = match tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(64)
            .build_local(LocalOptions::default())
        {
            Ok(runtime) => runtime,
            Err(error) => {
                started(Err(error));
                return None;
            }
        };
        let paced = runtime.block_on(async {
            let wakeup = match Wakeup::new() {
                Ok(wakeup) => wakeup,
                Err(error) => {
                    started(Err(error));
                    return None;
                }
            };
            let probes = self.probes.iter().map(|probe| probe.name().to_owned()).collect();
            let kinds: Vec<Rc<Kind>> = self.probes.into_iter().map(|prepared| Rc::new(prepared.into_kind())).collect();
            limits::make_room(kinds.iter().map(|kind| kind.descriptors()).sum::<u64>().min(self.descriptors));
            let shared = Rc::new(Shared {
                seed: self.seed,
                origin: clock::now(),
                origin_instant: tokio::time::Instant::now(),
                names: RefCell::default(),
                descriptors: Rc::new(Descriptors::new(self.descriptors)),
                probes,
                doubts: RefCell::default(),
                again: RefCell::default(),
            });
            started(Ok(shared.origin));
            // A task of its own: waking the outermost future would cost a write to an event descriptor each time.
            let mut task = JoinSet::new();
            task.spawn_local(pace(kinds, shared, wakeup, self.schedule, self.feed, self.in_flight, self.stop));
            match task.join_next().await {
                Some(Ok(paced)) => Some(paced),
                Some(Err(_)) | None => None,
            }
        });
        // A name that the resolver still looks up would hold the thread for many seconds.
        runtime.shutdown_background();
        paced
    }
}

/// The pacing itself, from the origin to the end of the last request.
async fn pace(
    kinds: Vec<Rc<Kind>>,
    shared: Rc<Shared>,
    wakeup: Wakeup,
    mut schedule: Schedule,
    feed: Feed,
    in_flight: Arc<Vec<AtomicU64>>,
    stop: Arc<Notify>,
) -> Paced {
    for (kind, probe) in kinds.iter().zip(0_u16..) {
        for (at_ns, what) in kind.first_turns() {
            schedule.again(probe, at_ns, what);
        }
    }
    let stop = stop.notified();
    let mut stop = std::pin::pin!(stop);
    let mut round = Round {
        start: |due: Due| request(shared.clone(), kinds[usize::from(due.probe)].clone(), due),
        shared: &shared,
        kinds: &kinds,
        most: kinds.iter().map(|kind| kind.most_in_flight()).collect(),
        schedule,
        tasks: Tasks::new(),
        feed,
        in_flight: &in_flight,
        wakeup,
        aim: Aim::default(),
        watchdog: Watchdog::new(clock::now()),
        ended: 0,
        stood_still: None,
        stage: RoundStage::Run,
    };
    let turning = std::future::poll_fn(|cx| {
        // What was said once stays said: the last round has an end of its own.
        if round.stage == RoundStage::Run && stop.as_mut().poll(cx).is_ready() {
            round.schedule.end(clock::now().since(round.shared.origin).as_nanos() as u64);
        }
        round.turn(cx)
    });
    // The runtime would otherwise count all requests together as one greedy task.
    if let Err(error) = tokio::task::coop::unconstrained(turning).await {
        shared.doubts.borrow_mut().insert(format!("the pacing thread's timer failed: {error}"));
    }
    round.feed.flush();
    let due = round.schedule.due().to_vec();
    drop(round);
    let state = kinds.iter().map(|kind| kind.state()).collect();
    let names = std::mem::take(&mut *shared.names.borrow_mut()).into_list();
    let doubts = std::mem::take(&mut *shared.doubts.borrow_mut()).into_iter().collect();
    Paced { due, names, state, doubts }
}

struct Round<'a, S, F> {
    start: S,
    shared: &'a Shared,
    kinds: &'a [Rc<Kind>],
    most: Vec<u64>,
    schedule: Schedule,
    tasks: Tasks<F>,
    feed: Feed,
    in_flight: &'a [AtomicU64],
    wakeup: Wakeup,
    aim: Aim,
    watchdog: Watchdog,
    /// How many requests have ended since the turn began.
    ended: usize,
    /// We stood still while the kernel gathered news that we have not seen yet.
    stood_still: Option<Duration>,
    /// How far the pacing has come.
    stage: RoundStage,
}

/// What is being paced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RoundStage {
    /// What comes by itself, until the pacing is stopped.
    Run,
    /// What the kinds ask for then.
    Last,
    /// What is put away after that.
    Closing,
}

impl<S: Fn(Due) -> F, F: Future<Output = Sample>> Round<'_, S, F> {
    /// One turn between two looks at the kernel. Ready when nothing is due any more and nothing is in flight.
    fn turn(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tasks.set_parent(cx.waker());
        let mut now = clock::now();
        self.aim.learn(now);
        if let Some(gap) = self.watchdog.seen(now).max(self.stood_still.take()) {
            self.tasks.hold_ready(gap);
        }
        let (mut steps, mut starts) = (0, 0);
        let ended = std::mem::take(&mut self.ended);
        let most_starts = if self.is_behind(now) { STARTS_PER_TURN.min(1 + ended) } else { STARTS_PER_TURN };
        loop {
            starts += self.start_due(now, most_starts - starts);
            let step = if steps < STEPS_PER_TURN { self.tasks.step_next() } else { Step::Nothing };
            now = clock::now();
            let gap = self.watchdog.seen(now);
            if let Some(gap) = gap {
                self.tasks.hold_ready(gap);
                self.stood_still = Some(gap);
            }
            steps += 1;
            match step {
                Step::Done(sample, held) => {
                    self.finish(held_up(sample, gap.map_or(held, |gap| gap.max(held))));
                    continue;
                }
                Step::Taken => continue,
                Step::Nothing => {}
            }
            let next_due = self.schedule.next_at().map(|at| Mono(self.shared.origin.0 + at));
            let next_flush = self.feed.flush_if_due(now);
            if next_due.is_none() && self.tasks.len() == 0 {
                if self.begins_next_stage(now) {
                    continue;
                }
                return Poll::Ready(Ok(()));
            }
            if self.tasks.can_step() || starts == most_starts {
                return look_at_the_kernel(cx);
            }
            if next_due.is_some_and(|due| due <= now || self.aim.is_near(due, now)) {
                std::hint::spin_loop();
                continue;
            }
            if next_due.is_some_and(|due| due.since(now) < TOO_NEAR_TO_SLEEP) {
                return look_at_the_kernel(cx);
            }
            let next_due = next_due.map(|due| self.aim.at(due, now));
            let heartbeat = (self.tasks.len() > 0).then(|| now.plus(HEARTBEAT));
            let Some(next) = [next_due, next_flush, heartbeat].into_iter().flatten().min() else {
                return Poll::Pending;
            };
            match self.wakeup.poll_at(next, cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.watchdog.leave(next);
                    return Poll::Pending;
                }
            }
        }
    }

    /// When all is over: what the kinds still have to ask. Says whether that is anything.
    fn begins_next_stage(&mut self, now: Mono) -> bool {
        let now_ns = now.since(self.shared.origin).as_nanos() as u64;
        loop {
            let (next, within) = match self.stage {
                RoundStage::Run => {
                    let settles = self.kinds.iter().map(|kind| kind.settles_within()).max().unwrap_or_default();
                    (RoundStage::Last, LAST_ROUND + settles)
                }
                RoundStage::Last => (RoundStage::Closing, CLOSING),
                RoundStage::Closing => return false,
            };
            self.stage = next;
            self.schedule.next_round(now_ns);
            for (kind, probe) in self.kinds.iter().zip(0_u16..) {
                let turns = if next == RoundStage::Last { kind.last_turns(now_ns) } else { kind.closing_turns(now_ns) };
                for (at_ns, what) in turns {
                    self.schedule.again(probe, at_ns, what);
                }
            }
            self.schedule.end(now_ns.saturating_add(within.as_nanos() as u64));
            if self.schedule.next_at().is_some() {
                return true;
            }
        }
    }

    /// Whether a request should have been sent a while ago.
    fn is_behind(&self, now: Mono) -> bool {
        self.schedule.next_at().is_some_and(|at| now.since(Mono(self.shared.origin.0 + at)) > BEHIND)
    }

    /// Starts what is due, at most so many, and says how many those were.
    fn start_due(&mut self, now: Mono, most: usize) -> usize {
        let now_ns = now.since(self.shared.origin).as_nanos() as u64;
        for started in 0..most {
            let Some(due) = self.schedule.pop(now_ns) else {
                return started;
            };
            let probe = usize::from(due.probe);
            let flying = self.in_flight[probe].fetch_add(1, Ordering::Relaxed);
            let finished = if flying < self.most[probe] {
                self.tasks.start((self.start)(due))
            } else {
                self.kinds[probe].skipped(self.shared, due);
                Some(Trace::begin(due, self.shared.origin).end(SampleOutcome::NotSent))
            };
            if let Some(sample) = finished {
                self.finish(sample);
            }
        }
        most
    }

    fn finish(&mut self, sample: Sample) {
        self.ended += 1;
        for (probe, at_ns, what) in self.shared.again.borrow_mut().drain(..) {
            self.schedule.again(probe, at_ns, what);
        }
        self.in_flight[usize::from(sample.probe)].fetch_sub(1, Ordering::Relaxed);
        self.feed.push(sample);
    }
}

/// Above this many requests a second the pacing thread would keep a processor from everybody else.
const PREFERRED_UP_TO: f64 = 2_000.0;

/// Lets this thread run before others when it has work, where the process may ask for that (as root): on a busy machine a request would
/// otherwise be sent late, and a run whose requests are late proves nothing. A real-time turn of the lowest rank, because a nice value
/// counts only inside a session's own group; it takes a few per cent of a processor. Programs that the thread starts would inherit it,
/// so it is not asked for where a probe starts programs.
fn prefer_this_thread(rate: f64) {
    use thread_priority::{
        RealtimeThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
    };
    if rate <= PREFERRED_UP_TO {
        let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::RoundRobin);
        // A refusal leaves the usual turn.
        let _ = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, policy);
    }
}

/// A request that could not go on for so long because of us was not late by the system's fault, however it ended: the time counts
/// as its schedule error.
fn held_up(sample: Sample, held: Duration) -> Sample {
    let held_us = u32::try_from(held.as_micros()).unwrap_or(NEVER - 1);
    Sample { sent_us: sample.sent_us.max(held_us), ..sample }
}

/// Gives the thread back to the runtime until it has asked the kernel for news. A plain wake-up would not do: the runtime polls a
/// task that woke itself dozens of times before it looks at its sockets, and meanwhile each due request found no idle connection.
fn look_at_the_kernel<T>(cx: &mut Context<'_>) -> Poll<T> {
    let deferred = std::pin::pin!(tokio::task::yield_now()).poll(cx);
    debug_assert!(deferred.is_pending());
    Poll::Pending
}

/// How many requests of a probe may be in flight: those of one deadline, and those of a second in which we were held up ourselves.
pub fn most_in_flight(rate: f64, timeout: Duration) -> u64 {
    (rate * (timeout.as_secs_f64() + 1.0)).ceil() as u64 + 64
}
