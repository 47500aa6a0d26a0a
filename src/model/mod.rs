//! Layer 0: the words of the field as types. No I/O, no async runtime, no clock, no randomness.
//!
//! Everything here is owned data; what a machine reads or writes derives serde.

pub mod act;
pub mod aws;
pub mod blast_radius;
pub mod built;
pub mod capabilities;
pub mod claim;
pub mod environment;
pub mod experiment;
pub mod fault;
pub mod finding;
pub mod gameday;
pub mod guardrail;
pub mod hours;
pub mod ids;
pub mod instance;
pub mod journey;
pub mod measurement;
pub mod notify;
pub mod observation;
pub mod outcome;
pub mod plan;
pub mod probe;
pub mod protocol;
pub mod quantity;
pub mod retention;
pub mod sample;
pub mod selector;
pub mod state;
pub mod steady_state;
pub mod store;
pub mod template;
pub mod time;
pub mod undo;
pub mod verdict;
