//! In place of `history` in a build without it: nothing is written down.

use std::path::Path;

use super::runner::Job;
use crate::{model::verdict::Verdict, report::RunRecord};

/// Nothing.
pub struct Note;

impl Note {
    /// Of a job.
    pub fn of(_: &Job, _: bool) -> Self {
        Self
    }

    /// Of an experiment that has no environment.
    pub fn new(_: &str, _: Option<&str>) -> Self {
        Self
    }

    /// As a schedule's.
    #[must_use]
    pub fn scheduled(self, _: bool) -> Self {
        self
    }

    /// It ended.
    pub fn ended(self, _: Verdict, _: &RunRecord, _: &Path) {}

    /// It did not start.
    pub fn not_started(self, _: &str) {}
}
