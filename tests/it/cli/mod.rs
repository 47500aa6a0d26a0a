//! The verbs as a user meets them: through the real binary, on real processes.

mod drill;
mod files;
mod findings;
mod journeys;
mod orphans;
mod planning;
pub mod rig;
mod running;
mod stepping;
mod stopping;
mod trouble;
mod websockets;
