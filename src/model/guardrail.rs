//! Abort conditions: what ends a run early, with everything undone.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    ids::ProbeName,
    steady_state::{Comparison, Metric},
};

/// When this has held for so long, the run is halted and undone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AbortWhen {
    /// The probe it looks at.
    pub probe: ProbeName,
    /// What it looks at, over the sliding window `window`.
    pub metric: Metric,
    /// The comparison that is bad when true.
    pub comparison: Comparison,
    /// How long it must be bad without a break.
    pub held_for: Duration,
}
