//! Which backends there are, and which one gets the next request.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use super::member::Member;

/// The backends of a balancer.
#[derive(Default)]
pub(super) struct Roster {
    lists: Mutex<Lists>,
    turn: AtomicUsize,
}

#[derive(Default)]
struct Lists {
    all: Vec<Arc<Member>>,
    /// The healthy ones of `all`, made anew at each change, so that a choice copies nothing.
    serving: Arc<[Arc<Member>]>,
}

/// A choice.
pub(super) struct Chosen {
    /// The backend.
    pub(super) member: Arc<Member>,
    /// Whether it is the one that the client's cookie asked for.
    pub(super) as_asked: bool,
}

impl Roster {
    fn lists(&self) -> std::sync::MutexGuard<'_, Lists> {
        // A panic elsewhere leaves whole lists: each change is one assignment.
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The backend that the client's cookie names, if it is healthy; else the next healthy one; none if there is none.
    pub(super) fn choose(&self, asked: Option<&str>) -> Option<Chosen> {
        let serving = self.lists().serving.clone();
        if let Some(asked) = asked
            && let Some(member) = serving.iter().find(|m| m.backend.id.as_str() == asked)
        {
            return Some(Chosen { member: member.clone(), as_asked: true });
        }
        if serving.is_empty() {
            return None;
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        Some(Chosen { member: serving[turn % serving.len()].clone(), as_asked: false })
    }

    /// The backend with this id.
    pub(super) fn find(&self, id: &str) -> Option<Arc<Member>> {
        self.lists().all.iter().find(|m| m.backend.id.as_str() == id).cloned()
    }

    /// A backend more; false when its id is taken.
    pub(super) fn add(&self, member: Arc<Member>) -> bool {
        let mut lists = self.lists();
        if lists.all.iter().any(|m| m.backend.id == member.backend.id) {
            return false;
        }
        lists.all.push(member);
        lists.refresh();
        true
    }

    /// Takes a backend out.
    pub(super) fn remove(&self, id: &str) -> Option<Arc<Member>> {
        let mut lists = self.lists();
        let place = lists.all.iter().position(|m| m.backend.id.as_str() == id)?;
        let member = lists.all.remove(place);
        lists.refresh();
        Some(member)
    }

    /// A backend's health changed. False when it is not in the roster any more: then nothing changes.
    pub(super) fn set_healthy(&self, member: &Arc<Member>, healthy: bool) -> bool {
        let mut lists = self.lists();
        if !lists.all.iter().any(|m| Arc::ptr_eq(m, member)) {
            return false;
        }
        member.healthy.store(healthy, Ordering::Relaxed);
        lists.refresh();
        true
    }

    /// How many backends get requests, and how many there are.
    pub(super) fn count(&self) -> (usize, usize) {
        let lists = self.lists();
        (lists.serving.len(), lists.all.len())
    }
}

impl Lists {
    fn refresh(&mut self) {
        self.serving = self.all.iter().filter(|m| m.healthy.load(Ordering::Relaxed)).cloned().collect();
    }
}
