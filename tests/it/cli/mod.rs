//! The verbs as a user meets them: through the real binary, on real processes.

mod comforts;
mod crash_points;
mod deadman;
mod drill;
mod files;
mod findings;
pub mod foreign;
mod full_disk;
mod gamedays;
mod gate;
mod gated;
mod guards;
mod halting;
#[cfg(feature = "history")]
mod history;
#[cfg(feature = "history")]
mod history_trouble;
mod journeys;
mod locks;
mod orphans;
#[cfg(feature = "daemon")]
pub mod page;
mod planning;
pub mod rig;
mod running;
mod schedules;
#[cfg(feature = "daemon")]
mod serving;
mod stepping;
mod stopping;
mod synced;
mod terminal;
mod torn;
mod trouble;
mod websockets;
