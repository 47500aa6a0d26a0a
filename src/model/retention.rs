//! How much of a history is kept.

use std::time::Duration;

/// So many runs are kept when nothing else is said.
pub const KEEP: u64 = 10_000;

/// How many runs are kept, and how old they may become. What is beyond one of both goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// So many, the newest.
    pub keep: u64,
    /// Those that began no longer ago than this; all, when nothing is said.
    pub keep_for: Option<Duration>,
}

impl Default for Retention {
    fn default() -> Self {
        Self { keep: KEEP, keep_for: None }
    }
}
