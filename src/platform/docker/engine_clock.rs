//! The engine's clock against ours. It may be another machine's, it may be wrong, it may be stepped in the middle of a run: each reading
//! bounds the offset from both sides, and times that the engine tells become brackets that are as wide as the doubt.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use crate::model::time::{Bracket, Mono};

/// Engine time minus our monotonic time, in nanoseconds: somewhere in between, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Offset {
    least: i128,
    most: i128,
}

/// What is known of an engine's clock.
#[derive(Debug, Default)]
pub struct EngineClock {
    offset: Mutex<Option<Offset>>,
}

impl EngineClock {
    /// Takes in that the engine's clock showed `shown` at some moment after `asked` and before `answered`.
    pub fn reading(&self, asked: Mono, shown: &str, answered: Mono) {
        let Some(shown) = nanoseconds(shown) else { return };
        let new = Offset { least: shown - i128::from(answered.0), most: shown - i128::from(asked.0) };
        let mut known = self.offset.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some(match *known {
            None => new,
            Some(old) => {
                let both = Offset { least: old.least.max(new.least), most: old.most.min(new.most) };
                if both.least <= both.most {
                    both
                } else {
                    // It was stepped since the last reading; a time told in between may be of either clock.
                    Offset { least: old.least.min(new.least), most: old.most.max(new.most) }
                }
            }
        });
    }

    /// When something happened that the engine's clock says happened at `told`; `None` when that is no time, or nothing is known of the
    /// clock.
    pub fn bracket(&self, told: &str) -> Option<Bracket> {
        self.bracket_of(nanoseconds(told)?)
    }

    /// The same, for nanoseconds since 1970 on the engine's clock.
    pub fn bracket_of(&self, told: i128) -> Option<Bracket> {
        let offset = (*self.offset.lock().unwrap_or_else(PoisonError::into_inner))?;
        let mono = |ns: i128| Mono(u64::try_from(ns.max(0)).unwrap_or(u64::MAX));
        Some(Bracket { after: mono(told - offset.most), by: mono(told - offset.least) })
    }

    /// What the engine's clock shows at a moment, at the earliest, in nanoseconds since 1970.
    pub fn shows(&self, at: Mono) -> Option<i64> {
        let offset = (*self.offset.lock().unwrap_or_else(PoisonError::into_inner))?;
        i64::try_from(i128::from(at.0) + offset.least).ok()
    }

    /// The same, at the latest.
    pub fn shows_at_most(&self, at: Mono) -> Option<i64> {
        let offset = (*self.offset.lock().unwrap_or_else(PoisonError::into_inner))?;
        i64::try_from(i128::from(at.0) + offset.most).ok()
    }
}

/// Nanoseconds since 1970 as engines take a time.
pub fn seconds(nanoseconds: i64) -> String {
    const SECOND: i64 = 1_000_000_000;
    format!("{}.{:09}", nanoseconds.div_euclid(SECOND), nanoseconds.rem_euclid(SECOND))
}

/// Nanoseconds since 1970 of a time as engines write it; none for their zero time, the year 1.
fn nanoseconds(text: &str) -> Option<i128> {
    let ns = text.parse::<Timestamp>().ok()?.as_nanosecond();
    (ns > 0).then_some(ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    #[test]
    fn a_time_is_as_certain_as_the_reading() {
        let clock = EngineClock::default();
        assert_eq!(clock.bracket("2026-01-01T00:00:10Z"), None);
        clock.reading(Mono(100 * S), "2026-01-01T00:00:00.5Z", Mono(101 * S));
        let found = clock.bracket("2026-01-01T00:00:10.5Z").unwrap();
        assert_eq!(found, Bracket { after: Mono(110 * S), by: Mono(111 * S) });
    }

    #[test]
    fn readings_narrow_each_other() {
        let clock = EngineClock::default();
        clock.reading(Mono(100 * S), "2026-01-01T00:00:00Z", Mono(104 * S));
        clock.reading(Mono(109 * S), "2026-01-01T00:00:07Z", Mono(110 * S));
        let found = clock.bracket("2026-01-01T00:00:10+00:00").unwrap();
        assert_eq!(found, Bracket { after: Mono(112 * S), by: Mono(113 * S) });
    }

    #[test]
    fn a_step_widens() {
        let clock = EngineClock::default();
        clock.reading(Mono(100 * S), "2026-01-01T00:00:00Z", Mono(100 * S));
        clock.reading(Mono(101 * S), "2026-01-01T01:00:01Z", Mono(101 * S));
        let found = clock.bracket("2026-01-01T01:00:02Z").unwrap();
        assert_eq!(found, Bracket { after: Mono(102 * S), by: Mono(3702 * S) });
    }

    #[test]
    fn the_zero_time_is_no_time() {
        let clock = EngineClock::default();
        clock.reading(Mono(100 * S), "2026-01-01T00:00:00.123456789Z", Mono(100 * S));
        assert_eq!(clock.bracket("0001-01-01T00:00:00Z"), None);
        assert_eq!(clock.bracket(""), None);
    }
}
