//! What every act needs at hand: the account, what was seen of it, and whose acts these are.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{
    connection::{Connection, Place},
    cut::{self, Acl, Cut},
    inventory::Listed,
    keeper::Keeper,
    machine, read,
    sight::Sight,
    trouble::Trouble,
    world::Machine,
};
use crate::{
    model::{
        act::Act,
        aws::AwsSpec,
        fault::Fault,
        ids::{Region, RunId},
    },
    platform::{PlatformError, mark},
};

/// Whether an action is permitted in a region.
type Permissions = BTreeMap<(&'static str, Region), Result<(), Trouble>>;

/// An account at hand.
#[derive(Debug)]
pub(super) struct Reach {
    pub(super) connection: Arc<Connection>,
    pub(super) spec: AwsSpec,
    pub(super) sight: Arc<Sight>,
    pub(super) keeper: Keeper,
    /// The subnets that were given their network ACL back.
    pub(super) back: tokio::sync::Mutex<BTreeSet<Cut>>,
    /// What is said of the neighbours in a subnet.
    pub(super) neighbours: tokio::sync::Mutex<BTreeMap<String, String>>,
    /// The versions in which undos left health checks.
    left: Mutex<BTreeMap<String, i64>>,
    run: Mutex<Option<RunId>>,
    /// The mark of each step's acts, by the step.
    marks: Mutex<BTreeMap<u32, String>>,
    /// What AWS answered when it was asked whether an action is permitted, by action and region.
    permitted: tokio::sync::Mutex<Permissions>,
    /// Which instances this run asked about their protection from termination, with AWS's answers.
    protection: Mutex<BTreeMap<String, Option<bool>>>,
    /// How many instances the plan ends.
    kills: AtomicUsize,
}

impl Reach {
    pub(super) fn new(connection: Connection, spec: AwsSpec) -> Self {
        Self {
            connection: Arc::new(connection),
            spec,
            sight: Arc::default(),
            keeper: Keeper::default(),
            back: tokio::sync::Mutex::default(),
            neighbours: tokio::sync::Mutex::default(),
            left: Mutex::default(),
            run: Mutex::default(),
            marks: Mutex::default(),
            permitted: tokio::sync::Mutex::default(),
            protection: Mutex::default(),
            kills: AtomicUsize::default(),
        }
    }

    /// The run that acts belong to from now on.
    pub(super) fn begin(&self, run: &RunId) {
        *self.run.lock().unwrap_or_else(PoisonError::into_inner) = Some(run.clone());
        self.protections().clear();
    }

    /// What is planned.
    pub(super) fn plan(&self, acts: &[Act]) {
        self.kills.store(acts.iter().filter(|act| matches!(act.fault, Fault::Kill { .. })).count(), Ordering::Relaxed);
    }

    /// How many instances are asked about their protection from termination.
    pub(super) fn protections_asked(&self) -> usize {
        machine::asked_of(self.kills.load(Ordering::Relaxed))
    }

    /// What this run knows of the protection of instances from termination: none where AWS has not answered yet.
    pub(super) fn protections(&self) -> MutexGuard<'_, BTreeMap<String, Option<bool>>> {
        self.protection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its id; `none` outside of a run.
    pub(super) fn run(&self) -> String {
        self.run.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map_or("none", RunId::as_str).to_owned()
    }

    /// The mark that the acts of a step leave on what they change: no other step and no other process has it.
    ///
    /// # Errors
    /// When the machine gives no random numbers.
    pub(super) fn mark(&self, step: u32) -> Result<String, PlatformError> {
        let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mark) = marks.get(&step) {
            return Ok(mark.clone());
        }
        let mark = mark::fresh()?.to_string();
        marks.insert(step, mark.clone());
        Ok(mark)
    }

    /// A health check has this version now, by an undo of ours.
    pub(super) fn leave(&self, check: &str, version: i64) {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).insert(check.to_owned(), version);
    }

    /// The version in which an undo of ours left a health check.
    pub(super) fn left(&self, check: &str) -> Option<i64> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).get(check).copied()
    }

    /// Everything, as it was a moment ago.
    pub(super) async fn all(&self) -> Result<Arc<Listed>, PlatformError> {
        self.sight.all(&self.connection, &self.spec).await
    }

    /// Everything, for who waits for something while the watch looks.
    pub(super) async fn lately(&self) -> Result<Arc<Listed>, PlatformError> {
        self.sight.lately(&self.connection, &self.spec).await
    }

    /// The network ACLs of a VPC, as they were a moment ago.
    pub(super) async fn acls(&self, place: &Place, vpc: &str) -> Result<Arc<Vec<Acl>>, Trouble> {
        self.sight.acls(vpc, || cut::of_vpc(place, vpc)).await
    }

    /// One instance, as it was a moment ago; none when EC2 does not know it any more.
    pub(super) async fn machine(&self, place: &Place, id: &str) -> Result<Option<Arc<Machine>>, Trouble> {
        let seen = self.sight.machines(place, &self.spec).await?;
        if let Some(machine) = seen.get(id) {
            return Ok(Some(Arc::clone(machine)));
        }
        // It has ended, or the environment does not mean it any more.
        Ok(read::machines_by_id(place, [id]).await?.remove(id))
    }

    /// Whether these credentials may do an action: asked once for each region. `dry` asks without doing.
    ///
    /// # Errors
    /// When they may not, or AWS cannot be asked.
    pub(super) async fn permitted<F>(&self, action: &'static str, place: &Place, dry: impl FnOnce() -> F) -> Result<(), PlatformError>
    where
        F: Future<Output = Result<(), Trouble>>,
    {
        let mut all = self.permitted.lock().await;
        let key = (action, place.region.clone());
        let known = if let Some(known) = all.get(&key) {
            known.clone()
        } else {
            let answer = match dry().await {
                // Only a plain "no" is one; anything else is told by the act itself.
                Err(denied @ (Trouble::Denied { .. } | Trouble::Credentials(_))) => Err(denied),
                _ => Ok(()),
            };
            all.insert(key, answer.clone());
            answer
        };
        Ok(known?)
    }

    /// Whether an undo is about this account.
    pub(super) fn owns(&self, account: &str) -> Result<(), PlatformError> {
        if account == self.connection.account {
            return Ok(());
        }
        let here = &self.connection.account;
        Err(PlatformError::Refused(format!("it was done in the account {account}, and these credentials are those of {here}")))
    }
}
