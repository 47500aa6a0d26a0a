//! Real stores as services of a local system: each makes what the store needs, and then becomes the store.
//!
//! A store's data lies in a folder of the run: a marker in it names the system that made it, and what another system left is made anew.

pub mod failover;
pub mod link;
pub mod nginx;
pub mod postgres;
pub mod redis;
mod user;

use std::{fs, io, os::unix::process::CommandExt as _, path::Path, process::Command};

use super::server::RunError;

/// Becomes this program; returns only when it cannot.
fn become_program(command: &mut Command) -> RunError {
    let error = command.exec();
    RunError::Needs(format!("{} cannot be started: {error}", command.get_program().to_string_lossy()))
}

/// The file in a data folder that says who made it.
const MARKER: &str = "made-by-firedrill";

/// Whether the folder is empty, or was made by this program: what somebody else keeps there is never touched.
fn may_empty(folder: &Path) -> io::Result<bool> {
    if !folder.exists() || folder.join(MARKER).is_file() {
        return Ok(true);
    }
    Ok(fs::read_dir(folder)?.next().is_none())
}

/// An empty folder, with a marker.
fn fresh(folder: &Path) -> Result<(), RunError> {
    let cannot = |error: io::Error| RunError::Needs(format!("the data folder {} cannot be used: {error}", folder.display()));
    if !may_empty(folder).map_err(cannot)? {
        return Err(RunError::Needs(format!("the data folder {} has files of somebody else in it: name another one", folder.display())));
    }
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(cannot)?;
    }
    fs::create_dir_all(folder).map_err(cannot)?;
    fs::write(folder.join(MARKER), system()).map_err(cannot)
}

/// Whether what is in the folder was made by the system that runs now, so that a store that was killed and is started again finds its data.
fn is_ours(folder: &Path) -> bool {
    fs::read_to_string(folder.join(MARKER)).is_ok_and(|made_by| made_by == system())
}

/// The mark of the local system that this process belongs to.
fn system() -> String {
    std::env::var("FIREDRILL_SYSTEM").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_somebody_else_is_not_emptied() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("data");
        fresh(&folder).unwrap();
        fs::write(folder.join("table"), "rows").unwrap();
        assert!(is_ours(&folder));
        fresh(&folder).unwrap();
        assert!(!folder.join("table").exists());
        let other = scratch.path().join("other");
        fs::create_dir(&other).unwrap();
        fs::write(other.join("letters"), "dear").unwrap();
        assert!(fresh(&other).unwrap_err().to_string().contains("files of somebody else"));
        assert!(other.join("letters").exists() && !is_ours(&other));
    }
}
