//! What is done by running something inside a container: `run` and `stress`.

pub mod command;
pub mod inside;
pub mod memory;
pub mod stress;
