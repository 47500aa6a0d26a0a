//! Layer 4: what a reader sees. Every report is made by folding events into a `RunRecord` and rendering that, so a run that
//! is over, or that crashed, renders again from its `events.jsonl` alone.
//!
//! `fan_out` carries events to reporters behind bounded queues: a reporter may be slow or fail without stopping an undo.
//! `write` makes the files of a run folder; `gate` has the one sentence that says why a verdict is what it is.

pub mod against;
pub mod commands;
pub mod console;
pub mod fan_out;
pub mod gameday;
pub mod gate;
pub mod html;
pub mod json_lines;
pub mod junit;
pub mod markdown;
#[cfg(feature = "notify")]
pub mod notices;
pub mod record;
pub mod result;
pub mod state;
pub mod table;
#[cfg(feature = "otel")]
pub mod traces;
pub mod words;
pub mod write;

pub use fan_out::{FanOut, Reporter, ReporterFailure};
pub use gate::{Gate, worst};
pub use record::{RunRecord, fold};
pub use result::result_schema;
pub use write::{Format, render};
