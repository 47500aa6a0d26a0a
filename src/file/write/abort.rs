//! Abort conditions.

use super::{Pairs, comparison, header_pairs, list, pair, quoted, time, tls_pair};
use crate::model::guardrail::{AbortWhen, Ask, Asked};

/// One condition of `abort-when`.
pub fn abort_when(when: &AbortWhen) -> Pairs {
    match when {
        AbortWhen::Metric { probe, metric, comparison: compared, held_for } => {
            vec![pair("probe", quoted(probe.as_str())), pair(metric.name(), comparison(*compared)), pair("for", time(*held_for))]
        }
        AbortWhen::BurnRate { probe, op, bound, over } => {
            vec![pair("probe", quoted(probe.as_str())), pair("burn-rate", format!("\"{} {bound}\"", op.sign())), pair("over", time(*over))]
        }
        AbortWhen::Asked(guard) => asked(guard),
    }
}

fn asked(guard: &Asked) -> Pairs {
    let mut out = match &guard.what {
        Ask::Command(command) => {
            let mut pairs = vec![pair("command", list(&command.command))];
            if !command.status.is_empty() {
                let statuses: Vec<String> = command.status.iter().map(ToString::to_string).collect();
                pairs.push(pair("status", format!("[{}]", statuses.join(", "))));
            }
            pairs
        }
        Ask::Prometheus(query) => {
            // The file says what is bad, the query here what is well. `==` has no opposite, and is not taken.
            let bad = query.op.inverse().unwrap_or(query.op);
            let mut pairs = vec![
                pair("prometheus", quoted(&query.url)),
                pair("query", quoted(&query.query)),
                pair("value", format!("\"{} {}\"", bad.sign(), query.bound)),
            ];
            if query.empty_passes {
                pairs.push(pair("empty", "passes"));
            }
            pairs.extend(header_pairs(&query.headers));
            pairs.extend(tls_pair(&query.tls));
            pairs
        }
    };
    out.push(pair("every", time(guard.every)));
    out.push(pair("timeout", time(guard.timeout)));
    if !guard.held_for.is_zero() {
        out.push(pair("for", time(guard.held_for)));
    }
    out.push(pair("misses", guard.misses));
    out
}
