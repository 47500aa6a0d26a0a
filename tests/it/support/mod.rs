//! What several tests share.

pub mod alone;
pub mod composed;
pub mod drill;
pub mod engine;
pub mod failover;
pub mod name_server;
pub mod project;
pub mod quiet;
pub mod recorded;
pub mod residue;
pub mod scripted_prober;
pub mod shop;
pub mod stores;
pub mod truth_server;
