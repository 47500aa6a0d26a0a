//! Layer 1: files that people write, from text to model, with every error at its place and all of them at once.
//!
//! `source` (text and places) → `yaml` (spanned tree, limits) → `vars` (`${name}`) → `lower` (tree → experiment) → `check`
//! (references; can this platform do it?). `read` is what lowering is written with; its key tables are also what `schema`
//! prints, so that the two cannot differ.

mod aws;
pub mod check;
pub mod diagnostic;
mod docker;
pub mod escape;
pub mod gameday;
pub mod hidden;
pub mod load;
pub mod lower;
pub mod notify;
pub mod project;
pub mod read;
pub mod render;
mod run_time;
mod scan_error;
pub mod schema;
pub mod source;
pub mod suggest;
pub mod table;
pub mod timetable;
pub mod vars;
pub mod write;
pub mod yaml;

pub use check::{Known, check};
pub use diagnostic::{Diagnostic, Diagnostics, Severity, Sink};
pub use load::{LoadOptions, Loaded, load, load_source};
pub use source::{Place, Source, Span};
pub use yaml::{Node, Value, parse};
