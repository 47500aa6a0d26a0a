//! Which processes belong to one instance: its descendants, the groups and sessions they lead, and whatever carries its mark in
//! its environment (a daemon that forked twice has lost its parent, but not its environment).

use std::collections::BTreeSet;

use super::stat::{Stat, environment_has};

/// Where a tree begins.
#[derive(Debug, Clone, Copy)]
pub struct Root<'a> {
    /// The first process, if there is one.
    pub process: Option<(i32, u64)>,
    /// The mark that its processes carry: `FIREDRILL_INSTANCE=web-a-1`.
    pub marks: &'a [String],
    /// Processes that are never part of it.
    pub except: &'a [i32],
}

/// The living members of a tree, in a listing of all processes. Marks are all required together.
///
/// A group or session counts only when a member leads it: the root may have been started in a terminal's session, which it does
/// not own.
pub fn members(listing: &[Stat], root: Root<'_>) -> Vec<Stat> {
    let mut found: BTreeSet<i32> = BTreeSet::new();
    let allowed = |s: &Stat| s.pid > 1 && !s.kernel && !root.except.contains(&s.pid);
    for s in listing.iter().filter(|s| allowed(s)) {
        let is_root = root.process == Some((s.pid, s.start_time));
        let marked = !root.marks.is_empty() && s.alive() && root.marks.iter().all(|mark| environment_has(s.pid, mark));
        if is_root || marked {
            found.insert(s.pid);
        }
    }
    if let Some((pid, start)) = root.process {
        // The leader may be gone while its group lives on. The number of a group that has members is not given out again.
        let recycled = listing.iter().any(|s| s.pid == pid && s.start_time != start);
        if !recycled {
            found.insert(pid);
        }
    }
    loop {
        let before = found.len();
        for s in listing.iter().filter(|s| allowed(s)) {
            if found.contains(&s.parent) || found.contains(&s.group) || found.contains(&s.session) {
                found.insert(s.pid);
            }
        }
        if found.len() == before {
            break;
        }
    }
    listing.iter().filter(|s| found.contains(&s.pid) && allowed(s) && s.alive()).copied().collect()
}

/// The living descendants of a process, without itself.
pub fn descendants_of(listing: &[Stat], pid: i32) -> Vec<Stat> {
    let mut found = BTreeSet::from([pid]);
    loop {
        let before = found.len();
        found.extend(listing.iter().filter(|s| found.contains(&s.parent)).map(|s| s.pid).collect::<Vec<_>>());
        if found.len() == before {
            break;
        }
    }
    listing.iter().filter(|s| s.pid != pid && found.contains(&s.pid) && s.alive()).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: i32, parent: i32, group: i32, session: i32) -> Stat {
        Stat { pid, state: 'S', parent, group, session, kernel: false, start_time: 100 + pid as u64 }
    }

    fn pids(members: &[Stat]) -> Vec<i32> {
        members.iter().map(|s| s.pid).collect()
    }

    #[test]
    fn descendants_groups_and_sessions_of_members_belong_to_the_tree() {
        let listing = [
            process(10, 5, 10, 5),
            process(11, 10, 10, 5),
            process(12, 11, 12, 12), // its own session, still a child
            process(13, 1, 12, 12),  // orphaned inside that session
            process(14, 1, 10, 5),   // orphaned inside the root's group
            process(20, 5, 20, 5),   // a neighbour in the terminal's session
        ];
        let root = Root { process: Some((10, 110)), marks: &[], except: &[] };
        assert_eq!(pids(&members(&listing, root)), [10, 11, 12, 13, 14]);
        assert_eq!(pids(&descendants_of(&listing, 10)), [11, 12]);
    }

    #[test]
    fn a_recycled_number_takes_nobody() {
        let listing = [process(10, 5, 10, 5), process(11, 10, 10, 5)];
        let root = Root { process: Some((10, 7)), marks: &[], except: &[] };
        assert!(members(&listing, root).is_empty());
    }

    #[test]
    fn init_kernel_threads_and_exceptions_are_never_members() {
        let kernel = Stat { kernel: true, ..process(12, 10, 10, 10) };
        let listing = [process(1, 10, 10, 10), process(10, 1, 10, 10), process(11, 10, 10, 10), kernel];
        let root = Root { process: Some((10, 110)), marks: &[], except: &[11] };
        assert_eq!(pids(&members(&listing, root)), [10]);
    }
}
