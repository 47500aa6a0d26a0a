//! The capacity that the acts take away, and whether it is back.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    clock::Clock,
    model::{
        act::Act,
        ids::Service,
        instance::{Inventory, serving},
    },
    platform::Platform,
};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How many instances of each service that was hit served before the first act on it.
#[derive(Debug, Default)]
pub(crate) struct Capacity {
    before: BTreeMap<Service, usize>,
}

impl Capacity {
    /// Remembers what serves now of the services that the acts are about to hit.
    pub(crate) fn before<'a>(&mut self, inventory: &Inventory, acts: impl Iterator<Item = &'a Act>) {
        let hit: Vec<Service> = acts
            .filter(|act| act.fault.kind().takes_capacity())
            .filter_map(|act| act.target.instance())
            .map(|instance| instance.service.clone())
            .filter(|service| !self.before.contains_key(service))
            .collect();
        let serving = serving(inventory.each());
        for service in hit {
            let now = serving.get(&service).copied().unwrap_or_default();
            self.before.insert(service, now);
        }
    }

    /// What is still missing: `web 4 of 6`; `None` when all is back (or the platform does not say).
    pub(crate) async fn missing(&self, platform: &dyn Platform) -> Option<String> {
        if self.before.is_empty() {
            return None;
        }
        let Ok(serving) = platform.serving().await else { return Some("the inventory cannot be read".to_owned()) };
        let missing: Vec<String> = self
            .before
            .iter()
            .filter_map(|(service, before)| {
                let now = serving.get(service).copied().unwrap_or_default();
                (now < *before).then(|| format!("{service} {now} of {before}"))
            })
            .collect();
        if missing.is_empty() { None } else { Some(missing.join(", ")) }
    }
}

/// Waits until every service has what it wants, for at most this long: what was started again by an undo runs, but is in service a
/// little later, and a plan made in between would find it missing.
pub(crate) async fn settled(platform: &dyn Platform, clock: Clock, limit: Duration) {
    let give_up = clock.now().plus(limit);
    while let Ok(inventory) = platform.inventory().await {
        let serving = serving(inventory.each());
        let whole =
            inventory.desired.iter().all(|(service, desired)| serving.get(service).copied().unwrap_or_default() >= *desired as usize);
        if whole || clock.now() >= give_up {
            return;
        }
        clock.sleep(LOOK_EVERY).await;
    }
}
