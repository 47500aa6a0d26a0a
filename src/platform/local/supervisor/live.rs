//! What the supervisor knows of one instance.

use std::{collections::BTreeMap, net::SocketAddr};

use tokio::{sync::mpsc, task::AbortHandle};

use crate::{
    balancer::protocol::Command,
    model::{
        ids::{InstanceId, Region, Service, Zone},
        time::Mono,
    },
    platform::local::{control::Traffic, output::Output},
};

/// An instance of a service, or a balancer.
#[derive(Debug)]
pub(super) struct Live {
    /// Its id.
    pub id: InstanceId,
    /// Its service; of a balancer, its name.
    pub service: Service,
    /// Its zone.
    pub zone: Zone,
    /// Its region.
    pub region: Region,
    /// Its place among the addresses of the service, from 1.
    pub slot: u32,
    /// Where it listens.
    pub address: SocketAddr,
    /// Which launch this is; messages of earlier ones are ignored.
    pub generation: u64,
    /// Its first process. Kept after its end.
    pub process: Option<(i32, u64)>,
    /// The process runs.
    pub running: bool,
    /// Since when its own health check passes; of a balancer, since when it listens.
    pub healthy: Option<Mono>,
    /// It is in service: see `service`.
    pub serving: bool,
    /// Its own health check passed at least once since its launch.
    pub has_served: bool,
    /// How it ended, if it did.
    pub ended: Option<String>,
    /// Whether it ended with status 0.
    pub ended_well: bool,
    /// It is ended on purpose: its restart policy does not apply.
    pub held: bool,
    /// What it was built from.
    pub fingerprint: String,
    /// Its output.
    pub output: Output,
    /// What disturbs its traffic.
    pub traffic: Traffic,
    /// It gets no new requests.
    pub draining: bool,
    /// Its restart or replacement, if one is on its way.
    pub pending: Option<AbortHandle>,
    /// Its health check.
    pub health: Option<AbortHandle>,
    /// If it is a balancer.
    pub balancer: Option<Link>,
}

impl Live {
    /// Whether it is a balancer that sends to this instance.
    pub(super) fn admits(&self, id: &InstanceId) -> bool {
        self.balancer.as_ref().is_some_and(|link| matches!(link.words.get(id), Some(Ok(_))))
    }

    pub(super) fn identity(&self) -> String {
        self.process.map_or_else(|| "never ran".to_owned(), |(pid, start)| format!("pid:{pid}@{start}"))
    }
}

/// The supervisor's end of a balancer.
#[derive(Debug)]
pub(super) struct Link {
    /// Which balancer of the spec.
    pub index: usize,
    /// Its stdin.
    pub commands: mpsc::UnboundedSender<Command>,
    /// When it was started.
    pub since: Mono,
    /// What it said last of each backend: since when it sends to it, or why it does not any more.
    pub words: BTreeMap<InstanceId, Result<Mono, String>>,
}
