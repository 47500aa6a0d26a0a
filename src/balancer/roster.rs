//! Which backends there are, and which one gets the next request.
//!
//! Without shares all of them take turns. With shares each service gets its share of the requests, and its backends take turns: so a
//! canary of one server gets the ten per cent that it was given, however many servers the others are. A service without a share, and a
//! backend that drains, get no new visitors; a sticky cookie still leads to the former, as its visitor has something there.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
};

use super::member::Member;
use crate::model::ids::Service;

/// The backends of a balancer.
#[derive(Default)]
pub(super) struct Roster {
    lists: Mutex<Lists>,
}

#[derive(Default)]
struct Lists {
    all: Vec<Arc<Member>>,
    shares: BTreeMap<Service, u32>,
    /// Those of `all` that get requests, made anew at each change, so that a choice copies nothing. Without shares one group of all.
    serving: Vec<Group>,
}

/// Backends that take turns.
struct Group {
    members: Vec<Arc<Member>>,
    share: i64,
    /// What the group has coming: the shares of the requests that went to others, less those that it got itself.
    credit: i64,
    turn: usize,
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

    /// The backend that the client's cookie names, if it is healthy; else the next one; none if nobody may get a request.
    pub(super) fn choose(&self, asked: Option<&str>) -> Option<Chosen> {
        let mut lists = self.lists();
        if let Some(asked) = asked
            && let Some(member) = lists.all.iter().find(|m| m.backend.id.as_str() == asked && serves(m))
        {
            return Some(Chosen { member: member.clone(), as_asked: true });
        }
        Some(Chosen { member: lists.next()?, as_asked: false })
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

    /// A backend gets no new requests, or does again. False when there is none of this id.
    pub(super) fn set_draining(&self, id: &str, draining: bool) -> bool {
        let mut lists = self.lists();
        let Some(member) = lists.all.iter().find(|m| m.backend.id.as_str() == id) else { return false };
        member.draining.store(draining, Ordering::Relaxed);
        lists.refresh();
        true
    }

    /// How requests are shared among services from now on; evenly among all backends when empty.
    pub(super) fn set_shares(&self, shares: BTreeMap<Service, u32>) {
        let mut lists = self.lists();
        lists.shares = shares;
        lists.refresh();
    }

    /// How many backends get requests, and how many there are.
    pub(super) fn count(&self) -> (usize, usize) {
        let lists = self.lists();
        (lists.serving.iter().map(|group| group.members.len()).sum(), lists.all.len())
    }
}

fn serves(member: &Member) -> bool {
    member.healthy.load(Ordering::Relaxed) && !member.draining.load(Ordering::Relaxed)
}

impl Lists {
    fn refresh(&mut self) {
        let serving = self.all.iter().filter(|m| serves(m));
        let mut groups: BTreeMap<Option<&Service>, Vec<Arc<Member>>> = BTreeMap::new();
        for member in serving {
            let service = (!self.shares.is_empty()).then_some(&member.backend.service);
            groups.entry(service).or_default().push(member.clone());
        }
        // Each group goes on with its turns: a backend that comes or goes does not send the next requests to the first ones again.
        let turn = self.serving.iter().map(|group| group.turn).max().unwrap_or(0);
        let share = |service: Option<&Service>| service.map_or(1, |name| i64::from(self.shares.get(name).copied().unwrap_or(0)));
        let groups = groups.into_iter().map(|(service, members)| Group { members, share: share(service), credit: 0, turn });
        self.serving = groups.filter(|group| group.share > 0).collect();
    }

    /// The next backend. Among groups the one that has most coming, so that requests of the rarer ones are spread as evenly as can be.
    fn next(&mut self) -> Option<Arc<Member>> {
        let all: i64 = self.serving.iter().map(|group| group.share).sum();
        for group in &mut self.serving {
            group.credit += group.share;
        }
        // The first of those that have as much.
        let group = self.serving.iter_mut().rev().max_by_key(|group| group.credit)?;
        group.credit -= all;
        let member = group.members[group.turn % group.members.len()].clone();
        group.turn = group.turn.wrapping_add(1);
        Some(member)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balancer::protocol::Backend;

    fn roster(ids: &[(&str, &str)]) -> Roster {
        let roster = Roster::default();
        for (service, id) in ids {
            let backend =
                Backend { id: (*id).into(), service: (*service).into(), zone: "z".into(), address: "127.0.0.1:9".parse().unwrap() };
            let member = Arc::new(Member::new(backend, None).unwrap());
            roster.add(member.clone());
            assert!(roster.set_healthy(&member, true));
        }
        roster
    }

    fn chosen(roster: &Roster, n: usize) -> Vec<String> {
        let next = |_| roster.choose(None).map_or_else(String::new, |chosen| chosen.member.backend.id.to_string());
        (0..n).map(next).collect()
    }

    #[test]
    fn without_shares_all_take_turns() {
        let roster = roster(&[("blue", "b1"), ("green", "g1"), ("blue", "b2")]);
        let first = chosen(&roster, 6);
        for id in ["b1", "b2", "g1"] {
            assert_eq!(first.iter().filter(|found| *found == id).count(), 2, "{first:?}");
        }
        assert_eq!(roster.count(), (3, 3));
    }

    #[test]
    fn a_canary_gets_its_share_however_many_the_others_are() {
        let roster = roster(&[("blue", "b1"), ("blue", "b2"), ("blue", "b3"), ("green", "g1")]);
        roster.set_shares(BTreeMap::from([("blue".into(), 90), ("green".into(), 10)]));
        let all = chosen(&roster, 1000);
        assert_eq!(all.iter().filter(|id| *id == "g1").count(), 100);
        assert_eq!(all.iter().filter(|id| *id == "b1").count(), 300);
        assert!(all.chunks(10).all(|ten| ten.iter().filter(|id| *id == "g1").count() == 1), "evenly spread");
        roster.set_shares(BTreeMap::from([("blue".into(), 0), ("green".into(), 100)]));
        assert!(chosen(&roster, 10).iter().all(|id| id == "g1"));
        assert_eq!(roster.choose(Some("b2")).map(|c| c.as_asked), Some(true), "who has something there goes on");
        roster.set_shares(BTreeMap::from([("blue".into(), 0)]));
        assert!(roster.choose(None).is_none());
    }

    #[test]
    fn a_backend_that_drains_gets_nobody_any_more() {
        let roster = roster(&[("blue", "b1"), ("blue", "b2")]);
        assert!(roster.set_draining("b1", true) && !roster.set_draining("b9", true));
        assert!(chosen(&roster, 4).iter().all(|id| id == "b2"));
        assert_eq!(roster.choose(Some("b1")).map(|c| c.as_asked), Some(false));
        assert!(roster.set_draining("b1", false));
        assert_eq!(chosen(&roster, 4).iter().filter(|id| *id == "b1").count(), 2);
    }
}
