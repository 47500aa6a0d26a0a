//! Stopping: in every phase, once, twice, three times, and by an abort condition.

use firedrill::{
    event::EventKind,
    model::{outcome::Ended, sample::SampleOutcome, verdict::Verdict},
    platform::fake::{Call, Trouble},
};

use crate::support::{
    drill::{Done, Drill, six},
    scripted_prober::Answer,
};

const KILL_ONE: &str = "
steady-state: [{ probe: home, availability: '>= 70%' }]
method: [{ kill: web, hold: 5s }, { wait: 2s }, { pause: web, hold: 5s }]
";

#[tokio::test(start_paused = true)]
async fn a_halt_in_any_phase_stops_new_acts_and_undoes() {
    // Warm-up, baseline, hold of the first step, between the steps, hold of the second, recovery.
    for moment in [500, 3_000, 7_000, 11_000, 14_000, 19_500] {
        let done = Drill::on(six()).file(KILL_ONE).halted_at(&[moment]).await.expect(Verdict::Aborted).restored();
        assert_eq!(done.open_journals(), 0);
        let armed = done.words().iter().filter(|line| line.contains(" arm ")).count();
        assert_eq!(
            armed,
            if moment < 5_000 {
                0
            } else if moment < 12_000 {
                1
            } else {
                2
            },
            "{moment}: {:#?}",
            done.words()
        );
        if armed > 0 && moment < 17_000 {
            let last = done.words().iter().rfind(|line| line.contains("reverted")).unwrap().clone();
            let at: u64 = last.trim_start().split(' ').next().unwrap().parse().unwrap();
            assert!(at <= moment.max(10_300) + 1_000, "undone {at} ms after the start, halted at {moment}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_halt_does_not_wait_for_the_recovery() {
    let once = Drill::on(six()).file(KILL_ONE).halted_at(&[7_000]).await.expect(Verdict::Aborted).restored();
    let twice = Drill::on(six()).file(KILL_ONE).halted_at(&[7_000, 7_200]).await.expect(Verdict::Aborted).restored();
    assert!(once.at("ended") > 10_000, "{:#?}", once.words());
    assert!(twice.at("ended") < 8_000, "{:#?}", twice.words());
}

#[tokio::test(start_paused = true)]
async fn a_third_halt_leaves_and_says_what_is_left() {
    let drill = Drill::on(six()).file(KILL_ONE).trouble(|script| {
        for n in 1..100 {
            script.nth(Call::Revert, n, Trouble::Fails("not now".to_owned()));
        }
    });
    let done = drill.halted_at(&[7_000, 7_200, 8_000]).await.expect(Verdict::Residue);
    assert!(done.at("ended") < 9_000, "{:#?}", done.words());
    assert_eq!(done.outcome.residue[0].command, "firedrill recover run-1");
    assert_eq!(done.open_journals(), 1, "what is left is in the journal");
}

/// A drill with one abort condition, and what requests and guards come to from a moment on.
async fn aborted(guard: &str, bad: impl Fn(&str) -> Answer + Send + Sync + 'static) -> (Done, u64) {
    let file = format!(
        "steady-state: [{{ probe: home, availability: '>= 50%' }}]\nobjective: {{ availability: 99.9% }}\n\
         method: [{{ kill: {{ service: web, take: 3 }}, hold: 60s }}]\nguardrails: {{ abort-when: {guard} }}\n"
    );
    // Numbers are of 100 a second: 10 s after the beginning of the run, 5 s after the kill.
    let drill = Drill::on(six()).file(&file).answers(move |probe, number| match (probe, number) {
        ("home", ..1000) => Answer::ok("web-a-1"),
        // A guard is asked every second.
        (guard, ..10) if guard.starts_with("guard") => Answer::ok(""),
        (probe, _) => bad(probe),
    });
    undone(drill.run().await)
}

/// It was aborted, and when its undo was over.
fn undone(done: Done) -> (Done, u64) {
    let done = done.expect(Verdict::Aborted).restored();
    let undone = done.at("reverted 1.");
    assert!(done.at("halting") <= undone && undone - done.at("halting") < 1_000, "{:#?}", done.words());
    (done, undone)
}

/// A drill that is guarded by an alarm of its platform's, which rings at a moment.
async fn rung(moment: u64, says: &str) -> (Done, u64) {
    let file = "steady-state: [{ probe: home, availability: '>= 10%' }]\nmethod: [{ kill: { service: web, take: 3 }, hold: 60s }]\n";
    undone(Drill::on(six()).file(file).rung_at(moment, "CloudWatch", says).await)
}

fn why(done: &Done) -> String {
    let Ended::Halted { by } = &done.outcome.ended else { panic!("{:?}", done.outcome) };
    by.clone()
}

#[tokio::test(start_paused = true)]
async fn each_kind_of_guard_halts_and_undoes_within_a_second_of_its_condition() {
    let refused = |_: &str| Answer::failed(SampleOutcome::Refused);
    let slow = |probe: &str| Answer { latency_us: 900_000, ..Answer::ok(probe) };
    let only = |which: &'static str, outcome| move |probe: &str| if probe == which { Answer::failed(outcome) } else { Answer::ok(probe) };
    let command = "{ command: [well], every: 1s, for: 2s }";
    let prometheus = "{ prometheus: 'http://127.0.0.1:1', query: up, value: '< 1' }";
    // The condition and its words, and when it begins to hold, ms after the start of the run.
    let mut all = Vec::new();
    all.push((aborted("{ probe: home, availability: '< 50%', for: 2s }", refused).await, 12_500, "home availability < 50% for 2 s"));
    all.push((aborted("{ probe: home, p99: '> 500ms', for: 1s }", slow).await, 11_000, "home p99 > 500 ms for 1 s"));
    // 14.4 times 0.1 % of a minute are 864 ms in which everything fails.
    all.push((
        aborted("{ probe: home, burn-rate: '> 14.4', over: 1m }", refused).await,
        10_900,
        "home burns its error budget > 14.4 times",
    ));
    all.push((aborted(command, only("guard 1", SampleOutcome::Expectation)).await, 12_000, "`well` fails for 2 s"));
    all.push((aborted(prometheus, only("guard 1", SampleOutcome::Expectation)).await, 10_000, "prometheus `up` < 1"));
    all.push((aborted(command, only("guard 1", SampleOutcome::Refused)).await, 12_000, "no answer 3 times in a row (refused)"));
    // As `platform::aws::alarms` tells it: not in time with the engine's own looks, and in words of its own.
    let rings = "the CloudWatch alarm errors rings: Threshold Crossed";
    all.push((rung(12_345, rings).await, 12_345, rings));
    let reasons = all.len();
    for ((done, undone), holds, words) in all {
        assert!(why(&done).contains(words), "`{words}` is not in `{}`", why(&done));
        println!("{words}: undone {} ms after the condition", undone.saturating_sub(holds));
        assert!((holds..=holds + 1_000).contains(&undone), "{words}: undone at {undone}, and it held from {holds} on: {:#?}", done.words());
    }
    println!("{reasons} of {reasons} within 1 s of the condition");
}

#[tokio::test(start_paused = true)]
async fn a_guard_that_is_late_says_nothing_about_the_measurement_and_is_no_probe_of_the_report() {
    let file = "
steady-state: [{ probe: home, availability: '>= 10%' }]
method: [{ kill: web, hold: 2s }]
guardrails: { abort-when: { command: [well] } }
";
    let mut done = Drill::on(six()).file(file).run().await.expect(Verdict::Passed).restored();
    let measured = done.events.drain(..).find_map(|event| match event.kind {
        EventKind::Measured { measurement } => Some(measurement),
        _ => None,
    });
    assert_eq!(measured.expect("numbers").probes.iter().map(|probe| probe.name.as_str()).collect::<Vec<_>>(), ["home"]);
}

#[tokio::test(start_paused = true)]
async fn an_abort_condition_halts() {
    let file = "
steady-state: [{ probe: home, availability: '>= 50%' }]
method: [{ kill: { service: web, take: 3 }, hold: 60s }]
guardrails: { abort-when: { probe: home, availability: '< 70%', for: 2s } }
";
    let done = Drill::on(six()).file(file).run().await.expect(Verdict::Aborted).restored();
    assert!(matches!(&done.outcome.ended, Ended::Halted { by } if by.contains("home")), "{:?}", done.outcome);
    let (killed, undone) = (done.at("acted 1.1"), done.at("reverted 1."));
    assert!((2_000..6_000).contains(&(undone - killed)), "{:#?}", done.words());
}
