//! Signals to whole trees of processes. Everything here blocks its thread for a short, bounded time.

use std::{collections::BTreeMap, time::Duration};

use rustix::process::Signal;

use super::process::{self, Handle, Missing, Root, Stat, wait_all};
use crate::{
    clock,
    model::time::{Bracket, Mono},
};

/// How long killed processes get to be gone.
const DEATH_LIMIT: Duration = Duration::from_secs(5);
/// A tree that still grows after so many looks forks faster than it can be stopped.
const LOOKS: usize = 50;

/// A tree that is to get a signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// The first process: number and start time.
    pub process: (i32, u64),
    /// What all its processes carry in their environment; empty for a process that the tool did not start.
    pub marks: Vec<String>,
}

impl Tree {
    /// Its living members. This process and its ancestors are never among them.
    pub fn members(&self, listing: &[Stat]) -> Vec<Stat> {
        let root = Root { process: Some(self.process), marks: &self.marks, except: &[std::process::id().cast_signed()] };
        let mut members = process::members(listing, root);
        members.retain(|s| s.pid == self.process.0 || super::foreign::untouchable(listing, s.pid, &[]).is_none());
        members
    }
}

/// How a tree took a signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// When the signal was sent, at the earliest.
    pub sent: Mono,
    /// When the effect on the root came, if it was seen.
    pub effect: Option<Bracket>,
    /// Processes that did not take it.
    pub left: Vec<i32>,
}

/// Kills trees with SIGKILL, all at once: each is stopped first, so that it cannot fork away, then all are killed, then all are
/// awaited.
pub fn kill(trees: &[Tree]) -> Vec<Result<Hit, Missing>> {
    let mut held = hold(trees);
    freeze(trees, &mut held);
    for tree in held.iter().flatten() {
        tree.send(Signal::KILL);
    }
    let hits = await_all(&held, DEATH_LIMIT, true);
    // What was born between the last look and the kill is found by its mark or its parent's group.
    for (tree, hit) in trees.iter().zip(&hits) {
        if hit.is_ok() {
            for late in tree.members(&process::all()) {
                if let Ok(handle) = Handle::open(late.pid, late.start_time) {
                    let _ = handle.signal(Signal::KILL);
                }
            }
        }
    }
    hits
}

/// Sends another signal to all processes of trees, and waits for the end of the roots for this long.
pub fn signal(trees: &[Tree], signal: Signal, wait: Duration) -> Vec<Result<Hit, Missing>> {
    let mut held = hold(trees);
    let listing = process::all();
    for (tree, held) in trees.iter().zip(&mut held) {
        if let Ok(held) = held {
            held.add(&tree.members(&listing));
            held.send(signal);
        }
    }
    await_all(&held, wait, false)
}

/// Stops trees (SIGSTOP), and waits until `/proc` shows the roots stopped.
pub fn pause(trees: &[Tree]) -> Vec<Result<Hit, Missing>> {
    let mut held = hold(trees);
    freeze(trees, &mut held);
    held.into_iter().map(|held| held.map(|held| held.until(DEATH_LIMIT, Stat::stopped))).collect()
}

/// Lets a tree go on, except those processes that are to stay stopped; waits until `/proc` shows it.
pub fn resume(tree: &Tree, stay: &[(i32, u64)]) -> Result<Hit, Missing> {
    let mut held = hold(std::slice::from_ref(tree)).remove(0)?;
    held.add(&tree.members(&process::all()));
    held.members.retain(|pid, handle| !stay.contains(&(*pid, handle.start_time)));
    held.send(Signal::CONT);
    Ok(held.until(DEATH_LIMIT, |s| !s.stopped()))
}

/// The members of a tree that are held.
struct Held {
    root: i32,
    sent: Mono,
    members: BTreeMap<i32, Handle>,
}

fn hold(trees: &[Tree]) -> Vec<Result<Held, Missing>> {
    let open = |tree: &Tree| {
        let (pid, start) = tree.process;
        let handle = Handle::open(pid, start)?;
        Ok(Held { root: pid, sent: clock::now(), members: BTreeMap::from([(pid, handle)]) })
    };
    trees.iter().map(open).collect()
}

/// Stops every member, and looks again until there are no new ones.
fn freeze(trees: &[Tree], held: &mut [Result<Held, Missing>]) {
    for held in held.iter_mut().flatten() {
        held.sent = clock::now();
        held.send(Signal::STOP);
    }
    for _ in 0..LOOKS {
        let listing = process::all();
        let mut grown = false;
        for (tree, held) in trees.iter().zip(held.iter_mut()) {
            let Ok(held) = held else { continue };
            for pid in held.add(&tree.members(&listing)) {
                grown = true;
                if let Some(handle) = held.members.get(&pid) {
                    let _ = handle.signal(Signal::STOP);
                }
            }
        }
        if !grown {
            return;
        }
    }
}

/// Waits for the end of the roots, or of all members.
fn await_all(held: &[Result<Held, Missing>], limit: Duration, all: bool) -> Vec<Result<Hit, Missing>> {
    let handles: Vec<&Handle> = held.iter().flatten().flat_map(|h| h.members.values().filter(|m| all || m.pid == h.root)).collect();
    let ends = wait_all(&handles, limit);
    let ended: BTreeMap<i32, Option<Mono>> = handles.iter().map(|h| h.pid).zip(ends).collect();
    let hit = |held: &Held| Hit {
        sent: held.sent,
        effect: ended.get(&held.root).copied().flatten().map(|by| Bracket { after: held.sent, by }),
        left: held.members.keys().filter(|pid| matches!(ended.get(pid), Some(None))).copied().collect(),
    };
    held.iter().map(|h| h.as_ref().map(hit).map_err(Clone::clone)).collect()
}

impl Held {
    /// Takes hold of new members; says which.
    fn add(&mut self, members: &[Stat]) -> Vec<i32> {
        let mut new = Vec::new();
        for stat in members {
            if !self.members.contains_key(&stat.pid)
                && let Ok(handle) = Handle::open(stat.pid, stat.start_time)
            {
                self.members.insert(stat.pid, handle);
                new.push(stat.pid);
            }
        }
        new
    }

    fn send(&self, signal: Signal) {
        for handle in self.members.values() {
            // One that may not be signalled is seen by the wait that follows.
            let _ = handle.signal(signal);
        }
    }

    /// Waits until every member that still runs is in a state.
    fn until(&self, limit: Duration, is: impl Fn(&Stat) -> bool) -> Hit {
        let deadline = clock::now().plus(limit);
        loop {
            let left: Vec<i32> = self.members.values().filter(|h| h.stat().is_some_and(|s| s.alive() && !is(&s))).map(|h| h.pid).collect();
            let now = clock::now();
            if left.is_empty() || now > deadline {
                let effect = (!left.contains(&self.root)).then_some(Bracket { after: self.sent, by: now });
                return Hit { sent: self.sent, effect, left };
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
