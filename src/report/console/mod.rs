//! The console: a live view on a terminal, plain lines elsewhere, and the same summary at the end of both.

pub mod lines;
pub mod live;
pub mod strip;
pub mod style;
pub mod summary;

use std::{
    io::{self, Write},
    path::PathBuf,
};

use self::{live::Live, style::Style};
use super::{fan_out::Reporter, record::RunRecord};
use crate::{
    event::{Event, EventKind},
    model::time::Mono,
};

/// Between two summaries of the probes in plain output.
const PLAIN_EVERY_S: f64 = 5.0;

/// The console as a reporter.
pub struct Console<W: Write + Send> {
    out: W,
    style: Style,
    record: RunRecord,
    live: Live,
    report: Option<PathBuf>,
    said_at: Option<Mono>,
    closed: bool,
}

impl Console<io::Stderr> {
    /// On standard error, as the terminal there wants it. `report` is where the run's files lie.
    pub fn on_stderr(report: Option<PathBuf>) -> Self {
        Self::new(io::stderr(), Style::detect(&io::stderr()), report)
    }
}

impl Console<io::Stdout> {
    /// On standard output, as the terminal there wants it. `report` is where the run's files lie.
    pub fn on_stdout(report: Option<PathBuf>) -> Self {
        Self::new(io::stdout(), Style::detect(&io::stdout()), report)
    }
}

impl<W: Write + Send> Console<W> {
    /// On anything, in a given style.
    pub fn new(out: W, style: Style, report: Option<PathBuf>) -> Self {
        Self { out, style, record: RunRecord::default(), live: Live::default(), report, said_at: None, closed: false }
    }

    /// Writes; a reader that went away ends the output, not the run.
    fn put(&mut self, text: &str) -> io::Result<()> {
        if self.closed || text.is_empty() {
            return Ok(());
        }
        match self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            other => other,
        }
    }
}

impl<W: Write + Send> Reporter for Console<W> {
    fn name(&self) -> &'static str {
        "console"
    }

    fn event(&mut self, event: &Event) -> io::Result<()> {
        self.record.apply(event);
        self.live.take(event);
        let line = lines::of(event, &self.record, self.style);
        if self.style.live {
            let text = self.live.draw(line.as_deref(), &self.record, self.style, event.at);
            return self.put(&text);
        }
        let mut text = line.map(|line| line + "\n").unwrap_or_default();
        if let EventKind::Tick { .. } = event.kind
            && self.said_at.is_none_or(|at| event.at.seconds_from(at) >= PLAIN_EVERY_S)
        {
            if self.said_at.is_some() {
                text.push_str(&self.live.say(&self.record, self.style, event.at));
            }
            self.said_at = Some(event.at);
        }
        self.put(&text)
    }

    fn live(&self) -> bool {
        self.style.live
    }

    fn idle(&mut self) -> io::Result<()> {
        if self.record.events == 0 {
            return Ok(());
        }
        let text = self.live.draw(None, &self.record, self.style, crate::clock::now());
        self.put(&text)
    }

    fn finish(&mut self) -> io::Result<()> {
        let mut text = self.live.clear(self.style);
        if self.record.events > 0 {
            text.push('\n');
            text.push_str(&summary::render(&self.record, self.style));
            if let Some(report) = &self.report {
                text.push_str(&summary::lies(report, self.style));
            }
        }
        self.put(&text)
    }
}
