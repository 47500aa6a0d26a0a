//! Points in time as plain numbers. Who reads a clock is `crate::clock`; here is only arithmetic.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Nanoseconds on the machine's monotonic clock (`CLOCK_MONOTONIC`): the same for every process of one boot, never stepped.
/// All durations and orders come from it; the wall clock is for display only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Mono(pub u64);

impl Mono {
    /// This moment plus a duration.
    #[must_use]
    pub fn plus(self, d: Duration) -> Self {
        Self(self.0.saturating_add(nanos(d)))
    }

    /// This moment minus a duration, not before zero.
    #[must_use]
    pub fn minus(self, d: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(d)))
    }

    /// The time from `earlier` to here; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Seconds from `origin` to here, negative when before it.
    pub fn seconds_from(self, origin: Self) -> f64 {
        (i128::from(self.0) - i128::from(origin.0)) as f64 / 1e9
    }
}

/// A duration in whole nanoseconds, saturating at 584 years.
pub fn nanos(d: Duration) -> u64 {
    u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)
}

/// Nanoseconds since 1970 (UTC), for display only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Wall(pub i64);

/// Something happened after `after` and no later than `by`: the honest way to say when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bracket {
    /// It had not yet happened here.
    pub after: Mono,
    /// It had happened here.
    pub by: Mono,
}

impl Bracket {
    /// The width of the doubt.
    pub fn width(self) -> Duration {
        self.by.since(self.after)
    }
}
