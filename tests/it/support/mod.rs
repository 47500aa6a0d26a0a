//! What several tests share.

pub mod quiet;
pub mod recorded;
pub mod truth_server;
