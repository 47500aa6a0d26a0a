//! What a process was built from: its command line, its environment and its working directory as they are declared, the program that
//! the command names, and the script (or the configuration) that the program is given. What differs from instance to instance by design
//! (ids, addresses) is a placeholder in all of it, so that siblings have one fingerprint. Nothing is asked of the process itself: one
//! that has just begun may still be the shell that is about to become it.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::{launch::hex, process};

/// Files up to this size are hashed whole.
const WHOLE: u64 = 4 * 1024 * 1024;

/// What was declared of a process.
#[derive(Debug, Clone, Copy)]
pub struct Declared<'a> {
    /// The command with its placeholders.
    pub command: &'a [String],
    /// The environment with its placeholders.
    pub env: &'a BTreeMap<String, String>,
    /// Where it runs.
    pub directory: &'a Path,
}

/// The fingerprint of an instance; `fill` puts a placeholder's value in. Of a very large file the size, the time of its last change, and
/// its first and last part stand for the rest, so that starting a system does not wait for it.
pub fn declared(declared: Declared<'_>, fill: impl Fn(&str) -> String) -> String {
    let mut hash = Sha256::new();
    words(&mut hash, declared.command.iter());
    words(&mut hash, declared.env.iter().flat_map(|(key, value)| [key, value]));
    words(&mut hash, std::iter::once(&declared.directory.to_string_lossy().into_owned()));
    let mut named = declared.command.iter().map(|word| fill(word));
    let program = named.next().and_then(|program| find(&program, declared));
    // A script's program is its interpreter: the script is what the instance was built from.
    let given = named.next().filter(|word| !word.starts_with('-')).map(|word| declared.directory.join(word));
    for path in program.into_iter().chain(given).filter(|path| path.is_file()) {
        let _ = file(&path, &mut hash);
    }
    hex(&hash.finalize())
}

/// The file of a program: where its path says, else the first of that name in `PATH`.
fn find(program: &str, declared: Declared<'_>) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(declared.directory.join(program));
    }
    let path = declared.env.get("PATH").map(Into::into).or_else(|| std::env::var_os("PATH"))?;
    std::env::split_paths(&path).map(|folder| declared.directory.join(folder).join(program)).find(|file| file.is_file())
}

/// The fingerprint of a process that somebody else started: its command line and its executable.
pub fn found(pid: i32, command: &[String]) -> String {
    let mut hash = Sha256::new();
    words(&mut hash, command.iter());
    executable(&mut hash, pid);
    hex(&hash.finalize())
}

fn words<'a>(hash: &mut Sha256, words: impl Iterator<Item = &'a String>) {
    for word in words {
        hash.update((word.len() as u64).to_le_bytes());
        hash.update(word.as_bytes());
    }
    hash.update(u64::MAX.to_le_bytes());
}

fn executable(hash: &mut Sha256, pid: i32) {
    if let Some(path) = process::executable(pid) {
        let _ = file(&path, hash);
    }
}

fn file(path: &Path, hash: &mut Sha256) -> io::Result<()> {
    let mut file = File::open(path)?;
    let meta = file.metadata()?;
    let mut part = Vec::new();
    if meta.len() <= WHOLE {
        Read::by_ref(&mut file).take(WHOLE).read_to_end(&mut part)?;
        hash.update(&part);
        return Ok(());
    }
    hash.update(meta.len().to_le_bytes());
    hash.update(meta.mtime().to_le_bytes());
    hash.update(meta.mtime_nsec().to_le_bytes());
    for from in [SeekFrom::Start(0), SeekFrom::End(-(WHOLE.cast_signed()) / 8)] {
        part.clear();
        file.seek(from)?;
        Read::by_ref(&mut file).take(WHOLE / 8).read_to_end(&mut part)?;
        hash.update(&part);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_instance_was_built_from_is_more_than_its_executable() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("run.sh");
        std::fs::write(&script, "one").unwrap();
        let strings = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        let env = |value: &str| BTreeMap::from([("MODE".to_owned(), value.to_owned())]);
        let of = |command: &[&str], mode: &str| {
            let fill = |word: &str| word.replace("${instance.id}", "web-1");
            declared(Declared { command: &strings(command), env: &env(mode), directory: folder.path() }, fill)
        };
        let first = of(&["sh", "run.sh", "${instance.id}"], "a");
        assert_eq!(first, of(&["sh", "run.sh", "${instance.id}"], "a"));
        assert_ne!(first, of(&["sh", "run.sh", "--fast"], "a"), "arguments");
        assert_ne!(first, of(&["sh", "run.sh", "${instance.id}"], "b"), "environment");
        std::fs::write(&script, "two").unwrap();
        assert_ne!(first, of(&["sh", "run.sh", "${instance.id}"], "a"), "the script");
        let program = || of(&["./run.sh"], "a");
        let second = program();
        std::fs::write(&script, "three").unwrap();
        assert_ne!(second, program(), "the program");
    }
}
