//! What the fake platform's calls run into.

use std::collections::BTreeMap;

use crate::model::ids::InstanceId;

/// A call that can be troubled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are those of the platform's functions")]
pub enum Call {
    Inventory,
    Prepare,
    Inject,
    Verify,
    Revert,
    Held,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The call fails and does nothing.
    Fails(String),
    /// The call acts, but its answer is lost.
    TimesOutAfterActing,
    /// The target vanishes (ends, and is not replaced) just before the call.
    Vanishes,
    /// Another one takes the target's name just before the call.
    IsReplaced,
    /// The target becomes protected just before the call.
    BecomesProtected,
    /// The platform's own code fails by a defect.
    Panics,
    /// The independent source does not answer.
    SaysUnknown,
}

/// Troubles by call and by its number (from 1, counted for each target of a call).
#[derive(Debug, Clone, Default)]
pub struct Script {
    at: BTreeMap<(Call, u64), Trouble>,
    always: BTreeMap<(Call, InstanceId), Trouble>,
    counts: BTreeMap<Call, u64>,
    /// From which question on others are at work, and on what.
    held: Option<(u64, Vec<InstanceId>)>,
}

impl Script {
    /// The n-th call from now on (from 1) runs into this. Each act of an `inject` counts as one call.
    pub fn nth(&mut self, call: Call, n: u64, trouble: Trouble) -> &mut Self {
        let done = self.counts.get(&call).copied().unwrap_or(0);
        self.at.insert((call, done + n), trouble);
        self
    }

    /// The next n calls fail.
    pub fn fails(&mut self, call: Call, n: u64, why: &str) -> &mut Self {
        for i in 1..=n {
            self.nth(call, i, Trouble::Fails(why.to_owned()));
        }
        self
    }

    /// Every such call on this instance runs into this.
    pub fn always(&mut self, call: Call, instance: impl Into<InstanceId>, trouble: Trouble) -> &mut Self {
        self.always.insert((call, instance.into()), trouble);
        self
    }

    /// From the n-th question on (from 1) another run slows these instances.
    pub fn held_from(&mut self, n: u64, ids: &[&str]) -> &mut Self {
        self.held = Some((n, ids.iter().map(|id| InstanceId::from(*id)).collect()));
        self
    }

    /// What another run slows, asked now.
    pub(super) fn held(&mut self) -> Vec<InstanceId> {
        let asked = self.counts.entry(Call::Held).or_default();
        *asked += 1;
        self.held.as_ref().filter(|(from, _)| *asked >= *from).map(|(_, ids)| ids.clone()).unwrap_or_default()
    }

    /// How often a call was made.
    pub fn count(&self, call: Call) -> u64 {
        self.counts.get(&call).copied().unwrap_or(0)
    }

    /// Counts a call and gives its trouble.
    pub(super) fn take(&mut self, call: Call, instance: Option<&InstanceId>) -> Option<Trouble> {
        let count = self.counts.entry(call).or_default();
        *count += 1;
        let nth = self.at.remove(&(call, *count));
        nth.or_else(|| self.always.get(&(call, instance?.clone())).cloned())
    }
}
