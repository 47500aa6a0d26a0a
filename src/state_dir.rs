//! Where journals, undo data, locks and control sockets live: outside any workspace, where a clean-up cannot delete an undo and two
//! checkouts see each other's locks.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// `FIREDRILL_STATE_DIR`, else `/var/lib/firedrill` for root, else the user's XDG state directory. Not created here.
pub fn path() -> PathBuf {
    if let Some(dir) = std::env::var_os("FIREDRILL_STATE_DIR").filter(|dir| !dir.is_empty()) {
        return PathBuf::from(dir);
    }
    if rustix::process::geteuid().is_root() {
        return PathBuf::from("/var/lib/firedrill");
    }
    if let Some(dir) = std::env::var_os("XDG_STATE_HOME").filter(|dir| !dir.is_empty()) {
        return PathBuf::from(dir).join("firedrill");
    }
    std::env::home_dir().unwrap_or_else(|| PathBuf::from("/tmp")).join(".local/state/firedrill")
}

/// A folder of the state directory (`journals`, `locks`, `local`), created with mode 0700 when missing.
///
/// # Errors
/// When it cannot be created, or is open to others.
pub fn folder(name: &str) -> io::Result<PathBuf> {
    folder_of(&path(), name)
}

/// As [`folder`], of another state directory.
///
/// # Errors
/// As [`folder`].
pub fn folder_of(state: &Path, name: &str) -> io::Result<PathBuf> {
    let dir = state.join(name);
    create(&dir)?;
    let mode = fs::metadata(&dir)?.permissions().mode();
    if mode & 0o022 != 0 {
        return Err(io::Error::other(format!("{} can be written by others (mode {:o})", dir.display(), mode & 0o777)));
    }
    Ok(dir)
}

/// Creates a folder, and those above it that are missing, and makes each new name durable: what is synced in a folder whose own name is lost
/// with the power is lost with it.
fn create(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let above = dir.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    create(above)?;
    match fs::DirBuilder::new().mode(0o700).create(dir) {
        // Somebody else was faster, and may not have synced it yet.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => {}
        other => other?,
    }
    fs::File::open(above)?.sync_all()
}
