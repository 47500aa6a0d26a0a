//! Runs of the engine in virtual time, on the scripted world.

mod halts;
mod order;
mod troubles;
mod verdicts;
