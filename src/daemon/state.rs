//! What schedules remember, in the state directory: which experiments are disabled, and when each last fired. Two files, because they have
//! different writers: people, and the daemon. Both are replaced as a whole, so that a crash leaves the old one or the new one.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{clock, schedule::Reason, state_dir};

const FOLDER: &str = "schedule";
const SWITCHES: &str = "disabled.json";
const FIRED: &str = "fired.json";
/// The version of both files.
const VERSION: u32 = 1;
/// They are not larger.
const LARGEST: u64 = 64 << 20;

/// Which experiments are disabled, by the whole paths of their files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switches {
    version: u32,
    disabled: BTreeMap<String, Timestamp>,
}

/// When what fires last fired.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fired {
    version: u32,
    /// By the key of the source.
    last: BTreeMap<String, Timestamp>,
    /// Until when each watched folder was watched.
    #[serde(default)]
    watched: BTreeMap<String, Timestamp>,
}

impl Switches {
    /// As they are now.
    ///
    /// # Errors
    /// When the file is there and cannot be understood: that nothing is disabled would be a guess.
    pub fn read() -> Result<Self, String> {
        read(SWITCHES, |read: &Self| read.version)
    }

    /// Whether an experiment may fire.
    pub fn enabled(&self, path: &Path) -> bool {
        !self.disabled.contains_key(&whole(path))
    }

    /// What keeps an experiment from firing at this very moment: the folder, and with it the switches, was read a while ago.
    ///
    /// # Errors
    /// As those of [`Switches::read`].
    pub fn against(path: &Path) -> Result<Option<Reason>, String> {
        Ok((!Self::read()?.enabled(path)).then_some(Reason::Disabled))
    }

    /// Enables or disables an experiment; `false` when it was so already.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn change(path: &Path, enabled: bool) -> Result<bool, String> {
        let _lock = lock()?;
        let mut switches = Self::read()?;
        let changed = if enabled {
            switches.disabled.remove(&whole(path)).is_some()
        } else {
            switches.disabled.insert(whole(path), clock::moment()).is_none()
        };
        if changed {
            switches.version = VERSION;
            write(SWITCHES, &switches)?;
        }
        Ok(changed)
    }
}

impl Fired {
    /// As it is now.
    ///
    /// # Errors
    /// When the file is there and cannot be understood.
    pub fn read() -> Result<Self, String> {
        read(FIRED, |read: &Self| read.version)
    }

    /// When a source last fired.
    pub fn last(&self, key: &str) -> Option<Timestamp> {
        self.last.get(key).copied()
    }

    /// Until when a folder was watched; none when it never was.
    pub fn watched(&self, folder: &Path) -> Option<Timestamp> {
        self.watched.get(&whole(folder)).copied()
    }

    /// Writes down that sources fire now, before they do, and that a folder is watched until `now`. Gives, for each of them, whether it is
    /// really new: what another daemon, or an earlier one, has fired is not fired again.
    ///
    /// # Errors
    /// When it cannot be written; then nothing may fire.
    pub fn record(folder: &Path, now: Timestamp, firings: &[(&str, Timestamp)]) -> Result<Vec<bool>, String> {
        let _lock = lock()?;
        let mut fired = Self::read()?;
        let mut new = Vec::new();
        for (key, at) in firings {
            let before = fired.last.get(*key).copied();
            new.push(before.is_none_or(|before| before < *at));
            fired.last.insert((*key).to_owned(), before.map_or(*at, |before| before.max(*at)));
        }
        fired.version = VERSION;
        fired.watched.insert(whole(folder), now);
        write(FIRED, &fired)?;
        Ok(new)
    }
}

/// The file that says what is disabled: to see that it has changed.
pub fn switches() -> PathBuf {
    place(SWITCHES)
}

/// Who changes a file waits for who does so now.
fn lock() -> Result<File, String> {
    let words = |error: io::Error| format!("the state directory cannot be used: {error}");
    let folder = state_dir::folder(FOLDER).map_err(words)?;
    let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(folder.join("state.lock")).map_err(words)?;
    flock(&lock, FlockOperation::LockExclusive).map_err(|error| words(error.into()))?;
    Ok(lock)
}

fn whole(path: &Path) -> String {
    path.canonicalize().unwrap_or_else(|_| path.to_owned()).display().to_string()
}

fn place(name: &str) -> PathBuf {
    state_dir::path().join(FOLDER).join(name)
}

fn read<T: DeserializeOwned + Default>(name: &str, version: impl Fn(&T) -> u32) -> Result<T, String> {
    let path = place(name);
    let mut text = String::new();
    match File::open(&path).and_then(|file| file.take(LARGEST).read_to_string(&mut text)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(T::default()),
        Err(error) => return Err(format!("{}: {error}", path.display())),
        Ok(_) => {}
    }
    let read: T = serde_json::from_str(&text).map_err(|error| {
        format!(
            "{} cannot be understood: {error}; put it right, or remove it to begin anew: then nothing is known of what it held",
            path.display()
        )
    })?;
    match version(&read) {
        VERSION => Ok(read),
        other => Err(format!("{} is of version {other}, and this firedrill knows version {VERSION}", path.display())),
    }
}

fn write<T: Serialize>(name: &str, value: &T) -> Result<(), String> {
    let words = |error: io::Error| format!("{} cannot be written: {error}", place(name).display());
    let folder = state_dir::folder(FOLDER).map_err(words)?;
    let mut file = tempfile::NamedTempFile::new_in(&folder).map_err(words)?;
    let text = serde_json::to_vec_pretty(value).map_err(|error| words(error.into()))?;
    file.write_all(&text).and_then(|()| file.as_file().sync_all()).map_err(words)?;
    file.persist(folder.join(name)).map_err(|error| words(error.error))?;
    fs::File::open(&folder).and_then(|folder| folder.sync_all()).map_err(words)
}
