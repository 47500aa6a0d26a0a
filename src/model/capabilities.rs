//! What a platform can do, asked when a file is checked, so that nothing is refused in the middle of a run.

use std::collections::BTreeMap;

use super::fault::{FaultKind, PartitionMode};

/// What one platform can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// The platform's name in the file: `local`, `docker`, `aws`, `fake`.
    pub platform: &'static str,
    /// Each fault it can do; for those it cannot, absent.
    pub faults: Vec<FaultKind>,
    /// For a fault that it cannot do, why, when there is more to say than "cannot".
    pub why_not: BTreeMap<FaultKind, String>,
    /// The modes in which a partition cannot be done, where others can, and why.
    pub no_mode: BTreeMap<PartitionMode, String>,
    /// Whether `remove` can end an instance and leave its place to be filled again: `decrement: false`.
    pub keeps_place: bool,
    /// Whether an outage of a zone can lead its users elsewhere and take nothing down: `mechanism: shift`.
    pub shifts: bool,
    /// Whether it can target things the tool did not start.
    pub foreign: bool,
}

impl Capabilities {
    /// Whether the fault can be done.
    pub fn can(&self, kind: FaultKind) -> bool {
        self.faults.contains(&kind)
    }

    /// Takes a fault back, because of what the machine that does it has not got.
    pub fn cannot(&mut self, kind: FaultKind, why: String) {
        self.faults.retain(|can| *can != kind);
        self.why_not.insert(kind, why);
    }
}
