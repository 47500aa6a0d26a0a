//! What was seen a moment ago: acts that are prepared at the same time, undos that wait, and the engine's looks in between share their
//! calls. AWS itself is no faster than this: what it lists is true with some delay.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::Mutex;

use super::{
    connection::{Connection, Place},
    cut::Acl,
    inventory::{self, Listed},
    read,
    trouble::Trouble,
    world::Machine,
};
use crate::{
    clock,
    model::{aws::AwsSpec, ids::Region, time::Mono},
    platform::PlatformError,
};

/// How long a look stands for another one. Counted from its answer: a list of a large fleet takes seconds, and whoever waited for it
/// meanwhile would else ask again, one after another.
const FRESH: Duration = Duration::from_secs(1);

/// When it was answered, how many changes of ours had been made when it was asked for, and what was seen.
type Seen<T> = (Mono, u64, Arc<T>);
type Look<T> = Option<Seen<T>>;

/// The latest looks.
#[derive(Debug, Default)]
pub(super) struct Sight {
    all: Mutex<Look<Listed>>,
    machines: Mutex<BTreeMap<Region, Look<BTreeMap<String, Machine>>>>,
    acls: Mutex<BTreeMap<String, Look<Vec<Acl>>>>,
    changes: AtomicU64,
}

impl Sight {
    /// Everything, as it was listed at most a second ago.
    pub(super) async fn all(&self, connection: &Connection, spec: &AwsSpec) -> Result<Arc<Listed>, PlatformError> {
        let mut latest = self.all.lock().await;
        if let Some(seen) = self.fresh(latest.as_ref()) {
            return Ok(seen);
        }
        let changes = self.changes();
        let listed = Arc::new(inventory::list(connection, spec).await?);
        *latest = Some((clock::now(), changes, Arc::clone(&listed)));
        Ok(listed)
    }

    /// The instances of a region that the environment means and that have not ended, without what groups and balancers say of them.
    pub(super) async fn machines(&self, place: &Place, spec: &AwsSpec) -> Result<Arc<BTreeMap<String, Machine>>, Trouble> {
        let mut all = self.machines.lock().await;
        let latest = all.entry(place.region.clone()).or_default();
        if let Some(seen) = self.fresh(latest.as_ref()) {
            return Ok(seen);
        }
        let changes = self.changes();
        let listed = Arc::new(read::machines(place, inventory::filters(spec)).await?);
        *latest = Some((clock::now(), changes, Arc::clone(&listed)));
        Ok(listed)
    }

    /// The network ACLs of a VPC; `ask` asks for them.
    pub(super) async fn acls<F>(&self, vpc: &str, ask: impl FnOnce() -> F) -> Result<Arc<Vec<Acl>>, Trouble>
    where
        F: Future<Output = Result<Vec<Acl>, Trouble>>,
    {
        let mut all = self.acls.lock().await;
        let latest = all.entry(vpc.to_owned()).or_default();
        if let Some(seen) = self.fresh(latest.as_ref()) {
            return Ok(seen);
        }
        let changes = self.changes();
        let found = Arc::new(ask().await?);
        *latest = Some((clock::now(), changes, Arc::clone(&found)));
        Ok(found)
    }

    /// Something is done: nothing is as it was seen.
    pub(super) fn forget(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    fn fresh<T>(&self, look: Option<&Seen<T>>) -> Option<Arc<T>> {
        let (answered, changes, seen) = look?;
        (clock::now().since(*answered) <= FRESH && *changes == self.changes()).then(|| Arc::clone(seen))
    }
}
