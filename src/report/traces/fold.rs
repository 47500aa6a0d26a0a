//! Events folded to spans.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use crate::{
    event::{Event, EventKind},
    model::{ids::ActId, time::Wall, verdict::Verdict},
    report::{gate::Gate, record::RunRecord},
};

/// The spans of one run. Ids follow from the run's id: whoever knows it finds its trace.
#[derive(Default)]
pub struct Spans {
    record: RunRecord,
    all: Vec<Span>,
    last: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Run,
    Phase,
    Step(u32),
    Act(ActId),
    Undo(ActId),
}

struct Span {
    of: Of,
    name: String,
    parent: Option<usize>,
    start: i64,
    end: Option<i64>,
    attributes: Vec<(&'static str, String)>,
    events: Vec<(i64, &'static str, String)>,
    failed: Option<String>,
}

impl Spans {
    /// Takes in one event.
    pub fn apply(&mut self, event: &Event) {
        self.record.apply(event);
        let Wall(at) = event.wall;
        self.last = self.last.max(at);
        match &event.kind {
            EventKind::RunStarted { run, environment, experiment, tool, .. } => {
                let attributes = [
                    ("firedrill.run", run.to_string()),
                    ("firedrill.title", experiment.title.clone()),
                    ("firedrill.environment", environment.clone().unwrap_or_default()),
                    ("firedrill.tool", tool.clone()),
                ];
                self.begin(Of::Run, format!("drill: {}", experiment.title), None, at, attributes);
            }
            EventKind::PhaseStarted { phase } => {
                self.end(|of| of == Of::Phase, at, None);
                self.begin(Of::Phase, phase.to_string(), self.open(|of| of == Of::Run), at, [("firedrill.phase", phase.to_string())]);
            }
            EventKind::StepStarted { step, says } => {
                let parent = self.open(|of| of == Of::Phase).or_else(|| self.open(|of| of == Of::Run));
                self.begin(Of::Step(*step), says.clone(), parent, at, [("firedrill.step", step.to_string())]);
            }
            EventKind::StepEnded { step } => self.end(|of| of == Of::Step(*step), at, None),
            EventKind::Armed { act, .. } => {
                let parent = self.open(|of| of == Of::Step(act.id.step)).or_else(|| self.open(|of| of == Of::Phase));
                let name = format!("{} {}", act.fault.kind(), act.target.says());
                let attributes = [
                    ("firedrill.act", act.id.to_string()),
                    ("firedrill.fault", act.fault.kind().to_string()),
                    ("firedrill.target", act.target.says()),
                ];
                self.begin(Of::Act(act.id), name, parent, at, attributes);
            }
            EventKind::Acted { effect } => {
                let status = &effect.status;
                let why =
                    (!status.happened() && !status.spared()).then(|| format!("{}: {}", status.word(), status.why().unwrap_or_default()));
                self.attribute(|of| of == Of::Act(effect.act), ("firedrill.status", status.word().to_owned()));
                self.end(|of| of == Of::Act(effect.act), at, why);
            }
            EventKind::Reverting { act, says } => {
                let parent = self.open(|of| of == Of::Phase).or_else(|| self.open(|of| of == Of::Run));
                self.begin(Of::Undo(*act), format!("undo: {says}"), parent, at, [("firedrill.act", act.to_string())]);
            }
            EventKind::Reverted { act, .. } | EventKind::NothingToUndo { act, .. } => self.end(|of| of == Of::Undo(*act), at, None),
            EventKind::Stuck { act, why, .. } => self.end(|of| of == Of::Undo(*act), at, Some(why.clone())),
            EventKind::Halting { by } => self.happened(at, "halting", by),
            EventKind::Warning { text } => self.happened(at, "warning", text),
            EventKind::RunEnded { verdict, .. } => {
                let gate = Gate::of(&self.record);
                self.attribute(|of| of == Of::Run, ("firedrill.verdict", verdict.word().to_owned()));
                self.attribute(|of| of == Of::Run, ("firedrill.exit_code", verdict.exit_code().to_string()));
                self.attribute(|of| of == Of::Run, ("firedrill.reason", gate.reason.clone()));
                self.end(|of| of == Of::Run, at, (*verdict != Verdict::Passed).then_some(gate.reason));
            }
            _ => {}
        }
    }

    /// Every span as OTLP writes it. One that has no end yet ends with the last event.
    pub fn finished(&self) -> Vec<Json> {
        let run = self.record.run_id();
        let trace = id(run, "", 16);
        let span_id = |n: usize| id(run, &n.to_string(), 8);
        let one = |(n, span): (usize, &Span)| {
            let status = match (&span.failed, span.of) {
                (Some(why), _) => json!({ "code": 2, "message": why }),
                (None, Of::Run) if span.end.is_some() => json!({ "code": 1 }),
                (None, _) => json!({}),
            };
            let event = |(at, name, text): &(i64, &str, String)| json!({ "timeUnixNano": at.to_string(), "name": name, "attributes": [attribute("firedrill.text", text)] });
            json!({
                "traceId": trace,
                "spanId": span_id(n),
                "parentSpanId": span.parent.map(span_id).unwrap_or_default(),
                "name": span.name,
                "kind": 1,
                "startTimeUnixNano": span.start.to_string(),
                "endTimeUnixNano": span.end.unwrap_or(self.last).to_string(),
                "attributes": span.attributes.iter().map(|(key, value)| attribute(key, value)).collect::<Vec<_>>(),
                "events": span.events.iter().map(event).collect::<Vec<_>>(),
                "status": status,
            })
        };
        self.all.iter().enumerate().map(one).collect()
    }

    fn begin<const N: usize>(&mut self, of: Of, name: String, parent: Option<usize>, at: i64, attributes: [(&'static str, String); N]) {
        let attributes = attributes.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        self.all.push(Span { of, name, parent, start: at, end: None, attributes, events: Vec::new(), failed: None });
    }

    /// The last such span that has not ended.
    fn open(&self, is: impl Fn(Of) -> bool) -> Option<usize> {
        self.all.iter().rposition(|span| span.end.is_none() && is(span.of))
    }

    fn end(&mut self, is: impl Fn(Of) -> bool, at: i64, failed: Option<String>) {
        if let Some(span) = self.open(is).and_then(|n| self.all.get_mut(n)) {
            (span.end, span.failed) = (Some(at), failed);
        }
    }

    fn attribute(&mut self, is: impl Fn(Of) -> bool, attribute: (&'static str, String)) {
        if let Some(span) = self.open(is).and_then(|n| self.all.get_mut(n)) {
            span.attributes.push(attribute);
        }
    }

    fn happened(&mut self, at: i64, name: &'static str, text: &str) {
        if let Some(span) = self.open(|of| of == Of::Run).and_then(|n| self.all.get_mut(n)) {
            span.events.push((at, name, text.to_owned()));
        }
    }
}

/// An attribute as OTLP writes it.
pub(super) fn attribute(key: &str, value: &str) -> Json {
    json!({ "key": key, "value": { "stringValue": value } })
}

fn id(run: &str, of: &str, bytes: usize) -> String {
    let hash = Sha256::digest(format!("{run}/{of}"));
    hash.iter().take(bytes).fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}
