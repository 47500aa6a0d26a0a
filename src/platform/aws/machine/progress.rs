//! How far acts of this process have come that AWS shows nothing of: a reboot, a command. Another process that undoes them knows nothing of
//! it, and takes them for done.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use crate::{model::act::Prepared, platform::aws::reach::Reach};

/// How far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// Its undo was made ready, and nothing was done.
    Prepared,
    /// It was ordered.
    Ordered,
    /// It was undone.
    Undone,
}

static ALL: Mutex<BTreeMap<String, Progress>> = Mutex::new(BTreeMap::new());

fn key(reach: &Reach, act: &crate::model::act::Act) -> String {
    let instance = act.target.instance().map_or("", |instance| instance.id.as_str());
    format!("{} {} {instance}", reach.run(), act.id)
}

/// Its undo is made ready.
pub(super) fn prepared(reach: &Reach, act: &crate::model::act::Act) {
    ALL.lock().unwrap_or_else(PoisonError::into_inner).insert(key(reach, act), Progress::Prepared);
}

/// It is about to be ordered; whether it was not before.
pub(super) fn order(reach: &Reach, prepared: &Prepared) -> bool {
    let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
    let before = all.insert(key(reach, &prepared.act), Progress::Ordered);
    !matches!(before, Some(Progress::Ordered | Progress::Undone))
}

/// It was undone.
pub(super) fn undone(reach: &Reach, prepared: &Prepared) {
    ALL.lock().unwrap_or_else(PoisonError::into_inner).insert(key(reach, &prepared.act), Progress::Undone);
}

/// How far it has come, as far as this process knows.
pub(super) fn of(reach: &Reach, prepared: &Prepared) -> Option<Progress> {
    ALL.lock().unwrap_or_else(PoisonError::into_inner).get(&key(reach, &prepared.act)).copied()
}
