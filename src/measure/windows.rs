//! Outage windows.
//!
//! A window opens with a failure. It closes when the `k` successes after its last failure would be improbable at the window's
//! own failure share, and not before the larger of 100 ms and 5 intervals have passed since that failure:
//!
//! ```text
//! f (f + 1) (1 − p)^k < 1 %      with p = f / (n + 5)
//! ```
//!
//! `f` of the `n` requests from the first failure to the last one failed. Two decisions are in the formula:
//! - `p` counts five successes that were not seen. A window begins at a failure *because* it failed, so that one failure is no
//!   measurement of a share of 100 %; without this, a loss of 15 % would fall apart in its first requests.
//! - `f (f + 1)`: a steady loss of `f` failures has `f` gaps, and each is a chance to be split. As `1/1·2 + 1/2·3 + ...` is 1,
//!   the chance that a steady loss is split *anywhere* stays under 1 %.
//!
//! So a lone failure waits for 30 successes before it is called over, half a share for about 20, a full outage for 5. The
//! waiting never lengthens a window: it ends between its last failure and the first success after.

use std::collections::BTreeMap;

use crate::model::sample::SampleOutcome;

/// The chance below which successes are improbable.
const IMPROBABLE: f64 = 0.01;
/// Successes added to a window's own when its share is estimated.
const UNSEEN_SUCCESSES: f64 = 5.0;
/// A window is never closed sooner than this after its last failure,
const SHORTEST_QUIET_NS: u64 = 100_000_000;
/// nor sooner than so many intervals.
const QUIET_INTERVALS: u64 = 5;

/// One outage window, in nanoseconds of due time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// The last success before it, or the begin of what counts.
    pub after_ns: u64,
    /// Its first failure.
    pub first_failure_ns: u64,
    /// Its last failure.
    pub last_failure_ns: u64,
    /// The first success after its last failure; none when the samples ended first.
    pub until_ns: Option<u64>,
    /// Requests from the first failure to the last.
    pub requests: u64,
    /// Of which failed.
    pub failures: u64,
    /// By class.
    pub classes: BTreeMap<SampleOutcome, u64>,
}

impl Window {
    fn open(after_ns: u64, due_ns: u64) -> Self {
        Self {
            after_ns,
            first_failure_ns: due_ns,
            last_failure_ns: due_ns,
            until_ns: None,
            requests: 0,
            failures: 0,
            classes: BTreeMap::new(),
        }
    }

    /// Whether `successes` in a row would be improbable at the window's own share.
    fn improbable(&self, successes: u64) -> bool {
        let f = self.failures as f64;
        let p = f / (self.requests as f64 + UNSEEN_SUCCESSES);
        // In logarithms: (1 − p)^k underflows for a long outage.
        (f * (f + 1.0)).ln() + successes as f64 * (1.0 - p).ln() < IMPROBABLE.ln()
    }
}

/// Finds windows in samples that come in due order. Late samples are not for it.
#[derive(Debug, Clone)]
pub struct Tracker {
    quiet_ns: u64,
    last_success_ns: u64,
    open: Option<Window>,
    /// Successes since the open window's last failure.
    successes: u64,
    closed: Vec<Window>,
}

impl Tracker {
    /// A tracker for a probe with this interval; what counts begins at `from_ns`.
    pub fn new(interval_ns: u64, from_ns: u64) -> Self {
        Self {
            quiet_ns: SHORTEST_QUIET_NS.max(QUIET_INTERVALS * interval_ns),
            last_success_ns: from_ns,
            open: None,
            successes: 0,
            closed: Vec::new(),
        }
    }

    /// The next sample.
    pub fn push(&mut self, due_ns: u64, outcome: SampleOutcome) {
        if outcome.is_ok() {
            self.success(due_ns);
        } else {
            self.failure(due_ns, outcome);
        }
    }

    fn success(&mut self, due_ns: u64) {
        self.last_success_ns = due_ns;
        let Some(window) = &mut self.open else { return };
        window.until_ns.get_or_insert(due_ns);
        self.successes += 1;
        if due_ns.saturating_sub(window.last_failure_ns) >= self.quiet_ns && window.improbable(self.successes) {
            self.closed.extend(self.open.take());
        }
    }

    fn failure(&mut self, due_ns: u64, outcome: SampleOutcome) {
        let after_ns = self.last_success_ns.min(due_ns);
        let window = self.open.get_or_insert_with(|| {
            self.successes = 0;
            Window::open(after_ns, due_ns)
        });
        window.requests += self.successes + 1;
        window.failures += 1;
        *window.classes.entry(outcome).or_default() += 1;
        window.last_failure_ns = due_ns;
        window.until_ns = None;
        self.successes = 0;
    }

    /// Whether a window is open.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// All windows, in order; the last one may still be open.
    pub fn finish(mut self) -> Vec<Window> {
        self.closed.extend(self.open.take());
        self.closed
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::measure::support::draws;

    const S: u64 = 1_000_000_000;

    /// The windows of `seconds` at `rate`, where `fails(due)` says which requests fail.
    fn windows(rate: u64, seconds: u64, mut fails: impl FnMut(u64) -> bool) -> Vec<Window> {
        let interval = S / rate;
        let mut tracker = Tracker::new(interval, 0);
        for k in 0..rate * seconds {
            let due = k * interval;
            tracker.push(due, if fails(due) { SampleOutcome::Refused } else { SampleOutcome::Ok });
        }
        tracker.finish()
    }

    #[test]
    fn full_outages_are_found_within_one_interval() {
        for rate in [50, 500, 2_000] {
            let interval = S / rate;
            let truth = [(3 * S + 3, 4 * S + 7), (6 * S + 1, 6 * S + S / 4), (8 * S, 9 * S + S / 2)];
            let found = windows(rate, 12, |due| truth.iter().any(|(from, to)| (*from..*to).contains(&due)));
            assert_eq!(found.len(), 3, "at {rate}/s");
            for (window, (from, to)) in found.iter().zip(truth) {
                assert!(window.after_ns < from && from <= window.first_failure_ns);
                assert!(window.last_failure_ns < to && to <= window.until_ns.unwrap());
                assert!(window.first_failure_ns - from <= interval && window.until_ns.unwrap() - to <= interval);
                assert_eq!(window.requests, window.failures);
            }
        }
    }

    #[test]
    fn a_loss_of_15_percent_for_20_seconds_is_one_window() {
        let mut split = 0;
        for rate in [50, 200, 500, 2_000] {
            for seed in 0..25 {
                let mut draw = draws(seed);
                let found = windows(rate, 40, |due| (10 * S..30 * S).contains(&due) && draw() < 0.15);
                split += usize::from(found.len() != 1);
                let (first, last) = (&found[0], &found[found.len() - 1]);
                let length = (last.last_failure_ns - first.first_failure_ns) as f64 / S as f64;
                assert!((length - 20.0).abs() < 50.0 / rate as f64 + 0.1, "{length} s at {rate}/s");
            }
        }
        // Under 1 % by the formula; the estimate of the share adds a little.
        assert!(split <= 4, "{split} of 100 were split");
    }

    #[test]
    fn one_of_six_backends_gone_is_one_window() {
        let found = windows(200, 20, |due| (5 * S..15 * S).contains(&due) && (due / 5_000_000) % 6 == 0);
        assert_eq!(found.len(), 1);
        assert!((found[0].failures as f64 / found[0].requests as f64 - 1.0 / 6.0).abs() < 0.01);
    }

    #[test]
    fn a_lone_failure_among_thousands_is_a_tiny_window() {
        let found = windows(200, 60, |due| due == 20 * S || due == 40 * S);
        assert_eq!(found.len(), 2);
        let window = &found[0];
        assert_eq!((window.after_ns, window.first_failure_ns, window.last_failure_ns), (20 * S - 5_000_000, 20 * S, 20 * S));
        assert_eq!(window.until_ns, Some(20 * S + 5_000_000));
        assert_eq!((window.requests, window.failures), (1, 1));
    }

    #[test]
    fn two_outages_a_fifth_of_a_second_apart_are_two() {
        let found = windows(200, 10, |due| (2 * S..3 * S).contains(&due) || (3 * S + S / 5..4 * S).contains(&due));
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn a_few_successes_in_an_outage_do_not_end_it() {
        let found = windows(200, 10, |due| (2 * S..4 * S).contains(&due) && due != 3 * S && due != 3 * S + 5_000_000);
        assert_eq!(found.len(), 1, "two successes are 10 ms");
        assert_eq!((found[0].requests, found[0].failures), (400, 398));
    }

    #[test]
    fn a_window_may_begin_with_the_first_sample_and_outlast_the_last() {
        let found = windows(10, 3, |_| true);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].after_ns, found[0].until_ns, found[0].failures), (0, None, 30));
    }

    proptest! {
        #[test]
        fn windows_never_overlap_and_hold_every_failure(
            outcomes in prop::collection::vec(prop::bool::weighted(0.8), 0..2_000),
            rate in prop::sample::select(vec![1_u64, 10, 50, 500]),
        ) {
            let interval = S / rate;
            let mut tracker = Tracker::new(interval, 0);
            for (k, ok) in outcomes.iter().enumerate() {
                tracker.push(k as u64 * interval, if *ok { SampleOutcome::Ok } else { SampleOutcome::Reset });
            }
            let found = tracker.finish();
            let failures: u64 = found.iter().map(|w| w.failures).sum();
            prop_assert_eq!(failures, outcomes.iter().filter(|ok| !**ok).count() as u64);
            for window in &found {
                prop_assert!(window.after_ns <= window.first_failure_ns && window.first_failure_ns <= window.last_failure_ns);
                prop_assert_eq!(window.requests, (window.last_failure_ns - window.first_failure_ns) / interval + 1);
                prop_assert_eq!(window.classes.values().sum::<u64>(), window.failures);
                prop_assert!(window.until_ns.is_none_or(|until| until == window.last_failure_ns + interval));
            }
            for pair in found.windows(2) {
                prop_assert!(pair[0].until_ns.is_some_and(|until| until <= pair[1].after_ns));
            }
        }
    }
}
