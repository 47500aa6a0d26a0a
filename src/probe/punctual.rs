//! The pacing thread's own punctuality: waking so early that it is at work when a request is due, and noticing when it stood
//! still, so that what came late through us is not blamed on the system.

use std::time::Duration;

use crate::model::{sample::LATE_US, time::Mono};

/// The earliest that the timer is set before a due time.
const MOST_LEAD: Duration = Duration::from_micros(40);
/// How much is learnt from one wake-up.
const LESSON: Duration = Duration::from_micros(1);
/// Where requests follow each other more closely than this, waiting on the spot would cost too much: the timer is set to the due
/// time itself.
const ROOM: Duration = Duration::from_micros(300);

/// How much earlier than a due time the timer must fire. The kernel takes some ten microseconds to bring a thread back, more or
/// less by machine and by load; the lead settles where half of the wake-ups come too early, and those wait on the spot.
#[derive(Debug, Default)]
pub struct Aim {
    lead: Duration,
    target: Option<Mono>,
    /// The wake-up for it has taught its lesson.
    learnt: bool,
}

impl Aim {
    /// When to wake for a due time.
    pub fn at(&mut self, due: Mono, now: Mono) -> Mono {
        if self.target != Some(due) && due.since(now) > ROOM {
            self.target = Some(due);
            self.learnt = false;
        }
        if self.target == Some(due) { Mono(due.0 - self.lead.as_nanos() as u64) } else { due }
    }

    /// Whether to wait for a due time on the spot.
    pub fn is_near(&self, due: Mono, now: Mono) -> bool {
        self.target == Some(due) && due.since(now) <= self.lead
    }

    /// The thread is back from the kernel: was that in time?
    pub fn learn(&mut self, now: Mono) {
        let Some(due) = self.target.filter(|_| !self.learnt) else { return };
        if now >= due {
            self.lead = (self.lead + LESSON).min(MOST_LEAD);
        } else if self.is_near(due, now) {
            self.lead = self.lead.saturating_sub(LESSON);
        } else {
            return;
        }
        self.learnt = true;
    }
}

/// While requests are in flight the thread looks up at least this often, so that it knows whether it stood still.
pub const HEARTBEAT: Duration = Duration::from_millis(10);

/// Notices when the thread stood still: stopped, or without a core.
#[derive(Debug)]
pub struct Watchdog {
    /// When it should have been seen at the latest.
    expected: Mono,
}

impl Watchdog {
    /// It works.
    pub fn new(now: Mono) -> Self {
        Self { expected: now }
    }

    /// The thread sleeps until this moment at the latest.
    pub fn leave(&mut self, until: Mono) {
        self.expected = until;
    }

    /// The thread is at work now. Answers how long it had stood still, if that is so long that a request would be `late`.
    pub fn seen(&mut self, now: Mono) -> Option<Duration> {
        let gap = now.since(self.expected);
        self.expected = now;
        (gap > Duration::from_micros(u64::from(LATE_US))).then_some(gap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn us(us: u64) -> Mono {
        Mono(us * 1000)
    }

    #[test]
    fn the_lead_settles_at_the_usual_delay_of_a_wake_up() {
        let mut aim = Aim::default();
        for k in 1..=500_u64 {
            let due = us(k * 2000);
            let wake = aim.at(due, us(k * 2000 - 1500));
            // The kernel brings the thread back 20 µs after the timer, now and then a millisecond.
            let delay = if k % 50 == 0 { 1000 } else { 20 };
            let back = wake.plus(Duration::from_micros(delay));
            aim.learn(back);
            aim.learn(due.plus(Duration::from_micros(100)));
            assert!(back >= due || aim.is_near(due, back) || due.since(back) <= Duration::from_micros(2));
        }
        assert!((18..=22).contains(&aim.lead.as_micros()), "{:?}", aim.lead);
        // Close together: no waiting.
        assert_eq!(aim.at(us(5_000_200), us(5_000_000)), us(5_000_200));
        assert!(!aim.is_near(us(5_000_200), us(5_000_190)));
    }

    #[test]
    fn a_thread_that_stood_still_knows_it() {
        let mut watchdog = Watchdog::new(us(0));
        assert_eq!(watchdog.seen(us(9_000)), None);
        assert_eq!(watchdog.seen(us(19_000)), None, "from the last time it was seen");
        watchdog.leave(us(1_000_000));
        assert_eq!(watchdog.seen(us(500_000)), None, "an answer may wake it before");
        watchdog.leave(us(1_000_000));
        assert_eq!(watchdog.seen(us(1_500_000)), Some(Duration::from_millis(500)));
        assert_eq!(watchdog.seen(us(1_500_001)), None);
    }
}
