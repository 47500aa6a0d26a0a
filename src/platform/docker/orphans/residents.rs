//! The processes of containers, as this machine's `/proc` shows them: one pass for all containers.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use crate::platform::{
    docker::{exec::stress, mark::Mark, own::container_ids},
    process,
};

/// The processes of one container.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Residents {
    /// When the oldest of them began, and its number: the one that the container was started with.
    pub(super) first: (u64, i32),
    /// The marks of the stress that is in it.
    pub(super) stresses: BTreeSet<Mark>,
}

/// Those of the containers with these ids that have processes on this machine.
pub(super) fn of(ids: &BTreeSet<String>) -> BTreeMap<String, Residents> {
    let mut all: BTreeMap<String, Residents> = BTreeMap::new();
    let entries = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    for pid in entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()) {
        let group = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let Some(id) = container_of(&group).filter(|id| ids.contains(id)) else { continue };
        let Some(stat) = process::stat(pid).filter(process::Stat::alive) else { continue };
        let mark = stress::mark_in(&fs::read(format!("/proc/{pid}/environ")).unwrap_or_default());
        let residents = all.entry(id).or_insert_with(|| Residents { first: (u64::MAX, pid), stresses: BTreeSet::new() });
        residents.first = residents.first.min((stat.start_time, pid));
        residents.stresses.extend(mark);
    }
    all
}

/// The container that a control group belongs to: the innermost, where one holds the other.
fn container_of(group: &str) -> Option<String> {
    let mut paths = group.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    paths.find_map(|path| container_ids(path).last())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_container_is_the_one() {
        let (a, b) = ("a".repeat(64), "b".repeat(64));
        assert_eq!(container_of(&format!("0::/docker/{a}/docker/{b}/init.scope\n")), Some(b));
        assert_eq!(container_of(&format!("12:misc:/\n1:name=systemd:/system.slice/docker-{a}.scope\n")), Some(a));
        assert_eq!(container_of("0::/user.slice\n"), None);
    }

    #[test]
    fn nobody_lives_in_no_container() {
        assert_eq!(of(&BTreeSet::from(["a".repeat(64)])), BTreeMap::new());
    }
}
