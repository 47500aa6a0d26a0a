//! Layer 2: what a platform must do. Selecting, drawing, capping, retrying and recording are never in here.

#[cfg(feature = "aws")]
pub mod aws;
#[cfg(feature = "docker")]
pub mod docker;
pub mod fake;
pub mod local;
#[cfg(any(feature = "aws", feature = "docker"))]
mod mark;
pub mod process;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::sync::mpsc;

use crate::model::{
    act::{Act, Effect, Prepared, Target},
    capabilities::Capabilities,
    claim::Claim,
    fault::{Fault, FaultKind},
    ids::{RunId, Scope, Service},
    instance::{Instance, Inventory, serving},
    observation::Observation,
    undo::Undo,
};

/// Why a platform could not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlatformError {
    /// The platform is not there: no daemon, no system, no credentials. Nothing was touched.
    #[error("{0}")]
    Unavailable(String),
    /// It said no.
    #[error("refused: {0}")]
    Refused(String),
    /// No answer within the deadline: what was asked for may or may not have happened.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// It answered with a failure.
    #[error("{0}")]
    Failed(String),
}

/// What an undo came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reverted {
    /// The state before is back, and was seen to be.
    Restored {
        /// What was done: `started web-a-1 again`.
        says: String,
    },
    /// Nothing had to be done: somebody replaced it, or it had never happened.
    NothingToUndo {
        /// Why.
        why: String,
    },
}

/// A platform: processes, containers, machines.
///
/// Contract, held by one conformance suite on every platform:
/// * `prepare` only reads. Its undo is made from the state it found, and any process can carry it out.
/// * `inject` addresses targets by the identity they had when they were chosen; a target that is gone or is another one now is
///   `Vanished`, a protected one `Refused`. All acts of one call start together, not one after another. The same acts
///   injected twice do not hit twice.
/// * `verify` looks at a source that is independent of the call's own answer, and gives the best known time of the effect.
/// * `revert` is idempotent, safe after an act that may never have happened, and returns only when the state before was seen to
///   be back.
/// * Every call has a deadline of its own inside the platform; no answer is an error, never a hang.
#[async_trait]
pub trait Platform: Send + Sync {
    /// The run that acts from now on belong to. A platform that can marks what it does with it, so that `orphans` finds it again.
    fn begin(&self, run: &RunId) {
        let _ = run;
    }

    /// What it can do. Pure.
    fn capabilities(&self) -> Capabilities;

    /// The scope that a run on this platform locks. Reads only what is needed to know it.
    async fn scope(&self) -> Result<Scope, PlatformError>;

    /// What a run on this platform must have for itself: its scope, and parts of what others may share. Reads only what is needed to
    /// know it.
    async fn claims(&self) -> Result<Vec<Claim>, PlatformError> {
        Ok(vec![Claim::whole(self.scope().await?)])
    }

    /// What a command step of the experiment finds in its environment, so that it can speak to the same place.
    fn command_env(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    /// Everything that is there.
    async fn inventory(&self) -> Result<Inventory, PlatformError>;

    /// Everything, for who decides nothing by it: what nobody has told of may be seen half a minute late, where a whole list costs much.
    ///
    /// # Errors
    /// Those of `inventory`.
    async fn seen(&self) -> Result<Inventory, PlatformError> {
        self.inventory().await
    }

    /// Something that this platform did not do may have changed what is there, as a command of the experimenter's: what was seen before it stands for
    /// nothing now.
    fn stirred(&self) {}

    /// How many instances of each service serve. Asked many times while a run waits for capacity: a platform of many instances counts them
    /// without handing them out.
    ///
    /// # Errors
    /// Those of `inventory`.
    async fn serving(&self) -> Result<BTreeMap<Service, usize>, PlatformError> {
        Ok(serving(self.inventory().await?.each()))
    }

    /// Between two looks of who waits for something: sooner it would be told what it was told before.
    fn look_every(&self) -> Duration {
        Duration::from_millis(100)
    }

    /// The acts that make up a fault on its victims, in the order in which they are to be done. Pure. One act a victim, unless
    /// the platform says otherwise (an outage first stops replacement). `group` describes where the victims were chosen.
    fn acts(&self, fault: &Fault, victims: &[Arc<Instance>], group: &crate::model::act::Group) -> Vec<(Fault, Target)> {
        let _ = group;
        victims.iter().map(|v| (fault.clone(), Target::Instance(Arc::clone(v)))).collect()
    }

    /// What a person should know before these acts are done, found by looking at what is around their targets: a sentence each. Asked
    /// once, when the plan is made; only reads.
    ///
    /// An error says why they must not be done at all.
    async fn preflight(&self, acts: &[Act]) -> Result<Vec<String>, PlatformError> {
        let _ = acts;
        Ok(Vec::new())
    }

    /// How the act would be undone, made from the state found now.
    async fn prepare(&self, act: &Act) -> Result<Undo, PlatformError>;

    /// Does the acts, all at once, and says for each what the call itself came to. One effect an act, in their order.
    async fn inject(&self, acts: &[Prepared]) -> Vec<Effect>;

    /// Looks whether the acts really happened. Takes the effects of `inject`, gives them back with `status` and `took_effect`
    /// from the independent source.
    async fn verify(&self, acts: &[Prepared], effects: Vec<Effect>) -> Vec<Effect>;

    /// Restores the state before.
    async fn revert(&self, act: &Prepared) -> Result<Reverted, PlatformError>;

    /// Observations from now on, until the receiver is dropped. Times are when it happened, not when it was heard.
    async fn observe(&self) -> Result<mpsc::Receiver<Observation>, PlatformError>;

    /// What of the platform's own ends a run, each as a person reads it, with how soon it is noticed: alarms of a cloud. Pure.
    fn guards(&self) -> Vec<String> {
        Vec::new()
    }

    /// Begins to ask these guards, until the receiver is dropped; none where there are none. Apart from `observe`: they guard on when the
    /// observations end. Whatever `Alarm` comes halts the run, and so does their end.
    fn guard(&self) -> Option<mpsc::Receiver<Observation>> {
        None
    }

    /// Faults of ours that are still there although no journal knows them (found by their marks), the last one first. Asked by who
    /// holds the scope's lock and has recovered its journals: whatever still carries the mark of another run then is left over. What
    /// carries the mark of a process that still runs is never among them, nor what the run of `begin` did.
    async fn orphans(&self) -> Result<Vec<Orphan>, PlatformError> {
        Ok(Vec::new())
    }

    /// What the faults of other runs are in effect on, as far as their marks tell: the caps count it. What another run has taken down is
    /// seen in the inventory; what it slows, limits, stresses or cuts off is up, and a run with another state directory, or on another
    /// machine, meets no lock of ours. Only reads. Never what this process does itself, nor what `orphans` gives.
    async fn held(&self) -> Result<Vec<Held>, PlatformError> {
        Ok(Vec::new())
    }
}

/// An instance that another run's fault is in effect on.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// Which.
    pub instance: Instance,
    /// What is done to it.
    pub kind: FaultKind,
    /// By which run, if the mark says.
    pub by: Option<RunId>,
}

/// A fault of ours that no journal knows.
#[derive(Debug, Clone, PartialEq)]
pub struct Orphan {
    /// The run it belonged to, if its mark says.
    pub run: Option<RunId>,
    /// The act, with the way back.
    pub prepared: Prepared,
}
