//! The files of a day's folder beside its events.

use std::{io, path::Path};

use super::{
    markdown, result,
    runs::{self, DayRun},
};
use crate::{
    gameday::Day,
    report::{html, write::replace},
};

/// A format of a day's report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DayReport {
    /// `report.html`.
    Html,
    /// `report.md`.
    Markdown,
    /// `result.json`.
    Json,
}

impl DayReport {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Html, Self::Markdown, Self::Json];

    /// The file's name in a day's folder.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Html => "report.html",
            Self::Markdown => "report.md",
            Self::Json => "result.json",
        }
    }

    /// Renders a day; `folder` is the day's, beside which its runs lie.
    pub fn render(self, day: &Day, folder: &Path) -> String {
        self.of(day, &runs::of(day, folder))
    }

    fn of(self, day: &Day, runs: &[DayRun<'_>]) -> String {
        match self {
            Self::Html => html::gameday::render(day, runs),
            Self::Markdown => markdown::render(day, runs),
            Self::Json => result::render(day, runs),
        }
    }
}

/// Writes every report of a day. One that cannot be written does not keep the others from it.
///
/// # Errors
/// With every file that could not be written.
pub fn all(folder: &Path, day: &Day) -> io::Result<()> {
    let runs = runs::of(day, folder);
    let written = DayReport::ALL.map(|format| (format, replace(folder, format.file_name(), format.of(day, &runs).as_bytes())));
    let failed: Vec<String> =
        written.into_iter().filter_map(|(format, done)| Some(format!("{}: {}", format.file_name(), done.err()?))).collect();
    if failed.is_empty() { Ok(()) } else { Err(io::Error::other(failed.join("; "))) }
}
