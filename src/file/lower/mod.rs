//! From the tree to the experiment: every key is known here, with its type, its default and what it may not be.
//!
//! One file a concept, each with its key tables beside the code that reads them.

pub mod abort;
mod dns;
pub mod experiment;
pub mod faults;
pub mod guardrails;
pub mod history;
pub mod http;
pub mod journey;
pub mod ledger;
pub mod method;
pub mod naming;
pub mod phoenix;
pub mod probes;
pub mod prometheus;
pub mod schedule;
pub mod selector;
pub mod server;
pub mod steady_state;
pub mod step;
pub mod store;
pub mod url;
pub mod versions;
pub mod websocket;

pub use experiment::{EXPERIMENT, experiment};
