//! The append-only file: each record is its length, a checksum and JSON. Durable before `append` returns.
//!
//! Frame: 4 bytes length (little endian), 8 bytes of the SHA-256 over the frame's number, its length and its payload, then the
//! payload. The number in the checksum means that a frame repeated or moved does not pass. A torn or damaged tail is tolerated:
//! the valid prefix is used and the rest is reported.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek, SeekFrom, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::record::{JOURNAL_VERSION, Record};
use crate::failpoint::{self, Fail};

const HEAD: usize = 12;
/// No record is larger; a length above it is damage.
const LARGEST: usize = 16 << 20;
/// The ending of one that has no header yet.
const UNNAMED: &str = "begun";
/// No journal is larger: reading one never fills the memory.
const LARGEST_FILE: u64 = 256 << 20;

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The disk said no.
    #[error("cannot {doing} the journal {}: {source}", path.display())]
    Io {
        /// What was tried: `append to`.
        doing: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An earlier append failed and could not be taken back.
    #[error("the journal {} failed before ({why}): nothing more is written to it", path.display())]
    Broken {
        /// Which.
        path: PathBuf,
        /// What happened.
        why: String,
    },
    /// Others can write it.
    #[error("the journal {} is not safe to use: {why}", path.display())]
    Unsafe {
        /// Which.
        path: PathBuf,
        /// Its owner or mode.
        why: String,
    },
    /// Not of a version this build reads. Nothing is touched.
    #[error("the journal {} has version {found}, and this build reads version {JOURNAL_VERSION}; use the firedrill that wrote it", path.display())]
    Version {
        /// Which.
        path: PathBuf,
        /// What was found.
        found: u64,
    },
    /// Not a single record can be read.
    #[error("{} is not a journal: {why}", path.display())]
    NotAJournal {
        /// Which.
        path: PathBuf,
        /// What was found.
        why: String,
    },
}

fn io_error<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> JournalError + 'a {
    move |source| JournalError::Io { doing, path: path.to_owned(), source }
}

/// A journal open for writing.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    end: u64,
    number: u64,
    broken: Option<String>,
}

impl Journal {
    /// Creates a journal (mode 0600, never over an existing one). It gets its name only when its header is on the disk: what bears the name
    /// of a journal always says whose it is, however early its process died.
    ///
    /// # Errors
    /// When that is not possible: then nothing may be done.
    pub fn create(path: &Path, header: &Record) -> Result<Self, JournalError> {
        let begun = unnamed(path);
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&begun).map_err(io_error("create", path))?;
        let mut journal = Self { file, path: path.to_owned(), end: 0, number: 0, broken: None };
        let named = journal.append(header).and_then(|()| name(&begun, path).map_err(io_error("name", path)));
        if let Err(error) = named {
            let _ = fs::remove_file(&begun);
            return Err(error);
        }
        if let Err(error) = sync_folder(path) {
            // No act has been done.
            let _ = fs::remove_file(path);
            return Err(error);
        }
        Ok(journal)
    }

    /// Opens an existing journal for more records. A damaged tail is cut off first.
    ///
    /// # Errors
    /// As [`read`], and when the tail cannot be cut.
    pub fn reopen(path: &Path) -> Result<(Self, Read), JournalError> {
        let found = read(path)?;
        let file = OpenOptions::new().read(true).write(true).custom_flags(nofollow()).open(path).map_err(io_error("open", path))?;
        if found.damage.is_some() {
            file.set_len(found.valid).and_then(|()| file.sync_all()).map_err(io_error("cut the damaged end of", path))?;
        }
        let number = found.records.len() as u64;
        Ok((Self { file, path: path.to_owned(), end: found.valid, number, broken: None }, found))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a record. When this returns, it is on the disk. After an error the record is not in the journal; when even that
    /// cannot be made sure, the journal takes no more.
    ///
    /// # Errors
    /// When the disk is full, broken, or the journal is.
    pub fn append(&mut self, record: &Record) -> Result<(), JournalError> {
        self.append_all(std::slice::from_ref(record))
    }

    /// Appends records with one write and one sync: fifty acts that start together wait for the disk once. When this returns, all are
    /// on the disk. After an error none of them is in the journal. A crash in the middle leaves the first ones of them, as if they had
    /// been appended one by one.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn append_all(&mut self, records: &[Record]) -> Result<(), JournalError> {
        if let Some(why) = &self.broken {
            return Err(JournalError::Broken { path: self.path.clone(), why: why.clone() });
        }
        let mut bytes = Vec::new();
        let mut planned = None;
        for (number, record) in (self.number..).zip(records) {
            let fail = failpoint::visit("journal");
            let frame = frame(number, record).map_err(io_error("append to", &self.path))?;
            if let Some(fail) = fail {
                planned.get_or_insert(PlannedFailure { fail, from: bytes.len(), to: bytes.len() + frame.len() });
            }
            bytes.extend_from_slice(&frame);
        }
        if let Err(source) = self.write(&bytes, planned) {
            // The prefix must stay valid. After a failed fsync the kernel may have dropped the pages, so that is never retried:
            // cutting back restores a state that is known.
            if let Err(again) = self.file.set_len(self.end).and_then(|()| self.file.sync_all()) {
                self.broken = Some(format!("{source}; and it could not be cut back: {again}"));
            }
            return Err(JournalError::Io { doing: "append to", path: self.path.clone(), source });
        }
        self.end += bytes.len() as u64;
        self.number += records.len() as u64;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8], planned: Option<PlannedFailure>) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.end))?;
        if let Some(planned) = planned {
            self.file.write_all(&bytes[..planned.reaches()])?;
            if let Some(error) = planned.error() {
                return Err(io::Error::from(error));
            }
            self.file.sync_data()?;
            failpoint::crash(Some(planned.fail), planned.fail);
        }
        self.file.write_all(bytes)?;
        self.file.sync_data()
    }
}

/// What a test wants to go wrong at one record of those that are appended together.
#[derive(Debug, Clone, Copy)]
struct PlannedFailure {
    fail: Fail,
    /// Where the record's frame begins in what is written, bytes.
    from: usize,
    /// Where it ends.
    to: usize,
}

impl PlannedFailure {
    /// How much reaches the disk before it happens, bytes.
    fn reaches(&self) -> usize {
        match self.fail {
            Fail::Before | Fail::NoSpace | Fail::Io => self.from,
            Fail::Torn | Fail::Short => usize::midpoint(self.from, self.to),
            Fail::After | Fail::Lost => self.to,
        }
    }

    /// The error of a write that fails; none where the process ends instead.
    fn error(&self) -> Option<rustix::io::Errno> {
        match self.fail {
            Fail::NoSpace | Fail::Short => Some(rustix::io::Errno::NOSPC),
            Fail::Io | Fail::Lost => Some(rustix::io::Errno::IO),
            Fail::Before | Fail::After | Fail::Torn => None,
        }
    }
}

/// Where a journal lies until its header is on the disk; its process is in the name.
fn unnamed(path: &Path) -> PathBuf {
    path.with_extension(format!("{}.{UNNAMED}", std::process::id()))
}

/// Gives a file its name, never over another one.
fn name(begun: &Path, path: &Path) -> io::Result<()> {
    use rustix::{
        fs::{CWD, RenameFlags, renameat_with},
        io::Errno,
    };
    match renameat_with(CWD, begun, CWD, path, RenameFlags::NOREPLACE) {
        // This file system cannot promise it; the name has a random part.
        Err(Errno::INVAL | Errno::NOSYS) if !path.exists() => fs::rename(begun, path),
        other => Ok(other?),
    }
}

/// Deletes what processes left that died before their journal had its name: nothing had been done.
pub(super) fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let maker = path.extension().filter(|ending| *ending == UNNAMED).and_then(|_| Path::new(path.file_stem()?).extension());
        if maker.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            let _ = fs::remove_file(path);
        }
    }
}

fn nofollow() -> i32 {
    rustix::fs::OFlags::NOFOLLOW.bits().cast_signed()
}

/// Makes a name in the folder of `path` durable.
pub(super) fn sync_folder(path: &Path) -> Result<(), JournalError> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|f| f.sync_all()).map_err(io_error("make durable the folder of", path))
}

fn frame(number: u64, record: &Record) -> io::Result<Vec<u8>> {
    let payload = serde_json::to_vec(record)?;
    if payload.len() > LARGEST {
        return Err(io::Error::other("a record is larger than 16 MiB"));
    }
    let length = (payload.len() as u32).to_le_bytes();
    let mut out = Vec::with_capacity(HEAD + payload.len());
    out.extend_from_slice(&length);
    out.extend_from_slice(&checksum(number, length, &payload));
    out.extend_from_slice(&payload);
    Ok(out)
}

fn checksum(number: u64, length: [u8; 4], payload: &[u8]) -> [u8; 8] {
    let mut hash = Sha256::new();
    hash.update(number.to_le_bytes());
    hash.update(length);
    hash.update(payload);
    let mut out = [0; 8];
    out.copy_from_slice(&hash.finalize()[..8]);
    out
}

/// What a journal holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Read {
    /// The records of the valid prefix; the first is the header.
    pub records: Vec<Record>,
    /// The length of the valid prefix, bytes.
    pub valid: u64,
    /// What follows it, in words.
    pub damage: Option<String>,
}

/// Reads a journal: its owner and mode are checked, a damaged tail is reported, another version is refused.
///
/// # Errors
/// When it cannot be read at all.
pub fn read(path: &Path) -> Result<Read, JournalError> {
    let file = OpenOptions::new().read(true).custom_flags(nofollow()).open(path).map_err(io_error("open", path))?;
    let meta = file.metadata().map_err(io_error("read", path))?;
    let unsafe_because = |why: String| JournalError::Unsafe { path: path.to_owned(), why };
    if !meta.is_file() {
        return Err(unsafe_because("it is not a plain file".to_owned()));
    }
    let me = rustix::process::geteuid().as_raw();
    if meta.uid() != me {
        return Err(unsafe_because(format!("it belongs to user {}, and this is user {me}", meta.uid())));
    }
    if meta.mode() & 0o077 != 0 {
        return Err(unsafe_because(format!("its mode is {:o}, expected 600", meta.mode() & 0o777)));
    }
    if meta.len() > LARGEST_FILE {
        return Err(unsafe_because(format!("it is larger than {} MiB", LARGEST_FILE >> 20)));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST_FILE).read_to_end(&mut bytes).map_err(io_error("read", path))?;
    parse(&bytes, path)
}

/// Reads a journal's bytes; `path` is for messages only.
///
/// # Errors
/// When there is no header, or one of another version.
pub fn parse(bytes: &[u8], path: &Path) -> Result<Read, JournalError> {
    let mut records: Vec<Record> = Vec::new();
    let mut at = 0;
    let damage = loop {
        if at == bytes.len() {
            break None;
        }
        match one(&bytes[at..], records.len() as u64) {
            Ok(payload) => {
                if records.is_empty() {
                    version(payload, path)?;
                }
                match serde_json::from_slice::<Record>(payload) {
                    Ok(record) if matches!(record, Record::Header(_)) == records.is_empty() => records.push(record),
                    Ok(_) => break Some("a record stands where it cannot".to_owned()),
                    Err(e) => break Some(format!("a record cannot be understood: {e}")),
                }
                at += HEAD + payload.len();
            }
            Err(why) => break Some(why.to_owned()),
        }
    };
    let damage = damage.map(|why| format!("{} bytes after record {} are not used: {why}", bytes.len() - at, records.len()));
    if records.is_empty() {
        let why = damage.unwrap_or_else(|| "it is empty".to_owned());
        return Err(JournalError::NotAJournal { path: path.to_owned(), why });
    }
    Ok(Read { records, valid: at as u64, damage })
}

fn one(bytes: &[u8], number: u64) -> Result<&[u8], &'static str> {
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else { return Err("the last record is torn") };
    let Some((sum, rest)) = rest.split_first_chunk::<8>() else { return Err("the last record is torn") };
    let size = u32::from_le_bytes(*length) as usize;
    if size > LARGEST {
        return Err("a record's length is damaged");
    }
    let Some(payload) = rest.get(..size) else { return Err("the last record is torn") };
    if checksum(number, *length, payload) == *sum { Ok(payload) } else { Err("a checksum does not fit") }
}

/// The version is read from the raw JSON first: a newer header may have a shape this build cannot read.
fn version(payload: &[u8], path: &Path) -> Result<(), JournalError> {
    let found = serde_json::from_slice::<serde_json::Value>(payload).ok().and_then(|v| v.get("version")?.as_u64());
    match found {
        Some(v) if v == u64::from(JOURNAL_VERSION) => Ok(()),
        Some(found) => Err(JournalError::Version { path: path.to_owned(), found }),
        None => Err(JournalError::NotAJournal { path: path.to_owned(), why: "its first record has no version".to_owned() }),
    }
}
