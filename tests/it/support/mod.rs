//! What several tests share.

pub mod truth_server;
