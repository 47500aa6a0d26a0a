//! A run as a trace (OpenTelemetry): a span for the run, each phase, step, act and undo, at their own times, sent by OTLP over HTTP when the run
//! is over. Where to is said by the standard variables (`OTEL_EXPORTER_OTLP_ENDPOINT` and its neighbours); without one nothing is sent.
//!
//! The encoding is OTLP's JSON, written here: it is a few maps, and the crates for it bring more than the whole of this tool's HTTP.

mod export;
mod fold;

use std::io;

use super::fan_out::Reporter;
use crate::event::{Event, EventKind};
pub use export::{Exporter, Settings};
pub use fold::Spans;

/// Folds events to spans, and sends them at the end.
pub struct Traces {
    spans: Spans,
    exporter: Exporter,
}

impl Traces {
    /// Sends by this exporter.
    pub fn new(exporter: Exporter) -> Self {
        Self { spans: Spans::default(), exporter }
    }
}

impl Reporter for Traces {
    fn name(&self) -> &'static str {
        "traces"
    }

    fn ticks(&self) -> usize {
        usize::MAX
    }

    fn event(&mut self, event: &Event) -> io::Result<()> {
        if !matches!(event.kind, EventKind::Tick { .. }) {
            self.spans.apply(event);
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.exporter.send(&self.spans.finished()).map_err(io::Error::other)
    }
}
