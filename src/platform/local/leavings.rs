//! What ended systems leave in the state directory: the locks and sockets of those that were killed, and the output of all of them.
//!
//! A system has ended when its lock is free and the process that signed it is gone. The lock is held while its leavings are removed,
//! so that it cannot begin anew in between. The output of the systems that ended last is kept, for whoever wants to know why.

use std::{collections::BTreeSet, fs, path::Path};

use super::system_lock::SystemLock;

/// So many ended systems' output is kept.
const KEPT: usize = 10;

/// Removes what systems other than `own` left. What cannot be removed stays: the next one tries again.
pub(super) fn tidy(folder: &Path, own: &str) {
    let mut ended: Vec<_> = keys(folder).into_iter().filter(|key| key != own).filter_map(|key| Some((ended(folder, &key)?, key))).collect();
    // The ones that ended last come first, and those without output last.
    let age = |key: &str| fs::metadata(folder.join(key)).and_then(|m| m.modified()).ok();
    ended.sort_by_cached_key(|(_, key)| std::cmp::Reverse(age(key)));
    for (place, (lock, key)) in ended.into_iter().enumerate() {
        let _ = fs::remove_file(folder.join(format!("{key}.sock")));
        if place >= KEPT {
            let _ = fs::remove_dir_all(folder.join(&key));
        }
        lock.remove();
    }
}

/// The lock of a system that has ended.
fn ended(folder: &Path, key: &str) -> Option<SystemLock> {
    let mut lock = SystemLock::take(folder, key).ok()?.ok()?;
    (!lock.signed_by().ok()?.lives()).then_some(lock)
}

/// The keys of all systems that something is left of. Names that no system of ours has are left alone.
fn keys(folder: &Path) -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir(folder) else { return BTreeSet::new() };
    let names = entries.filter_map(Result::ok).filter_map(|entry| entry.file_name().into_string().ok());
    let keys = names.map(|name| name.strip_suffix(".lock").or(name.strip_suffix(".sock")).unwrap_or(&name).to_owned());
    keys.filter(|key| key.len() == 16 && key.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_ended_systems_left_goes_and_the_latest_output_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let key = |n: usize| format!("{n:016x}");
        let logs = |key: &str, at: u64| {
            fs::create_dir(path(key)).unwrap();
            fs::write(path(key).join("web.log"), "x").unwrap();
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1000 + at);
            fs::File::open(path(key)).unwrap().set_modified(time).unwrap();
        };
        // Ended: killed ones with a stale lock, socket and output.
        for n in 0..KEPT + 2 {
            fs::write(path(&format!("{}.lock", key(n))), "999999999 1\n").unwrap();
            fs::write(path(&format!("{}.sock", key(n))), "").unwrap();
            logs(&key(n), n as u64);
        }
        // Not ended, and oldest of all: one whose lock is held, one whose process runs, and this one.
        let (held, runs, own) = (key(100), key(101), key(102));
        let lock = SystemLock::take(folder.path(), &held).unwrap().unwrap();
        let pid = std::process::id();
        fs::write(path(&format!("{runs}.lock")), format!("{pid} {}\n", crate::lock::started(pid).unwrap())).unwrap();
        fs::write(path(&format!("{own}.lock")), "").unwrap();
        for key in [&held, &runs, &own] {
            fs::write(path(&format!("{key}.sock")), "").unwrap();
            logs(key, 0);
        }
        // Not ours.
        fs::write(path("notes.lock"), "").unwrap();
        logs("notes", 0);

        tidy(folder.path(), &own);
        for key in [&held, &runs, &own] {
            for name in [format!("{key}.lock"), format!("{key}.sock"), format!("{key}/web.log")] {
                assert!(path(&name).exists(), "{name} is gone");
            }
        }
        assert!(path("notes.lock").exists() && path("notes/web.log").exists());
        for n in 0..KEPT + 2 {
            assert!(!path(&format!("{}.lock", key(n))).exists() && !path(&format!("{}.sock", key(n))).exists(), "{n}");
            assert_eq!(path(&key(n)).exists(), n >= 2, "{n}");
        }
        drop(lock);
    }
}
