//! A run's events as they are written, for any number of clients.
//!
//! Each run that somebody follows has one reader ([`Hub`]), which keeps the newest events for all of them. A client that falls behind what is
//! kept reads the file itself, at its own pace: nobody waits for a slow one, and memory has a bound whatever clients do.

use std::{
    collections::{BTreeMap, VecDeque},
    fs::File,
    io::{self, BufRead as _, BufReader},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use serde::Deserialize;
use tokio::{sync::watch, task::JoinSet};

use super::told::{Teller, Told};
use crate::{
    daemon::shelf::Shelf,
    event::{Event, EventKind},
};

/// How often the file is looked at.
const EVERY: Duration = Duration::from_millis(200);
/// So many events are kept, and so many bytes.
const KEPT: usize = 2_000;
const KEPT_BYTES: usize = 8 << 20;
/// So much of a file is read in one go.
const AT_ONCE: usize = 1 << 20;

/// An event.
#[derive(Debug)]
pub struct Line {
    /// Its number.
    pub number: u64,
    /// As it is written: JSON, on one line.
    pub json: String,
    /// In words, for a page.
    pub told: Vec<Told>,
}

/// What a client gets next.
pub enum Next {
    /// These, in order; more comes later.
    Lines(Vec<Arc<Line>>),
    /// What it wants is not kept any more.
    Behind,
    /// The run has ended, and everything was told.
    Ended,
}

/// The runs that are followed.
#[derive(Debug, Default)]
pub struct Hubs {
    hubs: Mutex<BTreeMap<String, Weak<Hub>>>,
    readers: Mutex<JoinSet<()>>,
}

/// A run that is followed.
#[derive(Debug)]
pub struct Hub {
    kept: Mutex<Kept>,
    /// Changes with each look that found something.
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<Arc<Line>>,
    bytes: usize,
    ended: bool,
}

impl Hubs {
    /// Follows a run; none when there is no such run. Must be called on the server's runtime.
    pub fn follow(&self, shelf: &Shelf, run: &str) -> Option<Arc<Hub>> {
        let mut hubs = self.hubs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(hub) = hubs.get(run).and_then(Weak::upgrade) {
            return Some(hub);
        }
        let reader = Reader::new(shelf.events(run)?);
        let hub = Arc::new(Hub { kept: Mutex::default(), changes: watch::Sender::new(0) });
        hubs.retain(|_, hub| hub.strong_count() > 0);
        hubs.insert(run.to_owned(), Arc::downgrade(&hub));
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        while readers.try_join_next().is_some() {}
        readers.spawn(read(reader, Arc::downgrade(&hub)));
        Some(hub)
    }
}

impl Hub {
    /// Tells when there may be more than was seen.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// What comes after an event, of what is kept.
    pub fn after(&self, number: u64) -> Next {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let first = kept.lines.front().map(|line| line.number);
        if first.is_some_and(|first| first > number.saturating_add(1)) {
            return Next::Behind;
        }
        let lines: Vec<_> = kept.lines.iter().skip_while(|line| line.number <= number).cloned().collect();
        if lines.is_empty() && kept.ended { Next::Ended } else { Next::Lines(lines) }
    }

    fn take(&self, lines: Vec<Arc<Line>>, ended: bool) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for line in lines {
            kept.bytes += line.json.len();
            kept.lines.push_back(line);
        }
        while kept.lines.len() > KEPT || (kept.bytes > KEPT_BYTES && kept.lines.len() > 1) {
            let gone = kept.lines.pop_front();
            kept.bytes -= gone.map_or(0, |line| line.json.len());
        }
        kept.ended |= ended;
        drop(kept);
        self.changes.send_modify(|looks| *looks += 1);
    }
}

/// Reads what is written, as long as somebody follows.
async fn read(mut reader: Reader, hub: Weak<Hub>) {
    let mut teller = Teller::default();
    loop {
        let read = tokio::task::spawn_blocking(move || {
            let lines = reader.lines();
            let mut told = Vec::new();
            for (number, json) in lines.unwrap_or_default() {
                let event = serde_json::from_str::<Event>(&json).ok();
                let ended = event.as_ref().is_some_and(|event| matches!(event.kind, EventKind::RunEnded { .. }));
                let words = event.map(|event| teller.take(&event)).unwrap_or_default();
                told.push((Arc::new(Line { number, json, told: words }), ended));
            }
            (reader, teller, told)
        });
        let Ok((back, words, told)) = read.await else { return };
        (reader, teller) = (back, words);
        let Some(hub) = hub.upgrade() else { return };
        let ended = told.iter().any(|(_, ended)| *ended);
        let more = !told.is_empty();
        if more {
            hub.take(told.into_iter().map(|(line, _)| line).collect(), ended);
        }
        drop(hub);
        if ended {
            return;
        }
        // A long file is read on at once.
        tokio::time::sleep(if more { Duration::from_millis(1) } else { EVERY }).await;
    }
}

/// Reads whole lines of a file that grows.
#[derive(Debug)]
pub struct Reader {
    file: BufReader<File>,
    begun: Vec<u8>,
}

#[derive(Deserialize)]
struct Numbered {
    number: u64,
}

impl Reader {
    /// From the beginning.
    pub fn new(file: File) -> Self {
        Self { file: BufReader::with_capacity(64 << 10, file), begun: Vec::new() }
    }

    /// Some of the events that come next, each with its number; none when there is no more now.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn lines(&mut self) -> io::Result<Vec<(u64, String)>> {
        let (mut out, mut bytes) = (Vec::new(), 0);
        while bytes < AT_ONCE {
            bytes += self.file.read_until(b'\n', &mut self.begun)?;
            if !self.begun.ends_with(b"\n") {
                break;
            }
            let line = String::from_utf8_lossy(self.begun.trim_ascii_end()).into_owned();
            self.begun.clear();
            if let Ok(Numbered { number }) = serde_json::from_str(&line) {
                out.push((number, line));
            }
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_line_is_told_when_it_is_whole_and_the_oldest_make_room() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut out = file.reopen().unwrap();
        let mut reader = Reader::new(file.reopen().unwrap());
        out.write_all(b"{\"number\":1,\"x\":2}\n{\"num").unwrap();
        assert_eq!(reader.lines().unwrap(), [(1, "{\"number\":1,\"x\":2}".to_owned())]);
        assert!(reader.lines().unwrap().is_empty());
        out.write_all(b"ber\":2}\nnonsense\n{\"number\":3}\n").unwrap();
        assert_eq!(reader.lines().unwrap().iter().map(|(number, _)| *number).collect::<Vec<_>>(), [2, 3]);

        let hub = Hub { kept: Mutex::default(), changes: watch::Sender::new(0) };
        let line = |number| Arc::new(Line { number, json: String::new(), told: Vec::new() });
        let wanted = KEPT as u64 + 10;
        hub.take((1..=wanted).map(line).collect(), true);
        assert!(matches!(hub.after(0), Next::Behind) && matches!(hub.after(9), Next::Behind));
        assert!(matches!(hub.after(10), Next::Lines(lines) if lines.len() == KEPT));
        assert!(matches!(hub.after(wanted), Next::Ended));
        hub.take(vec![Arc::new(Line { number: wanted + 1, json: "x".repeat(KEPT_BYTES + 1), told: Vec::new() })], false);
        assert!(matches!(hub.after(wanted), Next::Lines(lines) if lines.len() == 1), "one is always kept");
    }
}
