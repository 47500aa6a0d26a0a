//! Undo data that may be secret: a file of its own for each act, beside the journal, which only names it. Durable before the act is
//! armed, deleted as soon as its undo is done, and never in an event, a report, a plan or a finished journal.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use crate::model::{ids::ActId, undo::Secret};

/// No secret part is larger: it is a container's configuration, not a data set.
const LARGEST: u64 = 16 << 20;

/// The folder of a journal's secret files.
fn folder(journal: &Path) -> PathBuf {
    journal.with_extension("secrets")
}

fn place(journal: &Path, act: ActId) -> PathBuf {
    folder(journal).join(format!("{act}.json"))
}

/// Keeps the secret part of an act's undo: mode 0600, on the disk when this returns.
///
/// # Errors
/// When it cannot be made durable: then the act must not be done.
pub fn keep(journal: &Path, act: ActId, secret: &Secret) -> io::Result<()> {
    let text = serde_json::to_vec(&secret.0)?;
    if text.len() as u64 > LARGEST {
        return Err(io::Error::other("the secret part of an undo is larger than 16 MiB"));
    }
    let folder = folder(journal);
    DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    let to = place(journal, act);
    let half_done = to.with_extension("new");
    // What an interrupted attempt left behind.
    remove(&half_done)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&half_done)?;
    file.write_all(&text)?;
    file.sync_all()?;
    fs::rename(&half_done, &to)?;
    File::open(&folder)?.sync_all()?;
    let above = journal.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(above)?.sync_all()
}

/// Reads it back.
///
/// # Errors
/// When it is not there or cannot be read: the act cannot be undone then.
pub fn open(journal: &Path, act: ActId) -> io::Result<Secret> {
    let nofollow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(nofollow).open(place(journal, act))?;
    let mut text = Vec::new();
    file.take(LARGEST).read_to_end(&mut text)?;
    Ok(Secret(serde_json::from_slice(&text)?))
}

/// Deletes it: its undo is done. That it was never there is no error.
///
/// # Errors
/// When it stays.
pub fn forget(journal: &Path, act: ActId) -> io::Result<()> {
    remove(&place(journal, act))
}

/// Deletes all that a journal has: it owes nothing.
///
/// # Errors
/// When something stays.
pub fn forget_all(journal: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder(journal)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_secret_is_kept_for_its_owner_and_goes() {
        let dir = tempfile::tempdir().unwrap();
        let journal = dir.path().join("run.journal");
        let act = ActId { step: 2, act: 1 };
        let secret = Secret(serde_json::json!({ "env": ["TOKEN=hunter2"] }));
        assert!(open(&journal, act).is_err());
        keep(&journal, act, &secret).unwrap();
        keep(&journal, act, &secret).unwrap();
        assert_eq!(open(&journal, act).unwrap(), secret);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder(&journal)), mode(&place(&journal, act))), (0o700, 0o600));
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        forget(&journal, act).unwrap();
        forget(&journal, act).unwrap();
        assert!(open(&journal, act).is_err());
        keep(&journal, act, &secret).unwrap();
        forget_all(&journal).unwrap();
        forget_all(&journal).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
