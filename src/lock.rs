//! Layer 1: one run per target scope. The kernel holds the lock (`flock`), so it is free when its holder is gone, however it went;
//! whether the holder left an undo behind is for its journal to say (`journal::Store::unfinished_of`).

use std::{
    fmt::Write as _,
    fs::{File, OpenOptions},
    io::{self, Read, Seek, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, OFlags, flock};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    model::{
        ids::{RunId, Scope},
        time::Wall,
    },
    state_dir,
};

/// Who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The scope in words (the file's name is a hash).
    pub scope: Scope,
    /// Its process.
    pub pid: u32,
    /// That process's start time (clock ticks since boot).
    pub pid_started: u64,
    /// Its run.
    pub run: RunId,
    /// What it does: `run experiments/gorilla.yaml`, `recover`.
    pub purpose: String,
    /// Since when, for display.
    pub since: Wall,
}

/// Why a lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another one has it.
    #[error("{}", held(scope, holder.as_deref()))]
    Held {
        /// The scope.
        scope: Scope,
        /// Who, if the file says.
        holder: Option<Box<Holder>>,
    },
    /// The file cannot be used.
    #[error("cannot use the lock file {}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn held(scope: &Scope, holder: Option<&Holder>) -> String {
    match holder {
        Some(h) => format!(
            "another drill is at work there: process {} ({}), run {}; wait for it, or stop it with `firedrill halt {}` (scope {scope})",
            h.pid, h.purpose, h.run, h.run
        ),
        None => format!("the scope {scope} is in use by another process, which has not yet written who it is"),
    }
}

/// A held lock; dropping it (or dying) frees it.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
}

/// Takes the lock of a scope, or says who holds it. Never waits.
///
/// # Errors
/// When it is held, or the file cannot be used.
pub fn take(holder: &Holder) -> Result<Lock, LockError> {
    let folder = state_dir::folder("locks").map_err(|source| LockError::Io { path: state_dir::path().join("locks"), source })?;
    take_in(&folder, holder)
}

/// As [`take`], in a folder of the caller's.
///
/// # Errors
/// As [`take`].
pub fn take_in(folder: &Path, holder: &Holder) -> Result<Lock, LockError> {
    let path = file_of(folder, &holder.scope);
    let error = |source| LockError::Io { path: path.clone(), source };
    let mut file = open(&path).map_err(error)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            return Err(LockError::Held { scope: holder.scope.clone(), holder: read(&mut file).map(Box::new) });
        }
        Err(e) => return Err(error(e.into())),
    }
    // The file is never deleted: a deleted name with a held lock on the old inode would let two in.
    let mut text = serde_json::to_vec(holder).map_err(|e| error(e.into()))?;
    text.push(b'\n');
    file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(&text)).map_err(error)?;
    Ok(Lock { file, path })
}

/// Who holds the lock of a scope now; none when it is free.
///
/// # Errors
/// When the file cannot be used.
pub fn holder_in(folder: &Path, scope: &Scope) -> Result<Option<Holder>, LockError> {
    let path = file_of(folder, scope);
    if !path.exists() {
        return Ok(None);
    }
    let error = |source| LockError::Io { path: path.clone(), source };
    let mut file = open(&path).map_err(error)?;
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(None),
        Err(rustix::io::Errno::WOULDBLOCK) => match read(&mut file) {
            Some(holder) => Ok(Some(holder)),
            None => Err(LockError::Held { scope: scope.clone(), holder: None }),
        },
        Err(e) => Err(error(e.into())),
    }
}

impl Lock {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = self.file.set_len(0);
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

/// The start time of a process in clock ticks since boot: field 22 of `/proc/PID/stat`. None when there is no such process.
pub fn started(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold spaces and parentheses itself: count from the last one.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags((OFlags::NOFOLLOW | OFlags::CLOEXEC).bits().cast_signed())
        .open(path)
}

fn read(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(64 * 1024).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

fn file_of(folder: &Path, scope: &Scope) -> PathBuf {
    let name = Sha256::digest(scope.as_str().as_bytes()).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    folder.join(format!("{name}.lock"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(scope: &str) -> Holder {
        let pid = std::process::id();
        Holder {
            scope: scope.into(),
            pid,
            pid_started: started(pid).expect("self"),
            run: "r1".into(),
            purpose: "run x.yaml".into(),
            since: Wall(0),
        }
    }

    #[test]
    fn the_second_one_is_told_who_holds_it() {
        let dir = tempfile::tempdir().expect("a folder");
        let first = take_in(dir.path(), &holder("s")).expect("free");
        let error = take_in(dir.path(), &holder("s")).expect_err("held");
        assert!(matches!(&error, LockError::Held { holder: Some(h), .. } if h.run.as_str() == "r1"), "{error:?}");
        assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
        assert_eq!(holder_in(dir.path(), &"s".into()).expect("readable"), Some(holder("s")));
        let _other = take_in(dir.path(), &holder("../another")).expect("another scope is free");
        drop(first);
        assert_eq!(holder_in(dir.path(), &"s".into()).expect("readable"), None);
        take_in(dir.path(), &holder("s")).expect("free again");
    }

    #[test]
    fn only_one_of_many_gets_it() {
        let dir = tempfile::tempdir().expect("a folder");
        for _ in 0..50 {
            let barrier = std::sync::Barrier::new(4);
            let got: Vec<_> = std::thread::scope(|s| {
                let tasks: Vec<_> = (0..4)
                    .map(|_| {
                        s.spawn(|| {
                            barrier.wait();
                            let lock = take_in(dir.path(), &holder("s"));
                            barrier.wait();
                            lock.is_ok()
                        })
                    })
                    .collect();
                tasks.into_iter().map(|t| t.join().expect("no panic")).collect()
            });
            assert_eq!(got.iter().filter(|ok| **ok).count(), 1, "{got:?}");
        }
    }
}
