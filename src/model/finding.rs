//! What a run found out about the system that is no number of a probe: a dependency, a single point of failure, an instance that is
//! not like its siblings.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Of which kind.
    pub kind: FindingKind,
    /// One sentence, with its numbers.
    pub says: String,
}

/// Kinds of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// A fault on one service failed another one's routes.
    Dependency,
    /// A service of which there is one instance, and without which nothing works.
    SinglePointOfFailure,
    /// A replacement that is not like its siblings.
    Drift,
    /// Routes that went on although a service they might have needed was away.
    Independent,
    /// Users who look names up in different ways, keep to different addresses, or keep their connections, felt different things.
    NamesDisagree,
}

impl FindingKind {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dependency => "dependency",
            Self::SinglePointOfFailure => "single point of failure",
            Self::Drift => "drift",
            Self::Independent => "independent",
            Self::NamesDisagree => "users disagree",
        }
    }
}
