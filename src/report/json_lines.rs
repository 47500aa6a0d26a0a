//! `events.jsonl`: one event a line, flushed at each tick, once what was armed is written, and at the end. Every other report can be made from it again.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Read, Write},
    path::Path,
};

use super::{fan_out::Reporter, words};
use crate::{
    event::{EVENT_VERSION, Event, EventKind},
    model::undo::Undo,
};

/// The name in a run folder.
pub const FILE_NAME: &str = "events.jsonl";

/// The longest line that is read: a plan over 100,000 instances fits.
const LONGEST_LINE: u64 = 512 << 20;

/// How much is written at once: hundreds of instances that end are told at once.
const BUFFER: usize = 64 << 10;

/// Writes events.
pub struct JsonLines<W: Write + Send> {
    out: W,
    /// Of the event before: room for the next one.
    line: Vec<u8>,
    /// An act was armed, and what is written of it is not flushed yet.
    armed: bool,
}

impl JsonLines<BufWriter<File>> {
    /// Creates `events.jsonl` in a run folder; it must not exist yet.
    pub fn create(folder: &Path) -> io::Result<Self> {
        Ok(Self::to(BufWriter::with_capacity(BUFFER, super::write::create_new(folder, FILE_NAME)?)))
    }
}

impl<W: Write + Send> JsonLines<W> {
    /// Writes to anything (`--format jsonl` on standard output).
    pub fn to(out: W) -> Self {
        Self { out, line: Vec::new(), armed: false }
    }
}

impl<W: Write + Send> Reporter for JsonLines<W> {
    fn name(&self) -> &'static str {
        FILE_NAME
    }

    fn event(&mut self, event: &Event) -> io::Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, event)?;
        let line = std::str::from_utf8(&self.line).map_err(io::Error::other)?;
        self.out.write_all(words::json(line).as_bytes())?;
        self.out.write_all(b"\n")?;
        // A plan's is a hundred times as long as any after it.
        self.line.shrink_to(BUFFER);
        match event.kind {
            EventKind::Tick { .. } | EventKind::RunEnded { .. } => self.out.flush()?,
            EventKind::Armed { .. } => self.armed = true,
            _ => {}
        }
        Ok(())
    }

    fn caught_up(&mut self) -> io::Result<()> {
        // Of hundreds that are armed at once, one write tells.
        if std::mem::take(&mut self.armed) { self.out.flush() } else { Ok(()) }
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Reads events and gives each to `take`. A last line that was cut (the writer was killed) is left out; anything else that
/// is not an event is an error with its line number.
pub fn read(from: impl Read, mut take: impl FnMut(Event)) -> io::Result<()> {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        let n = from.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)?;
        if n == 0 {
            return Ok(());
        }
        let whole = line.ends_with(b"\n");
        match serde_json::from_slice::<Event>(&line) {
            Ok(event) => {
                if let EventKind::RunStarted { version, .. } = event.kind
                    && version > EVENT_VERSION
                {
                    return Err(invalid(format!(
                        "line {number}: the run was recorded in format {version} by a newer firedrill; this one reads up to {EVENT_VERSION}"
                    )));
                }
                take(event);
            }
            Err(_) if !whole => return Ok(()),
            Err(error) => return Err(invalid(format!("line {number} is not an event: {error}"))),
        }
    }
    Ok(())
}

fn invalid(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// Whether an event is the same for a later reader of the file: nothing in it is computed, and no secret is left out.
pub fn reads_back(kind: &EventKind) -> bool {
    match kind {
        // The shares in a plan are as somebody wrote them.
        EventKind::Planned { plan } => plan.acts().all(|prepared| undo_reads_back(&prepared.undo)),
        EventKind::Armed { undo, .. } => undo_reads_back(undo),
        EventKind::Acted { .. }
        | EventKind::Reverting { .. }
        | EventKind::Reverted { .. }
        | EventKind::NothingToUndo { .. }
        | EventKind::Observed { .. } => true,
        _ => false,
    }
}

/// The same of an undo: what a platform wrote down of the state before is words and whole numbers, mostly.
fn undo_reads_back(undo: &Undo) -> bool {
    fn exact(value: &serde_json::Value) -> bool {
        match value {
            serde_json::Value::Number(number) => !number.is_f64(),
            serde_json::Value::Array(all) => all.iter().all(exact),
            serde_json::Value::Object(all) => all.values().all(exact),
            serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::String(_) => true,
        }
    }
    match undo {
        Undo::Restore { before, secret, .. } => secret.is_none() && exact(before),
        Undo::Impossible { .. } | Undo::Nothing { .. } => true,
    }
}

/// The event as a later reader of the file will see it: a float may differ from ours in its last bit after it was printed
/// and read. Rendering from this makes the first rendering equal to every later one.
pub fn as_read_back(event: &Event) -> io::Result<Event> {
    Ok(serde_json::from_slice(&serde_json::to_vec(event)?)?)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::model::{
        act::{Act, Group, Target},
        fault::Fault,
        ids::ActId,
        time::{Mono, Wall},
        undo::Secret,
    };

    #[derive(Clone, Default)]
    struct Seen(Arc<Mutex<Vec<u8>>>);

    impl Write for Seen {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_undo_is_the_same_for_a_reader_unless_it_holds_a_secret_or_what_is_computed() {
        let undo = |before: &str| Undo::restore("put it back", serde_json::from_str(before).unwrap());
        assert!(undo_reads_back(&undo(r#"{ "launched": "17", "ports": [80, -1], "was": { "running": true, "by": null } }"#)));
        assert!(!undo_reads_back(&undo(r#"{ "ports": [80, { "cpus": 0.5 }] }"#)));
        let mut hidden = undo("{}");
        if let Undo::Restore { secret, .. } = &mut hidden {
            *secret = Some(Secret(serde_json::Value::Null));
        }
        assert!(!undo_reads_back(&hidden));
        assert!(undo_reads_back(&Undo::Nothing { why: "it comes back by itself".to_owned() }));
    }

    #[test]
    fn what_is_armed_is_there_before_the_next_tick() {
        let seen = Seen::default();
        let mut lines = JsonLines::to(BufWriter::with_capacity(BUFFER, seen.clone()));
        let event = |number, kind| Event { number, at: Mono(number), wall: Wall(0), kind };
        let written = || seen.0.lock().unwrap().lines().count();
        lines.event(&event(1, EventKind::StepEnded { step: 1 })).unwrap();
        lines.caught_up().unwrap();
        assert_eq!(written(), 0, "nobody waits for it");
        let act = Act { id: ActId { step: 1, act: 1 }, fault: Fault::SuspendReplacement, target: Target::Group(Group::default()) };
        let undo = Undo::Nothing { why: "it comes back by itself".to_owned() };
        lines.event(&event(2, EventKind::Armed { act: Box::new(act), undo })).unwrap();
        assert_eq!(written(), 0, "there may be hundreds");
        lines.caught_up().unwrap();
        assert_eq!(written(), 2);
        lines.event(&event(3, EventKind::StepEnded { step: 1 })).unwrap();
        lines.event(&event(4, EventKind::Tick { probes: std::collections::BTreeMap::new() })).unwrap();
        assert_eq!(written(), 4);
    }
}
