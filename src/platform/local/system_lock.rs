//! The lock of one system, by its key. The kernel holds it (`flock`), so it is free when its holder is gone, however it went.
//!
//! Its file is removed when the system has ended. One that was opened before and locked after that is a file without a name, which
//! would let a second holder in under the name: whoever has locked a file looks whether the name still means it.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};

use crate::lock::started;

/// A held lock. Dropping it (or dying) frees it and leaves the file.
#[derive(Debug)]
pub(super) struct SystemLock {
    file: File,
    path: PathBuf,
}

/// Who signed a lock's file: its process, and when that began. Nothing if the file does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Holder {
    pid: Option<u32>,
    started: Option<u64>,
}

impl SystemLock {
    /// Takes the lock of a key, or says who holds it. Never waits.
    pub(super) fn take(folder: &Path, key: &str) -> io::Result<Result<Self, Holder>> {
        let path = folder.join(format!("{key}.lock"));
        loop {
            let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => return Ok(Err(Holder::read(&mut file)?)),
                Err(other) => return Err(other.into()),
            }
            let held = file.metadata()?;
            match fs::metadata(&path) {
                Ok(named) if (named.dev(), named.ino()) == (held.dev(), held.ino()) => return Ok(Ok(Self { file, path })),
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Who signed it last.
    pub(super) fn signed_by(&mut self) -> io::Result<Holder> {
        Holder::read(&mut self.file)
    }

    /// Signs it as this process.
    pub(super) fn sign(&mut self) -> io::Result<()> {
        let pid = std::process::id();
        self.file.set_len(0)?;
        self.file.rewind()?;
        writeln!(self.file, "{pid} {}", started(pid).unwrap_or_default())
    }

    /// Removes the file and frees the lock, in this order.
    pub(super) fn remove(self) {
        let _ = fs::remove_file(&self.path);
    }
}

impl Holder {
    fn read(file: &mut File) -> io::Result<Self> {
        let mut text = String::new();
        file.rewind()?;
        file.take(256).read_to_string(&mut text)?;
        let mut words = text.split_whitespace();
        Ok(Self { pid: words.next().and_then(|w| w.parse().ok()), started: words.next().and_then(|w| w.parse().ok()) })
    }

    /// Whether that very process runs, or one of that number where the file does not say when it began.
    pub(super) fn lives(&self) -> bool {
        let now = self.pid.and_then(started);
        now.is_some() && (self.started.is_none() || now == self.started)
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid {
            Some(pid) => write!(f, "{pid}"),
            None => f.write_str("(not known)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_whose_file_was_removed_is_not_shared_under_its_name() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..50 {
            let barrier = std::sync::Barrier::new(4);
            let inside = std::sync::atomic::AtomicU32::new(0);
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        barrier.wait();
                        for _ in 0..20 {
                            if let Ok(lock) = SystemLock::take(folder.path(), "k").unwrap() {
                                assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0, "one at a time");
                                inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                                lock.remove();
                            }
                        }
                    });
                }
            });
        }
    }

    #[test]
    fn a_holder_is_known_by_number_and_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let mut lock = SystemLock::take(folder.path(), "k").unwrap().unwrap();
        assert!(!lock.signed_by().unwrap().lives(), "nobody signed it");
        lock.sign().unwrap();
        let holder = SystemLock::take(folder.path(), "k").unwrap().unwrap_err();
        assert_eq!(holder.to_string(), std::process::id().to_string());
        assert!(holder.lives());
        let recycled = Holder { started: holder.started.map(|s| s + 1), ..holder };
        assert!(!recycled.lives());
    }
}
