//! Clients of stores, on the pacing thread: connections made and kept by ourselves, so that each failure has its class; the protocols are
//! spoken by the stores' well-kept clients.

pub mod keep;
pub mod postgres;
pub mod redis;
mod servers;
mod tls;
mod watched;

pub use watched::{LARGEST, LARGEST_LIST};

use crate::{
    model::{
        probe::Connections,
        sample::{Policy, SampleOutcome},
    },
    probe::{
        draw::{Purpose, draw},
        pacer::Shared,
        stage::Trace,
    },
};

/// Draws the connection policy of a request.
pub fn policy(connections: Connections, shared: &Shared, trace: &Trace) -> Policy {
    let drawn = draw(shared.seed, trace.due.probe, trace.due.number, Purpose::Policy) & 1 == 0;
    match connections {
        Connections::New => Policy::New,
        Connections::Both if drawn => Policy::New,
        Connections::KeepAlive | Connections::Both => Policy::KeepAlive,
    }
}

/// What an answer comes to, held against what was expected of it.
pub fn judged(expect: Option<&str>, answer: &str) -> SampleOutcome {
    match expect {
        Some(wanted) if wanted != answer => SampleOutcome::Expectation,
        _ => SampleOutcome::Ok,
    }
}
