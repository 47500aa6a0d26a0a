//! A file's text, and places in it.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    diagnostic::{Diagnostic, Diagnostics},
    hidden,
};

/// The most bytes that are read of a file.
pub const LARGEST: u64 = 1 << 20;

/// Bytes `start..end` of one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// From `start` to before `end`.
    pub fn new(start: usize, end: usize) -> Self {
        Self { start, end: end.max(start) }
    }

    /// From the beginning of `self` to the end of `other`.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self::new(self.start, other.end)
    }
}

/// A text with a name: a file, or what stands for one.
#[derive(Debug)]
pub struct Source {
    /// The name in messages: the path as it was given.
    pub name: String,
    /// The text, without a byte order mark.
    pub text: String,
    line_starts: Vec<usize>,
    /// What must not be shown: secrets that somebody wrote into the file.
    hidden: Mutex<Vec<Span>>,
}

impl PartialEq for Source {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.text == other.text
    }
}

impl Eq for Source {}

/// Where something is: a span of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The source.
    pub source: Arc<Source>,
    /// What of it.
    pub span: Span,
}

impl Source {
    /// A source of this text.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        let mut text: String = text.into();
        if text.starts_with('\u{feff}') {
            text.drain(..'\u{feff}'.len_utf8());
        }
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let hidden = Mutex::new(hidden::credentials(&text));
        Arc::new(Self { name: name.into(), text, line_starts, hidden })
    }

    /// Reads a file: at most 1 MiB of UTF-8. Only regular files, so that a pipe or a device cannot hang the check.
    pub fn read(path: &Path) -> Result<Arc<Self>, Diagnostics> {
        use std::io::Read as _;
        let name = path.display().to_string();
        let refuse = |message: String, expected: &str| {
            let mut diagnostic = Diagnostic::error(message);
            if !expected.is_empty() {
                diagnostic.expected(expected);
            }
            diagnostic.file = Some(name.clone());
            Err(Diagnostics::from(vec![diagnostic]))
        };
        let meta = match std::fs::metadata(path) {
            Ok(meta) => meta,
            Err(error) => return refuse(format!("`{name}` cannot be read: {}", reason(&error)), ""),
        };
        if meta.is_dir() {
            return refuse(format!("`{name}` is a folder"), "a YAML file");
        }
        if !meta.is_file() {
            return refuse(format!("`{name}` is not a regular file"), "a YAML file");
        }
        if meta.len() > LARGEST {
            return refuse(format!("`{name}` is too large: {} bytes", meta.len()), "at most 1 MiB (1,048,576 bytes)");
        }
        let mut bytes = Vec::new();
        // One byte more than allowed, to notice a file that grew since it was looked at.
        let read = std::fs::File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes));
        if let Err(error) = read {
            return refuse(format!("`{name}` cannot be read: {}", reason(&error)), "");
        }
        if bytes.len() as u64 > LARGEST {
            return refuse(format!("`{name}` is too large: more than {LARGEST} bytes"), "at most 1 MiB (1,048,576 bytes)");
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self::new(name, text)),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                let line = error.as_bytes()[..at].split(|b| *b == b'\n').count();
                refuse(format!("`{name}` is not UTF-8 text: byte {} in line {line} does not belong there", at + 1), "a YAML file in UTF-8")
            }
        }
    }

    /// From now on no excerpt shows this part of the text.
    pub fn hide(&self, span: Span) {
        self.hidden.lock().unwrap_or_else(PoisonError::into_inner).push(span);
    }

    /// Whether a byte must not be shown.
    pub fn is_hidden(&self, offset: usize) -> bool {
        self.hidden.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|s| s.start <= offset && offset < s.end)
    }

    /// A path that the file names, as seen from the working directory: relative paths are relative to the file's folder.
    pub fn beside(&self, path: &str) -> PathBuf {
        Path::new(&self.name).parent().unwrap_or(Path::new("")).join(path)
    }

    /// The line (from 1) and the column (from 1, in characters) of a byte.
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let offset = offset.min(self.text.len());
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = self.line_starts[line - 1];
        (line, 1 + self.text.get(start..offset).map_or(offset - start, |before| before.chars().count()))
    }

    /// A line's text without its end, and the byte it starts at. Lines count from 1.
    pub fn line(&self, line: usize) -> (&str, usize) {
        let start = self.line_starts[line - 1];
        let end = self.line_starts.get(line).copied().unwrap_or(self.text.len());
        (self.text[start..end].trim_end_matches(['\n', '\r']), start)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.source.line_column(self.span.start);
        write!(f, "{}:{line}:{column}", self.source.name)
    }
}

/// An I/O error without the number of the operating system.
pub fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one_in_characters() {
        let source = Source::new("x", "\u{feff}ab\nçd: e\n");
        assert_eq!(source.line_column(0), (1, 1));
        assert_eq!(source.line_column(3), (2, 1));
        assert_eq!(source.line_column(5), (2, 2));
        assert_eq!(source.line_column(99), (3, 1));
        assert_eq!(source.line(2), ("çd: e", 3));
    }

    #[test]
    fn a_device_a_folder_and_nothing_are_refused() {
        for (path, says) in [("/dev/zero", "not a regular file"), ("/", "is a folder"), ("/nowhere/x.yaml", "no such file")] {
            let errors = Source::read(Path::new(path)).unwrap_err().to_string();
            assert!(errors.contains(says), "{errors}");
        }
    }
}
