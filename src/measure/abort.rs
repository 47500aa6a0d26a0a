//! Abort conditions on probes, judged while the run goes on.
//!
//! A share or a latency is looked at over windows of one second (longer for slow probes) that slide by 100 ms, and must be bad in each of
//! them for the whole time. A count is looked at over the time itself, and is bad at once. So is a burn rate, over its own window.

use super::{
    live::{ProbeView, Value, value},
    sliding::BUCKET_NS,
};
use crate::model::{experiment::Objective, guardrail::AbortWhen, steady_state::Metric, time::nanos};

/// Windows of a second, or of as many requests as say anything.
const WINDOW_NS: u64 = 1_000_000_000;

/// One condition, and since when it is bad.
#[derive(Debug)]
pub(super) struct AbortView {
    pub(super) when: AbortWhen,
    /// The place of its probe.
    pub(super) place: usize,
    /// The share of requests that the objective lets fail.
    allowed: f64,
    judged: u64,
    bad_since: Option<u64>,
    /// For outages: since when most requests have failed, and for how many buckets in all.
    failing_since: Option<u64>,
    failing: u64,
}

impl AbortView {
    pub(super) fn new(when: &AbortWhen, objective: Option<Objective>, place: usize) -> Self {
        let allowed = objective.map_or(0.0, |objective| 1.0 - objective.availability.0);
        Self { when: when.clone(), place, allowed, judged: 0, bad_since: None, failing_since: None, failing: 0 }
    }

    /// Judges every boundary up to the frontier; the value that was bad for long enough.
    pub(super) fn judge(&mut self, probe: &ProbeView, frontier: u64) -> Option<f64> {
        while self.judged < frontier {
            self.judged += 1;
            let found = match self.when.clone() {
                AbortWhen::Metric { metric, comparison, held_for, .. } => {
                    self.metric(probe, metric, nanos(held_for) / BUCKET_NS, |value| comparison.holds(value))
                }
                AbortWhen::BurnRate { op, bound, over, .. } => {
                    self.burn_rate(probe, nanos(over) / BUCKET_NS).filter(|rate| op.holds(*rate, bound))
                }
                AbortWhen::Asked(_) => None,
            };
            if found.is_some() {
                return found;
            }
        }
        None
    }

    fn metric(&mut self, probe: &ProbeView, metric: Metric, held_for: u64, is_bad: impl Fn(f64) -> bool) -> Option<f64> {
        let counts = matches!(metric, Metric::Failures | Metric::StateLost | Metric::Stale);
        let window = if counts { held_for.max(1) } else { (WINDOW_NS / BUCKET_NS).min(held_for).max(probe.few()) };
        let value = match metric {
            Metric::LongestOutage | Metric::Downtime => Value::Measured(self.outage(probe, metric)),
            metric => value(metric, &probe.sliding.slice(self.judged.saturating_sub(window), self.judged)),
        };
        let bad = match value {
            Value::Measured(value) if self.judged >= window && is_bad(value) => value,
            _ => {
                self.bad_since = None;
                return None;
            }
        };
        let since = *self.bad_since.get_or_insert(self.judged);
        (counts || self.judged - since >= held_for).then_some(bad)
    }

    /// How many times as fast as the objective allows the budget burned over the window. What of the window lies before the run was good:
    /// one early failure is no burning budget.
    fn burn_rate(&self, probe: &ProbeView, window: u64) -> Option<f64> {
        let slice = probe.sliding.slice(self.judged.saturating_sub(window), self.judged);
        if slice.requests == 0 || self.allowed <= 0.0 {
            return None;
        }
        let failed = (slice.requests - slice.ok) as f64 / slice.requests as f64;
        let known = self.judged.min(window) as f64 / window.max(1) as f64;
        Some(failed * known / self.allowed)
    }

    /// The length in seconds of the outage that is open (or of all so far): stretches in which most requests fail.
    fn outage(&mut self, probe: &ProbeView, metric: Metric) -> f64 {
        let slice = probe.sliding.slice(self.judged - 1, self.judged);
        if slice.requests > 0 {
            let failing = slice.ok * 2 < slice.requests;
            self.failing_since = if failing { self.failing_since.or(Some(self.judged - 1)) } else { None };
        }
        self.failing += u64::from(self.failing_since.is_some());
        let open = self.failing_since.map_or(0, |since| self.judged - since);
        let buckets = if metric == Metric::Downtime { self.failing } else { open };
        (buckets * BUCKET_NS) as f64 / 1e9
    }
}
