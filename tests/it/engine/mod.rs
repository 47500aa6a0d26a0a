//! Runs of the engine in virtual time, on the scripted world.

#[cfg(feature = "failpoints")]
mod crashes;
mod halts;
mod mitigated;
mod order;
mod phoenix;
mod sight;
mod troubles;
mod verdicts;
