//! The recording thread: it takes finished samples from the pacer in batches, keeps the latest for the live view, and writes all
//! of them to the spill files. The pacer never waits for it.

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

use crate::{
    model::{sample::Sample, time::Mono},
    probe::spill::SpillWriter,
};

/// Samples kept for the live view; the oldest are dropped when nobody takes them (they are in the record all the same).
const LIVE: usize = 32_768;
/// A batch is handed over when it has so many samples,
const BATCH: usize = 256;
/// or when its first sample has waited so long.
const AGE: Duration = Duration::from_millis(50);

/// The pacer's end.
#[derive(Debug)]
pub struct Feed {
    batch: Vec<Sample>,
    since: Option<Mono>,
    batches: Sender<Vec<Sample>>,
    empty: Receiver<Vec<Sample>>,
}

impl Feed {
    /// Takes a finished sample.
    pub fn push(&mut self, sample: Sample) {
        self.batch.push(sample);
        if self.batch.len() >= BATCH {
            self.flush();
        }
    }

    /// Hands a batch over when its time has come; otherwise says when that will be.
    pub fn flush_if_due(&mut self, now: Mono) -> Option<Mono> {
        if self.batch.is_empty() {
            return None;
        }
        let due = self.since.get_or_insert(now).plus(AGE);
        if due <= now {
            self.flush();
            return None;
        }
        Some(due)
    }

    /// Hands over what there is.
    pub fn flush(&mut self) {
        self.since = None;
        if !self.batch.is_empty() {
            let next = self.empty.try_recv().unwrap_or_else(|_| Vec::with_capacity(BATCH));
            // A recorder that is gone has left its doubt behind: pacing goes on, so that the system sees the same load.
            let _ = self.batches.send(std::mem::replace(&mut self.batch, next));
        }
    }
}

/// The samples that the live view has not taken yet.
pub type Live = Arc<Mutex<VecDeque<Sample>>>;

/// The recording thread's work.
pub struct Recorder {
    batches: Receiver<Vec<Sample>>,
    empty: Sender<Vec<Sample>>,
    live: Live,
    spill: SpillWriter,
}

/// A pacer's end and a recorder's.
pub fn pair(folder: PathBuf, probes: usize, live: Live) -> std::io::Result<(Feed, Recorder)> {
    let (batches_in, batches_out) = channel();
    let (empty_in, empty_out) = channel();
    let feed = Feed { batch: Vec::with_capacity(BATCH), since: None, batches: batches_in, empty: empty_out };
    Ok((feed, Recorder { batches: batches_out, empty: empty_in, live, spill: SpillWriter::create(folder, probes)? }))
}

impl Recorder {
    /// Records until the pacer is gone. Answers what went wrong on the way.
    pub fn run(mut self) -> Vec<String> {
        while let Ok(mut batch) = self.batches.recv() {
            {
                let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
                let surplus = (live.len() + batch.len()).saturating_sub(LIVE).min(live.len());
                live.drain(..surplus);
                live.extend(batch.iter().copied());
            }
            self.spill.write(&mut batch);
            batch.clear();
            let _ = self.empty.send(batch);
        }
        self.spill.into_doubts()
    }
}
