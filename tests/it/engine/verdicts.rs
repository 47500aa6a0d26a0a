//! Every verdict of the table, each from a run.

use firedrill::{
    lock::{self, Holder},
    model::{outcome::Ended, sample::SampleOutcome, time::Wall, verdict::Verdict},
    platform::fake::World,
};

use crate::support::{
    drill::{Drill, six},
    scripted_prober::Answer,
};

const KILL_ONE: &str = "
steady-state: [{ probe: home, availability: '>= 70%' }]
method: [{ kill: web, hold: 5s }]
";

#[tokio::test(start_paused = true)]
async fn what_another_run_begins_meanwhile_counts_for_the_caps() {
    let file = "
steady-state: [{ probe: home, availability: '>= 30%' }]
method: [{ kill: { service: web, take: 3 }, hold: 5s }]
";
    let others = ["web-a-1", "web-a-2", "web-b-1", "web-b-2"];
    // The first question is the plan's; the second is asked when the baseline is nearly over.
    let at_work = |from, ids: &[&str]| {
        Drill::on(six()).file(file).trouble(|script| {
            script.held_from(from, ids);
        })
    };
    for from in [1, 2] {
        let done = at_work(from, &others).run().await.expect(Verdict::NotStarted).restored();
        assert!(!done.words().iter().any(|line| line.contains(" arm ")), "{:#?}", done.words());
        let Ended::NotStarted { why } = &done.outcome.ended else { panic!("{:?}", done.outcome) };
        assert!(why.contains("affected by another run's slow already"), "{why}");
    }
    at_work(3, &others).run().await.expect(Verdict::Passed).restored();
    at_work(1, &[]).run().await.expect(Verdict::Passed).restored();
}

#[tokio::test(start_paused = true)]
async fn what_holds_passes_and_is_undone() {
    let done = Drill::on(six()).file(KILL_ONE).run().await.expect(Verdict::Passed).restored();
    assert_eq!(done.open_journals(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_hold_fails_and_is_undone() {
    let strict = KILL_ONE.replace("70%", "95%");
    Drill::on(six()).file(&strict).run().await.expect(Verdict::Failed).restored();
}

#[tokio::test(start_paused = true)]
async fn a_sick_system_is_not_attacked() {
    for half in [false, true] {
        let answers =
            move |_: &str, n: u32| if half && n.is_multiple_of(2) { Answer::ok("web-a-1") } else { Answer::failed(SampleOutcome::Status) };
        let done = Drill::on(six()).file(KILL_ONE).answers(answers).run().await.expect(Verdict::NotStarted).untouched();
        assert!(matches!(&done.outcome.ended, Ended::NotStarted { why } if why.contains("baseline")), "{:?}", done.outcome);
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_baseline_is_not_steady() {
    let slow = |_: &str, _: u32| Answer { outcome: SampleOutcome::Ok, latency_us: 900_000, backend: None };
    let file = "
steady-state: [{ probe: home, p50: '<= 100ms' }]
method: [{ kill: web, hold: 5s }]
";
    Drill::on(six()).file(file).answers(slow).run().await.expect(Verdict::NotStarted).untouched();
}

#[tokio::test(start_paused = true)]
async fn without_targets_or_over_a_cap_nothing_begins() {
    let none = KILL_ONE.replace("kill: web", "kill: api");
    let done = Drill::on(six()).file(&none).run().await.expect(Verdict::NotStarted).untouched();
    assert!(matches!(&done.outcome.ended, Ended::NotStarted { why } if why.contains("nothing matches")), "{:?}", done.outcome);
    let all = KILL_ONE.replace("kill: web", "kill: { service: web, take: all }");
    let done = Drill::on(six()).file(&all).run().await.expect(Verdict::NotStarted).untouched();
    assert!(matches!(&done.outcome.ended, Ended::NotStarted { why } if why.contains("max-affected")), "{:?}", done.outcome);
}

#[tokio::test(start_paused = true)]
async fn a_held_lock_is_respected() {
    let drill = Drill::on(six()).file(KILL_ONE);
    let first = drill.run().await.expect(Verdict::Passed);
    let holder = Holder {
        scope: "scope".into(),
        claims: Vec::new(),
        pid: 1,
        pid_started: 0,
        run: "other".into(),
        purpose: "run other.yaml".to_owned(),
        since: Wall(0),
    };
    let held = lock::take_in(&first.folder.path().join("locks"), &holder).unwrap();
    let done = Drill::on(six()).file(KILL_ONE).after(first).run().await.expect(Verdict::NotStarted);
    drop(held);
    assert!(matches!(&done.outcome.ended, Ended::NotStarted { why } if why.contains("run other.yaml")), "{:?}", done.outcome);
}

#[tokio::test(start_paused = true)]
async fn a_late_prober_proves_nothing() {
    // Late already in the baseline: nothing is touched. Too few samples to tell would be the same.
    Drill::on(six()).file(KILL_ONE).late(50_000).run().await.expect(Verdict::NotStarted).untouched();
}

#[tokio::test(start_paused = true)]
async fn too_few_samples_are_no_pass() {
    let strict = KILL_ONE.replace("70%", "99.99%").replace("home, ", "home, in: [recovery], ");
    Drill::on(six()).file(&strict).answers(|_, _| Answer::ok("web-a-1")).run().await.expect(Verdict::Error).restored();
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_does_not_fit_any_more_begins_nothing() {
    let drill = Drill::on(six()).file(KILL_ONE);
    let plan = firedrill::engine::planning::plan(drill.experiment(), drill.world.as_ref(), 3).await.unwrap();
    let victim = plan.acts().find_map(|p| p.act.target.instance().map(|i| i.id.clone())).unwrap();
    drill.world.change(|world| world.reincarnate(&victim)).unwrap();
    let done = drill.plan(plan).run().await.expect(Verdict::NotStarted).untouched();
    assert!(
        matches!(&done.outcome.ended, Ended::NotStarted { why } if why.contains("no longer fits") && why.contains("replaced")),
        "{:?}",
        done.outcome
    );
}

#[tokio::test(start_paused = true)]
async fn replacements_come_by_themselves_and_then_there_is_nothing_to_undo() {
    let world = World::builder("scope")
        .service("web", "here", &["a", "b", "c"], 2)
        .replaced_after("web", std::time::Duration::from_secs(2))
        .build();
    let done = Drill::on(world).file(KILL_ONE).run().await.expect(Verdict::Passed).restored();
    assert!(done.words().iter().any(|line| line.contains("nothing 1.1")), "{:#?}", done.words());
}
