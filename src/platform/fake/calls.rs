//! The platform's functions on the fake world.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::{Call, FakePlatform, Trouble, World, world::Suspension};
use crate::{
    failpoint::{self, Fail},
    model::{
        act::{Act, Effect, EffectStatus, Group, Prepared, Target},
        capabilities::Capabilities,
        fault::{Fault, FaultKind},
        ids::{InstanceId, Scope},
        instance::{Instance, InstanceState, Inventory},
        observation::Observation,
        time::{Bracket, Mono},
        undo::{Secret, Undo},
    },
    platform::{Held, Platform, PlatformError, Reverted},
};

/// The deadline the fake's lost answers name.
const DEADLINE: Duration = Duration::from_secs(5);

/// What the undo needs.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Before {
    /// The instance ran as this incarnation.
    Ran { instance: InstanceId, identity: String },
    /// It was paused neither.
    NotPaused { instance: InstanceId, identity: String },
    /// It had no such mark.
    NoMark { instance: InstanceId, identity: String, mark: String },
    /// Replacement was on; the act's key in the list.
    Replaced { key: String },
}

#[async_trait]
impl Platform for FakePlatform {
    fn capabilities(&self) -> Capabilities {
        use FaultKind as K;
        Capabilities {
            platform: "fake",
            faults: vec![
                K::Kill,
                K::Stop,
                K::Pause,
                K::Restart,
                K::Remove,
                K::Partition,
                K::ZoneOutage,
                K::RegionOutage,
                K::SuspendReplacement,
                K::Slow,
                K::Loss,
                K::Run,
            ],
            why_not: BTreeMap::new(),
            no_mode: BTreeMap::new(),
            keeps_place: false,
            shifts: false,
            foreign: false,
        }
    }

    async fn scope(&self) -> Result<Scope, PlatformError> {
        self.with(|s| s.world.scope.clone())
    }

    async fn inventory(&self) -> Result<Inventory, PlatformError> {
        self.with(|s| match s.script.take(Call::Inventory, None) {
            Some(trouble) => Err(error(&trouble)),
            None => Ok(s.world.inventory()),
        })?
    }

    async fn held(&self) -> Result<Vec<Held>, PlatformError> {
        self.with(|s| {
            let ids = s.script.held();
            let found = ids.iter().filter_map(|id| s.world.instances.get(id).cloned());
            found.map(|instance| Held { instance, kind: FaultKind::Slow, by: None }).collect()
        })
    }

    fn acts(&self, fault: &Fault, victims: &[Arc<Instance>], group: &Group) -> Vec<(Fault, Target)> {
        let each = |fault: &Fault| victims.iter().map(|v| (fault.clone(), Target::Instance(Arc::clone(v)))).collect::<Vec<_>>();
        match fault {
            Fault::SuspendReplacement => vec![(fault.clone(), Target::Group(group.clone()))],
            Fault::ZoneOutage { mechanism } | Fault::RegionOutage { mechanism } => {
                let mut acts = vec![(Fault::SuspendReplacement, Target::Group(group.clone()))];
                acts.extend(each(&mechanism.on_each()));
                acts
            }
            _ => each(fault),
        }
    }

    async fn prepare(&self, act: &Act) -> Result<Undo, PlatformError> {
        self.with(|s| {
            if let Some(trouble) = s.script.take(Call::Prepare, act.target.instance().map(|i| &i.id)) {
                return Err(error(&trouble));
            }
            undo_of(act)
        })?
    }

    async fn inject(&self, acts: &[Prepared]) -> Vec<Effect> {
        let at = failpoint::visit("fake-inject");
        failpoint::crash(at, Fail::Before);
        let requested = self.clock.now();
        let statuses = self.with(|s| {
            let mut statuses = Vec::new();
            for p in acts {
                let id = p.act.target.instance().map(|i| i.id.clone());
                let trouble = s.script.take(Call::Inject, id.as_ref());
                statuses.push(inject_one(&mut s.world, p, trouble.as_ref(), requested));
            }
            statuses
        });
        let answered = Some(self.clock.now());
        failpoint::crash(at, Fail::After);
        let statuses = statuses.unwrap_or_else(|e| vec![EffectStatus::Failed { why: e.to_string() }; acts.len()]);
        acts.iter()
            .zip(statuses)
            .map(|(p, status)| Effect {
                act: p.act.id,
                instance: p.act.target.instance().map(|i| i.id.clone()),
                status,
                requested,
                answered,
                took_effect: None,
                source: "fake".to_owned(),
            })
            .collect()
    }

    async fn verify(&self, acts: &[Prepared], effects: Vec<Effect>) -> Vec<Effect> {
        let looked = self.with(|s| {
            acts.iter()
                .map(|p| match s.script.take(Call::Verify, p.act.target.instance().map(|i| &i.id)) {
                    Some(trouble) => Err(error(&trouble).to_string()),
                    None => Ok(s.world.was_done(&p.act)),
                })
                .collect::<Vec<_>>()
        });
        let looked = looked.unwrap_or_else(|e| vec![Err(e.to_string()); acts.len()]);
        effects
            .into_iter()
            .zip(looked)
            .map(|(mut effect, looked)| {
                // Vanished and refused acts did nothing of ours: there is nothing to look for.
                if matches!(effect.status, EffectStatus::Vanished { .. } | EffectStatus::Refused { .. }) {
                    return effect;
                }
                match looked {
                    Ok(Some(at)) => {
                        effect.status = EffectStatus::Happened;
                        effect.took_effect = Some(Bracket { after: effect.requested.min(at), by: at });
                    }
                    Ok(None) if effect.status.happened() => {
                        effect.status = EffectStatus::Unknown { why: "the world does not show it".to_owned() };
                    }
                    Ok(None) => {}
                    Err(why) => effect.status = EffectStatus::Unknown { why },
                }
                effect
            })
            .collect()
    }

    async fn revert(&self, prepared: &Prepared) -> Result<Reverted, PlatformError> {
        let at = failpoint::visit("fake-revert");
        failpoint::crash(at, Fail::Before);
        let now = self.clock.now();
        let result = self.with(|s| {
            let trouble = s.script.take(Call::Revert, prepared.act.target.instance().map(|i| &i.id));
            match trouble {
                Some(Trouble::TimesOutAfterActing) => {
                    let _ = revert_one(&mut s.world, prepared, now);
                    Err(PlatformError::Timeout(DEADLINE))
                }
                Some(trouble) => Err(error(&trouble)),
                None => revert_one(&mut s.world, prepared, now),
            }
        })?;
        failpoint::crash(at, Fail::After);
        result
    }

    async fn observe(&self) -> Result<mpsc::Receiver<Observation>, PlatformError> {
        let (sender, receiver) = mpsc::channel(4096);
        self.with(|s| s.listeners.push(sender))?;
        Ok(receiver)
    }

    fn guards(&self) -> Vec<String> {
        self.with(|s| s.alarm.iter().map(|(name, _)| format!("the alarm `{name}` rings")).collect()).unwrap_or_default()
    }

    fn guard(&self) -> Option<mpsc::Receiver<Observation>> {
        let (sender, receiver) = mpsc::channel(16);
        self.with(|s| s.alarm.as_mut().map(|(_, asking)| asking.push(sender))).ok()??;
        Some(receiver)
    }
}

fn error(trouble: &Trouble) -> PlatformError {
    match trouble {
        Trouble::Fails(why) => PlatformError::Failed(why.clone()),
        Trouble::TimesOutAfterActing => PlatformError::Timeout(DEADLINE),
        Trouble::Vanishes | Trouble::IsReplaced | Trouble::BecomesProtected => PlatformError::Refused("the target changed".to_owned()),
        Trouble::Panics => panic!("a defect, as the script asks"),
        Trouble::SaysUnknown => PlatformError::Failed("the independent source does not answer".to_owned()),
    }
}

fn undo_of(act: &Act) -> Result<Undo, PlatformError> {
    let restore = |says: String, before: Before| {
        let before = serde_json::to_value(before).map_err(|e| PlatformError::Failed(e.to_string()))?;
        Ok(Undo::restore(says, before))
    };
    match (&act.fault, &act.target) {
        (Fault::SuspendReplacement, Target::Group(group)) => {
            restore(format!("replacement of {group} resumes"), Before::Replaced { key: act.id.to_string() })
        }
        (fault, Target::Instance(i)) => {
            let (instance, identity) = (i.id.clone(), i.identity.clone());
            match fault {
                Fault::Kill { .. } | Fault::Stop { .. } => {
                    restore(format!("start {} again unless it was replaced", i.name), Before::Ran { instance, identity })
                }
                Fault::Remove { .. } => {
                    let says = format!("create {} again as it was", i.name);
                    let mut undo = restore(says, Before::Ran { instance, identity })?;
                    if let Undo::Restore { secret, .. } = &mut undo {
                        *secret = Some(environment(&i.name));
                    }
                    Ok(undo)
                }
                Fault::Pause => restore(format!("let {} go on", i.name), Before::NotPaused { instance, identity }),
                Fault::Partition { .. } | Fault::Slow { .. } | Fault::Loss { .. } => {
                    let mark = fault.kind().name().to_owned();
                    restore(format!("remove the {mark} from {}", i.name), Before::NoMark { instance, identity, mark })
                }
                Fault::Restart { .. } => Ok(Undo::Nothing { why: "a restart ends by itself".to_owned() }),
                Fault::Run { undo: None, .. } => Ok(Undo::Impossible { why: "the file gives no `undo:` for this command".to_owned() }),
                Fault::Run { .. } => {
                    restore("run the undo command".to_owned(), Before::NoMark { instance, identity, mark: "run".to_owned() })
                }
                other => Err(PlatformError::Refused(format!("the fake platform cannot {}", other.kind()))),
            }
        }
        (fault, target) => Err(PlatformError::Refused(format!("the fake platform cannot {} on {}", fault.kind(), target.says()))),
    }
}

/// What a removed instance must get back, and nobody else may see.
fn environment(name: &str) -> Secret {
    Secret(serde_json::json!({ "env": [format!("TOKEN=hunter2-of-{name}")] }))
}

fn inject_one(world: &mut World, p: &Prepared, trouble: Option<&Trouble>, now: Mono) -> EffectStatus {
    if world.was_done(&p.act).is_some() {
        return EffectStatus::Happened;
    }
    if let (Some(trouble), Some(i)) = (trouble, p.act.target.instance()) {
        match trouble {
            Trouble::Vanishes => world.vanish(&i.id),
            Trouble::IsReplaced => world.reincarnate(&i.id),
            Trouble::BecomesProtected => world.protect(&i.id),
            _ => {}
        }
    }
    match trouble {
        Some(Trouble::Fails(why)) => return EffectStatus::Failed { why: why.clone() },
        Some(Trouble::SaysUnknown) => return EffectStatus::Unknown { why: "no answer, and it did not act".to_owned() },
        Some(Trouble::Panics) => panic!("a defect, as the script asks"),
        _ => {}
    }
    let status = act_on(world, &p.act, now);
    if status.happened() {
        world.mark_done(&p.act, now);
        if trouble == Some(&Trouble::TimesOutAfterActing) {
            return EffectStatus::Unknown { why: format!("no answer within {DEADLINE:?}") };
        }
    }
    status
}

fn act_on(world: &mut World, act: &Act, now: Mono) -> EffectStatus {
    if let (Fault::SuspendReplacement, Target::Group(g)) = (&act.fault, &act.target) {
        let suspension = Suspension { services: g.services.clone(), zone: g.zone.clone(), region: g.region.clone() };
        world.suspended.insert(act.id.to_string(), suspension);
        return EffectStatus::Happened;
    }
    let Some(chosen) = act.target.instance() else {
        return EffectStatus::Refused { why: "the fault does not fit its target".to_owned() };
    };
    let Some(found) = world.instances.get_mut(&chosen.id) else {
        return EffectStatus::Vanished { found: "nothing has this id".to_owned() };
    };
    if found.identity != chosen.identity {
        return EffectStatus::Vanished { found: found.identity.clone() };
    }
    if found.protected() {
        return EffectStatus::Refused { why: "it is protected".to_owned() };
    }
    if matches!(found.state, InstanceState::Stopped | InstanceState::Gone) {
        return EffectStatus::Vanished { found: format!("it is {}", found.state.word()) };
    }
    match &act.fault {
        Fault::Kill { .. } => world.end(&chosen.id, "killed", now),
        Fault::Stop { .. } => world.end(&chosen.id, "stopped", now),
        Fault::Remove { .. } => world.end(&chosen.id, "removed", now),
        Fault::Pause => found.state = InstanceState::Paused,
        Fault::Restart { .. } => {
            world.end(&chosen.id, "restarted", now);
            world.start(&chosen.id, now);
        }
        Fault::Partition { .. } | Fault::Slow { .. } | Fault::Loss { .. } | Fault::Run { .. } => {
            world.marks.entry(chosen.id.clone()).or_default().insert(act.fault.kind().name().to_owned());
        }
        other => return EffectStatus::Refused { why: format!("the fake platform cannot {}", other.kind()) },
    }
    EffectStatus::Happened
}

fn revert_one(world: &mut World, p: &Prepared, now: Mono) -> Result<Reverted, PlatformError> {
    let Undo::Restore { before, .. } = &p.undo else {
        return Ok(Reverted::NothingToUndo { why: p.undo.says().to_owned() });
    };
    let before: Before =
        serde_json::from_value(before.clone()).map_err(|e| PlatformError::Refused(format!("this undo cannot be understood: {e}")))?;
    let nothing = |why: String| Ok(Reverted::NothingToUndo { why });
    if world.was_done(&p.act).is_none() {
        return nothing("the act never happened".to_owned());
    }
    if let (Fault::Remove { .. }, Target::Instance(i)) = (&p.act.fault, &p.act.target)
        && p.undo.secret() != Some(&environment(&i.name))
    {
        return Err(PlatformError::Refused(format!("{} cannot be created again without its environment", i.name)));
    }
    world.forget(&p.act);
    match before {
        Before::Replaced { key } => match world.suspended.remove(&key) {
            Some(_) => {
                world.settle(now);
                Ok(Reverted::Restored { says: "replacement resumed".to_owned() })
            }
            None => nothing("replacement was on already".to_owned()),
        },
        Before::Ran { instance, identity } => match world.instances.get(&instance) {
            Some(i) if i.identity == identity && i.state == InstanceState::Stopped => {
                world.start(&instance, now);
                Ok(Reverted::Restored { says: format!("started {instance} again") })
            }
            Some(_) => nothing(format!("{instance} runs again")),
            None => nothing(format!("{instance} was replaced")),
        },
        Before::NotPaused { instance, identity } => match world.instances.get_mut(&instance) {
            Some(i) if i.identity == identity && i.state == InstanceState::Paused => {
                i.state = InstanceState::Running;
                Ok(Reverted::Restored { says: format!("{instance} goes on") })
            }
            _ => nothing(format!("{instance} is not paused")),
        },
        Before::NoMark { instance, mark, .. } => {
            let removed = world.marks.get_mut(&instance).is_some_and(|marks| marks.remove(&mark));
            world.marks.retain(|_, marks| !marks.is_empty());
            if removed {
                Ok(Reverted::Restored { says: format!("removed the {mark} from {instance}") })
            } else {
                nothing(format!("{instance} has no {mark}"))
            }
        }
    }
}
