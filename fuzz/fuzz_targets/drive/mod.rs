//! What each fuzz target does with its input, and what must be true of the outcome. Compiled by the targets (beside this) and by the
//! normal tests (`tests/it/fuzz_corpus.rs`), which replay what the fuzzers kept.
#![allow(dead_code, reason = "a target uses one of these modules, and the tests all of them")]

pub mod bytes;
pub mod chaostoolkit;
pub mod file;
pub mod journal;
pub mod planner;

/// What a target does with its input.
pub type Target = fn(&[u8]);

/// The targets by name: a folder in `fuzz/corpus` each.
pub const TARGETS: [(&str, Target); 4] =
    [("file", file::drive), ("journal", journal::drive), ("planner", planner::drive), ("chaostoolkit", chaostoolkit::drive)];
