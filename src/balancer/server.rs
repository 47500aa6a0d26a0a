//! A balancer that runs on the current runtime.

use std::{future::Future, io, net::SocketAddr, sync::Arc};

use tokio::{net::TcpListener, sync::mpsc::UnboundedSender};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use super::{
    config_check, health, listener,
    member::Member,
    protocol::{Action, Backend, Config, Healed, Report},
    roster::Roster,
};
use crate::model::ids::InstanceId;

/// A running balancer. Dropped, it stops at once: open connections close.
pub struct Balancer {
    shared: Arc<Shared>,
    address: SocketAddr,
    _stop: DropGuard,
}

/// What all of a balancer's tasks share.
pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) roster: Roster,
    pub(super) reports: UnboundedSender<Report>,
    pub(super) tasks: Tasks,
}

/// The owner of a balancer's tasks: all end when it stops.
#[derive(Clone)]
pub(super) struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    /// Runs this until it ends or the balancer stops.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tracker.spawn(async move {
            stop.run_until_cancelled_owned(work).await;
        });
    }
}

/// Why a balancer did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The config is wrong.
    #[error("the balancer's config is wrong: {0}")]
    Config(String),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {}", in_words(source))]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
}

fn in_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another process listens there already".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this machine does not have that address".to_owned(),
        io::ErrorKind::PermissionDenied => "no permission (ports below 1024 need it)".to_owned(),
        _ => error.to_string(),
    }
}

/// Why an action was not carried out. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);

impl Balancer {
    /// Checks the config, listens, and starts the health checks. `reports` gets `Listening`, then `Admitted` and `Ejected`.
    pub async fn start(config: Config, reports: UnboundedSender<Report>) -> Result<Self, StartError> {
        config_check::check(&config).map_err(StartError::Config)?;
        let roster = Roster::default();
        roster.set_shares(config.shares.clone());
        let mut members = Vec::new();
        for backend in &config.backends {
            let member = Member::new(backend.clone(), config.sticky.as_deref()).map_err(|bad| StartError::Config(bad.to_string()))?;
            let member = Arc::new(member);
            roster.add(member.clone());
            members.push(member);
        }
        let cannot = |source| StartError::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;

        let stop = CancellationToken::new();
        let tasks = Tasks { tracker: TaskTracker::new(), stop: stop.clone() };
        let shared = Arc::new(Shared { config, roster, reports, tasks });
        shared.report(Report::Listening { address });
        shared.tasks.spawn(listener::accept(listener, shared.clone()));
        for member in members {
            shared.watch(member);
        }
        Ok(Self { shared, address, _stop: stop.drop_guard() })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Does what a command says.
    pub fn apply(&self, action: Action) -> Result<(), Refusal> {
        match action {
            Action::Add { backend } => self.add(backend)?,
            Action::Remove { id } => self.remove(&id)?,
            Action::Drain { id, draining } => {
                if !self.shared.roster.set_draining(id.as_str(), draining) {
                    return Err(self.unknown(&id));
                }
            }
            Action::Share { shares } => self.shared.roster.set_shares(shares),
            Action::Partition { id, mode } => {
                let member = self.find(&id)?;
                member.faults.partition(Some(mode));
            }
            Action::Slow { id, latency, jitter } => self.find(&id)?.faults.slow(Some((latency, jitter))),
            Action::Loss { id, share } if (0.0..=1.0).contains(&share.0) => self.find(&id)?.faults.loss(Some(share)),
            Action::Loss { share, .. } => return Err(Refusal(format!("a share of {share} cannot be lost: 0% to 100% is expected"))),
            Action::Heal { id, what } => {
                let faults = &self.find(&id)?.faults;
                match what {
                    Healed::Partition => faults.partition(None),
                    Healed::Slow => faults.slow(None),
                    Healed::Loss => faults.loss(None),
                }
            }
        }
        Ok(())
    }

    fn find(&self, id: &InstanceId) -> Result<Arc<Member>, Refusal> {
        self.shared.roster.find(id.as_str()).ok_or_else(|| self.unknown(id))
    }

    fn unknown(&self, id: &InstanceId) -> Refusal {
        Refusal(format!("the balancer `{}` has no backend `{id}`", self.shared.config.name))
    }

    fn add(&self, backend: Backend) -> Result<(), Refusal> {
        let id = backend.id.clone();
        let member = Member::new(backend, self.shared.config.sticky.as_deref()).map_err(|bad| Refusal(bad.to_string()))?;
        let member = Arc::new(member);
        if !self.shared.roster.add(member.clone()) {
            return Err(Refusal(format!("the balancer `{}` already has a backend `{id}`", self.shared.config.name)));
        }
        self.shared.watch(member);
        Ok(())
    }

    fn remove(&self, id: &InstanceId) -> Result<(), Refusal> {
        let member = self.shared.roster.remove(id.as_str()).ok_or_else(|| self.unknown(id))?;
        member.removed.cancel();
        member.idle.clear();
        Ok(())
    }
}

impl Shared {
    /// Sends a report; nobody listening is no trouble of the balancer's.
    pub(super) fn report(&self, report: Report) {
        drop(self.reports.send(report));
    }

    fn watch(self: &Arc<Self>, member: Arc<Member>) {
        let shared = self.clone();
        self.tasks.spawn(async move {
            let removed = member.removed.clone();
            removed.run_until_cancelled(health::watch(shared, member)).await;
        });
    }
}
