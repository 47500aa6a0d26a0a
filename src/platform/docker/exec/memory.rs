//! What this process knows of commands that it ran in containers: the engine forgets them soon after their end, and nothing else shows
//! whether one ran.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use crate::model::ids::{ActId, InstanceId};

/// How far an act has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It can be undone, and was not begun.
    Prepared,
    /// Its command was started, or may have been.
    Begun,
    /// It was undone.
    Undone,
}

/// The acts that this process prepared on one engine. An act that another process did is not in it: whether that one ran is not known.
#[derive(Debug, Default)]
pub struct Memory(Mutex<BTreeMap<(ActId, InstanceId), Progress>>);

impl Memory {
    /// How far an act has come; none for one that this process knows nothing of.
    pub fn progress(&self, act: ActId, on: &InstanceId) -> Option<Progress> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&(act, on.clone())).copied()
    }

    /// Writes down how far it has come.
    pub fn set(&self, act: ActId, on: &InstanceId, progress: Progress) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert((act, on.clone()), progress);
    }

    /// Begins an act, once: `false` when it was begun before.
    pub fn begin(&self, act: ActId, on: &InstanceId) -> bool {
        let before = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert((act, on.clone()), Progress::Begun);
        matches!(before, None | Some(Progress::Prepared))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_act_begins_once_until_it_is_prepared_anew() {
        let memory = Memory::default();
        let (act, on) = (ActId { step: 1, act: 1 }, InstanceId::from("c"));
        assert_eq!(memory.progress(act, &on), None);
        memory.set(act, &on, Progress::Prepared);
        assert!(memory.begin(act, &on));
        assert!(!memory.begin(act, &on));
        assert!(memory.begin(act, &InstanceId::from("d")));
        memory.set(act, &on, Progress::Undone);
        assert!(!memory.begin(act, &on), "what was undone does not begin again by itself");
        memory.set(act, &on, Progress::Prepared);
        assert!(memory.begin(act, &on));
    }
}
