//! What was seen a moment ago: acts that are prepared at the same time, undos that wait, and the engine's looks in between share their
//! calls. AWS itself is no faster than this: what it lists is true with some delay. Who only watches asks a large fleet for what may have
//! changed (`glance`).

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex as StdMutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::Mutex;

use super::{
    connection::{Connection, Place},
    cut::Acl,
    glance::Hints,
    inventory::{self, Listed},
    read,
    trouble::Trouble,
    world::{Machines, Phase},
};
use crate::{
    clock,
    model::{aws::AwsSpec, ids::Region, time::Mono},
    platform::PlatformError,
};

/// How long a look stands for another one. Counted from its answer: a list of a large fleet takes seconds, and whoever waited for it
/// meanwhile would else ask again, one after another.
pub(super) const FRESH: Duration = Duration::from_secs(1);
/// The same for who only waits: a little more than there is between two looks of who watches (`observe`).
const LATELY: Duration = Duration::from_secs(4);

/// When it was answered, how many changes of ours had been made when it was asked for, and what was seen.
type Seen<T> = (Mono, u64, Arc<T>);
type Look<T> = Option<Seen<T>>;

/// The latest looks.
#[derive(Debug, Default)]
pub(super) struct Sight {
    all: Mutex<Look<Listed>>,
    machines: Mutex<BTreeMap<Region, Look<Machines>>>,
    acls: Mutex<BTreeMap<String, Look<Vec<Acl>>>>,
    hints: StdMutex<BTreeMap<Region, Hints>>,
    changes: AtomicU64,
}

impl Sight {
    /// Everything, as it was listed at most a second ago: a glance is no list.
    pub(super) async fn all(&self, connection: &Connection, spec: &AwsSpec) -> Result<Arc<Listed>, PlatformError> {
        let mut latest = self.all.lock().await;
        if let Some(seen) = self.fresh(latest.as_ref()).filter(|seen| seen.asked == seen.whole) {
            return Ok(seen);
        }
        Box::pin(self.whole(&mut latest, connection, spec)).await
    }

    /// The same for who watches, and decides nothing by it: of a large fleet only what may have changed is asked for.
    pub(super) async fn now(&self, connection: &Connection, spec: &AwsSpec) -> Result<Arc<Listed>, PlatformError> {
        self.within(FRESH, connection, spec).await
    }

    /// The same for who waits for something while somebody watches: what was seen there will do.
    pub(super) async fn lately(&self, connection: &Connection, spec: &AwsSpec) -> Result<Arc<Listed>, PlatformError> {
        self.within(LATELY, connection, spec).await
    }

    async fn within(&self, age: Duration, connection: &Connection, spec: &AwsSpec) -> Result<Arc<Listed>, PlatformError> {
        let mut latest = self.all.lock().await;
        if let Some(seen) = self.aged(latest.as_ref(), age) {
            return Ok(seen);
        }
        let Some((_, _, before)) = latest.as_ref() else { return Box::pin(self.whole(&mut latest, connection, spec)).await };
        let changes = self.changes();
        let hints = std::mem::take(&mut *self.hints());
        let listed = Box::pin(inventory::list_after(connection, spec, before, &hints)).await;
        self.doubt_still(hints, listed.as_ref().ok().and_then(Option::as_ref));
        let Some(listed) = listed?.map(Arc::new) else { return Box::pin(self.whole(&mut latest, connection, spec)).await };
        *latest = Some((clock::now(), changes, Arc::clone(&listed)));
        Ok(listed)
    }

    async fn whole(&self, latest: &mut Look<Listed>, connection: &Connection, spec: &AwsSpec) -> Result<Arc<Listed>, PlatformError> {
        let changes = self.changes();
        for hints in self.hints().values_mut() {
            hints.seen.clear();
        }
        let before = latest.as_ref().map(|(_, _, before)| before);
        let listed = Arc::new(inventory::list(connection, spec, before).await?);
        *latest = Some((clock::now(), changes, Arc::clone(&listed)));
        Ok(listed)
    }

    /// These instances of a region were acted on: whatever their group says, they may have changed.
    pub(super) fn doubt(&self, region: &Region, ids: impl Iterator<Item = String>) {
        self.hints().entry(region.clone()).or_default().doubtful.extend(ids);
    }

    /// These instances of a region were seen by their ids.
    pub(super) fn learn(&self, region: &Region, found: &Machines) {
        let seen = found.iter().map(|(id, machine)| (id.clone(), Arc::clone(machine)));
        self.hints().entry(region.clone()).or_default().seen.extend(seen);
    }

    /// Who was acted on and is still up stays in doubt: AWS may show a change late. Who is not is asked for anyway.
    fn doubt_still(&self, before: BTreeMap<Region, Hints>, listed: Option<&Listed>) {
        let up = |region: &Region, id: &String| {
            listed.is_none_or(|listed| {
                listed.worlds.get(region).and_then(|world| world.machines.get(id)).is_some_and(|machine| machine.state == Phase::Running)
            })
        };
        for (region, Hints { mut doubtful, .. }) in before {
            doubtful.retain(|id| up(&region, id));
            self.doubt(&region, doubtful.into_iter());
        }
    }

    fn hints(&self) -> MutexGuard<'_, BTreeMap<Region, Hints>> {
        self.hints.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The instances of a region that the environment means and that have not ended, without what groups and balancers say of them.
    pub(super) async fn machines(&self, place: &Place, spec: &AwsSpec) -> Result<Arc<Machines>, Trouble> {
        let mut all = self.machines.lock().await;
        let latest = all.entry(place.region.clone()).or_default();
        if let Some(seen) = self.fresh(latest.as_ref()) {
            return Ok(seen);
        }
        let changes = self.changes();
        let listed = Arc::new(Box::pin(read::machines(place, inventory::filters(spec))).await?);
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
        self.aged(look, FRESH)
    }

    /// A look that is no older than this, and was asked for after all that we did.
    fn aged<T>(&self, look: Option<&Seen<T>>, age: Duration) -> Option<Arc<T>> {
        let (answered, changes, seen) = look?;
        (clock::now().since(*answered) <= age && *changes == self.changes()).then(|| Arc::clone(seen))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_stands_for_a_while_and_for_nothing_after_something_was_done() {
        let sight = Sight::default();
        let look = Some((clock::now(), sight.changes(), Arc::new(7)));
        assert_eq!(sight.fresh(look.as_ref()).as_deref(), Some(&7));
        let old = look.clone().map(|(answered, changes, seen)| (answered.minus(Duration::from_secs(2)), changes, seen));
        assert_eq!(sight.fresh(old.as_ref()), None);
        assert_eq!(sight.aged(old.as_ref(), LATELY).as_deref(), Some(&7), "who only waits takes it");
        sight.forget();
        assert_eq!((sight.fresh(look.as_ref()), sight.aged(look.as_ref(), LATELY)), (None, None));
    }
}
