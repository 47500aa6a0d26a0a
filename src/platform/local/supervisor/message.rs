//! What reaches the supervisor's loop.

use tokio::sync::{mpsc, oneshot};

use crate::{
    balancer::protocol::Report,
    model::{ids::InstanceId, observation::Observation, time::Mono},
    platform::local::control::{Answer, Request},
};

/// Something that happened, or that is asked for.
#[derive(Debug)]
#[expect(missing_docs, reason = "the fields carry the types that explain them")]
pub enum Message {
    /// A process of ours ended.
    Ended { id: InstanceId, generation: u64, how: String, well: bool, at: Mono },
    /// An instance's own health changed.
    Health { id: InstanceId, generation: u64, state: Result<(), String>, at: Mono },
    /// A balancer says something.
    Report { id: InstanceId, generation: u64, report: Report },
    /// It is time to start the same instance again.
    Relaunch { id: InstanceId, generation: u64 },
    /// It is time to put a new one in its place.
    Replace { id: InstanceId, generation: u64 },
    /// A client asks.
    Asked { request: Request, reply: oneshot::Sender<Answer> },
    /// A client watches.
    Watch { sender: mpsc::Sender<Observation> },
    /// The system is to end.
    Stop { why: String },
}
