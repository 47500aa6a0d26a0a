//! A service's own store: a file of lines that only grows, which all instances of the service share. Each reads on where it stopped.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
    sync::{Mutex, PoisonError},
};

/// The longest line. A shorter one is written at once, so that those of several instances never mix.
pub const LONGEST: usize = 2000;
/// So many of the last lines are kept in memory.
const KEPT: usize = 1000;

/// The store.
#[derive(Debug)]
pub struct Store(Mutex<Open>);

#[derive(Debug)]
struct Open {
    file: File,
    read_to: u64,
    begun: Vec<u8>,
    lines: std::collections::VecDeque<String>,
}

impl Store {
    /// Opens a store, or begins it.
    pub fn open(folder: &Path, name: &str) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let file = OpenOptions::new().create(true).append(true).read(true).open(folder.join(name))?;
        Ok(Self(Mutex::new(Open { file, read_to: 0, begun: Vec::new(), lines: std::collections::VecDeque::new() })))
    }

    /// Adds a line, which has no end of line in it.
    pub fn add(&self, line: &str) -> io::Result<()> {
        if line.len() > LONGEST || line.contains('\n') {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a line is too long, or is several"));
        }
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.file.write_all(format!("{line}\n").as_bytes())
    }

    /// The last so many lines, the newest last.
    pub fn last(&self, most: usize) -> io::Result<Vec<String>> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.read_on()?;
        let skipped = open.lines.len().saturating_sub(most);
        Ok(open.lines.iter().skip(skipped).cloned().collect())
    }
}

impl Open {
    fn read_on(&mut self) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.read_to))?;
        let mut new = Vec::new();
        self.read_to += self.file.read_to_end(&mut new)? as u64;
        self.begun.extend(new);
        while let Some(end) = self.begun.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.begun.drain(..=end).collect();
            self.lines.push_back(String::from_utf8_lossy(&line[..end]).into_owned());
            if self.lines.len() > KEPT {
                self.lines.pop_front();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_instances_share_what_each_adds() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (Store::open(folder.path(), "x").unwrap(), Store::open(folder.path(), "x").unwrap());
        one.add("a").unwrap();
        assert_eq!(other.last(10).unwrap(), ["a"]);
        other.add("b").unwrap();
        one.add("c").unwrap();
        assert_eq!(other.last(10).unwrap(), ["a", "b", "c"]);
        assert_eq!(one.last(2).unwrap(), ["b", "c"]);
        assert!(one.add("two\nlines").is_err() && one.add(&"x".repeat(LONGEST + 1)).is_err());
    }
}
