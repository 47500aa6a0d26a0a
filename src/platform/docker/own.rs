//! The container that this process runs in, if any: the tool never chooses it.

use std::collections::BTreeSet;

/// The ids of the containers that this process runs in (several when one holds the other).
pub(super) fn ids() -> BTreeSet<String> {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    ids_in(&read("/proc/self/cgroup"), &read("/proc/self/mountinfo"))
}

/// The control group names the container (unless it has a namespace of its own); so do the files that the engine mounts into each
/// container. Other mounts do not count: the engine's own machine sees those of every container.
fn ids_in(cgroup: &str, mounts: &str) -> BTreeSet<String> {
    let mut ids: BTreeSet<String> = cgroup.lines().filter_map(|line| line.splitn(3, ':').nth(2)).flat_map(container_ids).collect();
    for line in mounts.lines() {
        let mut fields = line.split(' ').skip(3);
        if let (Some(root), Some("/etc/hostname" | "/etc/hosts" | "/etc/resolv.conf")) = (fields.next(), fields.next()) {
            ids.extend(container_ids(root));
        }
    }
    ids
}

/// The parts of a path that are container ids, bare or as systemd writes them (`docker-<id>.scope`).
pub(super) fn container_ids(path: &str) -> impl Iterator<Item = String> + '_ {
    path.split(['/', '-', '.'])
        .filter(|part| part.len() == 64 && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(letter: char) -> String {
        letter.to_string().repeat(64)
    }

    #[test]
    fn the_control_group_names_it() {
        let (a, b) = (id('a'), id('b'));
        assert_eq!(ids_in(&format!("0::/system.slice/docker-{a}.scope\n"), ""), BTreeSet::from([a.clone()]));
        assert_eq!(ids_in(&format!("12:pids:/docker/{a}/docker/{b}\n1:name=systemd:/docker/{a}\n"), ""), BTreeSet::from([a, b]));
    }

    #[test]
    fn the_files_of_the_engine_name_it() {
        let a = id('a');
        let line = format!("642 610 254:1 /var/lib/docker/containers/{a}/hostname /etc/hostname rw,relatime - ext4 /dev/vda1 rw\n");
        assert_eq!(ids_in("0::/\n", &line), BTreeSet::from([a]));
    }

    #[test]
    fn on_the_engines_machine_it_is_none() {
        let a = id('a');
        let shm = format!("97 29 0:58 / /var/lib/docker/containers/{a}/mounts/shm rw,nosuid - tmpfs shm rw,size=65536k\n");
        let hosts = "98 29 254:1 /etc/hosts /etc/hosts rw,relatime - ext4 /dev/vda1 rw\n";
        assert!(ids_in("0::/user.slice/session-1.scope\n", &(shm + hosts)).is_empty());
    }
}
