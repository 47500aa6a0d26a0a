//! The order of things: holds, groups, reverse undo, victims drawn at a step, the event stream.

use firedrill::{event::EventKind, model::verdict::Verdict, platform::fake::World};

use crate::support::drill::{Drill, six};

const HELD: &str = "steady-state: [{ probe: home, availability: '>= 20%' }]\nguardrails: { max-affected: { service: 100% } }\n";

#[tokio::test(start_paused = true)]
async fn what_has_no_hold_is_undone_in_reverse_at_the_end() {
    let file = format!("{HELD}method: [{{ kill: {{ service: web, zone: a }} }}, {{ pause: {{ service: web, zone: b }} }}, {{ wait: 4s }}]");
    let done = Drill::on(six()).file(&file).run().await.expect(Verdict::Passed).restored();
    assert!(done.at("reverted 2.1") <= done.at("reverted 1.1"));
    assert!(done.at("reverted 2.1") - done.at("acted 2.1") >= 4_000);
    let words = done.words();
    let place = |what: &str| words.iter().position(|line| line.contains(what)).unwrap();
    assert!(place("reverted 2.1") < place("reverted 1.1"), "{words:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_last_step_without_a_hold_is_watched() {
    let file = format!("{HELD}method: [{{ kill: {{ service: web, zone: a }} }}]");
    let done = Drill::on(six()).file(&file).run().await.expect(Verdict::Passed).restored();
    let lasted = done.at("reverted 1.1") - done.at("acted 1.1");
    assert!((5_000..5_500).contains(&lasted), "nobody replaces it, so it is watched for 5 s: {lasted} ms");

    let world = World::builder("scope")
        .service("web", "here", &["a", "b", "c"], 2)
        .replaced_after("web", std::time::Duration::from_secs(2))
        .build();
    let done = Drill::on(world).file(&file).run().await.expect(Verdict::Passed).restored();
    let lasted = done.at("nothing 1.1") - done.at("acted 1.1");
    assert!((2_000..2_500).contains(&lasted), "its replacement serves after 2 s: {lasted} ms");
}

#[tokio::test(start_paused = true)]
async fn what_starts_together_ends_by_its_own_hold() {
    let file = format!(
        "{HELD}method: [{{ together: [{{ kill: {{ service: web, zone: a }}, hold: 6s }}, {{ pause: {{ service: web, zone: b }}, hold: 3s }}] }}]"
    );
    let done = Drill::on(six()).file(&file).run().await.expect(Verdict::Passed).restored();
    assert_eq!(done.at("acted 1.1"), done.at("acted 1.2"));
    let (killed, paused) = (done.at("reverted 1.1") - done.at("acted 1.1"), done.at("reverted 1.2") - done.at("acted 1.2"));
    assert!((6_000..6_300).contains(&killed) && (3_000..3_300).contains(&paused), "{killed} {paused}");
}

#[tokio::test(start_paused = true)]
async fn an_outage_stops_replacement_first_and_resumes_it_last() {
    let file = format!("{HELD}method: [{{ zone-outage: b, hold: 5s }}]");
    let world = World::builder("scope")
        .service("web", "here", &["a", "b", "c"], 2)
        .replaced_after("web", std::time::Duration::from_secs(1))
        .build();
    let done = Drill::on(world).file(&file).run().await.expect(Verdict::Passed).restored();
    let words = done.words();
    let place = |what: &str| words.iter().position(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}: {words:#?}"));
    assert!(place("arm suspend-replacement") < place("arm kill web-b-1"));
    assert!(place("reverted 1.2").max(place("reverted 1.3")) < place("reverted 1.1"));
}

#[tokio::test(start_paused = true)]
async fn victims_bound_at_a_step_are_those_of_that_moment() {
    let world = World::builder("scope")
        .service("web", "here", &["a", "b", "c"], 1)
        .replaced_after("web", std::time::Duration::from_secs(1))
        .build();
    let method = "method: [{ kill: { service: web, zone: a }, hold: 5s }, { kill: { service: web, zone: a }, hold: 5s }]";
    let bound = Drill::on(world.clone()).file(&format!("{HELD}bind: at-step\n{method}")).run().await;
    let armed: Vec<_> =
        bound.events.iter().filter_map(|e| if let EventKind::Armed { act, .. } = &e.kind { Some(act) } else { None }).collect();
    assert_eq!(armed.len(), 2, "{:#?}", bound.words());
    assert_ne!(armed[0].target.instance().unwrap().id, armed[1].target.instance().unwrap().id, "the second is the replacement");
    bound.restored();
}

#[tokio::test(start_paused = true)]
async fn events_are_numbered_and_have_a_beginning_and_an_end() {
    let done = Drill::on(six()).file(&format!("{HELD}method: [{{ kill: web, hold: 2s }}]")).run().await;
    assert!(done.events.iter().zip(1..).all(|(event, number)| event.number == number));
    assert!(matches!(done.events.first().unwrap().kind, EventKind::RunStarted { .. }));
    assert!(matches!(done.events.last().unwrap().kind, EventKind::RunEnded { .. }));
    let place = |wanted: fn(&EventKind) -> bool| done.events.iter().position(|e| wanted(&e.kind)).unwrap();
    assert!(place(|k| matches!(k, EventKind::Planned { .. })) < place(|k| matches!(k, EventKind::Armed { .. })));
    assert!(place(|k| matches!(k, EventKind::Armed { .. })) < place(|k| matches!(k, EventKind::Acted { .. })));
}

#[tokio::test(start_paused = true)]
async fn the_first_phase_begins_with_the_first_request() {
    let done =
        Drill::on(six()).file("steady-state: [{ probe: home, availability: '>= 70%' }]\nmethod: [{ kill: web, hold: 5s }]\n").run().await;
    let first = done.events.iter().find(|event| matches!(event.kind, EventKind::PhaseStarted { .. })).unwrap();
    let record = firedrill::report::fold(&done.events);
    let measured = record.measurement.as_ref().unwrap();
    assert_eq!((first.at, record.origin()), (measured.origin, measured.origin));
    assert!(measured.phases[0].from_s == 0.0, "{:?}", measured.phases);
}
