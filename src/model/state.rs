//! What a probe found out about state, beside its samples: sessions and carts, acknowledged writes, connections that stay open.
//!
//! A status code says whether an answer came; these counts say whether it was the truth. Times are seconds since the run's origin.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{measurement::Latency, sample::SampleOutcome};

/// What became of the state that a probe made or held.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "of", rename_all = "kebab-case")]
pub enum StateFindings {
    /// Of a `journey`.
    Sessions(Sessions),
    /// Of a `ledger`.
    Writes(Writes),
    /// Of a `websocket` probe.
    Sockets(Sockets),
}

/// A count, and how many more it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// What was seen.
    pub known: u64,
    /// Of which nobody knows.
    pub unknown: u64,
}

impl StateFindings {
    /// What was lost for good, for a kind that can lose something: sessions, acknowledged writes.
    pub fn lost(&self) -> Option<Counted> {
        match self {
            Self::Sessions(found) => Some(Counted { known: found.lost, unknown: found.unchecked }),
            Self::Writes(found) => Some(Counted { known: found.lost, unknown: found.never_read + found.unchecked }),
            Self::Sockets(_) => None,
        }
    }

    /// Whether the probe never held anything that could have been lost: no session began, no write was acknowledged.
    pub fn is_blank(&self) -> bool {
        match self {
            Self::Sessions(found) => found.started == 0,
            Self::Writes(found) => found.acknowledged == 0,
            Self::Sockets(_) => false,
        }
    }

    /// When the probe's own last readings began; those that are due from then on are in no phase.
    pub fn last_round_s(&self) -> Option<f64> {
        match self {
            Self::Sessions(found) => found.last_round_s,
            Self::Writes(found) => found.last_round_s,
            Self::Sockets(_) => None,
        }
    }

    /// Values that were found more than once.
    pub fn duplicated(&self) -> Option<Counted> {
        match self {
            Self::Writes(found) => Some(Counted { known: found.duplicated, unknown: 0 }),
            Self::Sessions(_) | Self::Sockets(_) => None,
        }
    }

    /// Acknowledged writes that no reading ever came through for.
    pub fn never_read(&self) -> Option<Counted> {
        match self {
            Self::Writes(found) => Some(Counted { known: found.never_read, unknown: 0 }),
            Self::Sessions(_) | Self::Sockets(_) => None,
        }
    }
}

/// Users' sessions. A session begins when a user's first step succeeds, and is lost when a step that says `otherwise: state-lost` finds
/// that what earlier steps made is gone.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sessions {
    /// Sessions that began.
    pub started: u64,
    /// Of which came to their end, or lived when the run ended.
    pub continued: u64,
    /// Of which were lost.
    pub lost: u64,
    /// Of which ended because their user, who had only come by, gave up after too many failures.
    #[serde(default)]
    pub given_up: u64,
    /// Of which lived when the run ended, but a last look at them did not come through: nobody knows.
    #[serde(default)]
    pub unchecked: u64,
    /// The lost ones, by the instance that they lived on: the one that acknowledged the last step that changed something.
    pub lost_by_backend: BTreeMap<String, u64>,
    /// Times that a session's sticky cookie (see `sticky`) came with another value.
    pub sticky_changes: u64,
    /// Times that a user who had a session had to log in again.
    pub forced_log_ins: u64,
    /// When losses were found.
    pub lost_within: Option<Span>,
    /// Of the lost ones, those that were found in the last looks.
    #[serde(default)]
    pub lost_at_the_end: u64,
    /// When the last looks began, after the run's end. They are the probe's own, and in no phase.
    #[serde(default)]
    pub last_round_s: Option<f64>,
}

/// Writes with unique values, after Jepsen's set-full: each acknowledged one is read back, again and again, until the end.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Writes {
    /// Writes that were sent.
    pub attempted: u64,
    /// Of which the system said that they are done.
    pub acknowledged: u64,
    /// Acknowledged, and gone at the end: not in the last reading, which succeeded.
    pub lost: u64,
    /// Acknowledged and readable in the end, but missing in at least one reading that began after the acknowledgement.
    pub stale: u64,
    /// Readings that missed an acknowledged write.
    pub stale_reads: u64,
    /// Values that were found more than once.
    pub duplicated: u64,
    /// Acknowledged, and no reading of them ever succeeded: nobody knows.
    pub never_read: u64,
    /// Acknowledged and read before, but a last reading did not come through: nobody knows whether they are still there.
    #[serde(default)]
    pub unchecked: u64,
    /// Not acknowledged, and found all the same: neither lost nor duplicated, the client just did not hear of it.
    pub appeared: u64,
    /// From the acknowledgement until the first reading that had it.
    pub visible_after: Option<Latency>,
    /// When the lost ones were acknowledged.
    pub lost_within: Option<Span>,
    /// When the last readings began, after the run's end. They are the probe's own, and in no phase.
    #[serde(default)]
    pub last_round_s: Option<f64>,
    /// What all values begin with.
    #[serde(default)]
    pub prefix: String,
    /// What became of the values in their store.
    #[serde(default)]
    pub afterwards: Option<Afterwards>,
}

/// What became of a ledger's values in their store when everything was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Afterwards {
    /// So many were removed, and none is left.
    Removed(u64),
    /// They stay, because the file says so.
    Kept,
    /// They stay: what an application has, or a store in words of the user's own, is not ours to remove.
    NotOurs,
    /// They were to be removed, and the store did not do that, or not all of it: this became of the request.
    NotRemoved(SampleOutcome),
}

/// Connections that stay open.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sockets {
    /// Connections that were made.
    pub opened: u64,
    /// Of which were cut by the other side, or died.
    pub cut: u64,
    /// When they were cut.
    pub cut_within: Option<Span>,
    /// How long those that were cut were away until they were open again.
    pub away: Option<Latency>,
    /// Cut, and not open again when the run ended.
    pub never_back: u64,
}

/// From the first to the last of something; seconds since the origin.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Span {
    /// The first.
    pub from_s: f64,
    /// The last.
    pub to_s: f64,
}

impl Span {
    /// Widens a span, or begins one.
    pub fn with(span: &mut Option<Self>, at_s: f64) {
        let span = span.get_or_insert(Self { from_s: at_s, to_s: at_s });
        span.from_s = span.from_s.min(at_s);
        span.to_s = span.to_s.max(at_s);
    }
}
