//! What a run claims for itself while it lasts: its own place wholly, and the wider places around it in part. So two projects of one
//! engine may be drilled at once, and the whole engine and one of its projects may not.

use serde::{Deserialize, Serialize};

use super::ids::Scope;

/// A place, and whether nobody else may have any part of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Claim {
    /// The place.
    pub place: Scope,
    /// Wholly; otherwise others may have other parts of it.
    pub whole: bool,
}

impl Claim {
    /// All of a place.
    pub fn whole(place: impl Into<Scope>) -> Self {
        Self { place: place.into(), whole: true }
    }

    /// A part of a place; which one is another claim.
    pub fn part(place: impl Into<Scope>) -> Self {
        Self { place: place.into(), whole: false }
    }

    /// Whether two cannot hold at once.
    pub fn against(&self, other: &Self) -> bool {
        self.place == other.place && (self.whole || other.whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stand_beside_each_other_and_nothing_beside_a_whole() {
        let (whole, part) = (Claim::whole("engine"), Claim::part("engine"));
        assert!(whole.against(&whole) && whole.against(&part) && part.against(&whole));
        assert!(!part.against(&part));
        assert!(!whole.against(&Claim::whole("another engine")));
    }
}
