//! What a reader is told about conditions and trust: all of it in one place.

use std::time::Duration;

use crate::model::{
    guardrail::{AbortWhen, Asked},
    ids::{ProbeName, Service},
    measurement::{Estimate, Latency, Phoenix},
    quantity::{count, plural, show_duration},
    sample::SampleOutcome,
    steady_state::{Comparison, Metric, Phase, Unit},
};

/// Seconds as a person reads them.
pub fn seconds(s: f64) -> String {
    show_duration(Duration::try_from_secs_f64(s.max(0.0)).unwrap_or(Duration::MAX))
}

/// The share that was lost, of an availability: `0.4 %`. Never rounded to nothing or to all when it is not.
pub fn lost(availability: f64) -> String {
    let percent = (1.0 - availability) * 100.0;
    for digits in [1_usize, 2, 4, 6] {
        let text = format!("{percent:.digits$}");
        let shown: f64 = text.parse().unwrap_or(percent);
        if (shown > 0.0 || availability >= 1.0) && (shown < 100.0 || availability <= 0.0) {
            return format!("{} %", text.trim_end_matches('0').trim_end_matches('.'));
        }
    }
    if availability > 0.5 { "under 0.000001 %".to_owned() } else { "over 99.999999 %".to_owned() }
}

/// A share in percent: two digits, more where two would hide a failure.
fn percent(share: f64) -> String {
    let two = format!("{:.2}", share * 100.0);
    if two == "100.00" && share < 1.0 { format!("{:.4}", share * 100.0) } else { two }
}

/// `home availability >= 99.5%`.
pub fn condition(probe: &ProbeName, metric: Metric, comparison: Comparison) -> String {
    format!("{probe} {} {comparison}", metric.name())
}

/// `recovered within 30 s`.
pub fn recovered_condition(within: Duration) -> String {
    format!("recovered within {}", show_duration(within))
}

/// `99.71 % (99.58–99.80 %, n = 4,012)`.
pub fn availability(estimate: Estimate) -> String {
    format!("{} % ({}–{} %, n = {})", percent(estimate.value), percent(estimate.low), percent(estimate.high), count(estimate.n))
}

/// `118 ms (n = 3,990)`.
pub fn latency(value: f64, latency: Latency) -> String {
    format!("{} (n = {})", seconds(value), count(latency.n))
}

/// `1.84 s ± 10 ms`, or `none`.
pub fn outage(value: f64, uncertainty: f64, open: bool) -> String {
    if value <= 0.0 {
        return "none".to_owned();
    }
    let ongoing = if open { ", not over at the end of the run" } else { "" };
    format!("{} ± {}{ongoing}", seconds(value), seconds(uncertainty))
}

/// `12 of 4,012`.
pub fn counted(value: u64, n: u64) -> String {
    format!("{} of {}", count(value), count(n))
}

/// A value that is not there.
pub const NOT_MEASURED: &str = "not measured";

/// Nothing was measured.
pub const NO_REQUESTS: &str = "no request counts in this phase";
/// The run never came there.
pub const NO_PHASE: &str = "the run did not come to this phase";
/// Latency is of successes.
pub const NO_SUCCESS: &str = "no request succeeded, so there is no latency";
/// No error, no time to it.
pub const NO_ERROR: &str = "no error began after the fault took effect";
/// Nothing was lost that could come back.
pub const NO_CAPACITY_LOST: &str = "no service that was hit was seen with less than it wants";

/// Capacity was not back, and the run ended too early to tell.
pub fn capacity_cut_short(watched: f64) -> String {
    format!("capacity was lost and not back within {}, when the run ended", seconds(watched))
}

/// The probe's kind holds no state, or the prober ended too early to tell.
pub const NO_STATE: &str = "the probe found out nothing about state";

/// Nothing was made that could be lost.
pub const NOTHING_HELD: &str = "the probe never held anything that could be lost: no session began, or no write was acknowledged";

/// A last reading did not come through.
pub fn not_known(n: u64) -> String {
    format!("of {} more nobody knows: a last reading did not come through", count(n))
}

/// `12 in the whole run`.
pub fn found(value: u64) -> String {
    format!("{} in the whole run", count(value))
}

/// Nobody was hit.
pub const NO_VICTIM: &str = "no victim of a load balancer was hit";
/// Nothing to recover from.
pub const NO_RECOVERY: &str = "the run did not come to a recovery that could be measured";

/// The probe is not in the measurement.
pub fn no_probe(probe: &ProbeName) -> String {
    format!("probe {probe} measured nothing")
}

/// A victim without an ejection.
pub fn not_ejected(instances: &[String]) -> String {
    format!("nobody saw the balancer stop sending to {}", instances.join(", "))
}

/// Too few requests for an availability. `u64::MAX` is no number of them: the share is just at the bound.
pub fn too_few(n: u64, needed: u64) -> String {
    if needed == u64::MAX {
        return format!("too few samples to tell: n = {}, and the share lies just at the bound, where no number tells", count(n));
    }
    format!("too few samples to tell: n = {}, it needs about {} at this share of failures", count(n), count(needed))
}

/// Too few successes for a quantile.
pub fn too_few_for_quantile(metric: Metric, n: u64, needed: u64) -> String {
    format!("too few samples to tell: n = {}, {} needs {}", count(n), metric.name(), count(needed))
}

/// The probe is too slow to see such an outage.
pub fn too_coarse(smallest: f64, bound: f64) -> String {
    format!("the probe is too slow to tell: the smallest outage it can see is {}, the bound is {}", seconds(smallest), seconds(bound))
}

/// The uncertainty reaches over the bound.
pub fn too_close(low: f64, high: f64, unit: Unit) -> String {
    format!("too close to tell: the true value lies between {} and {}", unit.show(low), unit.show(high))
}

/// The outage was not over.
pub const STILL_OPEN: &str = "too early to tell: the outage was not over at the end of the run";

/// The recovery phase ended before the limit.
pub fn recovery_cut_short(watched: f64) -> String {
    format!("too early to tell: the recovery was watched for {} only", seconds(watched))
}

/// `not within 60 s`.
pub fn not_recovered(watched: f64) -> String {
    format!("not within {}", seconds(watched))
}

/// Requests without a sample.
pub fn holes(probe: &str, missing: u64, due: u64) -> String {
    format!("probe {probe}: there is no sample of {} of {} due requests", count(missing), count(due))
}

/// Too many late requests.
pub fn late_share(probe: &str, phase: Phase, late: u64, requests: u64, most: u64) -> String {
    let share = late as f64 / requests.max(1) as f64;
    format!(
        "probe {probe}: we sent {} of {} requests of the {phase} phase more than 10 ms late ({} %; at most {} of so many are trusted)",
        count(late),
        count(requests),
        percent(share),
        if most == 0 { "none".to_owned() } else { count(most) }
    )
}

/// Late for long in the fault.
pub fn late_span(probe: &str, ns: u64) -> String {
    format!("probe {probe}: we were late for {} on end during the fault (under 250 ms is trusted)", seconds(ns as f64 / 1e9))
}

/// Requests that could not be sent.
pub fn not_sent(probe: &str, n: u64) -> String {
    format!("probe {probe}: {} could not be sent, for want of something on our side", plural(n, "request"))
}

/// The measurement is not to be trusted.
pub fn untrusted(doubt: &str) -> String {
    format!("the measurement is not to be trusted: {doubt}")
}

/// An act did not verifiably happen.
pub fn not_happened(act: &str, victim: Option<&str>, status: &str, why: Option<&str>) -> String {
    let on = victim.map(|v| format!(" on {v}")).unwrap_or_default();
    let why = why.map(|w| format!(": {w}")).unwrap_or_default();
    format!("the fault did not verifiably happen: act {act}{on} {status}{why}")
}

/// No act at all.
pub const NO_ACTS: &str = "nothing was done to the system: no fault happened";

/// No condition at all.
pub const NO_CONDITIONS: &str = "no condition was judged";

/// Fewer victims than asked.
pub fn fewer_victims(hit: usize, wanted: usize) -> String {
    format!("fewer victims than asked: {hit} of {wanted}")
}

/// A value of the live view as a person reads it.
fn live(metric: Metric, value: f64) -> String {
    match metric.unit() {
        Unit::Share => format!("{} %", percent(value)),
        Unit::Seconds => seconds(value),
        Unit::Count => count(value as u64),
    }
}

/// `home availability >= 99.5% does not hold: 93.10 % (n = 2,000)`.
pub fn live_value(condition: &str, metric: Metric, value: f64, n: u64) -> String {
    format!("{condition} does not hold: {} (n = {})", live(metric, value), count(n))
}

/// `home availability < 50% for 10 s (now 12.00 %)`.
pub fn aborted(when: &AbortWhen, value: f64) -> String {
    match when {
        AbortWhen::Metric { probe, metric, comparison, held_for } => {
            let condition = condition(probe, *metric, *comparison);
            format!("{condition} for {} (now {})", show_duration(*held_for), live(*metric, value))
        }
        AbortWhen::BurnRate { .. } => format!("{when} (now {value:.1} times)"),
        AbortWhen::Asked(_) => when.to_string(),
    }
}

/// A guard that gave no answer so often that it counts as bad.
pub fn unanswered(when: &Asked, times: u32, class: SampleOutcome) -> String {
    format!("{when}: nobody knows, there was no answer {times} times in a row ({})", class.name())
}

/// A condition that could not be told.
pub fn untold(condition: &str, phase: Option<Phase>, why: &str) -> String {
    let place = phase.map(|p| format!(" in {p}")).unwrap_or_default();
    format!("{condition}{place}: {why}")
}

/// Nothing came that could be compared.
pub const NO_REPLACEMENT: &str = "no instance came in place of another one";
/// `replacements alike`.
pub const REPLACEMENTS_CONDITION: &str = "replacements are like their siblings";

/// `phoenix of web: each replaced within 60 s`.
pub fn phoenix_condition(phoenix: &Phoenix) -> String {
    let services: Vec<&str> = phoenix.services.iter().map(Service::as_str).collect();
    format!("phoenix of {}: each replaced within {}", services.join(", "), seconds(phoenix.wait_s))
}

/// `3 of 6 replaced, each in service after 1.2 s to 1.9 s`.
pub fn phoenix(phoenix: &Phoenix) -> String {
    let replaced = format!("{} of {} replaced", count(phoenix.replaced_after_s.len() as u64), count(u64::from(phoenix.of)));
    let least = phoenix.replaced_after_s.iter().copied().reduce(f64::min);
    let most = phoenix.replaced_after_s.iter().copied().reduce(f64::max);
    match (least, most) {
        (Some(least), Some(most)) if phoenix.replaced_after_s.len() > 1 => {
            format!("{replaced}, each in service after {} to {}", seconds(least), seconds(most))
        }
        (Some(only), _) => format!("{replaced}, in service after {}", seconds(only)),
        _ => replaced,
    }
}

/// A phoenix drill that was interrupted.
pub const PHOENIX_CUT_SHORT: &str = "it was interrupted before all were replaced";

/// `5 of 6 alike`.
pub fn replacements(alike: usize, all: usize) -> String {
    format!("{} of {} alike", count(alike as u64), count(all as u64))
}

/// A replacement that could not be compared.
pub fn replacement_untold(name: &str, why: &str) -> String {
    format!("{name}: {why}")
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let estimate = Estimate { value: 0.9971, low: 0.9958, high: 0.998, n: 4_012 };
        assert_eq!(availability(estimate), "99.71 % (99.58–99.80 %, n = 4,012)");
        assert_eq!(percent(0.999_999), "99.9999", "a failure is not rounded away");
        assert_eq!(["0", "999", "1,000", "1,234,567"].map(str::to_owned), [0, 999, 1_000, 1_234_567].map(count));
        assert_eq!(outage(1.84, 0.01, false), "1.84 s ± 10 ms");
    }
}
