//! What is known of names: a few lines, in a file or as they were given.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

/// A zone is a few lines.
const LARGEST: u64 = 64 * 1024;

/// Where the names stand. A line is a name, its time to live in seconds, and its addresses: `www.example 3600 127.0.1.1 127.0.1.2`.
#[derive(Debug)]
pub(super) enum Zone {
    /// In a file that is read anew for each question.
    File(PathBuf),
    /// As given at the start.
    Fixed(Vec<Line>),
}

impl Zone {
    /// Names that do not change.
    pub(super) fn fixed(records: &[String]) -> Result<Self, String> {
        lines(&records.join("\n")).map(Self::Fixed).map_err(|why| format!("the records make no sense: {why}"))
    }

    /// What they are now; an error in words when the file makes no sense.
    pub(super) fn read(&self) -> Result<Vec<Line>, String> {
        match self {
            Self::File(file) => read(file),
            Self::Fixed(lines) => Ok(lines.clone()),
        }
    }
}

/// What a line says of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// In lower case, without the last dot.
    pub(super) name: String,
    /// In seconds.
    pub(super) ttl: u32,
    /// Of both families.
    pub(super) addresses: Vec<IpAddr>,
}

fn read(zone: &Path) -> Result<Vec<Line>, String> {
    let cannot = |why: &dyn std::fmt::Display| format!("cannot read the names in {}: {why}", zone.display());
    let size = std::fs::metadata(zone).map_err(|error| cannot(&error))?.len();
    if size > LARGEST {
        return Err(cannot(&format!("it has {size} bytes, the most is {LARGEST}")));
    }
    let text = std::fs::read_to_string(zone).map_err(|error| cannot(&error))?;
    lines(&text).map_err(|why| cannot(&why))
}

fn lines(text: &str) -> Result<Vec<Line>, String> {
    let mut out = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let Some(name) = words.next() else { continue };
        let wrong = || format!("line {number} is not NAME TTL ADDRESS...");
        let ttl = words.next().and_then(|ttl| ttl.parse().ok()).ok_or_else(wrong)?;
        let addresses = words.map(str::parse).collect::<Result<Vec<IpAddr>, _>>().map_err(|_| wrong())?;
        out.push(Line { name: name.trim_end_matches('.').to_ascii_lowercase(), ttl, addresses });
    }
    Ok(out)
}
