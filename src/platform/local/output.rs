//! The output of a process: its last lines for messages, all of it in a file that does not grow without bound.

use std::{
    collections::VecDeque,
    fs::{File, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::io::{AsyncRead, AsyncReadExt};

/// Lines kept for messages.
const LINES: usize = 20;
/// Longer lines are cut.
const LINE: usize = 400;
/// A file of this size becomes `.log.1`, in the place of the one before.
const FILE: u64 = 1024 * 1024;

/// The output of one instance, shared by those who read its pipes and those who show it.
#[derive(Debug, Clone)]
pub struct Output(Arc<Mutex<Kept>>);

#[derive(Debug)]
struct Kept {
    lines: VecDeque<String>,
    path: PathBuf,
    file: Option<File>,
    written: u64,
}

impl Output {
    /// Keeps a file at this path; without one when it cannot be made.
    pub fn new(path: PathBuf) -> Self {
        let mut kept = Kept { lines: VecDeque::new(), path, file: None, written: 0 };
        kept.open();
        Self(Arc::new(Mutex::new(kept)))
    }

    /// Keeps the last lines only.
    pub fn in_memory() -> Self {
        Self(Arc::new(Mutex::new(Kept { lines: VecDeque::new(), path: PathBuf::new(), file: None, written: 0 })))
    }

    /// The last lines.
    pub fn last(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).lines.iter().cloned().collect()
    }

    /// Takes everything from a pipe until it ends.
    pub async fn drain(self, mut pipe: impl AsyncRead + Unpin) {
        let mut buffer = vec![0_u8; 8192];
        let mut line = Vec::new();
        while let Ok(n @ 1..) = pipe.read(&mut buffer).await {
            self.take(&buffer[..n], &mut line);
        }
        if !line.is_empty() {
            self.take(b"\n", &mut line);
        }
    }

    fn take(&self, bytes: &[u8], line: &mut Vec<u8>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.write(bytes);
        for byte in bytes {
            if *byte == b'\n' {
                if kept.lines.len() == LINES {
                    kept.lines.pop_front();
                }
                kept.lines.push_back(String::from_utf8_lossy(line).trim_end().to_owned());
                line.clear();
            } else if line.len() < LINE {
                line.push(*byte);
            }
        }
    }
}

impl Kept {
    fn open(&mut self) {
        self.file = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path).ok();
        self.written = self.file.as_ref().and_then(|f| f.metadata().ok()).map_or(0, |m| m.len());
    }

    fn write(&mut self, bytes: &[u8]) {
        if self.file.is_some() && self.written + bytes.len() as u64 > FILE {
            let _ = std::fs::rename(&self.path, self.path.with_extension("log.1"));
            self.open();
        }
        // A full disk must not stop the system: the last lines are still in memory.
        if let Some(file) = &mut self.file
            && file.write_all(bytes).is_ok()
        {
            self.written += bytes.len() as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_lines_are_kept_and_the_file_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("web-a-1.log");
        let output = Output::new(path.clone());
        #[expect(clippy::format_collect, reason = "a test's input, once")]
        let text = (0..30_000).map(|i| format!("line {i} {}\n", "x".repeat(90))).collect::<String>() + "the end";
        output.clone().drain(text.as_bytes()).await;
        let last = output.last();
        assert_eq!(last.len(), LINES);
        assert_eq!(last.last().unwrap(), "the end");
        assert!(last[0].starts_with("line 29981 "), "{}", last[0]);
        assert!(std::fs::metadata(&path).unwrap().len() <= FILE);
        assert!(std::fs::metadata(path.with_extension("log.1")).unwrap().len() <= FILE);
    }
}
