//! Events to reporters. Each reporter has a thread and a bounded queue of its own: sending never waits, so a full disk or a
//! stopped terminal cannot hold up an undo.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use crate::{
    clock,
    event::{Event, EventKind},
};

/// So many ticks wait in a queue: they are for the live view, and the numbers do not come from them. What finds more of them there is no loss, as
/// its reporter stands still.
const TICKS_UP_TO: usize = 256;
/// Anything else waits up to this length; what comes then is lost for this reporter, and said at the end.
const QUEUE: usize = 65_536;
/// Whoever is woken lets so much time go by first: events come in crowds, and it would else wake, and wait again, for each of them.
const GATHER: Duration = Duration::from_millis(5);

/// Shows or stores events.
pub trait Reporter: Send {
    /// Its name in a warning: `events.jsonl`, `console`.
    fn name(&self) -> &'static str;

    /// Takes one event. After an error it is not called again.
    fn event(&mut self, event: &Event) -> io::Result<()>;

    /// Nothing further waits for it: what it has held back to write at once is to be written now.
    fn caught_up(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Whether it shows clocks, and so wants `idle` ten times a second; who does not sleeps until something comes.
    fn live(&self) -> bool {
        false
    }

    /// How many ticks wait for it, if nothing else comes, before it is woken: who makes nothing of them sleeps through a minute's.
    fn ticks(&self) -> usize {
        1
    }

    /// Nothing has come for a while: redraw clocks.
    fn idle(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// The last event has come.
    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A reporter that did not do its work. A warning, not a failure of the run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the report `{reporter}` is not complete: {why}")]
pub struct ReporterFailure {
    /// Which.
    pub reporter: &'static str,
    /// Why.
    pub why: String,
}

#[derive(Default)]
struct Queue {
    events: VecDeque<Arc<Event>>,
    /// How many of them are ticks.
    ticks: usize,
    /// There is something to do for it; until it has done that nobody needs to tell it so again.
    woken: bool,
    lost: u64,
    closed: bool,
    done: Option<Result<(), String>>,
}

struct Lane {
    name: &'static str,
    /// See `Reporter::ticks`.
    ticks: usize,
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl Lane {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reporters at work.
pub struct FanOut {
    lanes: Vec<Arc<Lane>>,
}

impl FanOut {
    /// Starts a thread for each reporter.
    pub fn start(reporters: Vec<Box<dyn Reporter>>) -> Self {
        let lanes = reporters
            .into_iter()
            .map(|reporter| {
                let lane =
                    Arc::new(Lane { name: reporter.name(), ticks: reporter.ticks(), queue: Mutex::default(), changed: Condvar::new() });
                let theirs = Arc::clone(&lane);
                let started = thread::Builder::new().name(format!("report {}", lane.name)).spawn(move || work(reporter, &theirs));
                if let Err(error) = started {
                    lane.lock().done = Some(Err(format!("no thread for it: {error}")));
                }
                lane
            })
            .collect();
        Self { lanes }
    }

    /// Gives an event to every reporter. Never waits.
    pub fn send(&self, event: Event) {
        let tick = is_tick(&event);
        let event = Arc::new(event);
        for lane in &self.lanes {
            let mut queue = lane.lock();
            if queue.done.is_some() {
                continue;
            }
            let full = if tick { queue.ticks >= TICKS_UP_TO } else { queue.events.len() >= QUEUE };
            if full {
                queue.lost += u64::from(!tick);
            } else {
                queue.events.push_back(Arc::clone(&event));
                queue.ticks += usize::from(tick);
                if !queue.woken && (!tick || queue.events.len() >= lane.ticks) {
                    queue.woken = true;
                    lane.changed.notify_all();
                }
            }
        }
    }

    /// No more events: waits until the reporters are done, but no longer than `patience` in all, and says which failed.
    /// Blocking.
    pub fn finish(self, patience: Duration) -> Vec<ReporterFailure> {
        let until = clock::now().plus(patience);
        for lane in &self.lanes {
            lane.lock().closed = true;
            lane.changed.notify_all();
        }
        let mut failures = Vec::new();
        for lane in &self.lanes {
            let mut queue = lane.lock();
            while queue.done.is_none() && clock::now() < until {
                queue = lane.changed.wait_timeout(queue, until.since(clock::now())).unwrap_or_else(PoisonError::into_inner).0;
            }
            let mut fail = |why: String| failures.push(ReporterFailure { reporter: lane.name, why });
            match &queue.done {
                None => fail(format!("it did not finish within {}", crate::model::quantity::show_duration(patience))),
                Some(Err(why)) => fail(why.clone()),
                Some(Ok(())) => {}
            }
            if queue.lost > 0 {
                fail(format!("it lost {}, which came faster than it could take them", crate::model::quantity::plural(queue.lost, "event")));
            }
        }
        failures
    }
}

fn is_tick(event: &Event) -> bool {
    matches!(event.kind, EventKind::Tick { .. })
}

fn work(mut reporter: Box<dyn Reporter>, lane: &Lane) {
    // A panic in a renderer must end in a warning too, not in a `finish` that waits for nobody.
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drain(reporter.as_mut(), lane)));
    let mut queue = lane.lock();
    queue.events.clear();
    queue.done = Some(match result {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("it panicked: this is a defect of firedrill".to_owned()),
    });
    lane.changed.notify_all();
}

fn drain(reporter: &mut dyn Reporter, lane: &Lane) -> io::Result<()> {
    let mut behind = false;
    loop {
        let mut queue = lane.lock();
        if queue.events.is_empty() && std::mem::take(&mut behind) {
            drop(queue);
            reporter.caught_up()?;
            continue;
        }
        if queue.events.is_empty() {
            queue.woken = false;
        }
        if !queue.woken && !queue.closed {
            queue = if reporter.live() {
                lane.changed.wait_timeout(queue, Duration::from_millis(100)).unwrap_or_else(PoisonError::into_inner).0
            } else {
                lane.changed.wait(queue).unwrap_or_else(PoisonError::into_inner)
            };
            if queue.woken && !queue.closed {
                drop(queue);
                thread::sleep(GATHER);
                queue = lane.lock();
            }
        }
        match queue.events.pop_front() {
            Some(event) => {
                queue.ticks -= usize::from(is_tick(&event));
                drop(queue);
                behind = true;
                reporter.event(&event)?;
            }
            None if queue.closed => {
                drop(queue);
                return reporter.finish();
            }
            None => {
                drop(queue);
                reporter.idle()?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::model::time::{Mono, Wall};

    struct Forward(mpsc::Sender<u64>, Option<u64>);

    impl Reporter for Forward {
        fn name(&self) -> &'static str {
            "forward"
        }
        fn event(&mut self, event: &Event) -> io::Result<()> {
            if self.1 == Some(event.number) {
                return Err(io::Error::other("disk full"));
            }
            self.0.send(event.number).map_err(io::Error::other)
        }
    }

    struct Stalls(mpsc::Receiver<()>);

    impl Reporter for Stalls {
        fn name(&self) -> &'static str {
            "stalls"
        }
        fn event(&mut self, _: &Event) -> io::Result<()> {
            let _ = self.0.recv();
            Ok(())
        }
    }

    fn warning(number: u64) -> Event {
        Event { number, at: Mono(number), wall: Wall(0), kind: EventKind::Warning { text: String::new() } }
    }

    #[test]
    fn one_that_fails_or_stalls_does_not_hold_up_the_others() {
        let (good_out, good) = mpsc::channel();
        let (bad_out, bad) = mpsc::channel();
        let (hold, held) = mpsc::channel();
        let fan = FanOut::start(vec![Box::new(Forward(bad_out, Some(2))), Box::new(Stalls(held)), Box::new(Forward(good_out, None))]);
        for number in 1..=100 {
            fan.send(warning(number));
        }
        let failures = fan.finish(Duration::from_millis(300));
        assert_eq!(good.iter().collect::<Vec<_>>(), (1..=100).collect::<Vec<_>>());
        assert_eq!(bad.iter().collect::<Vec<_>>(), [1]);
        let names: Vec<_> = failures.iter().map(|f| (f.reporter, f.why.contains("disk full"))).collect();
        assert_eq!(names, [("forward", true), ("stalls", false)]);
        drop(hold);
    }

    /// Ticks of which it makes nothing.
    struct Sleeps(mpsc::Sender<u64>);

    impl Reporter for Sleeps {
        fn name(&self) -> &'static str {
            "sleeps"
        }
        fn event(&mut self, event: &Event) -> io::Result<()> {
            self.0.send(event.number).map_err(io::Error::other)
        }
        fn ticks(&self) -> usize {
            3
        }
    }

    #[test]
    fn who_makes_nothing_of_ticks_gets_them_together_with_what_comes_after_them() {
        let (out, told) = mpsc::channel();
        let fan = FanOut::start(vec![Box::new(Sleeps(out))]);
        let next = || told.recv_timeout(Duration::from_secs(20));
        fan.send(tick(1));
        fan.send(tick(2));
        assert!(told.recv_timeout(Duration::from_millis(50)).is_err());
        fan.send(tick(3));
        assert_eq!([next(), next(), next()], [Ok(1), Ok(2), Ok(3)]);
        fan.send(tick(4));
        fan.send(warning(5));
        assert_eq!([next(), next()], [Ok(4), Ok(5)]);
        fan.send(tick(6));
        assert_eq!(fan.finish(Duration::from_secs(20)), []);
        assert_eq!(next(), Ok(6), "the end is worth waking for");
    }

    #[test]
    fn a_tick_among_hundreds_of_events_is_not_lost() {
        let (out, told) = mpsc::channel();
        let fan = FanOut::start(vec![Box::new(Forward(out, None))]);
        for number in 1..=2_000 {
            fan.send(if number % 1_000 == 0 { tick(number) } else { warning(number) });
        }
        assert_eq!(fan.finish(Duration::from_secs(20)), []);
        assert_eq!(told.iter().count(), 2_000);
    }

    fn tick(number: u64) -> Event {
        Event { kind: EventKind::Tick { probes: std::collections::BTreeMap::new() }, ..warning(number) }
    }

    #[test]
    fn ticks_give_way_without_a_loss_and_other_events_with_one() {
        let failures = |events: Vec<Event>| {
            let (hold, held) = mpsc::channel();
            let fan = FanOut::start(vec![Box::new(Stalls(held))]);
            for event in events {
                fan.send(event);
            }
            drop(hold);
            fan.finish(Duration::from_secs(20))
        };
        let ticks = TICKS_UP_TO as u64 + 100;
        assert_eq!(failures((1..=ticks).map(tick).chain([warning(1_000)]).collect()), []);
        let lost = failures((0..=(QUEUE as u64 + 1)).map(warning).collect());
        assert_eq!(lost.len(), 1);
        assert!(lost[0].why.contains("faster than"), "{}", lost[0]);
    }
}
