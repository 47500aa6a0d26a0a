//! Absolute wake-ups to the microsecond: a timer descriptor on the monotonic clock. The runtime's own timers tick in
//! milliseconds, which would send five requests at a time at 5,000/s.

use std::{
    io,
    os::fd::OwnedFd,
    task::{Context, Poll},
};

use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime};
use tokio::io::unix::AsyncFd;

use crate::model::time::Mono;

/// Watches a descriptor for being readable.
#[expect(deprecated, reason = "the new constructor is unsafe, because of types that close their descriptor early: an `OwnedFd` does not")]
pub fn watch(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(descriptor, tokio::io::Interest::READABLE)
}

/// One pending wake-up.
#[derive(Debug)]
pub struct Wakeup {
    timer: AsyncFd<OwnedFd>,
    armed: Option<Mono>,
}

impl Wakeup {
    /// A timer that is not armed. Needs a runtime.
    pub fn new() -> io::Result<Self> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        Ok(Self { timer: watch(timer)?, armed: None })
    }

    /// Asks to be woken at a moment: ready when it fired. Asking again for the same moment costs nothing; setting the timer
    /// clears what had fired before, so the descriptor need not be read.
    pub fn poll_at(&mut self, at: Mono, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.armed != Some(at) {
            let value = Timespec { tv_sec: (at.0 / 1_000_000_000).cast_signed(), tv_nsec: (at.0 % 1_000_000_000).cast_signed() };
            let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
            timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &once)?;
            self.armed = Some(at);
        }
        match self.timer.poll_read_ready(cx) {
            Poll::Ready(Ok(mut guard)) => {
                guard.clear_ready();
                // An old firing may be what made it readable: the caller looks at the clock and asks again.
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }
}
