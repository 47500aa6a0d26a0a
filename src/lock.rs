//! Layer 1: one run per target scope, and none beside it that has a part of the same place. The kernel holds the lock (`flock`), so it is free when its holder is gone, however it went;
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
        claim::Claim,
        ids::{RunId, Scope},
        time::Wall,
    },
    state_dir,
};

const ENDING: &str = "lock";
/// The purpose of who holds a lock to undo what a dead run left.
pub const RECOVERY: &str = "recover";

/// Who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The scope in words (the file's name is a hash).
    pub scope: Scope,
    /// What it claims; nothing said is the whole scope.
    #[serde(default)]
    pub claims: Vec<Claim>,
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

impl LockError {
    /// Whether who holds it only undoes what a dead run left, and so will soon be done.
    pub fn by_recovery(&self) -> bool {
        matches!(self, Self::Held { holder: Some(holder), .. } if holder.purpose == RECOVERY)
    }
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
    held: Vec<Held>,
}

/// One claim that holds.
#[derive(Debug)]
struct Held {
    file: File,
    whole: bool,
}

/// Takes all that a holder claims, or says who is in the way; then nothing is taken. Never waits.
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
    let mut lock = Lock { held: Vec::new() };
    for claim in holder.claimed() {
        lock.held.push(take_one(folder, holder, &claim)?);
    }
    Ok(lock)
}

fn take_one(folder: &Path, holder: &Holder, claim: &Claim) -> Result<Held, LockError> {
    let path = file_of(folder, &claim.place);
    let error = |source| LockError::Io { path: path.clone(), source };
    let (mut file, writable) = match open(&path) {
        // What was left can be undone from a state directory that has become read-only. Who is there already excludes the others as ever.
        Err(refused) if refused.kind() == io::ErrorKind::ReadOnlyFilesystem => (File::open(&path).map_err(|_| error(refused))?, false),
        other => (other.map_err(error)?, true),
    };
    let how = if claim.whole { FlockOperation::NonBlockingLockExclusive } else { FlockOperation::NonBlockingLockShared };
    match flock(&file, how) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            // Those who have a part each do not write into the file that they share: their own files say who they are.
            let who = read(&mut file).or_else(|| holder_of_part(folder, &claim.place));
            return Err(LockError::Held { scope: claim.place.clone(), holder: who.map(Box::new) });
        }
        Err(e) => return Err(error(e.into())),
    }
    // The file is never deleted: a deleted name with a held lock on the old inode would let two in. What a dead holder wrote goes.
    let mut text = Vec::new();
    if claim.whole {
        text = serde_json::to_vec(holder).map_err(|e| error(e.into()))?;
        text.push(b'\n');
    }
    if writable {
        let written = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(&text));
        // On a full disk the kernel holds the lock all the same, only who has it is not told.
        written.or_else(|why| if why.kind() == io::ErrorKind::StorageFull { Ok(()) } else { Err(error(why)) })?;
    }
    Ok(Held { file, whole: claim.whole })
}

/// Somebody alive who has a part of a place.
fn holder_of_part(folder: &Path, place: &Scope) -> Option<Holder> {
    let files = std::fs::read_dir(folder).ok()?.filter_map(Result::ok).map(|entry| entry.path());
    files.filter(|path| path.extension().is_some_and(|ending| ending == ENDING)).find_map(|path| {
        let mut file = open(&path).ok()?;
        let holder = read(&mut file)?;
        let part = holder.claims.contains(&Claim::part(place.clone()));
        // Who is dead holds nothing: its file can be locked.
        let alive = part && flock(&file, FlockOperation::NonBlockingLockShared) == Err(rustix::io::Errno::WOULDBLOCK);
        alive.then_some(holder)
    })
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

impl Holder {
    /// Its claims, in one order for everybody.
    fn claimed(&self) -> Vec<Claim> {
        let mut claims = if self.claims.is_empty() { vec![Claim::whole(self.scope.clone())] } else { self.claims.clone() };
        claims.sort();
        claims.dedup();
        claims
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        for held in &self.held {
            if held.whole {
                let _ = held.file.set_len(0);
            }
            let _ = flock(&held.file, FlockOperation::Unlock);
        }
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
    folder.join(format!("{name}.{ENDING}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(scope: &str) -> Holder {
        let pid = std::process::id();
        Holder {
            scope: scope.into(),
            claims: Vec::new(),
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
    fn the_whole_and_a_part_of_it_exclude_each_other() {
        let dir = tempfile::tempdir().expect("a folder");
        let project = |name: &str| Holder { claims: vec![Claim::whole(name), Claim::part("engine")], run: name.into(), ..holder(name) };
        let whole = Holder { claims: vec![Claim::whole("engine/whole"), Claim::whole("engine")], ..holder("engine/whole") };
        let take = |who: &Holder| take_in(dir.path(), who);
        let shop = take(&project("shop")).expect("free");
        let blog = take(&project("blog")).expect("another part");
        take(&project("shop")).expect_err("this part is taken");
        let error = take(&whole).expect_err("parts are taken").to_string();
        assert!(error.contains("run shop") || error.contains("run blog"), "{error}");
        drop(shop);
        let error = take(&whole).expect_err("one part is taken").to_string();
        assert!(error.contains("run blog"), "{error}");
        drop(blog);
        let all = take(&whole).expect("free again");
        let error = take(&project("shop")).expect_err("the whole is taken").to_string();
        assert!(error.contains("run r1"), "{error}");
        drop(all);
        // What was refused kept nothing of what it had taken already.
        take(&project("shop")).expect("free again");
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
