//! Layer 1: the applications of the examples, small programs in this binary so that an example needs nothing else.
//!
//! `server` is what they share; each other file is one application.

pub mod blog;
pub mod server;
pub mod what_time;
