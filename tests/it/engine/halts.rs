//! Stopping: in every phase, once, twice, three times, and by an abort condition.

use firedrill::{
    model::{outcome::Ended, verdict::Verdict},
    platform::fake::{Call, Trouble},
};

use crate::support::drill::{Drill, six};

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
