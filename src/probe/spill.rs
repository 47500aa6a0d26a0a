//! The record on disk: a file per probe, in which request `k` has its place at `k` times the size of a sample. Written as samples
//! finish, read back in the order of their numbers, with memory for one block only.

use std::{
    collections::BTreeSet,
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use crate::{
    measure::source::SampleSource,
    model::sample::{SAMPLE_BYTES, Sample},
};

/// Samples read at a time.
const BLOCK: usize = 1024;

fn file_of(folder: &Path, probe: usize) -> PathBuf {
    folder.join(format!("{probe}.bin"))
}

/// Writes samples to their places.
#[derive(Debug)]
pub struct SpillWriter {
    folder: PathBuf,
    files: Vec<File>,
    run: Vec<u8>,
    doubts: BTreeSet<String>,
}

impl SpillWriter {
    /// Empty files for so many probes.
    pub fn create(folder: PathBuf, probes: usize) -> io::Result<Self> {
        let open = |probe| OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file_of(&folder, probe));
        let files = (0..probes).map(open).collect::<io::Result<Vec<_>>>()?;
        Ok(Self { folder, files, run: Vec::new(), doubts: BTreeSet::new() })
    }

    /// Writes a batch: neighbours in one call. What fails becomes a doubt, and the others are still written.
    pub fn write(&mut self, batch: &mut [Sample]) {
        batch.sort_unstable_by_key(|sample| (sample.probe, sample.number));
        for run in batch.chunk_by(|a, b| a.probe == b.probe && a.number.checked_add(1) == Some(b.number)) {
            self.run.clear();
            self.run.extend(run.iter().flat_map(Sample::encode));
            let probe = usize::from(run[0].probe);
            if let Err(error) = self.files[probe].write_all_at(&self.run, u64::from(run[0].number) * SAMPLE_BYTES as u64) {
                self.doubts.insert(format!("samples could not be written to {}: {error}", file_of(&self.folder, probe).display()));
            }
        }
    }

    /// What went wrong.
    pub fn into_doubts(self) -> Vec<String> {
        self.doubts.into_iter().collect()
    }
}

/// Reads the record back. The files may be read again at any time after the run.
#[derive(Debug, Clone)]
pub struct SpillSource {
    folder: PathBuf,
    due: Vec<u64>,
}

impl SpillSource {
    /// The record in this folder, with the number of requests that were due per probe.
    pub fn new(folder: PathBuf, due: Vec<u64>) -> Self {
        Self { folder, due }
    }
}

impl SampleSource for SpillSource {
    fn samples(&self, probe: u16) -> Box<dyn Iterator<Item = Option<Sample>> + '_> {
        let due = self.due.get(usize::from(probe)).copied().unwrap_or(0);
        let file = File::open(file_of(&self.folder, usize::from(probe))).ok();
        Box::new(Reader { file, probe, due, next: 0, block: Vec::new(), at: 0 })
    }
}

struct Reader {
    file: Option<File>,
    probe: u16,
    due: u64,
    next: u64,
    block: Vec<u8>,
    at: usize,
}

impl Reader {
    /// Reads the block that begins with the next sample. What the file does not have is left zero: holes.
    fn fill(&mut self) {
        let samples = (self.due - self.next).min(BLOCK as u64) as usize;
        self.block.clear();
        self.block.resize(samples * SAMPLE_BYTES, 0);
        self.at = 0;
        let Some(file) = &self.file else { return };
        let mut filled = 0;
        while filled < self.block.len() {
            match file.read_at(&mut self.block[filled..], self.next * SAMPLE_BYTES as u64 + filled as u64) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        // A torn sample at the end is a hole too.
        let whole = filled - filled % SAMPLE_BYTES;
        self.block[whole..].fill(0);
    }
}

impl Iterator for Reader {
    type Item = Option<Sample>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.due {
            return None;
        }
        if self.at >= self.block.len() {
            self.fill();
        }
        let sample = self.block[self.at..self.at + SAMPLE_BYTES].try_into().ok().and_then(Sample::decode);
        let number = self.next;
        self.at += SAMPLE_BYTES;
        self.next += 1;
        Some(sample.filter(|sample| sample.probe == self.probe && u64::from(sample.number) == number))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.due - self.next) as usize;
        (left, Some(left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{sample::SampleOutcome, time::Mono};
    use crate::probe::{
        schedule::{Due, Turn},
        stage::Trace,
    };

    fn sample(probe: u16, number: u32) -> Sample {
        Trace::begin(Due { at_ns: u64::from(number) * 1000, probe, number, turn: Turn::Regular(number) }, Mono(0)).end(SampleOutcome::Ok)
    }

    #[test]
    fn samples_come_back_in_order_and_what_is_missing_is_a_hole() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = SpillWriter::create(folder.path().to_owned(), 2).unwrap();
        let mut numbers: Vec<u32> = (0..3000).filter(|n| *n != 1234 && *n != 2999).collect();
        numbers.reverse();
        for part in numbers.chunks(700) {
            let mut batch: Vec<_> = part.iter().flat_map(|&n| [sample(0, n), sample(1, n / 2)]).collect();
            writer.write(&mut batch);
        }
        assert!(writer.into_doubts().is_empty());
        let source = SpillSource::new(folder.path().to_owned(), vec![3000, 1400]);
        for again in 0..2 {
            let read: Vec<_> = source.samples(0).collect();
            assert_eq!(read.len(), 3000, "{again}");
            for (number, found) in read.iter().enumerate() {
                assert_eq!(found.map(|s| s.number as usize), (number != 1234 && number != 2999).then_some(number));
            }
        }
        assert_eq!(source.samples(1).flatten().count(), 1400);
        assert_eq!(source.samples(2).count(), 0);
    }

    #[test]
    fn a_full_disk_is_a_doubt_and_a_torn_end_a_hole() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = SpillWriter::create(folder.path().to_owned(), 1).unwrap();
        writer.files[0] = OpenOptions::new().write(true).open("/dev/full").unwrap();
        writer.write(&mut [sample(0, 0)]);
        let doubts = writer.into_doubts();
        assert!(doubts[0].contains("could not be written"), "{doubts:?}");

        let mut writer = SpillWriter::create(folder.path().to_owned(), 1).unwrap();
        writer.write(&mut [sample(0, 0), sample(0, 1)]);
        File::options().write(true).open(file_of(folder.path(), 0)).unwrap().set_len(SAMPLE_BYTES as u64 * 2 - 1).unwrap();
        let read: Vec<_> = SpillSource::new(folder.path().to_owned(), vec![3]).samples(0).map(|s| s.is_some()).collect();
        assert_eq!(read, [true, false, false]);
    }
}
