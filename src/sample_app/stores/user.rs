//! Whom a store runs as: PostgreSQL refuses to run as root.

use std::{
    fs,
    os::unix::{fs::chown, process::CommandExt as _},
    path::Path,
    process::Command,
};

use rustix::process::geteuid;

use crate::sample_app::server::RunError;

/// A user other than root, where this process is root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plain(Option<(u32, u32)>);

/// Users that a Debian system has: the store's own, and the one for who has no files.
const USERS: [&str; 2] = ["postgres", "nobody"];

impl Plain {
    /// Nobody else when this process is not root.
    pub(super) fn find() -> Result<Self, RunError> {
        if !geteuid().is_root() {
            return Ok(Self(None));
        }
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let found = USERS.iter().find_map(|user| entry(&users, user));
        found.map(|ids| Self(Some(ids))).ok_or_else(|| {
            RunError::Needs("PostgreSQL does not run as root, and there is neither a user `postgres` nor `nobody` to run it as".to_owned())
        })
    }

    /// The program runs as this user.
    pub(super) fn of(self, command: &mut Command) -> &mut Command {
        if let Self(Some((user, group))) = self {
            // The groups of root go with it: the standard library clears them when a user is set.
            command.uid(user).gid(group);
        }
        command
    }

    /// The folder, empty but for the marker, is this user's.
    pub(super) fn owns(self, folder: &Path) -> Result<(), RunError> {
        let Self(Some((user, group))) = self else { return Ok(()) };
        chown(folder, Some(user), Some(group))
            .map_err(|error| RunError::Needs(format!("{} cannot be given to another user: {error}", folder.display())))
    }
}

/// The ids of a user in the text of `/etc/passwd`.
fn entry(users: &str, name: &str) -> Option<(u32, u32)> {
    let fields: Vec<&str> = users.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields.first() == Some(&name))?;
    Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_its_name() {
        let users = "root:x:0:0:root:/root:/bin/sh\npostgres2:x:7:8::/:/bin/sh\npostgres:x:105:112:,,,:/var/lib/postgresql:/bin/bash\n";
        assert_eq!(entry(users, "postgres"), Some((105, 112)));
        assert_eq!(entry(users, "nobody"), None);
    }
}
