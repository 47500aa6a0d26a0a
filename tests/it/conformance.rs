//! The contract of `trait Platform`, as a suite that every platform must pass.

use std::{sync::Arc, time::Duration};

use firedrill::{
    clock::Clock,
    model::{
        act::{Act, EffectStatus, Group, Prepared},
        fault::{Fault, PartitionMode},
        ids::ActId,
        instance::{Instance, InstanceState},
        undo::Undo,
    },
    platform::{
        Platform, PlatformError, Reverted,
        fake::{Call, FakePlatform, Trouble, World},
    },
};

/// Prepares a fault on victims: the acts of step `step`.
pub async fn prepared(platform: &dyn Platform, step: u32, fault: &Fault, victims: &[Arc<Instance>], group: &Group) -> Vec<Prepared> {
    let mut acts = Vec::new();
    for (n, (fault, target)) in (1..).zip(platform.acts(fault, victims, group)) {
        let act = Act { id: ActId { step, act: n }, fault, target };
        let undo = platform.prepare(&act).await.expect("it can be prepared");
        acts.push(Prepared { act, undo });
    }
    acts
}

/// The instances that serve, without what a run may change by itself (ids and incarnations of replacements).
async fn shape(platform: &dyn Platform) -> Vec<(String, String, InstanceState)> {
    let mut all: Vec<_> =
        platform.inventory().await.expect("an inventory").each().map(|i| (i.service.0.clone(), i.zone.0.clone(), i.state)).collect();
    all.sort_by(|a, b| (&a.0, &a.1, a.2).cmp(&(&b.0, &b.1, b.2)));
    all
}

/// What every platform must do with one fault. Leaves the platform as it was. `step` must be new for the platform.
pub async fn conforms(platform: &dyn Platform, step: u32, fault: &Fault) {
    let before = platform.inventory().await.expect("an inventory");
    let as_it_was = shape(platform).await;
    let victim = before.instances.iter().find(|i| i.serving() && !i.protected()).expect("a victim").clone();
    let group = Group { services: vec![victim.service.clone()], zone: Some(victim.zone.clone()), region: None };

    let acts = prepared(platform, step, fault, std::slice::from_ref(&victim), &group).await;
    assert_eq!(platform.inventory().await.expect("an inventory"), before, "prepare only reads");

    for act in acts.iter().rev() {
        let reverted = platform.revert(act).await.expect("a revert of what never happened is safe");
        assert!(matches!(reverted, Reverted::NothingToUndo { .. }), "{fault:?} never happened, yet {reverted:?}");
    }
    assert_eq!(platform.inventory().await.expect("an inventory"), before, "a revert of what never happened changes nothing");

    let effects = platform.inject(&acts).await;
    assert_eq!(effects.iter().map(|e| e.act).collect::<Vec<_>>(), acts.iter().map(|a| a.act.id).collect::<Vec<_>>());
    let effects = platform.verify(&acts, effects).await;
    for effect in &effects {
        assert!(effect.status.happened(), "{fault:?}: {effect:?}");
        let bracket = effect.took_effect.expect("a verified effect has its time");
        assert!(bracket.after <= bracket.by && effect.requested <= bracket.by);
    }
    let hit = platform.inventory().await.expect("an inventory");
    let again = platform.inject(&acts).await;
    assert_eq!(again.len(), acts.len());
    assert_eq!(platform.inventory().await.expect("an inventory"), hit, "the same acts injected twice do not hit twice");

    for act in acts.iter().rev() {
        platform.revert(act).await.expect("it is undone");
    }
    assert_eq!(shape(platform).await, as_it_was, "{fault:?} is undone");
    let undone = platform.inventory().await.expect("an inventory");
    for act in acts.iter().rev() {
        let reverted = platform.revert(act).await.expect("a second revert is safe");
        assert!(matches!(reverted, Reverted::NothingToUndo { .. }), "reverted twice: {reverted:?}");
    }
    assert_eq!(platform.inventory().await.expect("an inventory"), undone, "a second revert changes nothing");

    // The victim chosen is another one now: it has the name, not the identity.
    let mut stale = undone.instances.iter().find(|i| i.serving()).expect("one").clone();
    Arc::make_mut(&mut stale).identity.push_str(" of before");
    let acts = prepared_stale(platform, step + 1, fault, &stale, &group).await;
    let effects = platform.inject(&acts).await;
    let effects = platform.verify(&acts, effects).await;
    for (act, effect) in acts.iter().zip(&effects).filter(|(a, _)| a.act.target.instance().is_some()) {
        assert!(matches!(effect.status, EffectStatus::Vanished { .. }), "{:?} on a stale identity: {effect:?}", act.act.fault);
    }
    for act in acts.iter().rev() {
        platform.revert(act).await.expect("safe");
    }
    assert_eq!(shape(platform).await, as_it_was, "a stale identity is not touched");
}

async fn prepared_stale(platform: &dyn Platform, step: u32, fault: &Fault, stale: &Arc<Instance>, group: &Group) -> Vec<Prepared> {
    let mut acts = Vec::new();
    for (n, (fault, target)) in (1..).zip(platform.acts(fault, std::slice::from_ref(stale), group)) {
        let act = Act { id: ActId { step, act: n }, fault, target };
        // A platform may notice at once that the identity is not there; then there is nothing to inject.
        if let Ok(undo) = platform.prepare(&act).await {
            acts.push(Prepared { act, undo });
        }
    }
    acts
}

fn world() -> World {
    World::builder("s").service("web", "r", &["a", "b"], 2).protected("web-b-2").build()
}

fn fake() -> FakePlatform {
    FakePlatform::new(world(), Clock::start())
}

fn faults() -> Vec<Fault> {
    let grace = Duration::from_secs(1);
    vec![
        Fault::Kill { signal: None },
        Fault::Stop { grace },
        Fault::Pause,
        Fault::REMOVE,
        Fault::Restart { grace },
        Fault::Partition { mode: PartitionMode::Hang },
        Fault::Partition { mode: PartitionMode::Disconnect },
        Fault::Slow { latency: grace, jitter: Duration::ZERO },
        Fault::Loss { share: firedrill::model::quantity::Share(0.5) },
        Fault::ZONE_OUTAGE,
        Fault::SuspendReplacement,
    ]
}

#[tokio::test(start_paused = true)]
async fn the_fake_conforms() {
    let platform = fake();
    for (n, fault) in faults().iter().enumerate() {
        conforms(&platform, 1 + 2 * n as u32, fault).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_at_any_call_leaves_no_residue() {
    let troubles = [Trouble::Fails("no".into()), Trouble::TimesOutAfterActing, Trouble::SaysUnknown, Trouble::BecomesProtected];
    for fault in faults() {
        for trouble in &troubles {
            for call in [Call::Inject, Call::Verify, Call::Revert] {
                for nth in 1..=3 {
                    let platform = fake();
                    let victims: Vec<_> =
                        platform.inventory().await.expect("it").instances.into_iter().filter(|i| i.zone.as_str() == "a").collect();
                    let group = Group { zone: Some("a".into()), ..Group::default() };
                    let acts = prepared(&platform, 1, &fault, &victims, &group).await;
                    let before = shape(&platform).await;
                    platform.script(|s| {
                        s.nth(call, nth, trouble.clone());
                    });
                    let effects = platform.inject(&acts).await;
                    assert_eq!(effects.len(), acts.len());
                    platform.verify(&acts, effects).await;
                    for act in acts.iter().rev() {
                        // The engine's retry: an undo that got no answer is asked for again.
                        if platform.revert(act).await.is_err() {
                            platform.revert(act).await.expect("the second time");
                        }
                    }
                    assert_eq!(shape(&platform).await, before, "{fault:?} with {trouble:?} at {call:?} {nth}");
                    let after = platform.snapshot().expect("it");
                    assert!(after.marks.is_empty() && after.suspended.is_empty(), "{fault:?} left {after:?}");
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn protected_at_the_act_is_refused_and_vanished_is_said() {
    for (trouble, refused) in [(Trouble::BecomesProtected, true), (Trouble::Vanishes, false), (Trouble::IsReplaced, false)] {
        let platform = fake();
        let victim = platform.inventory().await.expect("it").instances.remove(0);
        let acts = prepared(&platform, 1, &Fault::Kill { signal: None }, std::slice::from_ref(&victim), &Group::default()).await;
        platform.script(|s| {
            s.always(Call::Inject, victim.id.clone(), trouble.clone());
        });
        let effects = platform.inject(&acts).await;
        let effects = platform.verify(&acts, effects).await;
        let ok = if refused {
            matches!(effects[0].status, EffectStatus::Refused { .. })
        } else {
            matches!(effects[0].status, EffectStatus::Vanished { .. })
        };
        assert!(ok, "{trouble:?}: {effects:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_holds_replacement_back_until_it_is_undone() {
    let world = World::builder("s").service("web", "r", &["a", "b"], 2).replaced_after("web", Duration::from_secs(3)).build();
    let platform = FakePlatform::new(world, Clock::start());
    let serving = async |zone: &str| {
        platform.inventory().await.expect("it").instances.iter().filter(|i| i.zone.as_str() == zone && i.serving()).count()
    };
    let victims: Vec<_> = platform.inventory().await.expect("it").instances.into_iter().filter(|i| i.zone.as_str() == "a").collect();
    let group = Group { zone: Some("a".into()), ..Group::default() };
    let acts = prepared(&platform, 1, &Fault::ZONE_OUTAGE, &victims, &group).await;
    assert_eq!(acts.len(), 3);
    let mut seen = platform.observe().await.expect("a stream");
    platform.inject(&acts).await;
    tokio::time::advance(Duration::from_mins(1)).await;
    assert_eq!(serving("a").await, 0, "nothing is replaced while it lasts");
    for act in acts.iter().rev() {
        platform.revert(act).await.expect("undone");
    }
    assert_eq!(serving("a").await, 2);
    let mut kinds = Vec::new();
    while let Ok(o) = seen.try_recv() {
        kinds.push(serde_json::to_value(&o.what).expect("data")["observed"].as_str().expect("a tag").to_owned());
    }
    assert_eq!(kinds.iter().filter(|k| *k == "died").count(), 2, "{kinds:?}");

    let victim = platform.inventory().await.expect("it").instances.remove(0);
    let kill = prepared(&platform, 2, &Fault::Kill { signal: None }, &[victim], &Group::default()).await;
    platform.inject(&kill).await;
    tokio::time::advance(Duration::from_secs(4)).await;
    assert!(matches!(platform.revert(&kill[0]).await, Ok(Reverted::NothingToUndo { .. })), "somebody replaced it");
    assert_eq!(serving("a").await, 2);
}

#[tokio::test(start_paused = true)]
async fn another_process_can_undo_it_from_the_file() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("world.json");
    let first = FakePlatform::in_file(&path, world(), Clock::start()).expect("written");
    let before = shape(&first).await;
    let victim = first.inventory().await.expect("it").instances.remove(0);
    let acts = prepared(&first, 1, &Fault::Pause, &[victim], &Group::default()).await;
    first.inject(&acts).await;
    drop(first);
    let second = FakePlatform::in_file(&path, World::builder("empty").build(), Clock::start()).expect("read");
    assert_ne!(shape(&second).await, before);
    second.revert(&acts[0]).await.expect("undone");
    assert_eq!(shape(&second).await, before);
}

#[tokio::test(start_paused = true)]
async fn an_undo_that_cannot_be_understood_does_nothing() {
    let platform = fake();
    let victim = platform.inventory().await.expect("it").instances.remove(0);
    let mut acts = prepared(&platform, 1, &Fault::Pause, &[victim], &Group::default()).await;
    platform.inject(&acts).await;
    let hit = platform.snapshot().expect("it");
    acts[0].undo = Undo::restore("x", serde_json::json!({ "edited": true }));
    assert!(matches!(platform.revert(&acts[0]).await, Err(PlatformError::Refused(_))));
    assert_eq!(platform.snapshot().expect("it"), hit);
}

#[tokio::test(start_paused = true)]
async fn the_same_act_of_a_later_run_is_another_act() {
    let platform = fake();
    for _run in 0..3 {
        let before = shape(&platform).await;
        let victim = platform.inventory().await.expect("it").instances.remove(0);
        let acts = prepared(&platform, 1, &Fault::Pause, &[victim], &Group::default()).await;
        platform.inject(&acts).await;
        assert_ne!(shape(&platform).await, before);
        assert!(matches!(platform.revert(&acts[0]).await, Ok(Reverted::Restored { .. })));
        assert_eq!(shape(&platform).await, before);
    }
}
