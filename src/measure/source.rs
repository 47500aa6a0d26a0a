//! Where samples come from: memory in tests, the spill file in a run.

use crate::model::sample::Sample;

/// The samples of a run, each probe's in the order of their numbers.
pub trait SampleSource {
    /// Every request of the probe that was due, by number from 0. `None` is a request without a sample: a defect of ours,
    /// which makes the measurement untrustworthy.
    fn samples(&self, probe: u16) -> Box<dyn Iterator<Item = Option<Sample>> + '_>;
}

/// Samples in memory.
#[derive(Debug, Clone, Default)]
pub struct InMemory {
    /// Per probe, by number.
    pub probes: Vec<Vec<Option<Sample>>>,
}

impl SampleSource for InMemory {
    fn samples(&self, probe: u16) -> Box<dyn Iterator<Item = Option<Sample>> + '_> {
        match self.probes.get(usize::from(probe)) {
            Some(samples) => Box::new(samples.iter().copied()),
            None => Box::new(std::iter::empty()),
        }
    }
}
