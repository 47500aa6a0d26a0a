//! A measured value, what it may truly be, and the decision about a comparison: on the interval's safe side.
//!
//! - **Broken** when the measured value does not satisfy the comparison: that is what users saw.
//! - **Held** when the value and both ends of what it may truly be satisfy it.
//! - **Untold** otherwise: nothing was measured, or too little to tell. An error, never a pass.
//!
//! For availability the interval is Wilson's (with the rule of three when nothing failed), not the wider one that is printed.
//! The printed bootstrap asks "what might another drill have shown?", and one short outage in a phase makes it so wide that no
//! drill with a real fault could pass. The judgement is about this run: "did enough requests see *these* seconds?", which is
//! Wilson's question, and it still calls 100 requests without a failure too few for 99.5 % (600 are needed).
//!
//! A bound of 100 % (or of 0 %, or `==`) can be shown by no number of samples: it is a statement about the requests that were
//! made, as `failures == 0` is, and is judged exactly.

use super::{
    rates::{needed_at, needed_without_failures, wilson},
    words,
};
use crate::model::{
    measurement::JudgedResult,
    steady_state::{Comparison, Metric, Op},
};

/// A decision with its reason.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The result.
    pub result: JudgedResult,
    /// Why, when it is not held.
    pub why: Option<String>,
}

impl Decision {
    /// Untold, because.
    pub fn untold(why: impl Into<String>) -> Self {
        Self { result: JudgedResult::Untold, why: Some(why.into()) }
    }

    /// Held or broken, without doubt.
    pub fn exact(holds: bool) -> Self {
        Self { result: if holds { JudgedResult::Held } else { JudgedResult::Broken }, why: None }
    }
}

/// Decides a value that truly lies between `low` and `high`; `doubt` says why when that reaches over the bound.
pub fn decide(comparison: Comparison, value: f64, low: f64, high: f64, doubt: impl FnOnce() -> String) -> Decision {
    if !comparison.holds(value) {
        return Decision::exact(false);
    }
    if comparison.op == Op::Equal || (comparison.holds(low) && comparison.holds(high)) {
        return Decision::exact(true);
    }
    Decision::untold(doubt())
}

/// Decides an availability.
pub fn decide_availability(comparison: Comparison, ok: u64, n: u64) -> Decision {
    if n == 0 {
        return Decision::untold(words::NO_REQUESTS);
    }
    let value = ok as f64 / n as f64;
    let bound = comparison.bound;
    if bound >= 1.0 || bound <= 0.0 {
        return Decision::exact(comparison.holds(value));
    }
    let (low, high) = wilson(ok, n);
    decide(comparison, value, low, high, || {
        let needed = match ok {
            _ if ok == n => needed_without_failures(bound),
            0 => needed_without_failures(1.0 - bound),
            _ => needed_at(value, bound),
        };
        words::too_few(n, needed)
    })
}

/// How many values a quantile needs: with fewer than `3 / (1 − q)`, even the largest of them may lie below the true quantile
/// (the chance of that is `q^n`, 5 % at this number).
pub fn needed_for(metric: Metric) -> u64 {
    match metric {
        Metric::P50 => 6,
        Metric::P90 => 30,
        Metric::P99 => 300,
        Metric::P999 => 3_000,
        _ => 1,
    }
}

/// Decides a latency.
pub fn decide_latency(metric: Metric, comparison: Comparison, value: f64, n: u64) -> Decision {
    if !comparison.holds(value) {
        return Decision::exact(false);
    }
    let needed = needed_for(metric);
    if n < needed { Decision::untold(words::too_few_for_quantile(metric, n, needed)) } else { Decision::exact(true) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::steady_state::Unit;

    fn at_least(bound: f64) -> Comparison {
        Comparison { op: Op::AtLeast, bound, unit: Unit::Share }
    }

    #[test]
    fn availability_is_judged_on_the_safe_side() {
        use JudgedResult::{Broken, Held, Untold};
        for (bound, failed, n, wanted) in [
            (0.995, 0, 2_000, Held), // the default baseline: 10 s at 200/s
            (0.995, 0, 600, Held),   // exactly the rule of three
            (0.995, 0, 599, Untold),
            (0.995, 0, 0, Untold),
            (0.995, 18, 6_000, Held),  // 0.3 % in a fault phase of 30 s
            (0.995, 6, 2_000, Untold), // the same share of too few
            (0.995, 31, 6_000, Broken),
            (0.995, 1, 100, Broken), // what users saw
            (1.0, 0, 10, Held),      // a statement about these requests
            (1.0, 1, 1_000_000, Broken),
        ] {
            assert_eq!(decide_availability(at_least(bound), n - failed, n).result, wanted, "{failed} of {n} against {bound}");
        }
        let why = decide_availability(at_least(0.995), 599, 599).why.unwrap();
        assert_eq!(why, "too few samples to tell: n = 599, it needs about 600 at this share of failures");
        let why = decide_availability(at_least(0.5), 250, 500).why.unwrap();
        assert_eq!(why, "too few samples to tell: n = 500, and the share lies just at the bound, where no number tells");
    }

    #[test]
    fn an_upper_bound_is_judged_on_its_own_side() {
        let below = Comparison { op: Op::Below, bound: 0.5, unit: Unit::Share };
        assert_eq!(decide_availability(below, 0, 100).result, JudgedResult::Held);
        assert_eq!(decide_availability(below, 45, 100).result, JudgedResult::Untold);
        assert_eq!(decide_availability(below, 55, 100).result, JudgedResult::Broken);
    }

    #[test]
    fn a_quantile_needs_samples_beyond_it() {
        let at_most = Comparison { op: Op::AtMost, bound: 0.3, unit: Unit::Seconds };
        assert_eq!(decide_latency(Metric::P99, at_most, 0.1, 299).result, JudgedResult::Untold);
        assert_eq!(decide_latency(Metric::P99, at_most, 0.1, 300).result, JudgedResult::Held);
        assert_eq!(decide_latency(Metric::P99, at_most, 0.4, 10).result, JudgedResult::Broken);
    }
}
