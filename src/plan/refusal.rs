//! Why a plan is refused: the step, what was found, and what would make it right.

use std::fmt;

/// One reason not to act. A planner gives all of them at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The step it is about, from 1; none when it is about several.
    pub step: Option<u32>,
    /// The class, for programs.
    pub kind: RefusalKind,
    /// What was found and what was expected.
    pub what: String,
    /// What to write or do instead.
    pub remedy: String,
}

/// The class of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusalKind {
    /// Nothing matched.
    NoMatch,
    /// Fewer matched than `take` asks for.
    TooFew,
    /// Everything matched, and the file does not say `all: true`.
    Everything,
    /// More would be affected than a cap allows.
    Cap,
    /// Fewer healthy instances would remain than `min-healthy` asks for.
    MinHealthy,
    /// The selector itself makes no sense (a broken pattern, an outage without a zone).
    Selector,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(step) = self.step {
            write!(f, "step {step}: ")?;
        }
        write!(f, "{}; {}", self.what, self.remedy)
    }
}

impl std::error::Error for Refusal {}
