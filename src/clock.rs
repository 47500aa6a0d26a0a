//! The one home of clocks. `Clock` is tokio's clock mapped to `CLOCK_MONOTONIC`, so that a paused test clock moves it too;
//! `now` reads the kernel's clock for code that runs outside the runtime (the prober's thread, the balancer).

use std::time::Duration;

use crate::model::time::{Mono, Wall};

/// The kernel's monotonic clock, now.
pub fn now() -> Mono {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Mono(t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64)
}

/// The wall clock, now. For display only.
pub fn wall() -> Wall {
    #[expect(clippy::disallowed_methods, reason = "this is the home of the wall clock")]
    Wall(i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX))
}

/// The wall clock, now, as a moment of calendars.
pub fn moment() -> jiff::Timestamp {
    jiff::Timestamp::from_nanosecond(wall().0.into()).unwrap_or(jiff::Timestamp::MAX)
}

/// Time for code on the runtime: real in a run, virtual under a paused test clock.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    base: Mono,
    wall_base: Wall,
    origin: tokio::time::Instant,
}

impl Clock {
    /// A clock that agrees with `now` at this moment.
    pub fn start() -> Self {
        Self { base: now(), wall_base: wall(), origin: tokio::time::Instant::now() }
    }

    /// Now.
    pub fn now(&self) -> Mono {
        self.base.plus(self.origin.elapsed())
    }

    /// The wall clock at a moment, by the offset of the start: it does not follow steps of the wall clock in the middle of a run.
    pub fn wall_at(&self, at: Mono) -> Wall {
        Wall(self.wall_base.0 + (i128::from(at.0) - i128::from(self.base.0)) as i64)
    }

    /// Sleeps until a moment on this clock.
    pub async fn sleep_until(&self, at: Mono) {
        tokio::time::sleep_until(self.origin + at.since(self.base)).await;
    }

    /// Sleeps for a while.
    pub async fn sleep(&self, d: Duration) {
        tokio::time::sleep(d).await;
    }
}
