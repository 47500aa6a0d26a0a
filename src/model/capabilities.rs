//! What a platform can do, asked when a file is checked, so that nothing is refused in the middle of a run.

use std::collections::BTreeMap;

use super::fault::FaultKind;

/// What one platform can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// The platform's name in the file: `local`, `docker`, `aws`, `fake`.
    pub platform: &'static str,
    /// Each fault it can do; for those it cannot, absent.
    pub faults: Vec<FaultKind>,
    /// For a fault that it cannot do, why, when there is more to say than "cannot".
    pub why_not: BTreeMap<FaultKind, String>,
    /// Whether it can target things the tool did not start.
    pub foreign: bool,
}

impl Capabilities {
    /// Whether the fault can be done.
    pub fn can(&self, kind: FaultKind) -> bool {
        self.faults.contains(&kind)
    }
}
