//! What `system.yaml` says, with its variables put in. Placeholders of instances (`${instance.port}`) are still in the commands.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use crate::{
    balancer::protocol::{Check, CheckKind},
    model::ids::{Region, Service, Zone},
};

/// A local system.
#[derive(Debug, Clone, PartialEq)]
pub struct SystemSpec {
    /// Its name.
    pub name: String,
    /// The folder of its file: `${system.folder}`, and what relative working directories are relative to.
    pub folder: PathBuf,
    /// The region of each zone.
    pub regions: BTreeMap<Zone, Region>,
    /// Its services, in file order.
    pub services: Vec<ServiceSpec>,
    /// Its balancers, in file order.
    pub balancers: Vec<BalancerSpec>,
}

impl SystemSpec {
    /// The region of a zone; `local` unless the file says otherwise.
    pub fn region(&self, zone: &Zone) -> Region {
        self.regions.get(zone).cloned().unwrap_or_else(|| Region::from("local"))
    }

    /// A service by its name.
    pub fn service(&self, name: &Service) -> Option<&ServiceSpec> {
        self.services.iter().find(|s| s.name == *name)
    }
}

/// A service: some instances of one command.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceSpec {
    /// Its name.
    pub name: Service,
    /// The command and its arguments.
    pub command: Vec<String>,
    /// Replicas in each zone.
    pub zones: Vec<(Zone, u32)>,
    /// Where instances listen.
    pub address: AddressSpec,
    /// How an instance's health is seen; without it, a process that runs serves.
    pub health: Option<HealthSpec>,
    /// A dead instance is replaced by a new one after this boot delay.
    pub replace_after: Option<Duration>,
    /// Whether a dead instance is started again.
    pub restart: RestartSpec,
    /// From SIGTERM to SIGKILL when the system ends.
    pub stop_grace: Duration,
    /// Environment of the processes.
    pub env: BTreeMap<String, String>,
    /// Labels of the instances.
    pub labels: BTreeMap<String, String>,
    /// Where they run; the system's folder unless told.
    pub working_directory: Option<PathBuf>,
}

impl ServiceSpec {
    /// How many instances it wants.
    pub fn desired(&self) -> u32 {
        self.zones.iter().map(|(_, n)| n).sum()
    }
}

/// Where a service's instances listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressSpec {
    /// 127.0.0.1 and a free port each.
    Auto,
    /// Instance k (from 1) on the base address plus k, all on one port.
    Each {
        /// The address before the first.
        base: Ipv4Addr,
        /// The port.
        port: u16,
    },
    /// One instance, here.
    Fixed(SocketAddr),
}

/// How an instance's own health is seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthSpec {
    /// What a check does.
    pub kind: CheckKind,
    /// From one check to the next.
    pub every: Duration,
    /// A check that takes longer has failed.
    pub timeout: Duration,
    /// Good checks in a row that make it healthy.
    pub rise: u32,
    /// Bad checks in a row that make it unhealthy.
    pub fall: u32,
    /// The first good check must come within so long after the launch.
    pub starts_within: Duration,
}

/// Whether a dead instance is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RestartSpec {
    /// When.
    pub policy: RestartPolicy,
    /// After how long.
    pub delay: Duration,
}

/// When a dead instance is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RestartPolicy {
    /// Never.
    #[default]
    No,
    /// However it ended.
    Always,
    /// Unless it ended with status 0.
    OnFailure,
}

/// A balancer.
#[derive(Debug, Clone, PartialEq)]
pub struct BalancerSpec {
    /// Its name: also its service and the id of its one instance.
    pub name: String,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Whose instances it sends to.
    pub services: Vec<Service>,
    /// How requests are shared among these services at the start; evenly among all instances when empty.
    pub shares: BTreeMap<Service, u32>,
    /// Only those in these zones; in all when empty.
    pub zones: Vec<Zone>,
    /// How it checks them.
    pub check: Check,
    /// The cookie that keeps a client at its backend.
    pub sticky: Option<String>,
    /// The limit for a connection to a backend.
    pub connect_timeout: Duration,
    /// The limit for the head of an answer.
    pub response_timeout: Duration,
    /// Whether a dead balancer is started again.
    pub restart: RestartSpec,
}
