//! The real stores of the examples: programs that are not part of this one, where they are found, and which Debian package has them.

use std::path::PathBuf;

/// A program that an example needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Program {
    /// Its file's name.
    pub name: &'static str,
    /// The Debian package that has it.
    pub package: &'static str,
    /// Where it may be beside PATH; `*` stands for one folder, and the highest is taken.
    pub also_in: &'static [&'static str],
}

/// Redis; as Sentinel too.
pub const REDIS: Program = Program { name: "redis-server", package: "redis-server", also_in: &["/usr/bin", "/usr/local/bin"] };
/// PostgreSQL. Debian keeps each version's programs in a folder of its own, outside PATH.
pub const POSTGRES: Program = postgres("postgres");
/// Makes PostgreSQL's folder.
pub const INITDB: Program = postgres("initdb");
/// Copies a running PostgreSQL's folder, for a standby.
pub const BASEBACKUP: Program = postgres("pg_basebackup");
/// Writes what is in a PostgreSQL database as statements.
pub const PG_DUMP: Program = postgres("pg_dump");
/// Sends statements to PostgreSQL.
pub const PSQL: Program = postgres("psql");
/// HAProxy.
pub const HAPROXY: Program = Program { name: "haproxy", package: "haproxy", also_in: &["/usr/sbin", "/usr/local/sbin"] };
/// nginx.
pub const NGINX: Program = Program { name: "nginx", package: "nginx-light", also_in: &["/usr/sbin", "/usr/local/sbin"] };
/// etcd.
pub const ETCD: Program = Program { name: "etcd", package: "etcd-server", also_in: &["/usr/bin", "/usr/local/bin"] };

const fn postgres(name: &'static str) -> Program {
    Program { name, package: "postgresql", also_in: &["/usr/lib/postgresql/*/bin", "/usr/local/pgsql/bin"] }
}

impl Program {
    /// Where it is: in PATH, or in the places where packages put it.
    pub fn find(&self) -> Option<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut places: Vec<PathBuf> = std::env::split_paths(&path).collect();
        for place in self.also_in {
            match place.split_once('*') {
                None => places.push(PathBuf::from(place)),
                Some((before, after)) => {
                    let mut found: Vec<PathBuf> = std::fs::read_dir(before)
                        .map(|entries| entries.filter_map(Result::ok).map(|entry| entry.path()).collect())
                        .unwrap_or_default();
                    // Versions are numbers: 9 comes before 15.
                    found.sort_by_key(|path| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok()));
                    places.extend(found.into_iter().rev().map(|path| path.join(after.trim_start_matches('/'))));
                }
            }
        }
        places.into_iter().map(|place| place.join(self.name)).find(|path| path.is_file())
    }

    /// Where it is, or what to install.
    pub fn found(&self) -> Result<PathBuf, String> {
        self.find().ok_or_else(|| lacking(&[self]))
    }
}

/// What to install for these programs.
pub fn lacking(programs: &[&Program]) -> String {
    let mut packages: Vec<&str> = programs.iter().map(|program| program.package).collect();
    packages.sort_unstable();
    packages.dedup();
    let names: Vec<String> = programs.iter().map(|program| format!("`{}`", program.name)).collect();
    let are = if names.len() == 1 { "is" } else { "are" };
    format!("{} {are} not installed (on Debian: apt-get install {})", names.join(", "), packages.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_found_and_what_is_not_names_its_package() {
        let shell = Program { name: "sh", package: "dash", also_in: &[] };
        assert!(shell.find().is_some());
        let one = Program { name: "no-such-store", package: "store", also_in: &["/usr/lib/*/bin"] };
        let other = Program { name: "no-such-backup", package: "store", also_in: &[] };
        assert_eq!(one.found().unwrap_err(), "`no-such-store` is not installed (on Debian: apt-get install store)");
        assert_eq!(lacking(&[&one, &other]), "`no-such-store`, `no-such-backup` are not installed (on Debian: apt-get install store)");
    }

    #[test]
    fn the_newest_version_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        for version in ["9", "15", "14"] {
            let bin = folder.path().join(version).join("bin");
            std::fs::create_dir_all(&bin).unwrap();
            std::fs::write(bin.join("no-such-store"), "").unwrap();
        }
        let place: &'static str = format!("{}/*/bin", folder.path().display()).leak();
        let places: &'static [&'static str] = vec![place].leak();
        let store = Program { name: "no-such-store", package: "store", also_in: places };
        assert_eq!(store.find().unwrap(), folder.path().join("15/bin/no-such-store"));
    }
}
