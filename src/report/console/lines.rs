//! One event as one line. Ticks have none.

use super::style::{Style, Tone};
use crate::{
    event::{Event, EventKind},
    model::{observation::Observed, outcome::Ended},
    report::{
        record::RunRecord,
        words::{plural, visible},
    },
};

/// The line of an event, `None` for those that are not shown one by one.
pub fn of(event: &Event, record: &RunRecord, style: Style) -> Option<String> {
    let (tone, text) = says(event, record)?;
    // What comes before the first request, the planning, has no time on the run's clock.
    let since = if record.phases.is_empty() { " ".repeat(10) } else { format!("{:8.2} s", record.seconds(event.at)) };
    Some(style.line(&[(Tone::Dim, format!("{since}  ")), (tone, text)]))
}

/// What an event says, with its tone.
pub fn says(event: &Event, record: &RunRecord) -> Option<(Tone, String)> {
    let target = |act| record.act(act).map_or_else(|| format!("act {act}"), |p| visible(&p.act.target.says()).into_owned());
    let fault = |act| record.act(act).map_or("act", |p| p.act.fault.kind().name());
    Some(match &event.kind {
        EventKind::RunStarted { run, tool, experiment, environment, .. } => {
            let place = environment.as_ref().map(|name| format!(" in {}", visible(name))).unwrap_or_default();
            (Tone::Strong, format!("{} · run {}{place} · {}", visible(&experiment.title), visible(run.as_str()), visible(tool)))
        }
        EventKind::Planned { plan } => {
            (Tone::Plain, format!("planned: {} on {}, seed {}", plural(plan.acts().count(), "act"), visible(&plan.platform), plan.seed))
        }
        EventKind::PhaseStarted { phase } => (Tone::Strong, format!("── {phase} ──")),
        EventKind::StepStarted { step, says } => (Tone::Plain, format!("step {step}: {}", visible(says))),
        EventKind::Armed { .. } | EventKind::StepEnded { .. } | EventKind::Built { .. } | EventKind::Tick { .. } => return None,
        EventKind::Replaced { act, by } => (Tone::Good, format!("✓ {} is replaced: {} serves", target(*act), visible(&record.name(by)))),
        EventKind::NotReplaced { act, why } => (Tone::Bad, format!("✗ {} is not replaced: {}", target(*act), visible(why))),
        EventKind::Acted { effect } => {
            let what = format!("{} {}", fault(effect.act), target(effect.act));
            match effect.status.why() {
                // What was asked for: no cross, which means everywhere else that something went wrong.
                None => (Tone::Strong, format!("▸ {what}: happened (seen by {})", visible(&effect.source))),
                Some(why) => (Tone::Doubt, format!("? {what}: {} ({})", effect.status.word(), visible(why))),
            }
        }
        EventKind::Reverting { act, says } => (Tone::Plain, format!("undoing {act}: {}", visible(says))),
        EventKind::Reverted { act, says } => (Tone::Good, format!("✓ undone {act}: {}", visible(says))),
        EventKind::NothingToUndo { act, why } => (Tone::Plain, format!("✓ nothing to undo for {act}: {}", visible(why))),
        EventKind::Stuck { act, why, command } => {
            (Tone::Bad, format!("✗ undo of {act} did not succeed: {}; undo it with: {}", visible(why), visible(command)))
        }
        EventKind::Observed { observation } => (Tone::Plain, observed(record, &observation.what, &observation.source)),
        EventKind::Halting { by } => (Tone::Doubt, format!("halting: {}", visible(by))),
        EventKind::Warning { text } => (Tone::Doubt, format!("warning: {}", visible(text))),
        EventKind::Measured { .. } => (Tone::Dim, "measured".to_owned()),
        EventKind::Judged { conditions } => (Tone::Dim, format!("judged {}", plural(conditions.len(), "condition"))),
        EventKind::RunEnded { outcome, verdict } => {
            let how = match outcome.ended {
                Ended::Completed => "completed",
                Ended::NotStarted { .. } => "not started",
                Ended::Halted { .. } => "halted",
                Ended::Broke { .. } => "broke off",
            };
            (super::style::tone(*verdict), format!("run ended ({how}): {verdict}"))
        }
    })
}

/// An observation as a person reads it.
pub fn observed(record: &RunRecord, what: &Observed, source: &str) -> String {
    let name = |id| record.name(id);
    let text = match what {
        Observed::Died { instance, how, .. } => format!("{} died: {how}", name(instance)),
        Observed::Ejected { balancer, instance, why } => format!("{balancer} stopped sending to {}: {why}", name(instance)),
        Observed::Admitted { balancer, instance } => format!("{balancer} sends to {}", name(instance)),
        Observed::Launched { instance, replaces: Some(old), zone, .. } if old == instance => {
            format!("{} was started again in zone {zone}", name(instance))
        }
        Observed::Launched { instance, replaces: Some(old), zone, .. } => {
            format!("{} launched in zone {zone} in place of {}", name(instance), name(old))
        }
        Observed::Launched { instance, zone, .. } => format!("{} launched in zone {zone}", name(instance)),
        Observed::InService { instance, .. } => format!("{} is in service", name(instance)),
        Observed::OutOfService { instance, why, .. } => format!("{} is out of service: {why}", name(instance)),
        Observed::Capacity { service, serving, desired } => format!("{service}: {serving} of {desired} serve"),
        Observed::Note { text } | Observed::Alarm { text } => text.clone(),
    };
    format!("{} [{}]", visible(&text), visible(source))
}
