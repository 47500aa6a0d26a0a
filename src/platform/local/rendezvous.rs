//! Where a system's supervisor and its clients meet: a socket and a lock in the state directory, named after the system's file and
//! its variables, so that two folders' systems of the same name do not meet.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    time::Duration,
};

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::{launch::hex, leavings, system_lock::SystemLock, system_vars};
use crate::{clock, state_dir};

/// The longest path that a unix socket can have.
const LONGEST: usize = 107;

/// The folder of the state directory where systems meet.
const FOLDER: &str = "local";

/// How long whoever tidies up may hold a lock.
const TIDY_WITHIN: Duration = Duration::from_secs(2);
/// Between two tries to take it.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The meeting place of one system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendezvous {
    /// What its parts are named after.
    pub key: String,
    /// What tells it apart on this machine, and so its part of the scope that runs on it lock: the path of its file and, where its
    /// variables are others than the file's own, its key. On other ports it is another system. The values are not in it: they may be
    /// secret, and a scope is shown.
    pub system: String,
    folder: PathBuf,
}

impl Rendezvous {
    /// The place of the system in this file, with these variables given from outside. Only those that the file has a use for tell
    /// systems apart, by the values they come to: `up` knows nothing of an environment's other variables.
    pub fn of(system: &Path, vars: &BTreeMap<String, String>) -> io::Result<Self> {
        Self::within(&state_dir::path(), system, vars)
    }

    /// As [`Self::of`], in another state directory.
    pub fn within(state: &Path, system: &Path, vars: &BTreeMap<String, String>) -> io::Result<Self> {
        let path = fs::canonicalize(system).map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", system.display())))?;
        let mut hash = Sha256::new();
        hash.update(path.as_os_str().as_bytes());
        let effective = system_vars::effective(&path, vars);
        for (name, value) in &effective {
            hash.update([0]);
            hash.update(name.as_bytes());
            hash.update([b'=']);
            hash.update(value.as_bytes());
        }
        let key = hex(&hash.finalize()[..8]);
        let own = system_vars::effective(&path, &BTreeMap::new());
        let system = if effective == own { path.display().to_string() } else { format!("{} (variables {key})", path.display()) };
        let folder = state_dir::folder_of(state, FOLDER).map_err(|e| {
            let text = format!("the state directory {} cannot be used (FIREDRILL_STATE_DIR sets it): {e}", state.display());
            io::Error::new(e.kind(), text)
        })?;
        let place = Self { key, system, folder };
        let socket = place.socket();
        if socket.as_os_str().len() > LONGEST {
            let text = format!("{} is too long for a socket: set FIREDRILL_STATE_DIR to a shorter path", socket.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        Ok(place)
    }

    /// The mark of the processes of one supervisor: another one of the same system has another mark, so that the keeper of a dead
    /// one does not touch the processes of the next.
    pub fn mark(&self, supervisor: u32) -> String {
        format!("{}-{supervisor}", self.key)
    }

    /// The control socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.join(format!("{}.sock", self.key))
    }

    /// Where the output of its processes is kept.
    pub fn logs(&self) -> PathBuf {
        self.folder.join(&self.key)
    }

    /// A new folder for what the system's processes keep while it runs; it goes when this is dropped. It lies among the temporary files, as
    /// a process of another user (a database, say) has to get there too. What an earlier supervisor of this system left that was killed is
    /// removed: to be called by the one that has taken the place.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn data(&self) -> io::Result<TempDir> {
        // The same system may run in another state directory at the same time.
        let state = hex(&Sha256::digest(self.folder.as_os_str().as_bytes())[..4]);
        let (parent, prefix) = (std::env::temp_dir(), format!("firedrill-{}-{state}-", self.key));
        let us = rustix::process::geteuid().as_raw();
        for entry in fs::read_dir(&parent)?.filter_map(Result::ok) {
            let ours = entry.file_name().to_string_lossy().starts_with(&prefix);
            // Not through a link that somebody else has put there.
            if ours && entry.metadata().is_ok_and(|meta| meta.is_dir() && meta.uid() == us) {
                // What cannot be removed stays: the next one tries again.
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        let way_through = fs::Permissions::from_mode(0o711);
        tempfile::Builder::new().prefix(&prefix).permissions(way_through).tempdir_in(parent)
    }

    /// Becomes the one supervisor of this system. The inner error is the number of the process that already is. The lock goes with
    /// the process that holds it, however that ends; a socket that a dead one left is removed.
    pub fn take(&self) -> io::Result<Result<Taken, String>> {
        let begun = clock::now();
        let mut lock = loop {
            match SystemLock::take(&self.folder, &self.key)? {
                Ok(lock) => break lock,
                // Held by one that has not written who it is: it has just taken it, or is tidying up what this system left.
                Err(holder) if !holder.lives() && clock::now().since(begun) < TIDY_WITHIN => std::thread::sleep(LOOK_EVERY),
                Err(holder) => return Ok(Err(holder.to_string())),
            }
        };
        lock.sign()?;
        match fs::remove_file(self.socket()) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        Ok(Ok(Taken { socket: self.socket(), lock: Some(lock) }))
    }

    /// Removes what ended systems left beside this one.
    pub fn tidy(&self) {
        leavings::tidy(&self.folder, &self.key);
    }
}

/// The control sockets in a state directory, whether or not somebody answers there.
pub fn sockets(state: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(state.join(FOLDER)) else { return Vec::new() };
    let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
    let mut sockets: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|e| e == "sock")).collect();
    sockets.sort();
    sockets
}

/// Held while this process is the supervisor; socket and lock go when it is dropped.
#[derive(Debug)]
pub struct Taken {
    socket: PathBuf,
    lock: Option<SystemLock>,
}

impl Drop for Taken {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.socket);
        if let Some(lock) = self.lock.take() {
            lock.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_data_of_a_system_ends_with_it_and_with_the_next_one_when_it_was_killed() {
        let state = tempfile::tempdir().unwrap();
        let file = state.path().join("system.yaml");
        fs::write(&file, "name: x\nservices: { web: { command: [a] } }\n").unwrap();
        let place = Rendezvous::within(state.path(), &file, &BTreeMap::new()).unwrap();
        // The first supervisor is killed: nothing of it is dropped.
        let left = place.data().unwrap().keep();
        fs::write(left.join("file"), "x").unwrap();
        let data = place.data().unwrap();
        assert!(!left.exists() && data.path().exists());
        assert_eq!(fs::metadata(data.path()).unwrap().permissions().mode() & 0o777, 0o711, "others come through, and see nothing");
        let path = data.path().to_owned();
        drop(data);
        assert!(!path.exists());
    }

    #[test]
    fn a_system_is_told_apart_by_the_variables_it_uses_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("system.yaml");
        fs::write(&file, "name: x\nvars: { port: 8080 }\nservices: { web: { command: [\"${program}\"] } }\n").unwrap();
        let key = |pairs: &[(&str, &str)]| Rendezvous::of(&file, &vars(pairs)).unwrap().key;
        let plain = key(&[]);
        assert_eq!(plain, key(&[("url", "http://127.0.0.1:8080")]), "not the system's");
        assert_eq!(plain, key(&[("port", "8080")]), "what the file says anyway");
        assert_ne!(plain, key(&[("port", "8081")]));
        assert_ne!(key(&[("program", "a")]), key(&[("program", "b")]), "mentioned, though not declared");

        // The scope that runs lock is told apart by the same.
        let scope = |pairs: &[(&str, &str)]| Rendezvous::of(&file, &vars(pairs)).unwrap().system;
        let path = file.canonicalize().unwrap().display().to_string();
        assert_eq!(scope(&[]), path);
        assert_eq!(scope(&[("port", "8080"), ("url", "x")]), path);
        let other = scope(&[("port", "8081")]);
        assert_eq!(other, format!("{path} (variables {})", key(&[("port", "8081")])), "without the values");
        assert_ne!(other, scope(&[("port", "8082")]));
    }
}
