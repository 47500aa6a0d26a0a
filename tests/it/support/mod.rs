//! What several tests share.

pub mod recorded;
