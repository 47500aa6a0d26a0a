//! Layer 2: what users feel. The pacer owns time; each kind of probe says what a request is.
//!
//! One thread paces (`pacer`): it starts every request at its due time (`schedule`, `wakeup`), drives all requests in flight
//! (`tasks`), watches its own punctuality (`punctual`) and touches neither disk nor terminal. A second thread records (`recorder`, `spill`). What a request is lies in
//! `http`, `journey`, `tcp`, `dns`, `websocket`, `prometheus` and `command`; how a host becomes an address in `address` (`book` and `lookup`
//! where we ask name servers ourselves), and how a connection is made in `connect`.

mod address;
mod book;
mod command;
mod connect;
mod dns;
mod draw;
mod http;
mod journey;
mod kind;
mod launch;
mod ledger;
mod limits;
mod lookup;
mod names;
mod pacer;
mod postgres;
mod prometheus;
mod punctual;
mod recorder;
mod redis;
mod schedule;
mod secret;
mod spill;
mod stage;
mod store;
mod tasks;
mod tcp;
pub mod wakeup;
mod websocket;

pub use http::tls::connector as tls_connector;
pub use launch::NetworkProber;
pub use secret::{Unusable, find as find_secret, unusable};
pub use spill::SpillSource;

use std::path::PathBuf;

use crate::{
    measure::source::SampleSource,
    model::{probe::ProbeSpec, sample::Sample, state::StateFindings, time::Mono},
};

/// What a prober is started with.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The probes, in file order: a sample's `probe` is the place in here.
    pub probes: Vec<ProbeSpec>,
    /// The seed of the drawn connection policies and addresses.
    pub seed: u64,
    /// The folder for the spill files; exists.
    pub folder: PathBuf,
}

/// Why probes could not be started. Nothing was sent.
#[derive(Debug, thiserror::Error)]
#[error("probe `{probe}`: {problem}")]
pub struct LaunchError {
    /// Which probe.
    pub probe: String,
    /// What is wrong.
    pub problem: String,
}

/// Starts probes: real ones over the network, or a scripted one in tests of the engine.
pub trait Prober: Send + Sync {
    /// Starts all probes; the first requests are due at once.
    fn launch(&self, launch: Launch) -> Result<Box<dyn RunningProber>, LaunchError>;
}

/// Probes that run.
pub trait RunningProber: Send {
    /// The moment that `Sample::due_ns` counts from.
    fn origin(&self) -> Mono;

    /// Samples that were completed since the last call, in the order of completion: for the live view, the guardrails and the
    /// recovery. A bounded buffer: under overload the oldest may be missing here (never in the record).
    fn take(&mut self) -> Vec<Sample>;

    /// Requests in flight now, per probe.
    fn in_flight(&self) -> Vec<u64>;

    /// Starts no further request but for those of a last round (each user comes once more, each write is read once more), waits for those
    /// in flight (their own deadlines bound it), and gives the record.
    /// Blocking: called on a blocking thread.
    fn stop(self: Box<Self>) -> Recorded;
}

/// The record of a prober that was stopped.
pub struct Recorded {
    /// The samples.
    pub samples: Box<dyn SampleSource + Send + Sync>,
    /// Requests that were due, per probe.
    pub due: Vec<u64>,
    /// Names of backends, zones and addresses, by `NameIndex`; the first is empty ("not known").
    pub names: Vec<String>,
    /// What each probe found out about state; `None` for kinds that hold none.
    pub state: Vec<Option<StateFindings>>,
    /// Anything that makes the record doubtful: the disk was full, the prober was stopped by a defect.
    pub doubts: Vec<String>,
}
