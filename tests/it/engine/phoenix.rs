//! The phoenix drill: one after another, each once the one before is replaced.

use std::time::Duration;

use firedrill::{
    event::EventKind,
    measure,
    model::{
        act::EffectStatus,
        measurement::{JudgedResult, Measurement},
        verdict::Verdict,
    },
    platform::fake::{World, WorldBuilder},
};

use crate::support::{
    drill::{Done, Drill},
    scripted_prober::Answer,
};

const PHOENIX: &str = "
steady-state: [{ probe: home, availability: '>= 0.01%' }, { replacements: alike }]
method: [{ phoenix: { service: web, wait: 10s } }]
";

fn six() -> WorldBuilder {
    World::builder("scope").service("web", "here", &["a", "b", "c"], 2)
}

fn measurement(done: &Done) -> Measurement {
    let measured = |event: &firedrill::event::Event| match &event.kind {
        EventKind::Measured { measurement } => Some((**measurement).clone()),
        _ => None,
    };
    done.events.iter().find_map(measured).unwrap()
}

/// A drill whose users are served by whoever is there.
fn served(world: World) -> Drill {
    Drill::on(world).answers(|_, _| Answer::ok("web-a-1"))
}

/// How many were away at most at any time, by the platform's own word.
fn most_away(done: &Done) -> i32 {
    let (mut away, mut most) = (0, 0);
    for event in &done.events {
        match &event.kind {
            EventKind::Acted { effect } if effect.status.happened() => away += 1,
            EventKind::Replaced { .. } => away -= 1,
            _ => {}
        }
        most = most.max(away);
    }
    most
}

#[tokio::test(start_paused = true)]
async fn every_instance_is_replaced_one_at_a_time() {
    let done = served(six().replaced_after("web", Duration::from_secs(3)).build()).file(PHOENIX).run().await.expect(Verdict::Passed);
    let m = measurement(&done);
    let phoenix = &m.phoenixes[0];
    assert_eq!((phoenix.of, phoenix.replaced_after_s.len(), &phoenix.stopped), (6, 6, &None));
    assert!(phoenix.replaced_after_s.iter().all(|s| (3.0..3.3).contains(s)), "{phoenix:?}");
    assert_eq!(most_away(&done), 1);
    assert_eq!((m.replacements.len(), m.findings.len()), (6, 0), "{:?}", m.findings);
    assert!(m.victims.iter().all(|victim| victim.in_service_after_s.is_some()));
    // The cap of half a service was asked for one at a time.
    let plan = done.events.iter().find_map(|e| if let EventKind::Planned { plan } = &e.kind { Some(plan.clone()) } else { None }).unwrap();
    assert_eq!(plan.caps.iter().map(|cap| (cap.used, cap.allowed)).collect::<Vec<_>>(), [(1, 3)]);
    let old = ["web-a-1", "web-a-2", "web-b-1", "web-b-2", "web-c-1", "web-c-2"];
    let world = done.world.snapshot().unwrap();
    assert!(old.iter().all(|id| world.instances.get(&(*id).into()).is_none_or(|i| !i.serving())), "{:#?}", world.instances);
    done.restored();
}

#[tokio::test(start_paused = true)]
async fn one_that_is_not_replaced_ends_the_drill_and_the_others_are_spared() {
    let done = Drill::on(six().build()).file(PHOENIX).run().await.expect(Verdict::Failed);
    let spared = done.events.iter().filter(|e| matches!(&e.kind, EventKind::Acted { effect } if effect.status.spared())).count();
    let acted = done.events.iter().filter(|e| matches!(&e.kind, EventKind::Acted { effect } if effect.status == EffectStatus::Happened));
    assert_eq!((spared, acted.count()), (5, 1), "{:#?}", done.words());
    let m = measurement(&done);
    let judged = measure::judge(&experiment(&done), &m);
    let phoenix = judged.last().unwrap();
    assert_eq!((phoenix.condition.as_str(), phoenix.result), ("phoenix of web: each replaced within 10 s", JudgedResult::Broken));
    assert_eq!(phoenix.measured, "0 of 6 replaced");
    assert!(phoenix.why.as_ref().is_some_and(|why| why.contains("web 5 of 6 serve")), "{phoenix:?}");
    done.restored();
}

#[tokio::test(start_paused = true)]
async fn a_replacement_that_is_built_from_something_else_fails_the_drill() {
    let world = six().replaced_after("web", Duration::from_secs(1)).new_ones_are("web", "another image").build();
    let done = Drill::on(world).file(PHOENIX).run().await.expect(Verdict::Failed);
    let findings = measurement(&done).findings;
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].says.contains("not like their siblings: built from another image, not fake web like 6 others"), "{findings:?}");
    done.restored();
}

#[tokio::test(start_paused = true)]
async fn it_can_be_halted_between_two_instances() {
    let world = six().replaced_after("web", Duration::from_secs(3)).build();
    let done = Drill::on(world).file(PHOENIX).halted_at(&[9_000]).await.expect(Verdict::Aborted);
    let acted = done.events.iter().filter(|e| matches!(&e.kind, EventKind::Acted { effect } if effect.status.happened())).count();
    assert!((1..6).contains(&acted), "{:#?}", done.words());
    done.restored();
}

#[tokio::test(start_paused = true)]
async fn victims_may_be_drawn_when_the_step_begins_and_a_later_step_finds_the_service_whole() {
    let file = "
bind: at-step
steady-state: [{ probe: home, availability: '>= 0.01%' }]
method: [{ phoenix: { service: web, zone: a } }, { kill: { service: web, take: 3 }, hold: 2s }]
";
    let world = six().replaced_after("web", Duration::from_secs(1)).build();
    Drill::on(world).file(file).run().await.expect(Verdict::Passed).restored();
}

#[tokio::test(start_paused = true)]
async fn the_only_instance_of_a_service_is_not_taken_without_words() {
    let world = || World::builder("scope").service("web", "here", &["a"], 1).replaced_after("web", Duration::from_secs(1)).build();
    Drill::on(world()).file(PHOENIX).run().await.expect(Verdict::NotStarted).untouched();
    let allowed = format!("{PHOENIX}guardrails: {{ max-affected: {{ service: 100% }} }}");
    served(world()).file(&allowed).run().await.expect(Verdict::Passed).restored();
}

fn experiment(done: &Done) -> firedrill::model::experiment::Experiment {
    let started = |event: &firedrill::event::Event| match &event.kind {
        EventKind::RunStarted { experiment, .. } => Some((**experiment).clone()),
        _ => None,
    };
    done.events.iter().find_map(started).unwrap()
}
