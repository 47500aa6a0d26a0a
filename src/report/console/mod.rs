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
/// Bytes of lines that wait for further ones.
const MOST_HELD: usize = 16 << 10;

/// The console as a reporter.
pub struct Console<W: Write + Send> {
    out: W,
    style: Style,
    record: RunRecord,
    live: Live,
    report: Option<PathBuf>,
    said_at: Option<Mono>,
    /// Lines that are to be written once nothing further waits: hundreds of acts are one write.
    lines: String,
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
        Self { out, style, record: RunRecord::default(), live: Live::default(), report, said_at: None, lines: String::new(), closed: false }
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
        if let Some(line) = line {
            self.lines.push_str(&line);
            self.lines.push('\n');
        }
        if let EventKind::Tick { .. } = event.kind
            && self.said_at.is_none_or(|at| event.at.seconds_from(at) >= PLAIN_EVERY_S)
        {
            if self.said_at.is_some() {
                self.lines.push_str(&self.live.say(&self.record, self.style, event.at));
            }
            self.said_at = Some(event.at);
        }
        if self.lines.len() >= MOST_HELD { self.caught_up() } else { Ok(()) }
    }

    fn caught_up(&mut self) -> io::Result<()> {
        let lines = std::mem::take(&mut self.lines);
        self.put(&lines)
    }

    fn live(&self) -> bool {
        self.style.live
    }

    fn ticks(&self) -> usize {
        // Lines come of them every five seconds: of those of a second at once.
        if self.style.live { 1 } else { 4 }
    }

    fn idle(&mut self) -> io::Result<()> {
        if self.record.events == 0 {
            return Ok(());
        }
        let text = self.live.draw(None, &self.record, self.style, crate::clock::now());
        self.put(&text)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.caught_up()?;
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
