//! The phoenix drill: ends one instance, waits until a new one serves in its place and the service has all the capacity back that it
//! had, and only then ends the next. So its blast radius is one instance at any time, which is what the caps were asked for.
//!
//! An instance that is not replaced in time ends the drill: the others are spared, the undo starts it again, and the report says so.

use std::{collections::BTreeSet, time::Duration};

use super::{
    capacity::Capacity,
    halt::Urgency,
    inject::{self, Looked},
    script::{Script, Waited, not_happened},
    undo,
};
use crate::{
    event::EventKind,
    model::{
        act::{EffectStatus, Prepared},
        ids::InstanceId,
        instance::{Instance, Inventory},
        quantity::show_duration,
        time::Mono,
    },
};

/// What became of a victim.
enum Fate {
    Replaced(InstanceId),
    Not(String),
    Halted,
    Lost,
}

/// The service of a victim as it was right before its end.
struct Before {
    /// The ids of its instances.
    ids: BTreeSet<InstanceId>,
    serving: usize,
}

impl Before {
    fn of(victim: &Instance, inventory: &Inventory) -> Self {
        let of_service = || inventory.instances.iter().filter(|i| i.service == victim.service);
        Self { ids: of_service().map(|i| i.id.clone()).collect(), serving: of_service().filter(|i| i.serving()).count() }
    }

    /// The new instance that serves, once all that served before serves again. The error says what is missing.
    fn replaced(&self, victim: &Instance, now: &Inventory) -> Result<InstanceId, String> {
        let serving: Vec<&Instance> = now.each().filter(|i| i.service == victim.service && i.serving()).collect();
        if serving.len() < self.serving {
            return Err(format!("{} {} of {} serve", victim.service, serving.len(), self.serving));
        }
        match serving.iter().find(|i| !self.ids.contains(&i.id)) {
            Some(new) => Ok(new.id.clone()),
            None if serving.iter().any(|i| i.id == victim.id) => Err("it was started again, and not replaced by a new one".to_owned()),
            None => Err("no new instance came".to_owned()),
        }
    }
}

impl Script<'_> {
    /// Replaces the victims of these acts one after another. `looked` is what was found right before the first.
    ///
    /// # Errors
    /// When an act did not verifiably happen, or the system is gone.
    pub(crate) async fn phoenix(
        &mut self,
        acts: Vec<Prepared>,
        looked: Looked,
        wait: Duration,
        capacity: &mut Capacity,
    ) -> Result<(), String> {
        let mut looked = Some(looked);
        for (n, prepared) in acts.iter().enumerate() {
            let one = std::slice::from_ref(prepared);
            let found = if let Some(found) = looked.take() {
                found
            } else {
                tokio::select! {
                    biased;
                    () = self.halt.reached(Urgency::Undo) => {
                        self.spare(&acts[n..], "the run was halted");
                        return Ok(());
                    }
                    found = inject::look(self, one) => found,
                }
            };
            let before = prepared.act.target.instance().zip(found.inventory()).map(|(victim, now)| (victim, Before::of(victim, now)));
            let effects = inject::inject(self, one.to_vec(), found, capacity).await?;
            if let Some(why) = not_happened(&effects) {
                return Err(why);
            }
            let Some((victim, before)) = before else { return Err(format!("{} has no instance", prepared.act.id)) };
            let ended = effects.iter().filter_map(|effect| effect.took_effect).map(|took| took.by).min();
            let give_up = ended.unwrap_or_else(|| self.clock.now()).plus(wait);
            match self.replacement(victim, &before, give_up, wait).await {
                Fate::Replaced(by) => {
                    self.tell(EventKind::Replaced { act: prepared.act.id, by });
                    // Its undo has nothing to do, and is owed no longer.
                    undo::undo(self, one.to_vec()).await;
                    self.pending.retain(|pending| pending.act.id != prepared.act.id);
                }
                Fate::Not(why) => {
                    let spared = format!("{} was not replaced", victim.name);
                    self.tell(EventKind::NotReplaced { act: prepared.act.id, why });
                    self.spare(&acts[n + 1..], &spared);
                    return Ok(());
                }
                Fate::Halted => {
                    self.spare(&acts[n + 1..], "the run was halted");
                    return Ok(());
                }
                Fate::Lost => return Err("the system under the run is gone".to_owned()),
            }
        }
        Ok(())
    }

    async fn replacement(&self, victim: &Instance, before: &Before, give_up: Mono, wait: Duration) -> Fate {
        self.promise(Some(give_up));
        loop {
            let missing = match self.platform.inventory().await {
                Ok(now) => match before.replaced(victim, &now) {
                    Ok(by) => return Fate::Replaced(by),
                    Err(missing) => missing,
                },
                Err(error) => format!("the inventory cannot be read: {error}"),
            };
            let now = self.clock.now();
            if now >= give_up {
                return Fate::Not(format!("{} after the end of {}: {missing}", show_duration(wait), victim.name));
            }
            match self.wait_until(now.plus(self.platform.look_every()).min(give_up), Urgency::Undo).await {
                Waited::Whole => {}
                Waited::Halted => return Fate::Halted,
                Waited::Lost => return Fate::Lost,
            }
        }
    }

    /// Says of acts that will not be done that they are left out.
    pub(crate) fn spare(&self, acts: &[Prepared], why: &str) {
        for prepared in acts {
            let effect = inject::untouched(prepared, self.clock.now(), EffectStatus::Spared { why: why.to_owned() });
            self.tell(EventKind::Acted { effect });
        }
    }
}
