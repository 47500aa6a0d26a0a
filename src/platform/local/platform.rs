//! The platform that runs act through: reads and promises here, deeds in `deed`, the way back in `revert`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::{
    attach::Started,
    client::Client,
    control::{Known, Lateness, Status, TrafficChange},
    deadline::Deadlines,
    foreign, process,
    tree_signal::Tree,
    undo::Before,
};
use crate::{
    clock,
    model::{
        act::{Act, Effect, Group, Prepared, Target},
        capabilities::Capabilities,
        claim::Claim,
        fault::{Fault, FaultKind, PartitionMode},
        ids::{RunId, Scope},
        instance::{Instance, InstanceState, Inventory},
        observation::Observation,
        selector::ProcessMatch,
        time::nanos,
        undo::Undo,
    },
    platform::{Held, Orphan, Platform, PlatformError, Reverted},
};

/// Where a command step finds the system's supervisor.
pub const CONTROL: &str = "FIREDRILL_CONTROL";

/// Local processes.
#[derive(Debug)]
pub struct LocalPlatform {
    pub(super) client: Option<Client>,
    /// The system's part of the scope.
    system: Option<String>,
    /// The run that acts belong to.
    pub(super) run: Mutex<Option<RunId>>,
    pub(super) deadlines: Deadlines,
    matches: Vec<ProcessMatch>,
    started: Mutex<Option<Started>>,
    watches: Mutex<tokio::task::JoinSet<()>>,
}

impl LocalPlatform {
    pub(super) fn new(client: Option<Client>, system: Option<String>, matches: Vec<ProcessMatch>, started: Option<Started>) -> Self {
        Self {
            client,
            system,
            run: Mutex::new(None),
            deadlines: Deadlines::default(),
            matches,
            started: Mutex::new(started),
            watches: Mutex::new(tokio::task::JoinSet::new()),
        }
    }

    pub(super) fn started_slot(&self) -> MutexGuard<'_, Option<Started>> {
        self.started.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn status(&self) -> Result<Option<Status>, PlatformError> {
        match &self.client {
            Some(client) => client.status().await.map(Some),
            None => Ok(None),
        }
    }

    /// The tree of an instance, with the identity that it had when it was chosen.
    pub(super) fn tree(instance: &Instance, status: Option<&Status>) -> Result<Tree, PlatformError> {
        let wrong = || PlatformError::Failed(format!("`{}` is no identity of a process", instance.identity));
        let (pid, start) = instance.identity.strip_prefix("pid:").and_then(|i| i.split_once('@')).ok_or_else(wrong)?;
        let process = (pid.parse().map_err(|_| wrong())?, start.parse().map_err(|_| wrong())?);
        let marks = match status.filter(|_| instance.managed) {
            Some(status) => vec![format!("FIREDRILL_SYSTEM={}", status.mark), format!("FIREDRILL_INSTANCE={}", instance.id)],
            None => Vec::new(),
        };
        Ok(Tree { process, marks })
    }

    fn known<'s>(status: Option<&'s Status>, instance: &Instance) -> Result<&'s Known, PlatformError> {
        let known = status.and_then(|s| s.instances.iter().find(|k| k.instance.id == instance.id));
        known.ok_or_else(|| PlatformError::Refused(format!("{} is not in this system", instance.id)))
    }
}

/// This machine since it was started, as a part of scopes.
fn machine() -> String {
    let read = |path| std::fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default();
    let machine = match read("/etc/machine-id") {
        id if id.is_empty() => read("/proc/sys/kernel/hostname"),
        id => id,
    };
    format!("local/{machine}/{}", read("/proc/sys/kernel/random/boot_id"))
}

/// The change that a fault makes to an instance's traffic.
pub(super) fn traffic_change(fault: &Fault) -> Option<TrafficChange> {
    match fault {
        Fault::Partition { mode } => mode.cut().map(|cut| TrafficChange::Partition(Some(cut))),
        Fault::Slow { latency, jitter } => {
            Some(TrafficChange::Slow(Some(Lateness { latency_ns: nanos(*latency), jitter_ns: nanos(*jitter) })))
        }
        Fault::Loss { share } => Some(TrafficChange::Loss(Some(*share))),
        _ => None,
    }
}

/// The environment of a command that is run for an instance.
pub(super) fn command_env(target: &Target) -> std::collections::BTreeMap<String, String> {
    let mut env = std::collections::BTreeMap::new();
    if let Some(instance) = target.instance() {
        env.insert("FIREDRILL_INSTANCE".to_owned(), instance.id.to_string());
        env.insert("FIREDRILL_ZONE".to_owned(), instance.zone.to_string());
        env.insert("FIREDRILL_ADDRESS".to_owned(), instance.address.clone().unwrap_or_default());
    }
    env
}

/// Why a process cannot be taken off its networks; said also when a file is checked.
const NO_DISCONNECT: &str = "the processes of a local system share this machine's network, so none can be taken off it; a partition of them is \
                             made at the balancer in front of them, where connections hang or are refused";

/// What the local platform can do, known before anything runs.
pub fn capabilities() -> Capabilities {
    Capabilities {
        platform: "local",
        faults: vec![
            FaultKind::Kill,
            FaultKind::Stop,
            FaultKind::Pause,
            FaultKind::Restart,
            FaultKind::Partition,
            FaultKind::ZoneOutage,
            FaultKind::RegionOutage,
            FaultKind::SuspendReplacement,
            FaultKind::Slow,
            FaultKind::Loss,
            FaultKind::Run,
        ],
        why_not: [(
            FaultKind::Stress,
            "it would take the processor and memory from the prober that measures here; `stress` is for containers, which have limits of \
             their own"
                .to_owned(),
        )]
        .into(),
        no_mode: [(PartitionMode::Disconnect, NO_DISCONNECT.to_owned())].into(),
        keeps_place: false,
        shifts: false,
        foreign: true,
    }
}

#[async_trait]
impl Platform for LocalPlatform {
    fn begin(&self, run: &RunId) {
        *self.run.lock().unwrap_or_else(PoisonError::into_inner) = Some(run.clone());
    }

    fn capabilities(&self) -> Capabilities {
        capabilities()
    }

    fn command_env(&self) -> std::collections::BTreeMap<String, String> {
        let socket = self.client.as_ref().map(|client| (CONTROL.to_owned(), client.socket().display().to_string()));
        socket.into_iter().collect()
    }

    async fn scope(&self) -> Result<Scope, PlatformError> {
        Ok(Scope(format!("{}/{}", machine(), self.system.as_deref().unwrap_or("processes"))))
    }

    /// A system is a part of its machine: others of it may be drilled at the same time. Processes that nobody here started may be of any
    /// system, and count as the whole machine.
    async fn claims(&self) -> Result<Vec<Claim>, PlatformError> {
        let machine = machine();
        let around = if self.matches.is_empty() { Claim::part(machine.as_str()) } else { Claim::whole(machine.as_str()) };
        Ok(vec![Claim::whole(self.scope().await?), around])
    }

    async fn inventory(&self) -> Result<Inventory, PlatformError> {
        let status = self.status().await?;
        let supervisor: Vec<i32> = status.iter().map(|s| s.supervisor).collect();
        let mut instances: Vec<Instance> = Vec::new();
        let mut desired = std::collections::BTreeMap::new();
        if let Some(status) = status {
            instances.extend(status.instances.into_iter().map(|k| k.instance));
            desired = status.desired;
        }
        for found in foreign::find(&self.matches, &supervisor)? {
            if instances.iter().all(|i| i.identity != found.identity) {
                instances.push(found);
            }
        }
        instances.sort_by(|a, b| a.id.cmp(&b.id));
        let instances = instances.into_iter().map(Arc::new).collect();
        Ok(Inventory { scope: self.scope().await?, instances, desired })
    }

    fn acts(&self, fault: &Fault, victims: &[Arc<Instance>], group: &Group) -> Vec<(Fault, Target)> {
        let each = |fault: &Fault| victims.iter().map(|v| (fault.clone(), Target::Instance(Arc::clone(v)))).collect();
        match fault {
            Fault::ZoneOutage { mechanism } | Fault::RegionOutage { mechanism } => {
                let mut groups: Vec<Group> = Vec::new();
                for victim in victims {
                    let place = if matches!(fault, Fault::ZoneOutage { .. }) {
                        Group { zone: Some(victim.zone.clone()), ..group.clone() }
                    } else {
                        Group { zone: None, region: Some(victim.region.clone()), ..group.clone() }
                    };
                    if !groups.contains(&place) {
                        groups.push(place);
                    }
                }
                let mut acts: Vec<(Fault, Target)> = groups.into_iter().map(|g| (Fault::SuspendReplacement, Target::Group(g))).collect();
                let mut losses: Vec<(Fault, Target)> = each(&mechanism.on_each());
                acts.append(&mut losses);
                acts
            }
            Fault::SuspendReplacement => vec![(fault.clone(), Target::Group(group.clone()))],
            Fault::Run { .. } if victims.is_empty() => vec![(fault.clone(), Target::Command)],
            _ => each(fault),
        }
    }

    async fn prepare(&self, act: &Act) -> Result<Undo, PlatformError> {
        if let Fault::Run { undo, timeout, .. } = &act.fault {
            return Ok(match undo {
                Some(command) => Before::Command { command: command.clone(), env: command_env(&act.target), timeout: *timeout }
                    .into_undo(format!("run `{}`", command.join(" "))),
                None => Undo::Impossible { why: "the command has no undo of its own".to_owned() },
            });
        }
        if let Fault::SuspendReplacement = act.fault {
            let holder = format!("{}-{}-{}", act.id, std::process::id(), clock::now().0);
            return Ok(Before::Replaced { holder }.into_undo(format!("resume replacement for {}", act.target.says())));
        }
        let Some(instance) = act.target.instance() else {
            return Err(PlatformError::Refused(format!("{} needs an instance", act.fault.kind())));
        };
        let status = self.status().await?;
        let id = instance.id.clone();
        match &act.fault {
            Fault::Kill { .. } | Fault::Stop { .. } | Fault::Restart { .. } if !instance.managed => {
                Ok(Undo::Impossible { why: format!("{} was not started by firedrill: it is not known how to start it", instance.name) })
            }
            Fault::Kill { .. } | Fault::Stop { .. } | Fault::Restart { .. } => {
                let known = Self::known(status.as_ref(), instance)?;
                let unless = if known.replaced { " unless it was replaced" } else { "" };
                Ok(Before::Ran { identity: instance.identity.clone(), id: id.clone() }.into_undo(format!("start {id} again{unless}")))
            }
            Fault::Pause => {
                let tree = Self::tree(instance, status.as_ref())?;
                let stopped: Vec<(i32, u64)> =
                    tree.members(&process::all()).iter().filter(|s| s.stopped()).map(|s| (s.pid, s.start_time)).collect();
                if stopped.contains(&tree.process) {
                    return Ok(Undo::Nothing { why: format!("{} was stopped already, and stays so", instance.name) });
                }
                let Tree { process, marks } = tree;
                Ok(Before::Went { process, marks, stopped }.into_undo(format!("let {} go on", instance.name)))
            }
            fault => {
                if let Fault::Partition { mode: PartitionMode::Disconnect } = fault {
                    return Err(PlatformError::Refused(NO_DISCONNECT.to_owned()));
                }
                let Some(change) = traffic_change(fault) else {
                    return Err(PlatformError::Refused(format!("the local platform cannot do {}", fault.kind())));
                };
                let known = Self::known(status.as_ref(), instance)?;
                if known.behind.is_empty() {
                    let text = format!("{id} is behind no balancer: {} is done at the balancers of a local system", fault.kind());
                    return Err(PlatformError::Refused(text));
                }
                let back = known.traffic.part(&change);
                Ok(Before::Flowed { id: id.clone(), back }.into_undo(format!(
                    "end the {} of {id} at {}",
                    fault.kind(),
                    known.behind.join(", ")
                )))
            }
        }
    }

    async fn inject(&self, acts: &[Prepared]) -> Vec<Effect> {
        self.deadlines.inject(acts, self.do_all(acts)).await
    }

    async fn verify(&self, acts: &[Prepared], effects: Vec<Effect>) -> Vec<Effect> {
        self.deadlines.verify(effects.clone(), self.look(acts, effects)).await
    }

    async fn revert(&self, act: &Prepared) -> Result<Reverted, PlatformError> {
        // Each way back has a limit of its own: the experimenter's command the one it was given, a start that of its health check.
        let reverted = self.bring_back(act).await?;
        self.unmark(act).await?;
        Ok(reverted)
    }

    async fn orphans(&self) -> Result<Vec<Orphan>, PlatformError> {
        self.left_over().await
    }

    async fn held(&self) -> Result<Vec<Held>, PlatformError> {
        self.held_by_others().await
    }

    async fn observe(&self) -> Result<mpsc::Receiver<Observation>, PlatformError> {
        let Some(client) = &self.client else {
            // Nobody watches these processes for us. That is silence, and not the end of what is seen.
            let (sender, receiver) = mpsc::channel(1);
            let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
            watches.spawn(async move { sender.closed().await });
            return Ok(receiver);
        };
        let (receiver, task) = client.watch().await?;
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        watches.spawn(async move {
            task.join_all().await;
        });
        Ok(receiver)
    }
}

/// Whether an instance is as it was before it was ended: it runs and passes its own health check. Whether balancers send to it is
/// not asked: they may be kept from it by a fault that is undone after this one.
pub(super) fn is_back(known: &Known) -> bool {
    matches!(known.instance.state, InstanceState::Running) && known.passes != Some(false)
}
