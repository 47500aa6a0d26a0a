//! `/metrics`: numbers in Prometheus' text format.

use std::{fmt::Write as _, sync::Arc};

use axum::{
    body::Body,
    extract::State,
    http::{Response, Uri},
};
use jiff::Timestamp;

use super::{App, apart, problem::Problem, query};
use crate::{daemon::running, daemon::snapshot::Snapshot, model::verdict::Verdict, redact};

/// `GET /metrics`
///
/// # Errors
/// When the request is wrong.
pub async fn metrics(State(app): State<Arc<App>>, uri: Uri) -> Result<Response<Body>, Problem> {
    query::Query::of(&uri, &[])?;
    apart(move || {
        // Where it cannot be known, no number is: an alert on it rings all the same (`absent`, or a comparison with NaN).
        let owed = running::owed().map_or(f64::NAN, |owed| owed as f64);
        Ok(query::typed("text/plain; version=0.0.4; charset=utf-8", redact::metrics(&text(&app.now(), owed)).into_owned()))
    })
    .await
}

fn text(snapshot: &Snapshot, owed: f64) -> String {
    let mut out = Text::default();
    let counts = &snapshot.counts;
    out.one("build_info", "gauge", "The build; the value is always 1.", &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    out.one("start_time_seconds", "gauge", "When the daemon began, in seconds since 1970.", &[], seconds(snapshot.since));
    out.head("experiments", "gauge", "Experiments with a schedule, by whether they may fire.");
    let enabled = snapshot.roster.entries().iter().filter(|entry| entry.enabled).count();
    out.value("experiments", &[("state", "enabled")], enabled as f64);
    out.value("experiments", &[("state", "disabled")], (snapshot.roster.entries().len() - enabled) as f64);
    out.head("firings_total", "counter", "Firings, by who asked for them.");
    out.value("firings_total", &[("by", "schedule")], counts.firings.saturating_sub(counts.by_hand) as f64);
    out.value("firings_total", &[("by", "hand")], counts.by_hand as f64);
    out.one("firings_missed_total", "counter", "Firings that were noticed too late, and not made up for.", &[], counts.missed as f64);
    out.one("runs_running", "gauge", "Runs of the daemon that have not ended.", &[], snapshot.running.len() as f64);
    out.one("runs_waiting", "gauge", "Runs that wait for another one in the same place.", &[], snapshot.waiting.len() as f64);
    out.head("runs_total", "counter", "Runs that ended, by verdict.");
    for verdict in Verdict::ALL {
        out.value("runs_total", &[("verdict", verdict.word())], counts.ended.get(&verdict.exit_code()).copied().unwrap_or_default() as f64);
    }
    out.one("runs_killed_total", "counter", "Runs whose process was ended by something else.", &[], counts.killed as f64);
    out.one("runs_owed", "gauge", "Runs of this machine that are gone and may have left something to undo.", &[], owed);
    if let Some(next) = snapshot.next {
        out.one("next_firing_timestamp_seconds", "gauge", "When something is due next, in seconds since 1970.", &[], seconds(next));
    }
    out.head("firing_lag_seconds", "summary", "How late firings were noticed.");
    out.value("firing_lag_seconds_sum", &[], counts.lag.sum_s);
    out.value("firing_lag_seconds_count", &[], counts.lag.count as f64);
    out.one("firing_lag_most_seconds", "gauge", "The most that a firing was noticed late.", &[], counts.lag.most_s);
    if !counts.last.is_empty() {
        out.head("last_verdict", "gauge", "How each experiment ended last; the value is the exit code, 0 is passed.");
        for (name, (verdict, _)) in &counts.last {
            out.value("last_verdict", &[("experiment", name)], f64::from(verdict.exit_code()));
        }
        out.head("last_end_timestamp_seconds", "gauge", "When each experiment ended last, in seconds since 1970.");
        for (name, (_, at)) in &counts.last {
            out.value("last_end_timestamp_seconds", &[("experiment", name)], seconds(*at));
        }
    }
    out.text
}

fn seconds(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1e3
}

#[derive(Default)]
struct Text {
    text: String,
}

impl Text {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.text, "# HELP firedrill_{name} {help}\n# TYPE firedrill_{name} {kind}");
    }

    fn value(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let labels: Vec<String> = labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.text, "firedrill_{name}{labels} {value}");
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, labels: &[(&str, &str)], value: f64) {
        self.head(name, kind, help);
        self.value(name, labels, value);
    }
}

/// A label's value as the format wants it.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_within_its_label() {
        let mut out = Text::default();
        out.value("last_verdict", &[("experiment", "a\"} 1\nb\\")], 0.0);
        assert_eq!(out.text, "firedrill_last_verdict{experiment=\"a\\\"} 1\\nb\\\\\"} 0\n");
    }
}
