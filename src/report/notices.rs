//! What a run tells the people who want to know (`notify:` of `firedrill.yaml`): events folded to messages. Sending is `crate::notify`'s.

use std::{io, path::Path, sync::Arc};

use super::{
    fan_out::Reporter,
    gate::Gate,
    record::RunRecord,
    words::{plural, visible, wall, whole},
};
use crate::{
    event::{Event, EventKind},
    model::{
        notify::{Message, Occasion},
        outcome::Residue,
        plan::{Plan, PlannedFault, Work},
        quantity::show_duration,
        steady_state::Phase,
        verdict::Verdict,
    },
    notify::Notifier,
};

/// So many victims are named; the others are counted.
const NAMED: usize = 20;

/// Folds a run's events to messages.
pub struct Notices {
    notifier: Arc<Notifier>,
    record: RunRecord,
    folder: String,
    host: String,
    told: Vec<Occasion>,
}

impl Notices {
    /// Of a run whose files are in this folder, on this machine.
    pub fn new(notifier: Arc<Notifier>, folder: &Path, host: &str) -> Self {
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned()).display().to_string();
        Self { notifier, record: RunRecord::default(), folder, host: host.to_owned(), told: Vec::new() }
    }

    fn tell(&mut self, occasion: Occasion, verdict: Option<Verdict>) {
        if !self.told.contains(&occasion) {
            self.told.push(occasion);
            self.notifier.tell(occasion, verdict, message(occasion, &self.record, &self.folder, &self.host));
        }
    }
}

impl Reporter for Notices {
    fn name(&self) -> &'static str {
        "notify"
    }

    fn ticks(&self) -> usize {
        usize::MAX
    }

    fn event(&mut self, event: &Event) -> io::Result<()> {
        // Ticks are many, and nothing here comes from them.
        if matches!(event.kind, EventKind::Tick { .. }) {
            return Ok(());
        }
        self.record.apply(event);
        match &event.kind {
            EventKind::Planned { .. } => self.tell(Occasion::Before, None),
            EventKind::PhaseStarted { phase: Phase::Fault } => self.tell(Occasion::Started, None),
            EventKind::RunEnded { verdict, .. } => {
                self.tell(Occasion::Verdict, Some(*verdict));
                if *verdict == Verdict::Residue {
                    self.tell(Occasion::Residue, Some(*verdict));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// The message of an occasion of a run.
pub fn message(occasion: Occasion, record: &RunRecord, folder: &str, host: &str) -> Message {
    let title = visible(record.title()).into_owned();
    let environment = visible(record.environment.as_deref().unwrap_or_default()).into_owned();
    let place = if environment.is_empty() { String::new() } else { format!(" in {environment}") };
    let run = visible(record.run_id()).into_owned();
    let victims = record.plan.as_deref().map(victims).unwrap_or_default();
    let mut lines = Vec::new();
    let mut out = Message {
        event: occasion.word().to_owned(),
        run: run.clone(),
        folder: whole(folder).into_owned(),
        host: visible(host).into_owned(),
        at: record.last.map(|(_, at)| wall(at)).unwrap_or_default(),
        ..Message::default()
    };
    out.summary = match occasion {
        Occasion::Before => {
            lines.push("Nothing has been touched yet. If the steady state holds:".to_owned());
            lines.push(victims.clone());
            lines.push(format!("To stop it: firedrill halt {run}"));
            format!("A drill is about to begin{place}: {title}")
        }
        Occasion::Started => {
            lines.push("The steady state held; the first act comes now:".to_owned());
            lines.push(victims.clone());
            lines.push(format!("To stop it: firedrill halt {run}"));
            format!("A drill acts now{place}: {title}")
        }
        Occasion::Verdict | Occasion::Residue => {
            let gate = Gate::of(record);
            gate.verdict.word().clone_into(&mut out.verdict);
            out.exit_code = gate.exit_code.to_string();
            out.reason = visible(&gate.reason).into_owned();
            out.residue = record.outcome.as_ref().map(|outcome| left(&outcome.residue)).unwrap_or_default();
            lines.push(out.reason.clone());
            lines.extend((!out.residue.is_empty()).then(|| format!("Still there:\n{}", out.residue)));
            match (occasion, gate.verdict) {
                (Occasion::Residue, _) => format!("A drill left something behind{place}: {title}"),
                (_, verdict) => format!("Drill {verdict}{place}: {title}"),
            }
        }
    };
    lines.push(format!("Run {run}{}", if host.is_empty() { String::new() } else { format!(" on {}", visible(host)) }));
    if !folder.is_empty() && !out.verdict.is_empty() {
        lines.push(format!("Report: {}/report.html", whole(folder)));
    }
    lines.retain(|line| !line.is_empty());
    out.details = lines.join("\n");
    (out.title, out.environment, out.victims) = (title, environment, victims);
    out
}

/// What is left, a line each, with the command that undoes it.
fn left(residue: &[Residue]) -> String {
    let line =
        |residue: &Residue| format!("- {}: {}. To undo it: {}", visible(&residue.what), visible(&residue.why), whole(&residue.command));
    residue.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Who will be hit by what, a line a fault.
pub fn victims(plan: &Plan) -> String {
    let step = |work: &Work| -> Vec<String> {
        match work {
            Work::Wait(_) | Work::UntilMitigated(_) => Vec::new(),
            Work::Command(command) => vec![format!("- run {}", visible(&command.command.join(" ")))],
            Work::Phoenix(phoenix) => vec![format!("{}, one after another, each once the one before is replaced", fault(&phoenix.kill))],
            Work::Faults(faults) => faults.iter().map(fault).collect(),
        }
    };
    plan.steps.iter().flat_map(|planned| step(&planned.work)).collect::<Vec<_>>().join("\n")
}

fn fault(fault: &PlannedFault) -> String {
    let hold = fault.hold.map(|hold| format!(", for {}", show_duration(hold))).unwrap_or_default();
    let kind = fault.fault.kind();
    if fault.bound_at_step {
        return format!("- {kind}: drawn when the step begins, of the {} that match now{hold}", fault.matched);
    }
    let mut names: Vec<String> = fault.acts.iter().take(NAMED).map(|prepared| visible(&prepared.act.target.says()).into_owned()).collect();
    let more = fault.acts.len().saturating_sub(NAMED);
    names.extend((more > 0).then(|| format!("and {} more", plural(more, "target"))));
    format!("- {kind} {}{hold}", names.join(", "))
}
