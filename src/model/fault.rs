//! Faults: what is done to a target. Which platform can do which is in `capabilities`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::quantity::Share;

/// A fault with its parameters. One fault acts on one target; selection is never in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "fault", rename_all = "kebab-case")]
pub enum Fault {
    /// The process (tree), container or machine ends at once, without a chance to clean up.
    Kill {
        /// The signal's name without `SIG`; `KILL` unless told.
        signal: Option<String>,
    },
    /// The main process dies by itself, so that a restart policy applies.
    Crash,
    /// Asked to end; killed after the grace.
    Stop {
        /// Time between the request and the kill.
        grace: Duration,
    },
    /// Frozen: connections stay open, nothing answers.
    Pause,
    /// Stopped and started again.
    Restart {
        /// Time between the request and the kill.
        grace: Duration,
    },
    /// Deleted with its definition, or with its place in the group that keeps it.
    Remove {
        /// Whether the group wants one fewer from then on. Otherwise it is ended through its group, which replaces it: only where the platform
        /// says so ([`keeps_place`](super::capabilities::Capabilities::keeps_place)).
        #[serde(default = "yes", skip_serializing_if = "is_yes")]
        decrement: bool,
    },
    /// Taken out of every balancer that it is behind, while it runs on.
    Deregister,
    /// Cut off from the balancer or the network.
    Partition {
        /// Whether connections hang, are refused at once, or find nobody.
        mode: PartitionMode,
    },
    /// Every instance of the zone dies, and none is replaced there while it lasts.
    ZoneOutage {
        /// How they are lost.
        #[serde(default, skip_serializing_if = "Mechanism::is_default")]
        mechanism: Mechanism,
    },
    /// Every instance of every zone of the region dies, and none is replaced there while it lasts.
    RegionOutage {
        /// How they are lost.
        #[serde(default, skip_serializing_if = "Mechanism::is_default")]
        mechanism: Mechanism,
    },
    /// Nothing that dies is replaced while it lasts.
    SuspendReplacement,
    /// A managed store fails over to its standby.
    Failover,
    /// Answers are delayed.
    Slow {
        /// Added to each answer.
        latency: Duration,
        /// Up to this much more, uniformly.
        jitter: Duration,
    },
    /// Requests (or packets) are lost.
    Loss {
        /// The share that is lost.
        share: Share,
    },
    /// Bandwidth is limited.
    Limit {
        /// Bytes per second.
        rate: u64,
    },
    /// The machine is kept busy.
    Stress {
        /// Busy workers on the processor.
        cpu: Option<u32>,
        /// Bytes of memory held.
        memory: Option<u64>,
        /// Bytes of disk written.
        disk: Option<u64>,
    },
    /// A command is run for each target, as an argument list, without a shell.
    Run {
        /// The command and its arguments.
        command: Vec<String>,
        /// The command that undoes it; none means that it cannot be undone.
        undo: Option<Vec<String>>,
        /// Its limit; longer is a failed act.
        timeout: Duration,
    },
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_yes(value: &bool) -> bool {
    *value
}

/// After so long a stress ends by itself, so that one that nobody undoes does not last; no longer hold is accepted.
pub const LONGEST_STRESS: Duration = Duration::from_hours(1);

/// How a partition cuts its target off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PartitionMode {
    /// Packets vanish: connections hang until somebody's timeout.
    #[default]
    Hang,
    /// Connections are refused at once.
    Refuse,
    /// It is taken off its networks: its names are known to nobody, and where it was nobody answers.
    Disconnect,
}

impl PartitionMode {
    /// Every mode, in the order of the documentation.
    pub const ALL: [Self; 3] = [Self::Hang, Self::Refuse, Self::Disconnect];

    /// The name in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hang => "hang",
            Self::Refuse => "refuse",
            Self::Disconnect => "disconnect",
        }
    }

    /// The cut on the way to the target; none where the target itself is taken away.
    pub fn cut(self) -> Option<Cut> {
        match self {
            Self::Hang => Some(Cut::Hang),
            Self::Refuse => Some(Cut::Refuse),
            Self::Disconnect => None,
        }
    }
}

/// How an outage takes the instances of its place away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mechanism {
    /// They end at once.
    #[default]
    Terminate,
    /// They are stopped, and start again afterwards.
    Stop,
    /// They run on, and nothing reaches them: connections hang.
    Blackhole,
    /// They run on, and users are led to other zones: nothing is taken down. Of a zone only, and where the platform says so
    /// ([`shifts`](super::capabilities::Capabilities::shifts)).
    Shift,
}

impl Mechanism {
    /// Every mechanism, in the order of the documentation.
    pub const ALL: [Self; 4] = [Self::Terminate, Self::Stop, Self::Blackhole, Self::Shift];

    /// The name in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Terminate => "terminate",
            Self::Stop => "stop",
            Self::Blackhole => "blackhole",
            Self::Shift => "shift",
        }
    }

    /// What it does to each instance. A shift does nothing to them: it is no fault of theirs, and this is the shift itself.
    pub fn on_each(self) -> Fault {
        match self {
            Self::Terminate => Fault::Kill { signal: None },
            Self::Stop => Fault::Stop { grace: Duration::from_secs(10) },
            Self::Blackhole => Fault::Partition { mode: PartitionMode::Hang },
            Self::Shift => Fault::ZoneOutage { mechanism: self },
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How a way that is cut feels to who takes it, while both ends stay where they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cut {
    /// Packets vanish: connections hang until somebody's timeout.
    Hang,
    /// Connections are refused at once.
    Refuse,
}

/// The fault's name alone, as in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names are those of `Fault`, explained there")]
pub enum FaultKind {
    Kill,
    Crash,
    Stop,
    Pause,
    Restart,
    Remove,
    Deregister,
    Partition,
    ZoneOutage,
    RegionOutage,
    SuspendReplacement,
    Failover,
    Slow,
    Loss,
    Limit,
    Stress,
    Run,
}

impl FaultKind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Self; 17] = [
        Self::Kill,
        Self::Crash,
        Self::Stop,
        Self::Pause,
        Self::Restart,
        Self::Remove,
        Self::Deregister,
        Self::Partition,
        Self::ZoneOutage,
        Self::RegionOutage,
        Self::SuspendReplacement,
        Self::Failover,
        Self::Slow,
        Self::Loss,
        Self::Limit,
        Self::Stress,
        Self::Run,
    ];

    /// The name in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Crash => "crash",
            Self::Stop => "stop",
            Self::Pause => "pause",
            Self::Restart => "restart",
            Self::Remove => "remove",
            Self::Deregister => "deregister",
            Self::Partition => "partition",
            Self::ZoneOutage => "zone-outage",
            Self::RegionOutage => "region-outage",
            Self::SuspendReplacement => "suspend-replacement",
            Self::Failover => "failover",
            Self::Slow => "slow",
            Self::Loss => "loss",
            Self::Limit => "limit",
            Self::Stress => "stress",
            Self::Run => "run",
        }
    }

    /// Whether users of its victims may feel the fault, so that the caps of the blast radius count them. More than
    /// [`takes_capacity`](Self::takes_capacity): a service of which every answer is lost or takes a minute is down, though it runs.
    pub fn affects_victims(self) -> bool {
        !matches!(self, Self::SuspendReplacement | Self::Run)
    }

    /// Whether the fault takes capacity away, so that `min-healthy` counts its victims and their return is waited for.
    pub fn takes_capacity(self) -> bool {
        !matches!(self, Self::SuspendReplacement | Self::Slow | Self::Loss | Self::Limit | Self::Stress | Self::Run)
    }
}

impl std::fmt::Display for FaultKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl Fault {
    /// A removal as it is unless told otherwise.
    pub const REMOVE: Self = Self::Remove { decrement: true };
    /// A zone outage as it is unless told otherwise.
    pub const ZONE_OUTAGE: Self = Self::ZoneOutage { mechanism: Mechanism::Terminate };
    /// A region outage as it is unless told otherwise.
    pub const REGION_OUTAGE: Self = Self::RegionOutage { mechanism: Mechanism::Terminate };

    /// How an outage takes its instances away; none for any other fault.
    pub fn mechanism(&self) -> Option<Mechanism> {
        match self {
            Self::ZoneOutage { mechanism } | Self::RegionOutage { mechanism } => Some(*mechanism),
            _ => None,
        }
    }

    /// The fault's name alone.
    pub fn kind(&self) -> FaultKind {
        match self {
            Self::Kill { .. } => FaultKind::Kill,
            Self::Crash => FaultKind::Crash,
            Self::Stop { .. } => FaultKind::Stop,
            Self::Pause => FaultKind::Pause,
            Self::Restart { .. } => FaultKind::Restart,
            Self::Remove { .. } => FaultKind::Remove,
            Self::Deregister => FaultKind::Deregister,
            Self::Partition { .. } => FaultKind::Partition,
            Self::ZoneOutage { .. } => FaultKind::ZoneOutage,
            Self::RegionOutage { .. } => FaultKind::RegionOutage,
            Self::SuspendReplacement => FaultKind::SuspendReplacement,
            Self::Failover => FaultKind::Failover,
            Self::Slow { .. } => FaultKind::Slow,
            Self::Loss { .. } => FaultKind::Loss,
            Self::Limit { .. } => FaultKind::Limit,
            Self::Stress { .. } => FaultKind::Stress,
            Self::Run { .. } => FaultKind::Run,
        }
    }
}
